"""The evaluation of a model of numbers: metrics against scikit-learn's, intervals, and the page of a real artifact."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

ROOT = Path(__file__).parents[2]
for folder in ("evaluation", "training"):
    if str(ROOT / folder) not in sys.path:
        sys.path.append(str(ROOT / folder))

import estimator_artifact  # noqa: E402
import regression  # noqa: E402
import regression_metrics  # noqa: E402
import regression_report  # noqa: E402

RANDOM = np.random.default_rng(0)
ROWS = 200


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    area, town = random.uniform(50, 300, rows), random.choice(["Ames", "Boone"], rows)
    price = 1000 * area * np.where(town == "Ames", 1.2, 1.0) * np.exp(random.normal(0, 0.1, rows))
    return pd.DataFrame({"area": area, "town": town, "price": price})


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the evaluation of an artifact leaves."""
    folder, train = tmp_path_factory.mktemp("regression"), table(seed=1)
    rows = train.drop(columns="price")
    encoder = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(rows, train["price"])
    facts = {
        "unit": "dollars",
        "groups": ["town"],
        "regressors": 3,
        "curves": {"scoring": "r2", "folds": 2, "sizes": [0.5, 1.0]},
    }
    estimator_artifact.save(folder / "model", model, rows, problem="regression", label="price", **facts)
    for name, part in (("train", train), ("test", table())):
        (folder / name).mkdir()
        part.to_csv(folder / name / f"{name}.csv", index=False)
    names = ("model", "train", "test", "output", "predictions")
    options = [text for name in names for text in (f"--{name}", str(folder / name))]
    regression.main(regression.parse([*options, "--resamples", "50", "--shuffles", "2"]))
    return folder


def test_metrics_are_those_of_scikit_learn() -> None:
    answers, predicted = RANDOM.uniform(1, 9, 60), RANDOM.uniform(1, 9, 60)
    found = regression_metrics.with_intervals(answers, predicted, 4, True, 20, 0)
    r2 = sklearn_metrics.r2_score(answers, predicted)
    expected = {
        "mse": sklearn_metrics.mean_squared_error(answers, predicted),
        "rmse": sklearn_metrics.root_mean_squared_error(answers, predicted),
        "mae": sklearn_metrics.mean_absolute_error(answers, predicted),
        "r2": r2,
        "adjusted_r2": 1 - (1 - r2) * 59 / 55,
        "rmse_log": sklearn_metrics.root_mean_squared_error(np.log(answers), np.log(predicted)),
        "r2_log": sklearn_metrics.r2_score(np.log(answers), np.log(predicted)),
    }
    assert {name: each["value"] for name, each in found.items()} == pytest.approx(expected)


def test_r2_of_large_answers_that_differ_little_keeps_its_digits() -> None:
    answers, off = RANDOM.uniform(1, 9, 60), RANDOM.normal(0, 1, 60)
    near, far = (regression_metrics.errors(answers + by, answers + by + off, np.ones((1, 60))) for by in (0, 1e9))
    assert far["r2"] == pytest.approx(near["r2"], abs=1e-4)


def test_a_resample_counts_a_record_as_often_as_it_was_drawn() -> None:
    answers, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    drawn = regression_metrics.errors(answers, predicted, np.array([[2.0, 0.0, 1.0]]))
    assert drawn["mse"] == pytest.approx(sklearn_metrics.mean_squared_error([1, 1, 4], [1.5, 1.5, 3]))
    assert drawn["r2"] == pytest.approx(sklearn_metrics.r2_score([1, 1, 4], [1.5, 1.5, 3]))


def test_adjusted_r2_is_left_out_where_features_are_as_many_as_records() -> None:
    assert "adjusted_r2" not in regression_metrics.with_intervals(np.arange(5.0), np.ones(5), 4, False, 5, 0)


