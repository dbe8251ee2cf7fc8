"""AutoML's evaluation: a skill that means the same for every problem, and the leaderboard's page."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import analysis_report
import automl_leaderboard


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(automl_leaderboard.__file__).with_name("automl.py")
    spec = importlib.util.spec_from_file_location("evaluation_automl", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def facts() -> dict[str, Any]:
    tried = [
        {"family": family, "config": {"C": 0.1}, "rung": rung, "score": 0.5 + rung / 10, "state": state}
        for family in ("linear", "boosted_trees")
        for rung, state in ((1, "halved"), (3, "complete"), (2, "out of time"), (0, "ValueError: no"))
    ]
    board = [
        {"name": "blend", "score": 0.81, "chosen": True},
        {"name": "linear", "family": "linear", "score": 0.8, "weight": 0.7, "seconds": 0.1, "config": {"C": 0.12345}},
        {"name": "boosted_trees", "family": "boosted_trees", "score": 0.79, "weight": 0.3, "seconds": 1, "config": {}},
    ]
    return {"label": "bought", "problem": "binary", "metric": "auc", "leaderboard": board, "tried": tried}


def test_skill_is_0_for_a_constant_and_1_for_the_truth(script: ModuleType) -> None:
    def of_classes(accuracy: float) -> float:
        rows = {"a": {"a": 6, "b": 0}, "b": {"a": 4, "b": 0}}
        found = {"confusion_matrix": rows, "accuracy": {"value": accuracy}}
        return float(script.skill({"multiclass_classification_metrics": found}, "multiclass"))

    assert script.skill({"binary_classification_metrics": {"auc": {"value": 0.5}}}, "binary") == 0
    assert script.skill({"regression_metrics": {"r2": {"value": 0.9}}}, "regression") == 0.9
    assert [of_classes(each) for each in (0.6, 0.8, 1.0)] == pytest.approx([0.0, 0.5, 1.0])


def test_another_artifact_is_refused(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text(json.dumps({"problem": "binary"}))
    with pytest.raises(ValueError, match="has no leaderboard"):
        script.metadata(tmp_path)


def test_the_page_shows_the_winner_and_how_far_others_got(tmp_path: Path) -> None:
    report = automl_leaderboard.describe(facts(), {"automl": {"skill": {"value": 0.62}}})
    assert "the blend of 2 models" in report.verdict
    assert "8 configurations of 2 families" in report.verdict
    halving = automl_leaderboard.halving(facts()["tried"])
    assert list(halving.columns) == ["family", "tried", "rung 1", "rung 2", "rung 3", "failed"]
    assert [list(row) for row in halving.rows] == [["linear", 4, 3, 2, 1, 1], ["boosted trees", 4, 3, 2, 1, 1]]
    analysis_report.write(report, tmp_path, "leaderboard")
    page = (tmp_path / "leaderboard.html").read_text()
    assert "C 0.123" in page
    assert (tmp_path / "leaderboard.pdf").read_bytes().startswith(b"%PDF")
