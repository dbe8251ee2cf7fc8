"""Bias and variance of a model, by curves of its score: over the number of records to learn from, and over a parameter.

The model is fitted anew, by its own settings, to parts of its training records, and judged by cross-validation inside
them; what it was fitted to itself is no part of the picture. An artifact plans its curves by the fact `curves`:

    {"scoring": "roc_auc", "folds": 5, "parameter": "classify__C", "values": [0.01, 0.1, 1, 10], "scale": "log"}

`scoring` is a scorer of scikit-learn's. Without a `parameter` there is only the learning curve. `called` (the
parameter in words), `sizes` (shares of the records to learn from, the last 1) and `most` may be there too: of more
training records so many are drawn at random.

Refits of a model that takes long to fit are fewer: where all of them would take more than a minute of a core
(`BUDGET`), there are three folds, three sizes, and of the parameter's values the first, the model's own and the last.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import report_pictures
from analysis_report import Picture, Section
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold, StratifiedKFold, learning_curve, validation_curve
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (0.1, 0.25, 0.5, 0.75, 1.0)
SEED = 0
BUDGET = 60.0  # seconds of CPU
COSTLY_FOLDS, COSTLY_SIZES = 3, (0.25, 0.5, 1.0)
TRAIN, JUDGED = "on what it learnt from", "on records it had not seen"
Points = dict[str, list[float]]  # at a place each: mean and deviation over the folds, of train and of test


def curves(estimator: Any, train: pd.DataFrame, label: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """`learning` and, with a parameter, `validation`: what was measured, as `sections` and `figures` take it.

    Args:
        estimator: fitted, over the columns of `train` without the label; it stays as it is.
        train: the training records.
        label: their column with the answers.
        plan: the artifact's fact `curves`.

    Raises:
        ValueError: the plan names a parameter that the estimator doesn't have, or a fit fails.
    """
    if (most := plan.get("most", len(train))) < len(train):
        train = train.sample(most, random_state=SEED)
    rows, answers = train.drop(columns=label), train[label]
    again, scoring, name = refittable(estimator), plan["scoring"], plan.get("parameter")
    if name and name not in again.get_params():
        raise ValueError(f"The curves' parameter {name!r} is none of the model's: {', '.join(again.get_params())}.")
    plan, costly = affordable(again, rows, answers, plan)
    folds = splitter(answers, scoring, plan.get("folds", 5))
    judged = {"scoring": scoring, "cv": folds}
    # Threads only where they pay; fits that take long spend their time outside of Python.
    with joblib.parallel_config("threading", n_jobs=-1 if costly else 1):
        learning = learn(again, rows, answers, plan.get("sizes", SIZES), judged)
        values = list(plan.get("values", []))
        options = {"param_name": name, "param_range": values, "error_score": "raise", **judged}
        tried = validation_curve(again, rows, answers, **options) if name else ()
    measured: dict[str, Any] = {"scoring": scoring, "folds": folds.get_n_splits(), "costly": costly}
    measured["learning"] = learning
    if tried:
        measured["validation"] = {
            "parameter": name,
            "called": plan.get("called", short(str(name))),
            "values": values,
            "scale": plan.get("scale", "linear"),
            "chosen": plain(again.get_params()[name]),
            **points(*tried),
        }
    return measured


def affordable(
    estimator: Any, rows: pd.DataFrame, answers: pd.Series, plan: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    """The plan, or a smaller one and True where a fit to all records, which is timed, is too long for so many."""
    sizes, values = plan.get("sizes", SIZES), list(plan.get("values", []))
    start = time.process_time()
    clone(estimator).fit(rows, answers)
    once = time.process_time() - start
    if once * plan.get("folds", 5) * (sum(sizes) + len(values)) <= BUDGET:
        return plan, False
    own = estimator.get_params().get(plan.get("parameter", ""))
    middle = own if own in values else values[len(values) // 2] if values else None
    fewer = [each for at, each in enumerate(values) if at in (0, len(values) - 1) or each == middle]
    return {**plan, "folds": min(plan.get("folds", 5), COSTLY_FOLDS), "sizes": COSTLY_SIZES, "values": fewer}, True


def learn(
    estimator: Any, rows: pd.DataFrame, answers: pd.Series, shares: Sequence[float], judged: Mapping[str, Any]
) -> dict[str, list[float]]:
    """The learning curve without places where records were too few to learn from, as for seven neighbours of five.

    Raises what a fit to all records raises.
    """

    def fitted(shares: Sequence[float], error: Any) -> Any:
        places = np.asarray(shares, dtype=float)
        options = {"train_sizes": places, "shuffle": True, "random_state": SEED, "error_score": error}
        return learning_curve(estimator, rows, answers, **options, **judged)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each fit that failed
        sizes, train, test = fitted(shares, np.nan)
    there = ~np.isnan(test).any(axis=1)
    if not there[-1]:
        fitted(shares[-1:], "raise")
    return {"rows": sizes[there].tolist(), **points(train[there], test[there])}


def splitter(answers: pd.Series, scoring: str, folds: int) -> KFold | StratifiedKFold:
    """Folds with classes in proportion where the answers are classes, never more than the smallest class has records.

    Answers are no classes when they are floating-point numbers, or judged as a regression's.
    """
    regression = pd.api.types.is_float_dtype(answers) or scoring in ("r2", "explained_variance") or "error" in scoring
    if regression:
        return KFold(folds, shuffle=True, random_state=SEED)
    return StratifiedKFold(min(folds, int(answers.value_counts().min())), shuffle=True, random_state=SEED)


def refittable(estimator: Any) -> Any:
    """An unfitted clone that learns the same way from fewer records and without a validation set.

    Early stopping becomes the number of rounds that it chose. Encoders keep the categories that they know, so that
    constraints which go by a column's place still meet that column.
    """
    again = clone(estimator)
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    if getattr(last, "early_stopping_rounds", None):
        fixed = {"n_estimators": last.best_iteration + 1, "early_stopping_rounds": None}
        again.set_params(**{prefix + name: value for name, value in fixed.items()})
    if getattr(last, "monotone_constraints", None):  # one for each encoded column, also where all are 0
        again.set_params(**{f"{path}__categories": each.categories_ for path, each in encoders(estimator)})
    return again


def encoders(estimator: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Fitted encoders of categories, by the path that `set_params` knows them by."""
    if isinstance(estimator, OneHotEncoder | OrdinalEncoder):
        yield path, estimator
    parts = estimator.steps if isinstance(estimator, Pipeline) else []
    if isinstance(estimator, ColumnTransformer):
        parts = [(name, part) for name, part, _ in estimator.transformers_]
    for name, part in parts:
        yield from encoders(part, f"{path}__{name}" if path else name)