def test_coverage_counts_answers_inside_with_their_sampling_error() -> None:
    answers = np.arange(100.0)
    lower, upper = answers - 1, answers + np.where(answers < 10, -0.5, 1.0)
    found = regression_metrics.coverage(answers, answers, lower, upper, 0.9)
    assert (found["coverage"], found["standard_error"]) == pytest.approx((0.9, 0.03))
    assert found["confidence_interval"]["lower"] < 0.9 < found["confidence_interval"]["upper"]
    assert [part["coverage"] for part in found["parts"]] == [0.5, 1, 1, 1, 1]


def test_the_whole_evaluation_is_written(judged: Path) -> None:
    found = json.loads((judged / "output" / "evaluation.json").read_text())
    assert found["regression_metrics"]["r2"]["value"] > 0.9
    assert list(found["feature_importance"]["permutation"]) == ["area", "town"]
    assert found["curves"]["learning"]["rows"] == [50, 100]
    assert {path.name for path in (judged / "output").glob("*.png")} >= {
        "feature_importance.png",
        "learning_curve.png",
        "predictions_and_residuals_1.png",
    }
    assert (judged / "output" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_says_how_far_off_and_for_whom(judged: Path) -> None:
    page = (judged / "output" / "report.html").read_text()
    assert "Predictions are off by" in page
    assert "By town" in page
    assert "a price on each of the 3 columns" in page


def test_predictions_carry_the_test_set_for_analyses(judged: Path) -> None:
    predictions = pd.read_csv(judged / "predictions" / "predictions.csv")
    assert list(predictions) == ["area", "town", "price", "prediction"]
    assert len(predictions) == ROWS


def test_intervals_are_reported_with_their_level_and_the_distance_to_it() -> None:
    answers = np.exp(RANDOM.normal(12, 0.4, 400))
    found = {
        "prediction": answers * 1.01,
        "lower": answers * 0.9,
        "upper": answers * np.where(answers < 1e5, 0.95, 1.1),
    }
    interval = regression_metrics.coverage(answers, found["prediction"], found["lower"], found["upper"], 0.95)
    text, *_ = regression_report.interval_sections(interval, {"interval": {"method": "By folds."}}, answers, found)
    assert f"{interval['coverage']:.1%} of the 400 true values lie inside" in text.paragraphs[0]
    assert text.paragraphs[1] == "By folds."


def test_a_group_that_is_valued_too_high_is_marked() -> None:
    rows = pd.DataFrame({"town": ["Ames"] * 20 + ["Boone"] * 20 + ["Nevada"] * 3})
    answers = np.full(43, 100.0)
    predicted = np.r_[np.tile([99.0, 101.0], 10), np.tile([119.0, 121.0], 10), [1, 1, 1]]
    section = regression_report.by_group("town", rows, answers, {"prediction": predicted})
    assert [row[0] for row in section.rows] == ["Ames", "Boone"]
    assert [row[-1].text for row in section.rows] == ["no clear difference", "too high"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"area": [1.0, 2.0]}), "needs a column 'price', and has area"),
        (pd.DataFrame({"price": ["a", "b"]}), "must hold a number in each row"),
        (pd.DataFrame({"price": [1.0, None]}), "must hold a number in each row"),
        (pd.DataFrame({"price": [1.0]}), "holds 1 records, and 2 are needed"),
    ],
)
def test_a_set_that_cannot_be_judged_is_refused(frame: pd.DataFrame, message: str, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(ValueError, match=message):
        regression.read(tmp_path, "price")


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no \.csv file"):
        regression.read(tmp_path, "price")


def test_a_logarithm_of_what_is_not_positive_is_refused() -> None:
    scored = regression.Scored(pd.DataFrame(), np.array([1.0, 2.0]), {"prediction": np.array([1.0, -2.0])})
    with pytest.raises(ValueError, match="The model's scale is log, and price or its prediction goes down to -2"):
        regression.check_scale(scored, {"scale": "log", "label": "price"})
