"""The members made of trees, both by XGBoost: boosted ones, and a random forest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fraud_imbalance
import numpy as np
import xgboost
from fraud_scores import Trees

EARLY = 30  # rounds without a better average precision on validation


def boosted(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    features: list[str],
    way: str,
    parameters: dict[str, Any],
    rounds: int,
    seed: int,
) -> Trees:
    """Gradient boosting up to its best round. `way` is one of `fraud_imbalance.WAYS`."""
    matrix, answers = part(train, way, seed)
    share = float(answers.mean())
    odds = float(np.log(share / (1 - share)))
    learn = data(matrix, answers, features, fraud_imbalance.weights(answers, way))
    judge = data(*validation, features)
    given = {**parameters, "seed": seed, "eval_metric": "aucpr", "tree_method": "hist"}
    own: Callable[[np.ndarray, xgboost.DMatrix], Any] | None = None
    if way == "focal":
        given |= {"base_score": odds}  # of an objective that XGBoost doesn't know: a margin

        def own(margins: np.ndarray, known: xgboost.DMatrix) -> tuple[np.ndarray, np.ndarray]:
            return fraud_imbalance.focal(margins, known.get_label())
    else:
        given |= {"objective": "binary:logistic", "base_score": 0.5 if way == "weights" else share}
    stop = xgboost.callback.EarlyStopping(rounds=EARLY, metric_name="aucpr", data_name="validation", maximize=True)
    booster = xgboost.train(
        given,
        learn,
        num_boost_round=rounds,
        evals=[(judge, "validation")],
        obj=own,
        callbacks=[stop],
        verbose_eval=False,
    )
    return Trees(booster[: booster.best_iteration + 1])


def forest(
    train: tuple[np.ndarray, np.ndarray], features: list[str], way: str, parameters: dict[str, Any], seed: int
) -> Trees:
    """A random forest (Breiman, 2001) as one round of trees side by side. From even odds one Newton step makes of a
    leaf 4 × share − 2, so the trees' mean is linear in the mean of their leaves' shares, as a forest's answer is.
    """
    matrix, answers = part(train, way, seed)
    given = {
        "objective": "binary:logistic",
        "base_score": 0.5,
        "learning_rate": 1.0,
        "reg_lambda": 1e-6,
        "tree_method": "hist",
        "seed": seed,
        **parameters,
    }
    return Trees(
        xgboost.train(given, data(matrix, answers, features, fraud_imbalance.weights(answers, way)), num_boost_round=1)
    )


def part(train: tuple[np.ndarray, np.ndarray], way: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = fraud_imbalance.chosen(train[1], way, seed)
    return train[0][chosen], train[1][chosen]


def data(
    matrix: np.ndarray, answers: np.ndarray, features: list[str], weights: np.ndarray | None = None
) -> xgboost.DMatrix:
    return xgboost.DMatrix(matrix.astype("float32"), answers, weight=weights, feature_names=features)
