"""The training script with minuscule settings, and the artifact as a serving container opens it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from titanic_passengers import RECORD, passengers  # noqa: E402

QUICK = ["--folds", "2", "--families", "logistic regression", "--imputers", "mean,group", "--jobs", "1"]


@pytest.fixture(scope="module")
def titanic() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_titanic", ROOT / "training" / "titanic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["training_titanic"] = module  # where a dataclass looks for its own module
    spec.loader.exec_module(module)
    module.FAMILIES["logistic regression"].grid["C"] = [0.3]
    return module


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("channels")
    for seed, name in enumerate(["train", "validation"]):
        (folder / name).mkdir()
        table = passengers(120, seed).drop(columns="PassengerId")
        table.to_csv(folder / name / f"{name}.csv", index=False)
    return [part for name in ("train", "validation") for part in (f"--{name}", str(folder / name))]


@pytest.fixture(scope="module")
def model(titanic: ModuleType, channels: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    titanic.main(titanic.parse([*channels, "--model-dir", str(folder), *QUICK]))
    return folder


@pytest.fixture(scope="module")
def facts(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "metadata.json").read_text())
    return found


def test_models_are_compared_by_nested_cross_validation(facts: dict[str, Any]) -> None:
    models = {each["name"]: each for each in facts["comparison"]["models"]}
    assert set(models) == {"logistic regression", "sex alone"}
    assert models["logistic regression"]["mean"] > 0.75
    assert facts["settings"]["model"] == "logistic regression"
    assert set(facts["settings"]) == {"model", "balance", "C"}


def test_imputers_are_compared_in_the_model_and_by_hidden_values(facts: dict[str, Any]) -> None:
    found = facts["imputers"]
    assert {each["name"] for each in found["model"]["models"]} == {
        f"{way}{more}" for way in ("mean", "group") for more in ("", " + indicators")
    }
    assert found["served"] == "group + indicators"
    assert set(found["hidden_values"]) == {"Age", "Fare", "Deck", "Embarked"}
    assert set(found["hidden_values"]["Age"]) == {"mean", "group", "forward fill", "backward fill", "interpolation"}
    assert found["blank"]["Deck"] > 0.5


def test_text_stays_text_although_all_tickets_are_numbers(facts: dict[str, Any]) -> None:
    assert facts["features"]["Ticket"] == "category"
    assert set(facts["features"]) == set(RECORD)


def test_the_artifact_serves_raw_records_where_the_training_code_is_not(model: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1] + '/code'); import inference as i;"
        "m = i.model_fn(sys.argv[1]);"
        "print(json.dumps([i.output_fn(i.predict_fn(i.input_fn(body, kind), m), 'application/json')[0]"
        " for body, kind in json.loads(sys.argv[2])]))"
    )
    unheard = {"Name": "X", "Ticket": "", "Age": None, "Fare": None, "Embarked": "Z", "Cabin": "Z9"}
    asked = [
        [json.dumps(RECORD), "application/json"],
        [
            json.dumps({**RECORD, "Sex": "female", "Name": "Doe, Mrs. Jane", "Pclass": 1, "Cabin": "C1"}),
            "application/json",
        ],
        [json.dumps({**RECORD, **unheard}), "application/json"],
        ['3,"Braund, Mr. Owen Harris",male,22,1,0,A/5 21171,7.25,,S', "text/csv"],
        [json.dumps({**RECORD, "Fare": 1e6}), "application/json"],
        [json.dumps({**RECORD, "Fare": passengers(120)["Fare"].max()}), "application/json"],
    ]
    command = [sys.executable, "-I", "-c", program, str(model), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    man, woman, unknown, as_csv, dear, dearest = (
        json.loads(each)["predictions"][0]["probability"] for each in json.loads(done.stdout)
    )
    assert man < 0.5 < woman
    assert 0 < unknown < 1
    assert as_csv == man
    assert dear == dearest


def test_the_whole_procedure_is_measured_with_any_number_of_processes_alike(
    titanic: ModuleType, channels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for jobs in ("1", "2"):
        titanic.main(titanic.parse([*channels, *QUICK, "--imputers", "mean", "--cross-validate", "2", "--jobs", jobs]))
        said.append(capsys.readouterr().out)
    assert "cv:roc_auc=0." in said[0]
    assert said[0].count("fold ") == 2
    assert said[1] == said[0]


def test_unknown_models_and_imputers_name_the_known_ones(titanic: ModuleType) -> None:
    with pytest.raises(ValueError, match="Model wish is unknown. Use logistic regression, random forest"):
        titanic.families(titanic.Args(families="wish"))
    with pytest.raises(SystemExit):
        titanic.parse(["--imputer", "wish"])