def points(train: np.ndarray, test: np.ndarray) -> Points:
    """Of scores of shape (places, folds)."""
    return {
        "train": train.mean(axis=1).tolist(),
        "train_deviation": train.std(axis=1).tolist(),
        "test": test.mean(axis=1).tolist(),
        "test_deviation": test.std(axis=1).tolist(),
    }


def plain(value: Any) -> Any:
    """As JSON can hold it."""
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def sections(found: Mapping[str, Any]) -> list[Section]:
    drawn = figures(found)
    told: list[Section] = [
        Picture(
            "Learning curve",
            drawn["learning_curve"],
            "Score on training records and on unseen ones, by the number of records to learn from",
            note=read_learning(found),
        )
    ]
    if "validation_curve" in drawn:
        name = found["validation"]["called"]
        told.append(
            Picture(
                f"Validation curve: {name}",
                drawn["validation_curve"],
                f"Score on training records and on unseen ones, by {name}",
                note=read_validation(found),
            )
        )
    return told


def figures(found: Mapping[str, Any]) -> dict[str, Figure]:
    """File stem to picture: `learning_curve`, and `validation_curve` where a parameter was varied."""
    scoring = title(found["scoring"])
    learning = found["learning"]
    drawn = {"learning_curve": draw(learning["rows"], learning, "records to learn from", scoring)}
    if validation := found.get("validation"):
        values, name = validation["values"], report_pictures.plain(validation["called"])
        numeric = all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)
        figure = draw(values if numeric else range(len(values)), validation, name, scoring, validation["scale"])
        axes = figure.axes[0]
        if not numeric:
            axes.set_xticks(range(len(values)), [report_pictures.plain(str(each), 16) for each in values])
        at = place_of(validation["chosen"], values, numeric)
        if at is not None:
            axes.axvline(at, color=report_pictures.INK, linestyle=":", linewidth=1.2, label="this model")
            axes.legend(loc="best", frameon=False, fontsize=8)
        drawn["validation_curve"] = figure
    return drawn


