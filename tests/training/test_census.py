"""Reweighing on a small biased population: the groups' shares come closer, and the artifact says at what cost."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import fairness_trade_off

SCRIPT = Path(__file__).parents[2] / "training" / "census.py"
FAST = ["--num-round", "20", "--early-stopping-rounds", "5", "--eta", "0.3", "--allowed-loss", "0.1"]


def people(rows: int, seed: int) -> pd.DataFrame:
    """Men earn more with the same schooling."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"gender": random.choice(["Male", "Female"], rows, p=[0.6, 0.4])})
    table["education-num"] = random.integers(1, 16, rows)
    chance = 0.05 + 0.03 * table["education-num"] + 0.3 * (table["gender"] == "Male")
    return table.assign(loan=(random.uniform(size=rows) < chance).astype(int))


@pytest.fixture(scope="module")
def census() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_census", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models(census: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("census")
    for seed, name in enumerate(["train", "validation", "test"]):
        (folder / name).mkdir()
        people(1200, seed).to_csv(folder / name / f"{name}.csv", index=False)
    for name in ("none", "reweighing"):
        data = ["--train", str(folder / "train"), "--validation", str(folder / "validation")]
        census.main(census.parse([*data, *FAST, "--model_dir", str(folder / name), "--mitigation", name]))
    return folder


def evaluate(models: Path, output: Path, mitigated: str, *more: str) -> None:
    folders = {"model": models / "none", "mitigated": models / mitigated, "test": models / "test", "output": output}
    given = [each for name, folder in folders.items() for each in (f"--{name}", str(folder))]
    fairness_trade_off.main(fairness_trade_off.parse([*given, *more]))


def test_weights_favour_the_disadvantaged_group_s_positives(census: ModuleType) -> None:
    table = people(2000, 5)
    weights = pd.Series(census.reweighing(table, "gender", 0.2))
    mean = weights.groupby([table["gender"], table["loan"]]).mean()
    assert mean["Female", 1] > 1 > mean["Female", 0] > 0
    assert mean["Male", 1] < 1 < mean["Male", 0]
    np.testing.assert_allclose(census.reweighing(table, "gender", 0.0), 1.0)


def test_a_strength_that_would_turn_labels_round_is_refused(census: ModuleType) -> None:
    with pytest.raises(ValueError, match="gender has too few 'Female'"):
        census.reweighing(people(2000, 5), "gender", 0.9)


def test_the_strongest_mitigation_within_the_allowed_loss_is_kept(models: Path) -> None:
    found = json.loads((models / "reweighing" / "metadata.json").read_text())["trade_off"]
    points = {point["strength"]: point for point in found["points"]}
    assert found["chosen"] > 0
    least = points[0.0]["auc"] - 0.1
    gaps = {
        strength: each["demographic_parity_difference"] for strength, each in points.items() if each["auc"] >= least
    }
    assert gaps[found["chosen"]] == min(gaps.values()) < gaps[0.0] / 2


def test_a_facet_must_have_groups(census: ModuleType) -> None:
    with pytest.raises(ValueError, match="facet 'age' must be a column with several groups, one of gender"):
        census.check_facet(people(10, 0), "age")


def test_both_models_are_judged_on_the_test_split(models: Path, tmp_path: Path) -> None:
    evaluate(models, tmp_path, "reweighing")
    found = json.loads((tmp_path / "trade_off.json").read_text())["test"]
    before, after = found["without mitigation"], found["with mitigation"]
    assert (
        after["facets"]["gender"]["demographic_parity_difference"]
        < before["facets"]["gender"]["demographic_parity_difference"]
    )
    groups = before["facets"]["gender"]["groups"]
    shares = [groups[name]["selection_rate"] for name in ("Male", "Female")]
    assert before["facets"]["gender"]["demographic_parity_difference"] == pytest.approx(shares[0] - shares[1])
    page = (tmp_path / "report.html").read_text()
    assert "that cost" in page
    assert "equalized odds" in page
    assert (tmp_path / "trade_off.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("mitigated", "facets", "sentence"),
    [
        ("none", "gender", "has no trade_off in its metadata.json: it is not mitigated."),
        ("reweighing", "age", "facet age is no column of the test split: gender, education-num, loan are."),
    ],
)
def test_what_cannot_be_compared_is_named(
    models: Path, tmp_path: Path, mitigated: str, facets: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        evaluate(models, tmp_path, mitigated, "--facets", facets)
