"""PCA against scikit-learn's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

from sagelocal.containers.algorithms import pca
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.serving import Server
from tests.sagelocal.containers.algorithms.conftest import rows, table

X = load_iris().data.astype(np.float32)
IRIS = {"feature_dim": 4, "num_components": 2, "mini_batch_size": 50}


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_components_are_scikit_learns_in_ascending_order(train: Callable[..., Job], mode: str) -> None:
    job = train("pca", {**IRIS, "algorithm_mode": mode}, train=rows(X), test=table(X[:10], 0))
    model = pca.load(str(job.model))
    library = PCA(2).fit(X)
    found = np.array([each["projection"] for each in model.predict(X, {})])
    expected = library.transform(X)[:, ::-1]
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-3)
    saved = np.load(job.model / "model_algo-1")
    np.testing.assert_allclose(saved["s"], library.singular_values_[::-1], rtol=1e-4)


def test_without_subtracting_the_mean(train: Callable[..., Job]) -> None:
    job = train("pca", {**IRIS, "subtract_mean": "false"}, train=rows(X))
    model = pca.load(str(job.model))
    assert not model.mean.any()
    top = np.linalg.svd(X, full_matrices=False)[2][0]
    assert abs(model.vectors[:, -1] @ top) == pytest.approx(1, abs=1e-4)


def test_response(train: Callable[..., Job]) -> None:
    job = train("pca", IRIS, train=rows(X))
    server = Server(pca.load(str(job.model)), {})
    answer = json.loads(server.respond(table(X[:2])[1], {"Content-Type": "text/csv"}).body)
    assert [len(each["projection"]) for each in answer["projections"]] == [2, 2]
    assert server.respond(table(X[:2])[1], {"Content-Type": "text/csv", "Accept": "text/csv"}).status == 406


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"num_components": 5}, "must not be greater than feature_dim"),
        ({"mini_batch_size": 151}, "greater than the 150 records"),
        ({"algorithm_mode": "quick"}, "is not one of regular, randomized"),
        ({"subtract_mean": "maybe"}, "is not true or false"),
    ],
)
def test_refusals(train: Callable[..., Job], more: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train("pca", {**IRIS, **more}, train=rows(X))
