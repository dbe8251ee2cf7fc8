"""What does a house sell for? Linear regression in NumPy alone, by every road that leads to the same weights.

    python training/linear_regression.py --train DIR --validation DIR --model-dir DIR

This use case is there to be read. In this order:

    linear_model.py             from records to a matrix X of numbers, and from weights back to a price
    gradient_descent.py         the weights by walking downhill: batch, stochastic and mini-batch; plain, momentum,
                                AdaGrad, RMSProp, Adam
    ordinary_least_squares.py   the weights at one stroke: the normal equations, with a penalty on their squares (L2) or
                                on their sizes (L1)
    regression_statistics.py    how far the weights can be trusted: each line of a statistics package's summary
    tail_probabilities.py       where its p-values come from

Below, all of them are applied to the houses, and what they found goes into the artifact. That other people's libraries
find the same is for `evaluation/ols_summary.py` to say: nothing of theirs is used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import estimator_artifact
import gradient_descent as descent
import numpy as np
import pandas as pd
import regression_statistics
import training_job
from cross_validation import scheme, scores, sizes
from linear_model import LinearModel
from model_comparison import compare, readable
from ordinary_least_squares import solve, strongest_l1

LABEL = "Sale_Price"
SCORING = "neg_root_mean_squared_log_error"  # of prices: the root mean squared error of their logarithms, negative
STRENGTHS = 20  # of a penalty, tried from the one that leaves nothing to a ten-thousandth of it
VALLEY = (
    "Gr_Liv_Area",
    "TotRms_AbvGrd",
)  # large houses have many rooms: these two make a long valley of a cost surface
INTERVAL = (
    "Least squares' own prediction interval: the noise of a sale and the uncertainty of the line, if errors are normal."
)
POINTS = 60  # of a curve in the artifact
CURVE = np.logspace(-4, 1, 11).tolist()  # strengths of the L2 penalty on the validation curve


@dataclass
class Args:
    train: str = "/opt/ml/input/data/train"
    """folder of CSV files to learn from"""
    validation: str = "/opt/ml/input/data/validation"
    """folder of CSV files that choose the penalties' strengths"""
    model_dir: str = "/opt/ml/model"
    """folder for the artifact"""
    sampled_epochs: int = 100
    """passes of stochastic and mini-batch gradient descent"""
    batch_rows: int = 32
    """of a mini-batch"""
    folds: int = 10
    """of the cross-validation that compares the penalties"""
    seed: int = 0
    """of folds and samples"""


def main(args: Args) -> None:
    train, validation = (training_job.read_channel(Path(each), LABEL) for each in (args.train, args.validation))
    rows, prices = train.drop(columns=LABEL), train[LABEL]
    model = LinearModel().fit(rows, prices)  # the normal equations
    X, y = model.design(rows), model.targets(prices)
    summary = regression_statistics.summarise(X, y, model.names)
    print_summary(summary)

    walks = walk_all(X, y, model.weights_, summary, args)
    paths = {name: penalty_path(name, X, y, model, validation) for name in ("l1", "l2")}
    chosen = {name: min(path, key=lambda each: each["rmse"])[name] for name, path in paths.items()}
    penalised = {name: solve(X, y, **{name: strength}).tolist() for name, strength in chosen.items()}
    comparison = compare_penalties(rows, prices, chosen, args)
    print(readable(comparison))
    error = root_mean_square(model, validation)
    print(f"validation_rmse={error:.6f}")

    estimator_artifact.save(
        Path(args.model_dir),
        model,
        rows,
        problem="regression",
        label=LABEL,
        modules=["linear_model.py"],
        limits=estimator_artifact.limits(rows),
        scale="log",
        unit="$",
        interval={"level": regression_statistics.LEVEL, "method": INTERVAL},
        groups=["Bldg_Type"],
        regressors=len(model.names) - 1,  # the columns of X but the intercept
        summary=summary,
        walks=walks,
        surface=surface(rows, model, y),
        penalties={"paths": paths, "chosen": chosen, "weights": penalised},
        comparison=comparison,
        curves={"scoring": SCORING, "folds": 5, "parameter": "l2", "values": CURVE, "scale": "log"},
        validation={"rmse": error},
    )


# Gradient descent -------------------------------------------------------------------------------------------------


