"""Factorization machines: the model's formula, its gradients, and interactions that no linear model can have."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sagelocal.containers.algorithms import factorization_machines as fm
from sagelocal.containers.algorithms import recordio
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.serving import Server
from tests.sagelocal.containers.algorithms.conftest import rows, table

rng = np.random.default_rng(11)
USERS, ITEMS, FACTORS = 30, 20, 3


def ratings() -> tuple[sparse.csr_matrix, np.ndarray]:
    """Every user with every item, one-hot: a rating is the product of two hidden vectors."""
    pairs = np.array(list(itertools.product(range(USERS), range(ITEMS))))
    hidden = rng.normal(size=(USERS, FACTORS)), rng.normal(size=(ITEMS, FACTORS))
    labels = (hidden[0][pairs[:, 0]] * hidden[1][pairs[:, 1]]).sum(axis=1)
    columns = np.column_stack([pairs[:, 0], USERS + pairs[:, 1]]).ravel()
    starts = np.arange(0, len(columns) + 1, 2)
    return sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(pairs), USERS + ITEMS)), labels


X, Y = ratings()
SHUFFLED = rng.permutation(len(Y))
TRAIN, TEST = SHUFFLED[:500], SHUFFLED[500:]
VALUES = {"feature_dim": USERS + ITEMS, "num_factors": 4, "predictor_type": "regressor", "mini_batch_size": 100}
FAST = {
    "epochs": 150,
    "factors_lr": 0.05,
    "linear_lr": 0.05,
    "factors_init_sigma": 0.1,
    "factors_wd": 0,
    "linear_wd": 0,
}


def machine() -> fm.Machine:
    return fm.Machine(rng.normal(size=1), rng.normal(size=6), rng.normal(size=(6, 2)))


def test_scores_are_the_sum_over_pairs() -> None:
    model, points = machine(), rng.normal(size=(5, 6))
    expected = [
        model.bias[0]
        + point @ model.linear
        + sum(model.factors[i] @ model.factors[j] * point[i] * point[j] for i, j in itertools.combinations(range(6), 2))
        for point in points
    ]
    np.testing.assert_allclose(model.scores(sparse.csr_matrix(points)), expected)


@pytest.mark.parametrize("binary", [False, True])
def test_gradients_are_the_losss_derivatives(binary: bool) -> None:
    model, points = machine(), sparse.csr_matrix(rng.normal(size=(5, 6)))
    labels = rng.integers(0, 2, 5).astype(float)

    def loss() -> float:
        scores = model.scores(points)
        return float(np.sum(np.logaddexp(0, scores) - labels * scores if binary else (scores - labels) ** 2 / 2))

    found = fm.gradients(model, points, np.arange(6), labels, binary)
    for name, parameter in vars(model).items():
        for place in np.ndindex(parameter.shape):
            before = parameter[place]
            parameter[place] = before + 1e-6
            up = loss()
            parameter[place] = before - 1e-6
            down = loss()
            parameter[place] = before
            assert found[name][place] == pytest.approx((up - down) / 2e-6, abs=1e-4)


def test_hidden_factors_are_found(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    job = train(
        "factorization-machines", {**VALUES, **FAST}, train=rows(X[TRAIN], Y[TRAIN]), test=rows(X[TEST], Y[TEST])
    )
    model = fm.load(str(job.model))
    scores = np.array([each["score"] for each in model.predict(X[TEST], {})])
    rmse = float(np.sqrt(np.mean((scores - Y[TEST]) ** 2)))
    assert rmse < 0.25 * Y.std()
    out = capfd.readouterr().out
    assert "#test_score (algo-1) : ('rmse', " in out and "#quality_metric: host=algo-1, test rmse <loss>=" in out
    assert "epoch=149, train rmse <loss>=" in out


def test_a_classifier(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    liked = (Y > 0).astype(float)
    values = {**VALUES, **FAST, "predictor_type": "binary_classifier", "epochs": 60}
    job = train("factorization-machines", values, train=rows(X[TRAIN], liked[TRAIN]), test=rows(X[TEST], liked[TEST]))
    server = Server(fm.load(str(job.model)), {})
    request = {
        "instances": [{"data": {"features": {"keys": [0, 35], "shape": [USERS + ITEMS], "values": [1, 1]}}}],
    }
    answered = server.respond(json.dumps(request).encode(), {"Content-Type": "application/json"})
    (prediction,) = json.loads(answered.body)["predictions"]
    assert prediction["predicted_label"] == int(prediction["score"] >= 0.5)
    body = server.respond(recordio.write(X[:2]), {"Content-Type": "application/x-recordio-protobuf"}).body
    assert len(json.loads(body)["predictions"]) == 2
    assert server.respond(b"1,2", {"Content-Type": "text/csv"}).status == 415
    out = capfd.readouterr().out
    accuracy = float(out.split("test binary_classification_accuracy <score>=")[1].split()[0])
    assert accuracy > 0.85
    assert "test binary_classification_cross_entropy <loss>=" in out and "test binary_f_1.000 <score>=" in out


@pytest.mark.parametrize(
    ("more", "channel", "message"),
    [
        ({"num_factors": None}, rows(X, Y), "'num_factors' is a required property"),
        ({}, table(X.toarray()), "is not one of application/x-recordio-protobuf"),
        ({}, rows(X), "have no labels"),
        ({"bias_init_method": "constant"}, rows(X, Y), "bias_init_value must be given"),
        ({"factors_init_method": "uniform"}, rows(X, Y), "factors_init_scale must be given"),
        ({"predictor_type": "binary_classifier"}, rows(X, Y), "must be 0 or 1"),
        ({"feature_dim": 10}, rows(X, Y), "feature_dim is 10"),
    ],
)
def test_refusals(train: Callable[..., Job], more: dict[str, Any], channel: tuple[str, bytes], message: str) -> None:
    values = {name: value for name, value in {**VALUES, **more}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        train("factorization-machines", values, train=channel)
