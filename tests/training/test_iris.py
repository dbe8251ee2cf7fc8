"""The training script on scikit-learn's own flowers, and the artifact as a serving container opens it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score

from data import archives

SCRIPT = Path(__file__).parents[2] / "training" / "iris.py"
sys.path.insert(0, str(SCRIPT.parent))
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where a dataclass looks for its annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def iris() -> ModuleType:
    return load("training_iris", SCRIPT)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return pd.read_parquet(archives.fetch("iris"))


@pytest.fixture(scope="module")
def channel(flowers: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    flowers.to_csv(folder / "train.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def artifact(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """As a tuning job's trial runs the script, with the toolkit's spelling of a hyperparameter; and what it printed."""
    folder = tmp_path_factory.mktemp("model")
    options = ["--model", "svm", "-C", "2.5", "--max_depth", "3", "--folds", "3", "--repeats", "1"]
    command = [sys.executable, str(SCRIPT), "--train", str(channel), "--model-dir", str(folder), *options]
    return folder, subprocess.run(command, capture_output=True, text=True, check=True).stdout


def ask(folder: Path, body: Any) -> Any:
    sys.path.insert(0, str(folder / "code"))
    try:
        handler = load("inference", folder / "code" / "inference.py")
        found = handler.predict_fn(
            handler.input_fn(json.dumps(body), "application/json"), handler.model_fn(str(folder))
        )
        answer = handler.output_fn(found, "application/json")
    finally:
        sys.path.remove(str(folder / "code"))
    return json.loads(answer[0]) if isinstance(answer, tuple) else (answer.status_code, answer.json["error"])


def test_the_last_line_is_the_objective_of_tuning(artifact: tuple[Path, str]) -> None:
    folder, said = artifact
    facts = json.loads((folder / "metadata.json").read_text())
    assert said.splitlines()[-1] == f"cv:accuracy={facts['validation']['accuracy']:.6f}"
    assert facts["chosen"] == "svm" and facts["hyperparameters"]["C"] == 2.5
    assert facts["curves"]["parameter"] == "classify__estimator__C"


def test_all_four_models_are_compared_over_the_same_folds(artifact: tuple[Path, str], iris: ModuleType) -> None:
    facts = json.loads((artifact[0] / "metadata.json").read_text())
    assert {each["name"] for each in facts["comparison"]["models"]} == set(iris.MODELS)
    assert (facts["comparison"]["folds"], facts["comparison"]["train_rows"]) == (3, 100)
    rivals = joblib.load(artifact[0] / "rivals.joblib")
    assert list(rivals) == list(iris.MODELS)
    assert rivals["svm"][-1].estimator.C == 2.5 and rivals["logistic_regression"][-1].C == 1.0


def test_a_raw_record_is_answered(artifact: tuple[Path, str]) -> None:
    (found,) = ask(artifact[0], FLOWER)["predictions"]
    assert found["label"] == "setosa" and found["probability"] > 0.9
    assert found["probability"] == max(found["probabilities"].values())
    assert set(found["probabilities"]) == {"setosa", "versicolor", "virginica"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"petal_length": "long"}, "Column petal_length holds 'long' where a number is needed."),
        ({"petal_length": None}, "Blank values in petal_length. Every record needs them."),
        ({"colour": "blue"}, "Unknown columns: colour."),
    ],
)
def test_a_bad_record_is_refused(artifact: tuple[Path, str], change: dict[str, Any], said: str) -> None:
    status, error = ask(artifact[0], {**FLOWER, **change})
    assert status == 400 and said in error


def test_ten_times_larger_values_are_refused(artifact: tuple[Path, str]) -> None:
    """Millimetres in place of centimetres."""
    status, error = ask(artifact[0], {name: 10 * value for name, value in FLOWER.items()})
    assert status == 400 and "Column sepal_length holds 51, and the model knows nothing of numbers" in error


def test_the_floor_holds_on_the_real_flowers(iris: ModuleType, flowers: pd.DataFrame) -> None:
    """Five folds of all 150, at the values that the pipeline's tuning job chose (docs/iris.md)."""
    model = iris.estimator("logistic_regression", iris.Args(C=17.0))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(model, flowers.drop(columns="species"), flowers["species"], cv=folds)
    assert scores.mean() >= 0.95


@pytest.mark.parametrize("name", ["logistic_regression", "decision_tree", "knn", "svm"])
def test_the_curves_vary_a_parameter_that_the_model_has(iris: ModuleType, name: str) -> None:
    assert iris.curves(name)["parameter"] in iris.estimator(name, iris.Args()).get_params()


def test_an_unknown_model_is_named(iris: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        iris.parse(["--model", "forest"])
    assert "'forest' is unknown. Use logistic_regression, decision_tree, knn or svm." in capsys.readouterr().err
