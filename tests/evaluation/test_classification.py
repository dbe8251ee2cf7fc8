"""The evaluation script as a job runs it, on an artifact whose handler is a formula: nothing of training/ is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

SCRIPT = Path(__file__).parents[2] / "evaluation" / "classification.py"
sys.path.insert(0, str(SCRIPT.parent))

import classification  # noqa: E402

QUICK = ("--resamples", "50", "--shuffles", "2")
HANDLER = """
import io
import json

import numpy as np
import pandas as pd

import classification_slope as beside  # what lies in code/ is importable


def model_fn(folder):
    with open(folder + "/metadata.json") as file:
        return json.load(file)


def input_fn(body, content_type):
    return pd.DataFrame(json.loads(body))


def table_of(data, model):
    return data[["tenure"]]


def predict_fn(data, model):
    probability = 1 / (1 + np.exp(beside.SLOPE * (30 - data["tenure"].astype(float))))
    return pd.DataFrame({"probability": probability, "label": (probability >= model["threshold"]).astype(int)})
"""
EXPLAIN = """

def explain_fn(data, model):
    return pd.DataFrame({"tenure": 0.1 * (data["tenure"] - 30.0), "plan": 0.0})
"""


def split(rows: int, seed: int) -> pd.DataFrame:
    """The probability depends on tenure as the handler says, on plan not at all."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"tenure": random.integers(0, 60, rows), "plan": random.choice(["a", "b"], rows)})
    risk = 1 / (1 + np.exp(0.1 * (30 - table["tenure"])))
    return table.assign(left=(random.uniform(size=rows) < risk).astype(int))


def prepare(folder: Path, handler: str = HANDLER + EXPLAIN, **metadata: object) -> list[str]:
    """Inputs as a job finds them; returns the script's arguments."""
    (folder / "unpacked" / "code").mkdir(parents=True)
    (folder / "unpacked" / "code" / "inference.py").write_text(handler)
    (folder / "unpacked" / "code" / "classification_slope.py").write_text("SLOPE = 0.1\n")
    facts = {"label": "left", "threshold": 0.5, "costs": {"action": 10.0, "miss": 40.0}, **metadata}
    (folder / "unpacked" / "metadata.json").write_text(json.dumps(facts))
    (folder / "model").mkdir()
    with tarfile.open(folder / "model" / "model.tar.gz", "w:gz") as bundle:
        bundle.add(folder / "unpacked", arcname=".")
    for seed, name in enumerate(["validation", "test"]):
        (folder / name).mkdir()
        split(300, seed).to_csv(folder / name / f"{name}.csv", index=False)
    names = ("model", "validation", "test", "output", "predictions")
    return [part for name in names for part in (f"--{name}", str(folder / name))]


def run(arguments: list[str], *more: str) -> None:
    """As a job does, in this process."""
    classification.main(classification.parse([*arguments, *QUICK, *more]))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    command = [sys.executable, str(SCRIPT), *prepare(folder), *QUICK]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"test:average_precision=0\.\d+", done.stdout)
    return folder / "output"


def read(output: Path) -> dict:
    return json.loads((output / "evaluation.json").read_text())


def test_the_numbers_have_the_shape_of_model_metrics(output: Path) -> None:
    found = read(output)["binary_classification_metrics"]
    for name in ("accuracy", "precision", "recall", "f1", "auc", "average_precision", "log_loss", "brier"):
        assert set(found[name]) == {"value", "standard_deviation", "confidence_interval"}
        bounds = found[name]["confidence_interval"]
        assert bounds["lower"] <= found[name]["value"] <= bounds["upper"]
    assert sum(sum(row.values()) for row in found["confusion_matrix"].values()) == 300
    roc = found["receiver_operating_characteristic_curve"]
    assert (roc["false_positive_rates"][0], roc["true_positive_rates"][-1]) == (0, 1)
    assert len(roc["false_positive_rates"]) == len(roc["true_positive_rates"])
    curve = found["precision_recall_curve"]
    assert len(curve["precisions"]) == len(curve["recalls"])


def test_predictions_are_the_test_set_with_the_models_answers(output: Path) -> None:
    table = pd.read_csv(output.parent / "predictions" / "predictions.csv")
    assert list(table.columns) == ["tenure", "plan", "left", "predicted_label", "probability"]
    assert table[["tenure", "plan", "left"]].equals(split(300, 1))
    assert (table["predicted_label"] == (table["probability"] >= 0.5)).all()


def test_a_true_probability_scores_as_one(output: Path) -> None:
    found = read(output)["binary_classification_metrics"]
    assert found["auc"]["value"] > 0.75
    assert found["brier"]["value"] < 0.21


def test_the_threshold_follows_from_the_stated_costs(output: Path) -> None:
    chosen = read(output)["threshold"]
    assert (chosen["action_cost"], chosen["miss_cost"]) == (10, 40)
    # With true probabilities acting pays from 10 / 40 on (Elkan 2001); the sample's own optimum lies near.
    assert chosen["value"] == pytest.approx(0.25, abs=0.15)
    assert chosen["mean_cost"] < min(chosen["mean_cost_acting_on_nobody"], chosen["mean_cost_acting_on_everybody"])


