"""The linear learner against scikit-learn's solutions of the same problems."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression, QuantileRegressor

from sagelocal.containers import metric_definitions
from sagelocal.containers.algorithms import linear_learner, linear_metrics, linear_parameters
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.linear_solver import Loss
from sagelocal.containers.algorithms.serving import Server
from tests.sagelocal.containers.algorithms.conftest import rows, table

DIABETES = load_diabetes(return_X_y=True, scaled=False)
CANCER = load_breast_cancer(return_X_y=True)
IRIS = load_iris(return_X_y=True)
LONG = {"epochs": 400, "mini_batch_size": 100, "early_stopping_patience": 400, "wd": 0, "l1": 0, "num_models": 4}
REGRESSOR = {"feature_dim": 10, "predictor_type": "regressor"}
BINARY = {"feature_dim": 30, "predictor_type": "binary_classifier"}
MULTI = {"feature_dim": 4, "predictor_type": "multiclass_classifier", "num_classes": 3}


def channel(data: tuple[np.ndarray, np.ndarray], part: slice = slice(None)) -> tuple[str, bytes]:
    return table(np.column_stack([data[1], data[0]])[part])


def logged(out: str) -> dict[str, float]:
    """The metrics that AWS's own expressions find, last values."""
    found = {}
    for line in out.splitlines():
        for each in metric_definitions.of("linear-learner"):
            if match := re.search(each["Regex"], line):
                found[each["Name"]] = float(match[1])
    return found


def test_least_squares(train: Callable[..., Job]) -> None:
    job = train("linear-learner", {**REGRESSOR, **LONG}, train=channel(DIABETES))
    model, library = linear_learner.load(str(job.model)), LinearRegression().fit(*DIABETES)
    difference = np.abs(model.scores(DIABETES[0]) - library.predict(DIABETES[0]))
    assert difference.mean() < 0.05 * DIABETES[1].std()
    mine, best = (
        np.mean((each - DIABETES[1]) ** 2) for each in (model.scores(DIABETES[0]), library.predict(DIABETES[0]))
    )
    assert mine < 1.005 * best


@pytest.mark.parametrize(
    ("loss", "library"),
    [
        ("absolute_loss", QuantileRegressor(quantile=0.5, alpha=0)),
        ("quantile_loss", QuantileRegressor(quantile=0.8, alpha=0)),
        ("huber_loss", HuberRegressor(alpha=0, max_iter=5000)),
    ],
)
def test_other_losses_of_a_regressor(train: Callable[..., Job], loss: str, library: Any) -> None:
    job = train("linear-learner", {**REGRESSOR, **LONG, "loss": loss, "quantile": 0.8}, train=channel(DIABETES))
    found = linear_learner.load(str(job.model)).scores(DIABETES[0])
    spread = DIABETES[1].std()
    expected = library.fit((DIABETES[0] - DIABETES[0].mean(axis=0)) / DIABETES[0].std(axis=0), DIABETES[1])
    predicted = expected.predict((DIABETES[0] - DIABETES[0].mean(axis=0)) / DIABETES[0].std(axis=0))
    assert np.mean(np.abs(found - predicted)) < 0.12 * spread
    if loss == "quantile_loss":
        assert np.mean(DIABETES[1] > found) == pytest.approx(0.2, abs=0.03)