def walks_of(smallest: float, largest: float, rows: int, args: Args) -> dict[str, descent.Walk]:
    """Three ways to choose rows by five ways to step, and one in which the samples' noise is taken out.

    Plain descent shrinks the distance by 1 − 1/κ a step, so by e^−25 in 25 κ steps: more than the digits of a weight.
    The anchored walk's slowest direction shrinks by its rate times the smallest curvature a step.

    Args:
        smallest: curvature of the bowl, and largest: the learning rates of plain descent and momentum follow from them.
            Those of the others are in units of the weights, and were tried.
        rows: how many there are.
    """
    epochs = within(25 * largest / smallest)
    all_rows = {
        "plain": descent.Walk(descent.Plain(1 / largest), epochs),
        "momentum": descent.Walk(descent.Momentum.best(smallest, largest), epochs),
        "AdaGrad": descent.Walk(descent.AdaGrad(0.1), epochs),
        "RMSProp": descent.Walk(descent.RMSProp(0.01), epochs, schedule=descent.Falling(epochs / 10)),
        "Adam": descent.Walk(descent.Adam(0.01), epochs, schedule=descent.Falling(epochs / 5)),
    }
    shared: dict[str, Any] = {"epochs": args.sampled_epochs, "seed": args.seed}
    slowly = descent.Harmonic(args.sampled_epochs / 20)
    one_row = {
        "plain": descent.Walk(descent.Plain(0.01), rows=1, schedule=slowly, **shared),
        "momentum": descent.Walk(descent.Momentum(0.001), rows=1, schedule=slowly, **shared),
        "AdaGrad": descent.Walk(descent.AdaGrad(0.03), rows=1, **shared),
        "RMSProp": descent.Walk(descent.RMSProp(0.001, memory=0.999), rows=1, schedule=slowly, **shared),
        "Adam": descent.Walk(descent.Adam(0.001), rows=1, schedule=slowly, **shared),
    }
    shared["rows"], slowly = args.batch_rows, descent.Harmonic(args.sampled_epochs / 10)
    some_rows = {
        "plain": descent.Walk(descent.Plain(0.1), schedule=slowly, **shared),
        "momentum": descent.Walk(descent.Momentum(0.01), schedule=slowly, **shared),
        "AdaGrad": descent.Walk(descent.AdaGrad(0.03), **shared),
        "RMSProp": descent.Walk(descent.RMSProp(0.003, memory=0.99), schedule=slowly, **shared),
        "Adam": descent.Walk(descent.Adam(0.003), schedule=slowly, **shared),
    }
    steps = 25 / (0.1 * smallest)
    anchored = {**shared, "epochs": max(within(steps) * args.batch_rows // rows, 1)}
    some_rows["anchored"] = descent.Walk(descent.Plain(0.1), anchored=True, **anchored)
    groups = {"batch": all_rows, "stochastic": one_row, "mini-batch": some_rows}
    return {f"{group}, {name}": walk for group, walks in groups.items() for name, walk in walks.items()}


def walk_all(
    X: np.ndarray, y: np.ndarray, best: np.ndarray, summary: dict[str, Any], args: Args
) -> list[dict[str, Any]]:
    """Each walk's losses above the lowest possible, by epoch, and where it ended.

    All start at the model that knows nothing but the mean price.
    """
    least, errors = descent.loss(X, y, best), np.array([each["standard_error"] for each in summary["coefficients"]])
    start = np.concatenate([[y.mean()], np.zeros(X.shape[1] - 1)])
    found = []
    smallest, largest = descent.curvatures(X)
    for name, walk in walks_of(smallest, largest, len(y), args).items():
        walk.start = start
        passed = walk.passes(X, y)
        off = np.abs(passed - best)
        there = np.flatnonzero((off < 1e-6).all(axis=1))
        epochs = spaced(len(passed))
        found.append(
            {
                "name": name,
                # Sampled rows make the walk tremble around the lowest point; these arrive there.
                "exact": not walk.rows or walk.anchored,
                "epochs": epochs,
                "excess": [max(descent.loss(X, y, passed[epoch]) - least, 0.0) for epoch in epochs],
                "weights": passed[-1].tolist(),
                "difference": float(off[-1].max()),  # of any weight, from the normal equations'
                "standard_errors": float((off[-1] / errors).max()),  # the same in units of the weights' own uncertainty
                "arrived": int(there[0]) if len(there) else None,  # the epoch from which all were within 1e-6
            }
        )
        print(f"{name}: off by {found[-1]['difference']:.1e}, {found[-1]['standard_errors']:.2g} standard errors")
    return found


def within(steps: float) -> int:
    """So many steps, but enough for a learning rate to fall slowly, and no more than there is time for."""
    return int(min(max(steps, 5000), 200_000))


def spaced(length: int) -> list[int]:
    """Up to POINTS positions of a sequence, denser at its start."""
    return sorted({0, *np.geomspace(1, length - 1, POINTS).astype(int).tolist()})


def surface(rows: pd.DataFrame, model: LinearModel, y: np.ndarray) -> dict[str, Any]:
    """The bowl of a model with two weights, which can be drawn, and the walks in it.

    Prices without their mean need no intercept. Of standardised columns XᵀX/n is the matrix of their correlations: the
    closer these two are to saying the same, the longer the valley that runs where one weight makes up for the other.
    """
    X = np.column_stack([(rows[name] - model.scales_[name][0]) / model.scales_[name][1] for name in VALLEY])
    centred = y - y.mean()
    low, high = descent.curvatures(X)
    best = np.linalg.solve(X.T @ X, X.T @ centred)
    start = best + np.array([-0.45, 0.2])  # some way up the valley's side and far along it
    walks = {
        "batch, plain": descent.Walk(descent.Plain(1 / high), 60),
        "batch, momentum": descent.Walk(descent.Momentum.best(low, high), 60),
        "batch, AdaGrad": descent.Walk(descent.AdaGrad(0.1), 60),
        "batch, RMSProp": descent.Walk(descent.RMSProp(0.02), 60),
        "batch, Adam": descent.Walk(descent.Adam(0.02), 60),
        "stochastic, plain": descent.Walk(descent.Plain(0.02), 1, rows=1),
        "mini-batch, plain": descent.Walk(descent.Plain(0.1), 4, rows=32),
    }
    for walk in walks.values():
        walk.start = start
    paths = {name: np.array(list(walk.steps(X, centred))[:400]) for name, walk in walks.items()}
    return {
        "features": list(VALLEY),
        "best": best.tolist(),
        "curvature": (X.T @ X / len(X)).tolist(),
        "least": descent.loss(X, centred, best),
        "paths": {name: path.round(5).tolist() for name, path in paths.items()},
    }


# Penalties --------------------------------------------------------------------------------------------------------


def penalty_path(
    name: str, X: np.ndarray, y: np.ndarray, model: LinearModel, validation: pd.DataFrame
) -> list[dict[str, Any]]:
    """The weights at each strength of a penalty, `l1` or `l2`, strongest first, and the error on validation."""
    strongest = strongest_l1(X, y) if name == "l1" else 10.0
    judged, answers = model.design(validation.drop(columns=LABEL)), model.targets(validation[LABEL])
    found = []
    for strength in strongest * np.logspace(0, -4, STRENGTHS):
        w = solve(X, y, **{name: float(strength)})
        error = float(np.sqrt(((judged @ w - answers) ** 2).mean()))
        found.append({name: float(strength), "weights": w.tolist(), "rmse": error})
    return found


def compare_penalties(rows: pd.DataFrame, prices: pd.Series, chosen: dict[str, float], args: Args) -> dict[str, Any]:
    """The three models over the same folds, by error of the prices' logarithms."""
    models = {
        "no penalty": LinearModel(),
        "L1": LinearModel(l1=chosen["l1"]),
        "L2": LinearModel(l2=chosen["l2"]),
    }
    splitter = scheme("kfold", folds=args.folds, seed=args.seed)
    found = {name: scores(each, rows, prices, {"score": SCORING}, splitter)["score"] for name, each in models.items()}
    told = "RMSE of the log price, negative"
    return compare({name: each.to_numpy() for name, each in found.items()}, told, *sizes(splitter, rows, prices))


# The rest ---------------------------------------------------------------------------------------------------------


def root_mean_square(model: LinearModel, table: pd.DataFrame) -> float:
    """The error of the prices' logarithms."""
    errors = model.targets(model.predict(table.drop(columns=LABEL))) - model.targets(table[LABEL])
    return float(np.sqrt((errors**2).mean()))


def print_summary(summary: dict[str, Any]) -> None:
    print(f"{'':24} {'coefficient':>12} {'std. error':>11} {'t':>9} {'P>|t|':>8} {'[0.025':>9} {'0.975]':>9}")
    for row in summary["coefficients"]:
        numbers = "{coefficient:12.4f} {standard_error:11.4f} {t:9.2f} {p:8.3f} {lower:9.4f} {upper:9.4f}"
        print(f"{row['name']:24} " + numbers.format(**row))
    print(", ".join(f"{name} {value:.6g}" for name, value in summary.items() if isinstance(value, int | float)))


def parse(argv: list[str] | None = None) -> Args:
    return training_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    training_job.run(lambda: main(parse()))
