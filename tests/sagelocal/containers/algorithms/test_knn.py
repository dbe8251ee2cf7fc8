"""k-NN against scikit-learn's own neighbours."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from sagelocal.containers.algorithms import knn, recordio
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.serving import Server
from tests.sagelocal.containers.algorithms.conftest import rows, table

pytest.importorskip("faiss")
X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)
TRAIN, TEST = np.arange(150) % 3 > 0, np.arange(150) % 3 == 0
IRIS = {"feature_dim": 4, "k": 5, "predictor_type": "classifier", "sample_size": 1000}


def csv(chosen: np.ndarray) -> tuple[str, bytes]:
    return table(np.column_stack([Y, X])[chosen], 1)


def test_a_classifier_is_scikit_learns(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    job = train("knn", IRIS, train=csv(TRAIN), test=rows(X[TEST], Y[TEST]))
    library = KNeighborsClassifier(5, algorithm="brute").fit(X[TRAIN], Y[TRAIN])
    model = knn.load(str(job.model))
    np.testing.assert_array_equal(model.labels(X[TEST]), library.predict(X[TEST]))
    out = capfd.readouterr().out
    score = library.score(X[TEST], Y[TEST])
    assert f"#test_score (algo-1) : ('accuracy', {score!r})" in out
    assert f"#quality_metric: host=algo-1, test accuracy <score>={score!r}" in out


def test_a_regressor_is_scikit_learns(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    job = train("knn", {**IRIS, "predictor_type": "regressor"}, train=csv(TRAIN), test=csv(TEST))
    library = KNeighborsRegressor(5, algorithm="brute").fit(X[TRAIN], Y[TRAIN])
    np.testing.assert_allclose(knn.load(str(job.model)).labels(X[TEST]), library.predict(X[TEST]))
    assert "#test_score (algo-1) : ('mse', " in capfd.readouterr().out


@pytest.mark.parametrize("metric", ["COSINE", "INNER_PRODUCT"])
def test_other_metrics(train: Callable[..., Job], metric: str) -> None:
    job = train("knn", {**IRIS, "k": 3, "index_metric": metric}, train=csv(TRAIN))
    ((answer),) = knn.load(str(job.model)).predict(X[TEST][:1], {"verbose": "true"})
    points = X[TRAIN] / np.linalg.norm(X[TRAIN], axis=1, keepdims=True) if metric == "COSINE" else X[TRAIN]
    asked = X[TEST][0] / (np.linalg.norm(X[TEST][0]) if metric == "COSINE" else 1)
    np.testing.assert_allclose(answer["distances"], np.sort(points @ asked)[::-1][:3], rtol=1e-5)


@pytest.mark.parametrize(
    "more",
    [
        {"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": 4},
        {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": 3},  # 4 features are padded to 6
    ],
    ids=["ivf", "pq"],
)
def test_approximations_find_most(train: Callable[..., Job], more: dict[str, Any]) -> None:
    data = np.tile(np.column_stack([Y, X])[TRAIN], (3, 1))
    job = train("knn", {**IRIS, **more}, train=table(data, 1))
    assert np.mean(knn.load(str(job.model)).labels(X[TEST]) == Y[TEST]) > 0.8


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_reduced_digits_are_told_apart(train: Callable[..., Job], kind: str) -> None:
    digits, labels = load_digits(return_X_y=True)
    more = {"feature_dim": 64, "dimension_reduction_type": kind, "dimension_reduction_target": 24}
    job = train("knn", {**IRIS, **more}, train=rows(digits[:800], labels[:800]))
    model = knn.load(str(job.model))
    assert model._index.d == 24
    assert np.mean(model.labels(digits[800:1000].astype(np.float32)) == labels[800:1000]) > 0.85


def test_projections_keep_distances() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(40, 300)).astype(np.float32)
    for kind in ("sign", "fjlt"):
        values = {
            "feature_dim": 300,
            "dimension_reduction_target": 200,
            "dimension_reduction_type": kind,
            "sample_size": 100,
            "index_type": "faiss.Flat",
            "faiss_index_pq_m": None,
        }
        reduced = points @ knn._projection(values, rng)
        before = np.linalg.norm(points[:20] - points[20:], axis=1)
        after = np.linalg.norm(reduced[:20] - reduced[20:], axis=1)
        assert np.mean(after / before) == pytest.approx(1, abs=0.05)
        assert np.std(after / before) < 0.12


def test_a_sample_is_taken(train: Callable[..., Job]) -> None:
    job = train("knn", {**IRIS, "sample_size": 20}, train=csv(TRAIN))
    assert len(knn.load(str(job.model))._labels) == 20


def test_the_documented_formats(train: Callable[..., Job]) -> None:
    job = train("knn", {**IRIS, "k": 3}, train=csv(TRAIN))
    server = Server(knn.load(str(job.model)), {})
    values = X[TEST][:2].tolist()
    dense = json.dumps({"instances": [{"features": values[0]}, {"data": {"features": {"values": values[1]}}}]})
    lines = "\n".join(json.dumps({"features": each}) for each in values)
    requests = {
        "application/json": dense.encode(),
        "application/jsonlines": lines.encode(),
        "text/csv": table(X[TEST][:2])[1],
        "application/x-recordio-protobuf": recordio.write(X[TEST][:2]),
    }
    for kind, body in requests.items():
        answer = server.respond(body, {"Content-Type": kind})
        assert json.loads(answer.body) == {"predictions": [{"predicted_label": 0.0}, {"predicted_label": 0.0}]}, kind
    asked = {"Content-Type": "text/csv", "Accept": "application/json; verbose=true"}
    verbose = json.loads(server.respond(requests["text/csv"], asked).body)["predictions"][0]
    assert verbose["labels"] == [0.0, 0.0, 0.0] and verbose["distances"] == sorted(verbose["distances"])
    asked["Accept"] = "application/x-recordio-protobuf; verbose=true"
    answer = server.respond(requests["text/csv"], asked)
    record = recordio.Record.FromString(next(recordio.frames(io.BytesIO(answer.body))))
    assert set(record.label) == {"predicted_label", "distances", "labels"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"k": None}, "'k' is a required property"),
        ({"sample_size": 0}, r"'sample_size': 0 is not in \[1, \+inf\)"),
        ({"dimension_reduction_target": 2}, "together"),
        ({"dimension_reduction_target": 4, "dimension_reduction_type": "sign"}, "less than feature_dim"),
        ({"index_type": "faiss.IVFPQ", "index_metric": "COSINE"}, "not supported with index_type"),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": 5}, "is not one of 1, 2, 3"),
        ({"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": 101}, "needs 101 points"),
        ({"k": 101}, "only 100 points"),
        ({"feature_dim": 5}, "feature_dim is 5, but the records of channel train have 4"),
        ({"leaf_size": 5}, "'leaf_size' was unexpected"),
    ],
)
def test_refusals(train: Callable[..., Job], more: dict[str, Any], message: str) -> None:
    values = {name: value for name, value in {**IRIS, **more}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        train("knn", values, train=csv(TRAIN))