def test_logistic_regression(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    more = {**LONG, "epochs": 150, "early_stopping_patience": 150, "wd": 0.01, "num_models": 1}
    data = (CANCER[0], CANCER[1])
    job = train(
        "linear-learner",
        {**BINARY, **more},
        train=channel(data, slice(None, 400)),
        validation=channel(data, slice(400, None)),
        test=rows(CANCER[0][400:], CANCER[1][400:]),
    )
    model = linear_learner.load(str(job.model))
    scale = CANCER[0][:400].mean(axis=0), CANCER[0][:400].std(axis=0)
    scaled = (CANCER[0] - scale[0]) / scale[1]
    library = LogisticRegression(C=1 / (0.01 * 400)).fit(scaled[:400], CANCER[1][:400])
    expected = library.predict_proba(scaled[400:])[:, 1]
    assert np.mean(np.abs(model.scores(CANCER[0][400:]) - expected)) < 0.02
    found = logged(capfd.readouterr().out)
    assert found["validation:binary_classification_accuracy"] > 0.96
    assert found["test:roc_auc_score"] > 0.99
    assert {"train:objective_loss", "validation:objective_loss", "validation:objective_loss:final"} <= set(found)
    assert {"test:binary_f_beta", "test:precision", "test:recall", "train:progress", "train:throughput"} <= set(found)
    answer = Server(model, {}).respond(table(CANCER[0][:1])[1], {"Content-Type": "text/csv"})
    (prediction,) = json.loads(answer.body)["predictions"]
    assert prediction["predicted_label"] == CANCER[1][0] and 0 <= prediction["score"] <= 1


def test_softmax(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    more = {"epochs": 60, "mini_batch_size": 30, "accuracy_top_k": 2, "balance_multiclass_weights": "true"}
    job = train("linear-learner", {**MULTI, **more}, train=channel(IRIS), test=channel(IRIS))
    model = linear_learner.load(str(job.model))
    assert np.mean(model.scores(IRIS[0]).argmax(axis=1) == IRIS[1]) > 0.95
    (prediction,) = model.predict(IRIS[0][:1], {})
    assert prediction["predicted_label"] == 0 and sum(prediction["score"]) == pytest.approx(1)
    found = logged(capfd.readouterr().out)
    assert found["test:multiclass_accuracy"] > 0.95 and found["test:multiclass_top_k_accuracy"] == 1.0
    assert {"test:dcg", "test:macro_f_beta", "test:macro_precision", "test:macro_recall"} <= set(found)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_every_optimizer_learns(train: Callable[..., Job], optimizer: str) -> None:
    more = {"optimizer": optimizer, "momentum": 0.9, "mini_batch_size": 50, "loss": "hinge_loss"}
    job = train("linear-learner", {**BINARY, **more}, train=channel(CANCER))
    model = linear_learner.load(str(job.model))
    assert np.mean((model.scores(CANCER[0]) >= model.cut) == CANCER[1]) > 0.96


def test_l1_leaves_weights_out(train: Callable[..., Job]) -> None:
    job = train("linear-learner", {**REGRESSOR, **LONG, "l1": 0.3, "num_models": 1}, train=channel(DIABETES))
    weights = linear_learner.load(str(job.model)).weights
    assert 0 < np.sum(np.abs(weights) < 1e-9) < 10


def test_weights_of_positive_examples(train: Callable[..., Job]) -> None:
    more = {"mini_batch_size": 50, "num_models": 1, "binary_classifier_model_selection_criteria": "loss_function"}
    shares = []
    for weight in ("0.01", "balanced", "100"):
        job = train("linear-learner", {**BINARY, **more, "positive_example_weight_mult": weight}, train=channel(CANCER))
        shares.append(np.mean(linear_learner.load(str(job.model)).scores(CANCER[0]) >= 0.5))
    assert shares == sorted(shares) and shares[0] < shares[2]


def test_early_stopping(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    more = {"epochs": 500, "mini_batch_size": 100, "early_stopping_patience": 2, "early_stopping_tolerance": 0.05}
    train("linear-learner", {**REGRESSOR, **more}, train=channel(DIABETES))
    assert "Early stop condition met" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"binary_classifier_model_selection_criteria": "accuracy"}, 4 / 6),
        ({"binary_classifier_model_selection_criteria": "f_beta", "f_beta": 1.0}, 0.75),
        ({"binary_classifier_model_selection_criteria": "recall_at_target_precision", "target_precision": 0.9}, 1 / 3),
        ({"binary_classifier_model_selection_criteria": "precision_at_target_recall", "target_recall": 0.9}, 3 / 5),
    ],
)
def test_thresholds(more: dict[str, Any], expected: float) -> None:
    """Worked out by hand: in descending order of the scores the labels are 1 0 1 0 1 0."""
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    labels = np.array([1, 0, 1, 0, 1, 0])
    cut, reached = linear_metrics.threshold(scores, labels, more, 0.5)
    assert reached == pytest.approx(expected)
    taken = scores >= cut
    checks = {
        "accuracy": np.mean(taken == labels),
        "f_beta": 2 * (taken & (labels == 1)).sum() / (taken.sum() + labels.sum()),
        "recall_at_target_precision": (taken & (labels == 1)).sum() / 3,
        "precision_at_target_recall": (taken & (labels == 1)).sum() / max(taken.sum(), 1),
    }
    assert checks[more["binary_classifier_model_selection_criteria"]] == pytest.approx(expected)


@pytest.mark.parametrize(
    "name", [*linear_parameters.LOSSES["regressor"], *linear_parameters.LOSSES["binary_classifier"], "softmax_loss"]
)
def test_slopes_are_the_losses_derivatives(name: str) -> None:
    rng = np.random.default_rng(2)
    classes = 3 if name == "softmax_loss" else 1
    scores = rng.normal(size=(20, 2, classes))
    labels = rng.integers(0, 2, 20).astype(float)
    loss, step = Loss(name, quantile=0.3), 1e-6
    for each in range(classes):
        up, down = scores.copy(), scores.copy()
        up[:, :, each] += step
        down[:, :, each] -= step
        numeric = (loss.values(up, labels) - loss.values(down, labels)) / (2 * step)
        np.testing.assert_allclose(loss.slopes(scores, labels)[:, :, each], numeric, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "data", "message"),
    [
        ({**REGRESSOR, "loss": "logistic"}, DIABETES, "is not one of squared_loss"),
        ({**MULTI, "num_classes": 2}, IRIS, r"'num_classes': 2 is not in \[3, 1e\+06\]"),
        ({"predictor_type": "multiclass_classifier"}, IRIS, "num_classes must be given"),
        ({**BINARY, "feature_dim": 4}, IRIS, "must be 0 or 1"),
        ({**REGRESSOR, "mini_batch_size": 1000}, DIABETES, "No training data processed"),
        ({**REGRESSOR, "eta": 1}, DIABETES, "'eta' was unexpected"),
        ({"feature_dim": 10}, DIABETES, "'predictor_type' is a required property"),
        ({**REGRESSOR, "learning_rate": "fast"}, DIABETES, "'fast' is not a number or auto"),
    ],
)
def test_refusals(train: Callable[..., Job], values: dict[str, Any], data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train("linear-learner", {"mini_batch_size": 50, **values}, train=channel(data))
