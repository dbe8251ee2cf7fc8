"""The report of ways to fill blanks: its verdict, and that every way is in it by a name for people."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "evaluation"), str(ROOT / "training")]

import imputation  # noqa: E402
import model_comparison  # noqa: E402


def fact(served: list[float], other: list[float]) -> dict[str, Any]:
    scores = {"group + indicators": served, "model": other}
    return {
        "served": "group + indicators",
        "model": model_comparison.compare(scores, "ROC-AUC", 570, 142),
        "hidden_values": {"Age": {"mean": 1.0, "group": 0.8, "model": 0.7, "forward fill": 1.3}},
        "blank": {"Age": 0.2, "Deck": 0.77},
        "order": "Ticket",
    }


def test_a_way_that_is_no_worse_is_good() -> None:
    report = imputation.describe(fact([0.87, 0.88, 0.86], [0.88, 0.87, 0.88]))
    assert report.good
    assert "“category-specific, marked”: ROC-AUC 0.870, no clear difference to" in report.verdict
    assert "“predictive model” (0.877)" in report.verdict


def test_a_way_that_is_worse_is_told() -> None:
    report = imputation.describe(fact([0.80, 0.81, 0.80], [0.90, 0.91, 0.90]))
    assert not report.good
    assert "less than the best of 2 ways" in report.verdict


def test_the_page_and_the_paper_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fact([0.87, 0.88, 0.86], [0.88, 0.87, 0.88])
    artifact = type("Artifact", (), {"metadata": {"imputers": found}})
    monkeypatch.setattr(imputation.model_artifact, "load", lambda *_: artifact)
    imputation.main(imputation.Args(output=str(tmp_path)))
    page = (tmp_path / "report.html").read_text()
    assert "Guesses of known values that were hidden" in page
    assert "in the order of Ticket" in page
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert json.loads((tmp_path / "imputation.json").read_text()) == found


def test_a_model_that_compared_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imputation.model_artifact, "load", lambda *_: type("Artifact", (), {"metadata": {}}))
    with pytest.raises(ValueError, match="compared no ways to fill blanks"):
        imputation.main(imputation.Args(model="somewhere"))
