"""The evaluation of several classes on a small artifact: metrics are scikit-learn's, and the page has all its parts."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import decision_boundaries
import estimator_artifact
import multiclass
import multiclass_metrics as metrics
import multiclass_report

PLAN = {"scoring": "accuracy", "folds": 2, "sizes": [0.5, 1.0], "parameter": "C", "values": [0.01, 1.0], "scale": "log"}
COMPARISON = {
    "metric": "accuracy", "folds": 2, "train_rows": 50, "test_rows": 50, "level": 0.95,
    "models": [
        {"name": "regression", "mean": 0.95, "deviation": 0.01, "difference": 0.0, "interval": [0.0, 0.0],
         "p_against_best": None, "p_holm": None},
        {"name": "tree", "mean": 0.9, "deviation": 0.01, "difference": -0.05, "interval": [-0.1, 0.0],
         "p_against_best": 0.05, "p_holm": 0.05},
    ],
}  # fmt: skip


def flowers() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test of the two harder measurements: some answers are wrong."""
    found = load_iris(as_frame=True)
    table = found.data.iloc[:, :2].set_axis(["sepal_length", "sepal_width"], axis=1)
    table = table.assign(species=found.target_names[found.target])
    train, test = train_test_split(table, test_size=50, stratify=table["species"], random_state=0)
    return train, test


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Inputs as a job finds them, and what the script made of them."""
    folder = tmp_path_factory.mktemp("multiclass")
    found = {name: folder / name for name in ("model", "train", "test", "output", "predictions")}
    train, test = flowers()
    rows = train.drop(columns="species")
    rivals = {"regression": LogisticRegression(), "tree": DecisionTreeClassifier(max_depth=2, random_state=0)}
    for each in rivals.values():
        each.fit(rows, train["species"])
    for name, table in (("train", train), ("test", test)):
        found[name].mkdir()
        table.to_csv(found[name] / f"{name}.csv", index=False)
    facts: dict[str, Any] = {"chosen": "regression", "comparison": COMPARISON, "curves": PLAN}
    facts["boundaries"] = [["sepal_length", "sepal_width"]]
    estimator_artifact.save(
        found["model"], rivals["regression"], rows, problem="multiclass", label="species", rivals=rivals, **facts
    )
    given = {name: str(path) for name, path in found.items()}
    multiclass.main(multiclass.Args(**given, resamples=200, shuffles=3))
    return found


@pytest.fixture(scope="module")
def evaluation(places: dict[str, Path]) -> dict[str, Any]:
    return json.loads((places["output"] / "evaluation.json").read_text())


def test_the_numbers_are_scikit_learns(evaluation: dict[str, Any]) -> None:
    train, test = flowers()
    model = LogisticRegression().fit(train.drop(columns="species"), train["species"])
    rows, answers = test.drop(columns="species"), test["species"]
    predicted, found = model.predict(rows), evaluation["multiclass_classification_metrics"]
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(answers, predicted))
    assert found["log_loss"]["value"] == pytest.approx(log_loss(answers, model.predict_proba(rows)))
    assert found["accuracy_best_constant_classifier"]["value"] == pytest.approx(17 / 50)
    for average in ("macro", "weighted"):
        expected = precision_recall_fscore_support(answers, predicted, average=average)
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert found[f"{average}_{name}"]["value"] == pytest.approx(value)
    each = precision_recall_fscore_support(answers, predicted, labels=list(evaluation["classes"]))
    for place, (name, one) in enumerate(evaluation["classes"].items()):
        assert one["records"] == (answers == name).sum()
        assert [one[part]["value"] for part in ("precision", "recall", "f1")] == pytest.approx(
            [float(values[place]) for values in each[:3]]
        )
    matrix = found["confusion_matrix"]
    assert sum(matrix[name][name] for name in matrix) == (answers == predicted).sum()


def test_intervals_hold_the_value_and_narrow_with_records(evaluation: dict[str, Any]) -> None:
    found = evaluation["multiclass_classification_metrics"]
    for name in ("accuracy", "macro_f1", "log_loss"):
        bounds = found[name]["confidence_interval"]
        assert bounds["lower"] < found[name]["value"] < bounds["upper"]
    right = np.arange(1000) % 5 > 0
    truth = np.arange(1000) % 3
    widths = []
    for rows in (100, 1000):
        predicted = np.where(right, truth, (truth + 1) % 3)[:rows]
        drawn = metrics.resample(truth[:rows], predicted, np.zeros(rows), 3, 500, 0)
        accuracy = metrics.described(metrics.overall(*drawn)["accuracy"])
        assert accuracy["standard_deviation"] == pytest.approx(np.sqrt(0.8 * 0.2 / rows), rel=0.15)
        widths.append(accuracy["confidence_interval"]["upper"] - accuracy["confidence_interval"]["lower"])
    assert widths[1] < widths[0] / 2


def test_a_class_that_is_never_predicted_has_no_precision(evaluation: dict[str, Any]) -> None:
    counts, _ = metrics.resample(np.array([0, 1, 2]), np.array([0, 0, 1]), np.zeros(3), 3, 0, 0)
    assert metrics.by_class(counts)["precision"].tolist() == [[0.5, 0.0, 0.0]]


def test_rivals_are_judged_on_the_same_records(evaluation: dict[str, Any]) -> None:
    train, test = flowers()
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(train.drop(columns="species"), train["species"])
    (rival,) = evaluation["rivals"].items()
    assert rival[0] == "tree"
    assert rival[1]["accuracy"] == pytest.approx(tree.score(test.drop(columns="species"), test["species"]))
    assert rival[1]["lead"]["records"] == 50


def test_the_page_has_all_its_parts(places: dict[str, Path]) -> None:
    page = (places["output"] / "report.html").read_text()
    titles = ["Numbers", "By species", "Confusion matrix", "Wrong answers", "Decision boundaries", "Models compared"]
    titles += ["The same models on the test split", "Learning curve", "Validation curve: C", "What the model goes by"]
    assert [title for title in titles if title not in page] == []
    assert "Model: regression." in page and re.search(r"\d+ of 50 records that the model never saw are right", page)
    assert (places["output"] / "report.pdf").read_bytes().startswith(b"%PDF")
    pictures = {path.stem for path in places["output"].glob("*.png")}
    assert {"confusion_matrix", "learning_curve", "validation_curve", "model_comparison"} < pictures
    assert {"boundary-sepal_length-sepal_width-regression", "boundary-sepal_length-sepal_width-tree"} < pictures


def test_predictions_are_what_checks_of_the_model_read(places: dict[str, Path]) -> None:
    table = pd.read_csv(places["predictions"] / "predictions.csv")
    assert list(table.columns) == ["sepal_length", "sepal_width", "species", "predicted_label", "probability"]
    assert table["probability"].between(1 / 3, 1).all() and len(table) == 50


def test_a_cut_holds_the_other_features_at_their_median() -> None:
    table = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 1.0], "c": [2.0, 4.0], "kind": ["x", "x"]})
    records = decision_boundaries.Records(table, np.array(["0", "1"]), table.head(0), np.array([]))
    seen = []

    def predict(rows: pd.DataFrame) -> np.ndarray:
        seen.append(rows)
        return np.where(rows["a"] > 0.5, "1", "0")

    across, up, found = decision_boundaries.cut(predict, records, ["a", "b"])
    assert set(seen[0]["c"]) == {3.0} and set(seen[0]["kind"]) == {"x"}
    assert found.shape == (len(up), len(across))
    assert (found[0] == np.where(across > 0.5, "1", "0")).all()
    with pytest.raises(ValueError, match="needs two of the features that are numbers"):
        decision_boundaries.cut(predict, records, ["a", "kind"])


def test_what_cannot_be_judged_is_named(places: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no .csv file"):
        multiclass.read(tmp_path, "species")
    pd.DataFrame({"sepal_length": [1.0]}).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(ValueError, match="needs a column 'species'"):
        multiclass.read(tmp_path, "species")
    flowers()[1].assign(species="sibirica").to_csv(tmp_path / "test.csv", index=False)
    given = {name: str(path) for name, path in places.items()} | {"test": str(tmp_path)}
    with pytest.raises(
        ValueError, match="has species sibirica, and the model knows setosa, versicolor, virginica only"
    ):
        multiclass.main(multiclass.Args(**given))


def test_all_right_is_no_proof_of_perfection() -> None:
    assert multiclass_report.least(30) == pytest.approx(0.905, abs=0.001)  # 0.905 ** 30 is 0.05
