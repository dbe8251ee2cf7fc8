"""The quality that docs/churn.md promises, on the real data (downloaded once, about 6 MB)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from data.archives import fetch

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_cross_validated_means_reach_both_floors(tmp_path: Path) -> None:
    places = [part for name in ("train", "validation", "test", "baseline", "report") for part in (f"--{name}", name)]
    prepare = [sys.executable, str(ROOT / "processing" / "churn.py"), "--raw", str(fetch("churn").parent), *places]
    subprocess.run(prepare, cwd=tmp_path, check=True)
    measure = [sys.executable, str(ROOT / "training" / "churn.py"), *places[:4], "--cross-validate", "5"]
    said = subprocess.run(measure, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    found = dict(re.findall(r"cv:(\w+)=([0-9.]+)", said))
    assert float(found["auc"]) >= 0.845
    assert float(found["average_precision"]) >= 0.655
