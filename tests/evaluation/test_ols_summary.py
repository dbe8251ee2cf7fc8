"""The least squares summary beside the libraries': what agrees is said to, and what doesn't closes the gate."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import evaluation_job
import ols_lines
import ols_summary
from linear_model import LinearModel

ROOT = Path(__file__).parents[2]


def load(folder: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", ROOT / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def houses(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    area = random.normal(1500, 400, rows).round()
    table = pd.DataFrame(
        {
            "Gr_Liv_Area": area,
            "TotRms_AbvGrd": (area / 250 + random.normal(0, 0.8, rows)).round(),
            "Bldg_Type": random.choice(["OneFam", "Duplex"], rows, p=[0.7, 0.3]),
        }
    )
    return table.assign(Sale_Price=np.exp(11 + area / 2000 + random.normal(0, 0.1, rows)).round())


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train/ and, in model/, what training makes of it."""
    folder = tmp_path_factory.mktemp("artifact")
    for seed, name in enumerate(["train", "validation"]):
        (folder / name).mkdir()
        houses(120, seed).to_csv(folder / name / f"{name}.csv", index=False)
    script = load("training", "linear_regression")
    places = {"train": folder / "train", "validation": folder / "validation", "model-dir": folder / "model"}
    arguments = [part for name, path in places.items() for part in (f"--{name}", str(path))]
    script.main(script.parse([*arguments, "--sampled-epochs", "20", "--folds", "3"]))
    return folder


def judge(artifact: Path, output: Path) -> dict[str, Any]:
    given = {"model": artifact / "model", "train": artifact / "train", "output": output}
    ols_summary.main(ols_summary.parse([part for name, path in given.items() for part in (f"--{name}", str(path))]))
    return json.loads((output / "evaluation.json").read_text())["linear_regression"]


def test_by_hand_and_by_library_agree_and_each_line_is_explained(artifact: Path, tmp_path: Path) -> None:
    found = judge(artifact, tmp_path)
    assert found["largest_difference"]["value"] < 1e-6
    compared = {(each["what"], each["library"]) for each in found["differences"]}
    assert ("weights by the normal equations", "scikit-learn") in compared
    assert ("weights by batch, Adam", "statsmodels") in compared
    assert ("weights with L1 by coordinate descent", "scikit-learn") in compared
    assert {title for title, library in compared if library == "statsmodels"} >= set(ols_lines.TITLES.values())
    page = (tmp_path / "report.html").read_text()
    assert "The cost surface and the ways down" in page
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    summary = json.loads((artifact / "model" / "metadata.json").read_text())["summary"]
    for name in (*ols_lines.WHOLE, *ols_lines.RESIDUALS):
        assert ols_lines.title(name) in page
        assert len(ols_lines.says(name, summary)) > 20


def fitted(artifact: Path) -> tuple[LinearModel, pd.DataFrame]:
    table = pd.read_csv(artifact / "train" / "train.csv")
    return LinearModel().fit(table.drop(columns="Sale_Price"), table["Sale_Price"]), table


@pytest.mark.parametrize("line", ["durbin_watson", "covariance_type", "standard_error"])
def test_a_wrong_number_is_a_difference(artifact: Path, line: str) -> None:
    facts = json.loads((artifact / "model" / "metadata.json").read_text())
    model, table = fitted(artifact)
    theirs = ols_summary.statsmodels_summary(model.design(table), model.targets(table["Sale_Price"]))
    right = {each.what: each.value for each in ols_summary.of_summary(facts["summary"], theirs)}
    assert right[ols_lines.title(line)] < 1e-6
    wrong = json.loads(json.dumps(facts["summary"]))
    if line == "standard_error":
        wrong["coefficients"][2][line] += 2e-6
    else:
        wrong[line] = "HC3" if line == "covariance_type" else wrong[line] * (1 + 2e-6)
    found = {each.what: each.value for each in ols_summary.of_summary(wrong, theirs)}
    assert found.pop(ols_lines.title(line)) > 1e-6
    assert max(found.values()) < 1e-6


def test_wrong_weights_are_a_difference_and_the_page_says_so(artifact: Path) -> None:
    facts = json.loads((artifact / "model" / "metadata.json").read_text())
    model, table = fitted(artifact)
    X, y = model.design(table), model.targets(table["Sale_Price"])
    theirs = ols_summary.statsmodels_summary(X, y)
    facts["penalties"]["weights"]["l2"][1] += 1e-5
    facts["walks"][1]["weights"][0] -= 1e-4
    found = ols_summary.of_weights(facts, X, y, model.weights_)
    wrong = {each.what: each.value for each in found if each.value > 1e-6}
    assert wrong == {
        "weights by batch, momentum": pytest.approx(1e-4, rel=1e-3),
        "weights with L2 by the normal equations": pytest.approx(1e-5, rel=1e-3),
    }
    report = ols_summary.describe(facts, theirs, found, X, y)
    assert report.good is False
    assert "differ from scikit-learn's and statsmodels', to 0.0001" in report.verdict


def test_a_table_without_the_label_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("Gr_Liv_Area\n1\n")
    with pytest.raises(ValueError, match="needs a column 'Sale_Price', and has Gr_Liv_Area"):
        evaluation_job.read(tmp_path, ["Sale_Price"])
    with pytest.raises(ValueError, match=r"holds no \.csv file"):
        evaluation_job.read(tmp_path / "nothing", ["Sale_Price"])