def place_of(chosen: Any, values: list[Any], numeric: bool) -> float | None:
    """Where the model's own value lies on the axis; an axis without numbers has the tried values only."""
    if numeric:
        return chosen if isinstance(chosen, int | float) else None
    return values.index(chosen) if chosen in values else None


def draw(
    at: Sequence[float] | range, found: Mapping[str, Any], axis: str, scoring: str, scale: str = "linear"
) -> Figure:
    figure, axes = report_pictures.panel(height=3.3)
    for name, label, colour in (("train", TRAIN, report_pictures.BASELINE), ("test", JUDGED, report_pictures.CURRENT)):
        mean, deviation = np.asarray(found[name]), np.asarray(found[f"{name}_deviation"])
        axes.fill_between(at, mean - deviation, mean + deviation, color=colour, alpha=0.18, linewidth=0)
        axes.plot(at, mean, "o-", color=colour, markersize=4, linewidth=1.8, label=label)
    axes.set(xlabel=axis, ylabel=scoring, xscale=scale)
    axes.legend(loc="best", frameon=False, fontsize=8)
    return figure


def read_learning(found: Mapping[str, Any]) -> str:
    """What the curve says of bias and variance, in words."""
    learning, folds = found["learning"], found["folds"]
    train, test, rows = learning["train"][-1], learning["test"][-1], learning["rows"][-1]
    return (
        f"Means over {folds} folds, with one standard deviation. With {rows:,} records the model scores {train:.3g} on "
        f"what it learnt from and {test:.3g} on the rest: the difference of {train - test:.2g} is variance, what it "
        "learnt by heart. What the grey curve itself lacks is bias, or noise in the answers. "
        f"{more_records(learning, folds)}"
        + (" A fit of this model takes long, so there are fewer folds and places." if found.get("costly") else "")
    )


def more_records(learning: Mapping[str, Any], folds: int) -> str:
    rows, test = learning["rows"], learning["test"]
    if len(rows) < 2:
        return "Of fewer records the model could not learn."
    step, gain = f"From {rows[-2]:,} to {rows[-1]:,} records", test[-1] - test[-2]
    if gain > learning["test_deviation"][-1] / np.sqrt(folds):
        return f"{step} the score on unseen ones still rose by {gain:.2g}: more records would help."
    return f"{step} it changed by {gain:+.2g}, no more than chance: more of the same kind would hardly help."


def read_validation(found: Mapping[str, Any]) -> str:
    validation = found["validation"]
    values, test = validation["values"], validation["test"]
    best = int(np.argmax(test))
    far = validation["train"][-1] - test[-1], validation["train"][0] - test[0]
    side = "right" if far[0] > far[1] else "left"
    name, chosen = validation["called"], label_of(validation["chosen"])
    return (
        f"Best on unseen records at {name} = {label_of(values[best])} ({test[best]:.3g}); this model has {chosen}. The "
        f"two curves are furthest apart on the {side}: there the model is flexible enough to learn by heart: variance. "
        "Where both are low it is too rigid: bias."
    )


def short(parameter: str) -> str:
    """`classify__max_depth` as `max_depth`."""
    return parameter.rsplit("__", 1)[-1]


def label_of(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def title(scoring: str) -> str:
    """`neg_root_mean_squared_error` as words; losses keep their sign, so that higher is better."""
    known = {"roc_auc": "ROC-AUC", "r2": "R²", "neg_log_loss": "− log loss"}
    return known.get(scoring, scoring.replace("neg_", "− ", 1).replace("_", " "))
