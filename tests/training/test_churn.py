"""The training script with minuscule settings, and the artifact as a serving container opens it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import decision_threshold
import tabular_trees as trees

SCRIPT = Path(__file__).parents[2] / "training" / "churn.py"
FAST = ["--num-round", "12", "--early-stopping-rounds", "4", "--eta", "0.3", "--min-child-weight", "1"]


def customers(rows: int, seed: int) -> pd.DataFrame:
    """A split as processing writes it, fewer columns: month-to-month customers of short tenure leave."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "Contract": random.choice(["Month-to-month", "One year", "Two year"], rows),
            "SeniorCitizen": random.integers(0, 2, rows),
            "tenure": random.integers(0, 72, rows),
            "MonthlyCharges": random.uniform(20, 100, rows).round(2),
        }
    )
    table["TotalCharges"] = (table["tenure"] * table["MonthlyCharges"]).round(2)
    risk = 0.1 + 0.6 * (table["Contract"] == "Month-to-month") * (table["tenure"] < 36)
    return table.assign(Churn=(random.uniform(size=rows) < risk).astype(int))


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channels")
    for seed, name in enumerate(["train", "validation"]):
        (folder / name).mkdir()
        customers(300 - 100 * seed, seed).to_csv(folder / name / f"{name}.csv", index=False)
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--train", str(folder / "train"), *FAST, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(channels: Path) -> tuple[Path, str]:
    """The model directory and what the script said."""
    done = run(channels, "--validation", str(channels / "validation"), "--model-dir", str(channels / "model"))
    assert done.returncode == 0, done.stderr
    return channels / "model", done.stdout


@pytest.fixture(scope="module")
def churn() -> ModuleType:
    return load(SCRIPT, "training_churn")


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_each_round_and_the_served_model_match_the_documented_pattern(trained: tuple[Path, str]) -> None:
    # AWS's XGBoost image finds its metrics by `.*\[[0-9]+\].*#011validation-auc:(\S+)`, a TAB being #011 in its logs.
    *rounds, served = [line.replace("\t", "#011") for line in trained[1].splitlines() if line.startswith("[")]
    assert len(rounds) >= 2
    for split in ("train", "validation"):
        for metric in ("auc", "aucpr", "logloss"):
            assert all(re.match(rf"\[[0-9]+\].*#011{split}-{metric}:[-+0-9.eE]+(#011|$)", line) for line in rounds)
    last = float(re.findall(r"#011validation-aucpr:(\S+?)(?:#011|$)", served)[-1])
    assert last == pytest.approx(
        json.loads((trained[0] / "metadata.json").read_text())["validation"]["aucpr"], abs=1e-6
    )


def test_the_artifact_serves_where_the_training_code_is_not(trained: tuple[Path, str], tmp_path: Path) -> None:
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1] + '/code'); import inference as i;"
        "m = i.model_fn(sys.argv[1]);"
        "print(i.output_fn(i.predict_fn(i.input_fn('Two year,0,70,20.5,1435', 'text/csv'), m), 'application/json')[0])"
    )
    command = [sys.executable, "-I", "-c", program, str(trained[0])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (prediction,) = json.loads(done.stdout)["predictions"]
    assert 0 < prediction["probability"] < 0.5
    assert prediction["label"] in (0, 1)


def test_the_model_found_the_signal(trained: tuple[Path, str]) -> None:
    assert json.loads((trained[0] / "metadata.json").read_text())["validation"]["auc"] > 0.7


@pytest.mark.parametrize("imbalance", ["weights", "smote", "none"])
def test_probabilities_keep_the_population_s_share(churn: ModuleType, imbalance: str) -> None:
    train, validation = customers(600, 2), customers(300, 3)
    args = churn.parse([*FAST, "--imbalance", imbalance])
    pipeline, factor = churn.fit(train, validation, args)
    assert (factor == 1) == (imbalance == "none")
    found = trees.predict(pipeline, factor, validation.drop(columns="Churn"))
    assert found.mean() == pytest.approx(validation["Churn"].mean(), abs=0.08)


def test_smote_balances_training_rows_and_invents_no_category(churn: ModuleType) -> None:
    train = customers(300, 4)
    rows, answers = churn.oversample(train.drop(columns="Churn"), train["Churn"], seed=0)
    assert (answers == 1).sum() == (answers == 0).sum() > (train["Churn"] == 1).sum()
    assert set(rows["Contract"]) == set(train["Contract"])
    assert set(rows["SeniorCitizen"]) == {0, 1}
    pd.testing.assert_frame_equal(rows.head(300), train.drop(columns="Churn"), check_dtype=False)


def test_a_longer_tenure_never_raises_the_risk(churn: ModuleType) -> None:
    train = customers(600, 5)
    pipeline, factor = churn.fit(train, customers(200, 6), churn.parse(FAST))
    same = pd.concat([train.head(1)] * 72, ignore_index=True).assign(tenure=range(72))
    assert (np.diff(trees.predict(pipeline, factor, same.drop(columns="Churn"))) <= 1e-9).all()


def test_the_threshold_is_the_cheapest_of_all() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(size=200).round(2)  # with ties
    answers = (random.uniform(size=200) < probability).astype(int)

    def cost(threshold: float) -> float:
        chosen = probability >= threshold
        return 50 * chosen.sum() + 300 * answers[~chosen].sum()

    found = decision_threshold.cheapest(answers, probability, 50, 300)
    assert cost(found) == min(cost(threshold) for threshold in np.arange(0, 1.005, 0.005))


def test_an_offer_that_never_pays_is_made_to_nobody() -> None:
    assert decision_threshold.cheapest(np.array([0, 1]), np.array([0.2, 0.9]), 500, 300) == 1.0


def test_cross_validation_reports_and_saves_nothing(
    churn: ModuleType, channels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--train", str(channels / "train"), "--validation", str(channels / "validation")]
    churn.main(churn.parse([*folders, *FAST, "--model-dir", str(tmp_path / "m"), "--cross_validate", "3"]))
    assert re.search(r"cv:auc=0\.\d{4} cv:average_precision=0\.\d{4}", capsys.readouterr().out)
    assert not (tmp_path / "m").exists()


def test_hyperparameters_are_read_as_sagemaker_and_as_people_write_them(churn: ModuleType) -> None:
    for flags in (["--max_depth", "6", "--imbalance", '"smote"'], ["--max-depth", "6", "--imbalance", "smote"]):
        args = churn.parse(flags)
        assert (args.max_depth, args.imbalance) == (6, "smote")


def test_an_unknown_way_to_balance_is_refused(churn: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        churn.parse(["--imbalance", "magic"])
    assert "'magic' is unknown. Use weights, smote or none." in capsys.readouterr().err


def test_an_empty_channel_is_named(channels: Path, tmp_path: Path) -> None:
    done = run(channels, "--validation", str(tmp_path), "--model-dir", str(tmp_path / "model"))
    assert done.returncode == 1
    assert f"Channel {tmp_path} holds no .csv file." in done.stderr.splitlines()[-1]
    assert not (tmp_path / "model").exists()


def test_a_channel_with_one_class_is_refused(tmp_path: Path) -> None:
    customers(20, 0).assign(Churn=0).to_csv(tmp_path / "train.csv")
    with pytest.raises(ValueError, match="needs a column Churn that holds both 0 and 1"):
        trees.read(tmp_path, "Churn")
