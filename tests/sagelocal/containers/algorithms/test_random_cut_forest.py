"""Random cut forest: the scores' definition, worked out by hand for small trees, and anomalies found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sagelocal.containers.algorithms import random_cut_forest as rcf
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.serving import Server
from tests.sagelocal.containers.algorithms.conftest import rows, table

rng = np.random.default_rng(5)
NORMAL = rng.normal(size=(500, 2)).astype(np.float32)
ODD = rng.normal(loc=(8, -8), size=(10, 2)).astype(np.float32)
SHINGLE = {"feature_dim": 2, "num_samples_per_tree": 128, "num_trees": 50, "mini_batch_size": 1000}


def channel(*parts: np.ndarray) -> tuple[str, bytes]:
    return rows(np.concatenate(parts))


def test_a_tree_of_two_points_by_hand() -> None:
    tree = rcf.grown(np.array([[0.0], [1.0]]), np.random.default_rng(0))
    forest = rcf.Forest.joined([tree], 2)
    scores = forest.scores(np.array([[0.0], [3.0], [0.0]])) / np.log2(3)
    # Seen: depth 1, mass 1. At 3 the stretched box is separated with 2/3, and below it surely at depth 1.
    np.testing.assert_allclose(scores, [1 / 2, 2 / 3 + 1 / 3 * 1 / 2, 1 / 2])


def test_duplicates_share_a_leaf() -> None:
    tree = rcf.grown(np.array([[0.0], [0.0], [0.0], [1.0]]), np.random.default_rng(0))
    assert sorted(tree["mass"][tree["left"] < 0]) == [1, 3]
    found = rcf.Forest.joined([tree], 4).scores(np.array([[0.0]])) / np.log2(5)
    np.testing.assert_allclose(found, 1 / (1 + np.log2(4)))


def test_cuts_are_in_proportion_to_the_boxs_sides() -> None:
    generator = np.random.default_rng(1)
    points = np.array([[0.0, 0.0], [3.0, 1.0]])
    first = [rcf.grown(points, generator)["dimension"][0] for _ in range(2000)]
    assert np.mean(first) == pytest.approx(1 / 4, abs=0.03)


def test_a_walk_node_by_node_gives_the_same() -> None:
    """The definition once more, as plain recursion over one tree."""
    points = rng.normal(size=(40, 3))
    tree = rcf.grown(points, np.random.default_rng(2))

    def score(node: int, point: np.ndarray, depth: int) -> float:
        low, high = tree["low"][node], tree["high"][node]
        stretched = np.maximum(high, point) - np.minimum(low, point)
        outside = stretched.sum() - (high - low).sum()
        cut_off = outside / stretched.sum() if outside > 0 else 0.0
        if tree["left"][node] < 0:
            inner = 1 / (depth + np.log2(tree["mass"][node] + 1))
        elif point[tree["dimension"][node]] <= tree["cut"][node]:
            inner = score(tree["left"][node], point, depth + 1)
        else:
            inner = score(tree["right"][node], point, depth + 1)
        return cut_off / (depth + 1) + (1 - cut_off) * inner

    asked = np.vstack([points[:5], rng.normal(scale=3, size=(20, 3))])
    expected = [score(0, point, 0) * np.log2(41) for point in asked]
    np.testing.assert_allclose(rcf.Forest.joined([tree], 40).scores(asked), expected)


def test_anomalies_score_higher(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    labels = np.repeat([0, 1], [200, 4])
    job = train(
        "randomcutforest",
        SHINGLE,
        distribution="ShardedByS3Key",
        train=channel(NORMAL),
        test=rows(np.concatenate([NORMAL[:200], ODD[:4]]), labels),
    )
    model = rcf.load(str(job.model))
    found = [each["score"] for each in model.predict(np.concatenate([NORMAL, ODD]), {})]
    assert roc_auc_score(np.repeat([0, 1], [500, 10]), found) == 1.0
    assert 0.6 < np.mean(found[:500]) < 1.3  # what AWS's forest gives to ordinary points is about 1
    out = capfd.readouterr().out
    assert "#quality_metric: host=algo-1, test f1 <score>=1.0" in out
    answer = Server(model, {}).respond(table(ODD[:1])[1], {"Content-Type": "text/csv"})
    assert json.loads(answer.body)["scores"][0]["score"] == pytest.approx(found[500])


@pytest.mark.parametrize(
    ("more", "distribution", "message"),
    [
        ({"num_trees": 10}, "ShardedByS3Key", r"\[50, 1000\]"),
        ({"num_samples_per_tree": 4000}, "ShardedByS3Key", r"\[1, 2048\]"),
        ({"eval_metrics": '["auc"]'}, "ShardedByS3Key", "must be a list of"),
        ({}, "FullyReplicated", r"is not one of \['ShardedByS3Key'\]"),
    ],
)
def test_refusals(train: Callable[..., Job], more: dict[str, Any], distribution: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train("randomcutforest", {**SHINGLE, **more}, distribution=distribution, train=channel(NORMAL))
