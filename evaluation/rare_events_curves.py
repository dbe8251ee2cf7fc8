"""Would more history help, and is the model too flexible or too rigid? Boosted trees fitted anew, in the order of time.

Curves of shuffled folds would let a model learn from days after those that judge it. Here the train channel's last
days, ever more of them, are learnt from, and validation, which is later, judges; so it does other depths of the trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import rare_events_metrics as metrics

SHARES = (0.125, 0.25, 0.5, 1.0)  # of the train channel's days, the last ones
DEPTHS = (2, 4, 6, 8)
MEMBER = "boosted_trees"


def curves(
    train: tuple[np.ndarray, np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    member: Mapping[str, Any],
    most: int,
) -> dict[str, Any]:
    """As `learning_curves.draw` takes them: `learning` over records, `validation` over max_depth.

    Args:
        train: matrix (records, features), answers, and each record's day.
        validation: matrix and answers.
        member: the facts of the artifact's boosted trees: `settings` and `rounds`.
        most: records of a fit; of more the last ones.
    """
    matrix, answers, days = train
    known, settings = np.unique(days), member["settings"]
    rows, scores = list[int](), list[tuple[float, float]]()
    for share in SHARES:
        last = known[-max(1, round(share * len(known))) :]
        at = np.flatnonzero(days >= last[0])[-most:]
        if answers[at].sum() < 2 or (rows and len(at) == rows[-1]):
            continue
        rows.append(len(at))
        scores.append(fitted((matrix[at], answers[at]), validation, settings, member["rounds"]))
    at = np.flatnonzero(days >= known[-max(1, len(known) // 2) :][0])[-most:]
    depths = [
        fitted((matrix[at], answers[at]), validation, {**settings, "max_depth": depth}, member["rounds"])
        for depth in DEPTHS
    ]
    return {
        "scoring": "average_precision",
        "learning": {"rows": rows, **points(scores)},
        "validation": {
            "parameter": "max_depth",
            "values": list(DEPTHS),
            "chosen": settings["max_depth"],
            "scale": "linear",
            "rows": len(at),
            **points(depths),
        },
    }


def points(scores: list[tuple[float, float]]) -> dict[str, list[float]]:
    train, test = zip(*scores, strict=True)
    nothing = [0.0] * len(scores)
    return {"train": list(train), "train_deviation": nothing, "test": list(test), "test_deviation": nothing}


def fitted(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
    rounds: int,
) -> tuple[float, float]:
    """Average precision on what was learnt from, and on validation. The data stay as imbalanced as they are."""
    import xgboost

    given = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "nthread": 1,  # at these sizes two are little faster, and far slower where other jobs share the cores
        "colsample_bytree": settings["columns"],
        **{name: settings[name] for name in ("eta", "max_depth", "min_child_weight", "subsample", "reg_lambda")},
    }
    booster = xgboost.train(given, xgboost.DMatrix(train[0].astype("float32"), train[1]), rounds)
    found = [
        metrics.average_precision(answers, booster.inplace_predict(matrix.astype("float32")))
        for matrix, answers in (train, validation)
    ]
    return found[0], found[1]


def read_learning(found: Mapping[str, Any]) -> str:
    learning = found["learning"]
    rows, test, train = learning["rows"], learning["test"], learning["train"]
    said = (
        f"Boosted trees alone, learning from ever more of the last days before validation. From {rows[-1]:,} "
        f"transactions they score {train[-1]:.3f} on those and {test[-1]:.3f} on validation: the difference of "
        f"{train[-1] - test[-1]:.2f} is what they learnt by heart (variance) and what changed meanwhile."
    )
    if len(rows) > 1:
        said += (
            f" Twice the history, from {rows[-2]:,} to {rows[-1]:,}, changed validation by {test[-1] - test[-2]:+.3f}."
        )
    return said


def read_validation(found: Mapping[str, Any]) -> str:
    validation = found["validation"]
    values, test, train = validation["values"], validation["test"], validation["train"]
    best = int(np.argmax(test))
    return (
        f"The same over the depth of a tree, from {validation['rows']:,} transactions: best on validation at "
        f"{values[best]} ({test[best]:.3f}); this model has {validation['chosen']}. At {values[0]} "
        f"both are low, which is bias; at {values[-1]} the two are {train[-1] - test[-1]:.2f} apart, which is variance."
    )
