"""K-means against scikit-learn's, and what it logs and serves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from sagelocal.containers.algorithms import kmeans
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.serving import Server
from tests.sagelocal.containers.algorithms.conftest import rows, table

X, Y = make_blobs(600, 3, centers=5, cluster_std=0.7, random_state=4)
X = X.astype(np.float32)
BLOBS = {"feature_dim": 3, "k": 5, "epochs": 5, "mini_batch_size": 100, "force_dense": "True"}


@pytest.mark.parametrize(
    "more",
    [{}, {"init_method": "kmeans++"}, {"extra_center_factor": 4}, {"half_life_time_size": 200}],
    ids=["random", "plusplus", "factor", "decay"],
)
def test_as_tight_as_lloyds(train: Callable[..., Job], more: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    values = {**BLOBS, **more, "eval_metrics": '["msd", "ssd"]'}
    job = train("kmeans", values, train=table(X, 0), test=rows(X[:50]))
    best = KMeans(5, n_init=10, random_state=0).fit(X).inertia_ / len(X)
    closest = kmeans._distances(X, kmeans.load(str(job.model)).centers)
    assert closest["msd"] < 1.1 * best
    out = capfd.readouterr().out
    logged = re.search(r"#quality_metric: host=algo-1, train msd <loss>=(\S+)", out)
    assert logged and float(logged[1]) == pytest.approx(closest["msd"], rel=1e-5)
    assert "test msd <loss>=" in out and "test ssd <loss>=" in out and "completed 100.0 %" in out


def test_responses(train: Callable[..., Job]) -> None:
    job = train("kmeans", BLOBS, train=table(X, 0))
    model = kmeans.load(str(job.model))
    server = Server(model, {})
    answer = server.respond(table(X[:2])[1], {"Content-Type": "text/csv"})
    first, _ = json.loads(answer.body)["predictions"]
    gaps = np.linalg.norm(model.centers - X[0], axis=1)
    assert first["closest_cluster"] == float(gaps.argmin())
    assert first["distance_to_cluster"] == pytest.approx(gaps.min(), rel=1e-5)
    lines = server.respond(table(X[:2])[1], {"Content-Type": "text/csv", "Accept": "text/csv"}).body
    assert lines.decode().splitlines()[0].startswith(f"{gaps.argmin()}.0,")
    sparse = {"instances": [{"data": {"features": {"keys": [2], "shape": [3], "values": [1.5]}}}]}
    answered = server.respond(json.dumps(sparse).encode(), {"Content-Type": "application/json"})
    expected = model.predict(np.array([[0, 0, 1.5]], dtype=np.float32), {})
    assert json.loads(answered.body)["predictions"] == expected


@pytest.mark.parametrize(
    ("kind", "accept", "body", "status"),
    [
        ("text/csv", "application/json", b"1,2\n", 400),
        ("text/csv", "application/json", b"a,b,c\n", 400),
        ("text/libsvm", "application/json", b"1 1:2", 415),
        ("text/csv", "image/png", b"1,2,3", 406),
        ("application/json", "application/json", b'{"instances": 3}', 400),
        ("text/csv", "application/json", b"", 204),
    ],
)
def test_status_codes(kind: str, accept: str, body: bytes, status: int) -> None:
    server = Server(kmeans.Model(np.zeros((2, 3), dtype=np.float32)), {})
    assert server.respond(body, {"Content-Type": kind, "Accept": accept}).status == status


@pytest.mark.parametrize(
    ("more", "channels", "message"),
    [
        ({"k": 700}, {}, "has 600 records"),
        ({"extra_center_factor": 200}, {}, "is 1000"),
        ({"eval_metrics": "msd"}, {}, "JSON list"),
        ({"local_lloyd_tol": 2}, {}, r"\[0, 1\]"),
        ({}, {"validation": table(X)}, "'validation' was unexpected"),
        ({}, {"train": ("text/csv;label_size=0", b"a,b,c\n1,2,3\n")}, "no CSV of numbers"),
        ({}, {"train": ("text/csv;label_size=0", b"1,,3\n")}, "no finite numbers"),
        ({}, {"train": table(X)}, "unless the ContentType says label_size=0"),
        ({}, {"train": ("application/x-parquet", b"")}, "is not one of application/x-recordio"),
    ],
)
def test_refusals(train: Callable[..., Job], more: dict[str, Any], channels: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train("kmeans", {**BLOBS, **more}, **{"train": table(X, 0), **channels})


def test_a_foreign_artifact(train: Callable[..., Job]) -> None:
    job = train("kmeans", BLOBS, train=table(X, 0))
    (job.model / "model_algo-1").write_bytes(b"MXNet's")
    with pytest.raises(ValueError, match="no artifact that sagelocal's algorithm wrote"):
        kmeans.load(str(job.model))
