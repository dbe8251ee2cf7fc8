"""The script on Spark in local mode: what it finds is what it finds without. Needs the extra `spark`, and Java."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from data_drift import baseline_points, numeric_distance

SCRIPT = Path(__file__).parents[2] / "evaluation" / "data_quality.py"
pytest.importorskip("pyspark", reason="pyspark is in the extra `spark`")
if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
    pytest.skip("Spark needs Java on the PATH or in JAVA_HOME", allow_module_level=True)
pytestmark = pytest.mark.slow


def table(seed: int, rows: int = 4000) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    prices = np.where(random.random(rows) < 0.1, np.nan, random.gamma(4, 20, rows).round(2))
    ages, plans = random.integers(18, 80, rows), random.choice(["basic", "pro"], rows, p=[0.7, 0.3])
    return pd.DataFrame({"age": ages, "price": prices, "the.plan": plans, "paid": random.random(rows) < 0.5})


def write(kind: str, folder: Path, *, seed: int = 0) -> str:
    """Two files, so that there is something to merge. Returns the dataset format."""
    folder.mkdir()
    for part in range(2):
        frame, path = table(seed + part), folder / f"part-{part}.{kind}"
        if kind == "csv":
            frame.to_csv(path, index=False)
        elif kind == "parquet":
            frame.to_parquet(path, index=False)
        else:
            rooms = [{"rooms": number % 3} for number in range(len(frame))]
            frame.assign(home=rooms).to_json(path, orient="records", lines=True)
    return json.dumps({kind: {"csv": {"header": True}, "json": {"lines": True}, "parquet": {}}[kind]})


def run(*arguments: object) -> dict[str, Any]:
    keep = ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "JAVA_HOME")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={name: os.environ[name] for name in keep if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    output = Path(str(arguments[arguments.index("--output-path") + 1]))
    return {path.stem: json.loads(path.read_text()) for path in output.glob("*.json")}


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_statistics_are_those_of_one_machine(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "a folder"  # which Hadoop would not find by its URI
    options = ("--dataset-format", write(kind, source), "--dataset-source", source)
    here = run(*options, "--output-path", tmp_path / "here")
    there = run(*options, "--output-path", tmp_path / "there", "--engine", "spark")
    assert there["constraints"] == here["constraints"] | {"features": ordered(there, here["constraints"])}
    assert there["statistics"]["dataset"] == {"item_count": 8000}
    for found, expected in zip(there["statistics"]["features"], ordered(there, here["statistics"]), strict=True):
        if "string_statistics" in expected:
            assert categories(found) == categories(expected)
            continue
        numbers, known = found["numerical_statistics"], expected["numerical_statistics"]
        for name in ("mean", "sum", "std_dev", "min", "max"):
            assert numbers[name] == pytest.approx(known[name], rel=1e-12), name
        assert numbers["common"] == known["common"]
        assert numeric_distance(baseline_points(found), baseline_points(expected), "Simple") < 0.005  # type: ignore[arg-type]


def test_drift_is_found(tmp_path: Path) -> None:
    shape = write("csv", tmp_path / "data")
    baseline = ("--dataset-format", shape, "--dataset-source", tmp_path / "data", "--output-path", tmp_path / "out")
    run(*baseline, "--engine", "spark")
    moved = pd.concat([table(5), table(6)]).assign(price=lambda each: each["price"] * 1.5)
    moved.to_csv(tmp_path / "moved.csv", index=False)
    files = {part: tmp_path / "out" / f"{part}.json" for part in ("statistics", "constraints")}
    found = run(
        "--dataset-format", shape, "--dataset-source", tmp_path / "moved.csv", "--output-path", tmp_path / "found",
        "--baseline-statistics", files["statistics"], "--baseline-constraints", files["constraints"],
        "--engine", "spark",
    )  # fmt: skip
    violations = found["constraint_violations"]["violations"]
    assert [(each["feature_name"], each["constraint_check_type"]) for each in violations] == [
        ("price", "baseline_drift_check")
    ]


def ordered(there: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    """Features in Spark's order, which is the alphabet's for JSON."""
    names = [feature["name"] for feature in there["statistics"]["features"]]
    return sorted(document["features"], key=lambda feature: names.index(feature["name"]))


def categories(feature: dict[str, Any]) -> Any:
    body = feature["string_statistics"]
    buckets = sorted((each["value"], each["count"]) for each in body["distribution"]["categorical"]["buckets"])
    return feature["inferred_type"], body["common"], body["distinct_count"], buckets