def test_importance_finds_the_feature_that_matters(output: Path) -> None:
    importance = read(output)["feature_importance"]
    assert importance["permutation"]["tenure"] > 0.1
    assert importance["permutation"]["plan"] == 0
    assert list(importance["mean_absolute_shap"]) == ["tenure", "plan"]


def test_the_page_stands_alone(output: Path) -> None:
    page = (output / "report.html").read_text()
    pictures = sorted(path.stem for path in output.glob("*.png"))
    assert len(pictures) == 8
    assert page.count("<svg") == 8
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    found = read(output)
    assert f"{found['binary_classification_metrics']['auc']['value']:.4f}" in page
    assert f"{found['threshold']['value']:.4f}" in page and f"{found['threshold']['mean_cost']:.2f}" in page
    assert "on nobody" in page and "on everybody" in page and "No SHAP summary" not in page
    assert (output / "report.pdf").read_bytes().startswith(b"%PDF")
    for path in output.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_costs_can_be_given_and_shap_may_be_absent(tmp_path: Path) -> None:
    run(prepare(tmp_path, handler=HANDLER), "--action-cost", "1", "--miss-cost", "2")
    found = read(tmp_path / "output")
    assert (found["threshold"]["action_cost"], found["threshold"]["miss_cost"]) == (1, 2)
    assert found["threshold"]["value"] == pytest.approx(0.5, abs=0.2)
    assert found["feature_importance"]["mean_absolute_shap"] == {}
    assert not (tmp_path / "output" / "shap_summary.png").exists()
    assert "No SHAP summary" in (tmp_path / "output" / "report.html").read_text()


SPOILT = {
    "no-model": (lambda folder: (folder / "model" / "model.tar.gz").unlink(), "lacks code/inference.py"),
    "no-records": (lambda folder: (folder / "test" / "test.csv").unlink(), "holds no .csv file"),
    "no-label": (
        lambda folder: split(9, 0).drop(columns="left").to_csv(folder / "test" / "test.csv", index=False),
        "needs a column 'left' that holds both 0 and 1",
    ),
    "one-class": (
        lambda folder: split(9, 0).assign(left=1).to_csv(folder / "test" / "test.csv", index=False),
        "needs a column 'left' that holds both 0 and 1",
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_cannot_be_judged_is_named(spoilt: str, tmp_path: Path) -> None:
    spoil, sentence = SPOILT[spoilt]
    arguments = prepare(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        run(arguments)
    assert not (tmp_path / "output").exists()


def test_curves_and_comparisons_are_on_the_page(tmp_path: Path) -> None:
    """What the artifact's facts ask for: its estimator is fitted anew, its rivals are judged on test."""
    models: list[dict[str, Any]] = [
        {"name": name, "mean": mean, "difference": mean - 0.8, "p_against_best": p, "p_holm": p}
        for name, mean, p in (("trees", 0.8, None), ("regression", 0.7, 0.01))
    ]
    models = [{**each, "deviation": 0.01, "interval": [-0.1, 0.1]} for each in models]
    comparison = {"metric": "roc_auc", "folds": 5, "train_rows": 80, "test_rows": 20, "level": 0.95, "models": models}
    plan = {"scoring": "roc_auc", "folds": 2, "sizes": [0.5, 1.0], "parameter": "max_depth", "values": [1, 4]}
    facts: dict[str, Any] = {"features": {"tenure": "number"}, "curves": plan, "comparison": comparison}
    facts["chosen"] = "trees"
    arguments = prepare(tmp_path, **facts)
    learnt = split(300, 2)
    (tmp_path / "train").mkdir()
    learnt.to_csv(tmp_path / "train" / "train.csv", index=False)
    estimator = DecisionTreeClassifier(max_depth=4).fit(learnt[["tenure"]], learnt["left"])
    joblib.dump(estimator, tmp_path / "unpacked" / "model.joblib")
    blind = DummyClassifier().fit(learnt[["tenure"]], learnt["left"])
    joblib.dump({"trees": estimator, "blind": blind}, tmp_path / "unpacked" / "rivals.joblib")
    with tarfile.open(tmp_path / "model" / "model.tar.gz", "w:gz") as bundle:
        for each in (tmp_path / "unpacked").iterdir():
            bundle.add(each, each.name)
    run([*arguments, "--train", str(tmp_path / "train")])
    found = json.loads((tmp_path / "output" / "evaluation.json").read_text())
    assert found["curves"]["learning"]["rows"] == [75, 150]
    assert found["curves"]["validation"]["train"][1] > found["curves"]["validation"]["train"][0]
    assert found["models"] == comparison
    auc = found["binary_classification_metrics"]["auc"]["value"]
    (rival,) = found["rivals"]["models"].values()
    assert rival["ROC-AUC"] == 0.5
    assert rival["lead"]["difference"] == pytest.approx(auc - 0.5)
    page = (tmp_path / "output" / "report.html").read_text()
    assert "The same models on the test split" in page
    assert "Models compared" in page and "corrected resampled t-test" in page and "variance, what it" in page
    assert {"learning_curve", "validation_curve", "model_comparison"} <= {
        path.stem for path in (tmp_path / "output").glob("*.png")
    }
