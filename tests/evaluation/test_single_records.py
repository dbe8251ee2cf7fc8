"""SHAP and LIME of single records: they find what the model goes by, and SHAP's values add up."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "evaluation"), str(ROOT / "training")]

import estimator_artifact  # noqa: E402
import single_records  # noqa: E402


def customers(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """The plan decides and the months do; what is paid is noise, and sometimes blank."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"plan": random.choice(["a", "b"], rows), "months": random.integers(0, 60, rows)})
    table["paid"] = np.where(random.random(rows) < 0.2, np.nan, random.random(rows).round(3))
    chance = 1 / (1 + np.exp(-(4.0 * (table["plan"] == "b") - 0.1 * (table["months"] - 10))))
    return table.assign(left=(random.random(rows) < chance).astype(int))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run: model, train, test and output."""
    folder, table = tmp_path_factory.mktemp("explained"), customers()
    encode = ColumnTransformer([("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"])], remainder="drop")
    encode.set_params(transformers=[*encode.transformers, ("months", "passthrough", ["months"])])
    estimator = Pipeline([("encode", encode), ("classify", LogisticRegression(max_iter=1000))])
    rows = table.drop(columns="left")
    estimator.fit(rows, table["left"])
    estimator_artifact.save(
        folder / "model", estimator, rows, problem="binary", label="left", blank=["paid"], threshold=0.5
    )
    test = customers(30, seed=1).astype({"plan": object})
    test.loc[3, "plan"] = "new"
    for name, part in (("train", table), ("test", test)):
        (folder / name).mkdir()
        part.to_csv(folder / name / f"{name}.csv", index=False)
    names = {name: str(folder / name) for name in ("model", "train", "test", "output")}
    single_records.main(single_records.Args(**names, background=20, samples=300))
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    explained: list[dict[str, Any]] = json.loads((folder / "output" / "explanations.json").read_text())
    return explained


def test_records_that_teach_are_chosen() -> None:
    probability = np.array([0.9, 0.1, 0.52, 0.8, 0.3])
    chosen = single_records.choose(probability, np.array([1, 0, 1, 0, 1]), 0.5)
    assert chosen == {
        0: "surest of a 1",
        1: "surest of a 0",
        2: "nearest to the threshold",
        4: "worst miss: a 1 taken for a 0",
        3: "worst false alarm: a 0 taken for a 1",
    }


def test_no_mistakes_are_made_up() -> None:
    assert len(single_records.choose(np.array([0.9, 0.1]), np.array([1, 0]), 0.5)) == 2


def test_shap_adds_up_to_the_answer(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["average"] + sum(each["shap"].values()) == pytest.approx(each["probability"], abs=1e-6)


def test_what_the_model_ignores_moves_nothing(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["shap"]["paid"] == pytest.approx(0, abs=1e-9)
        assert abs(each["lime"]["paid"]) < 0.1


def test_both_methods_agree_about_the_surest(found: list[dict[str, Any]]) -> None:
    surest = found[0]
    assert surest["values"]["plan"] == "b"
    assert surest["shap"]["plan"] > 0.1
    assert surest["lime"]["plan"] > 0.1
    assert surest["fit"] > 0.3


def test_the_page_shows_each_record(folder: Path, found: list[dict[str, Any]]) -> None:
    page = (folder / "output" / "report.html").read_text()
    assert all(each["why"][1:] in page for each in found)
    assert "plan = b" in page
    assert (folder / "output" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_category_that_training_never_saw_is_explained_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    stranger = pd.DataFrame({"plan": ["new", "b"], "months": [5, 50], "paid": [None, 0.5], "left": [1, 0]})
    stranger.to_csv(tmp_path / "test" / "test.csv", index=False)
    single_records.main(
        single_records.Args(
            model=str(folder / "model"),
            train=str(folder / "train"),
            test=str(tmp_path / "test"),
            output=str(tmp_path / "output"),
            background=5,
            samples=100,
        )
    )
    assert "plan = new" in (tmp_path / "output" / "report.html").read_text()


def test_a_split_without_a_column_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    customers(5).drop(columns="paid").to_csv(tmp_path / "test.csv", index=False)
    names = {"model": str(folder / "model"), "train": str(folder / "train"), "test": str(tmp_path)}
    with pytest.raises(ValueError, match="needs a column 'paid', and has plan, months"):
        single_records.main(single_records.Args(**names, output=str(tmp_path / "output")))
