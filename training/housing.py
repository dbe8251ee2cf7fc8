"""What will a house sell for? Seven kinds of model of the logarithm of the price, the best of them with intervals.

    python training/housing.py --train DIR --validation DIR --model-dir DIR [--folds 5 --rounds 400]

Every choice is made by cross-validation inside train and validation, which the model then learns from together: which
model (penalties are chosen inside each fold, too), and beside it in the report whether to model the price or its
logarithm, how to scale numbers, how to encode categories. The assumptions of least squares are tested on the linear
one. Intervals are conformal (conformal_intervals.py). Nothing here sees the test split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import assumption_tests
import cross_validation
import estimator_artifact
import housing_features as features
import joblib
import model_comparison
import numpy as np
import pandas as pd
import training_job
from conformal_intervals import ConformalIntervals
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, StackingRegressor
from sklearn.linear_model import ElasticNetCV, LassoCV, LinearRegression, RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_log_error
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from threadpoolctl import threadpool_limits

LABEL = "Sale_Price"
OPTIONAL = ["BsmtFin_SF_1"]  # what a request may carry of the raw table
BLANK = ["Mas_Vnr_Type", "Misc_Feature"]  # houses without veneer, and without anything special
METRICS: Mapping[str, Callable[..., float]] = {
    "rmse_log": root_mean_squared_log_error,
    "r2": r2_score,
    "mae": mean_absolute_error,
}
ALPHAS = np.logspace(-3.5, -2, 7)  # of lasso and elastic net, on standardised numbers
RIDGE_ALPHAS = np.logspace(-1, 3, 13)
REMEDY = (
    "What is done about it: the logarithm of the price is modelled, which evens the spread and straightens most of the "
    "bend; ridge, lasso and elastic net bear collinear features; boosting takes up the bends that are left; intervals "
    "are conformal, which needs neither normal nor even errors. Where neighbours are alike, p-values of single "
    "coefficients would be too small: none are used."
)
METHOD = (
    "Intervals are normalised conformal ones, calibrated on the training records' errors in folds that did not learn "
    "from them; the test split had no part in it. A second model says how large an error to expect of such a house."
)


@dataclass
class Args:
    train: str = "/opt/ml/input/data/train"
    """folder with CSV files (header, features, Sale_Price)"""
    validation: str = "/opt/ml/input/data/validation"
    """the same"""
    model_dir: str = "/opt/ml/model"
    """folder for the artifact"""
    models: str = "all"
    """names of the models to choose among, with commas between"""
    studies: int = 1
    """1: also compare scalings, encodings and targets for the report"""
    folds: int = 5
    """of every cross-validation"""
    rounds: int = 400
    """trees of gradient boosting"""
    learning_rate: float = 0.06
    """of gradient boosting"""
    max_depth: int = 4
    """of a tree"""
    interval_level: float = 0.95
    """share of the prices that intervals are to hold"""
    seed: int = 0
    """of folds and trees"""


@threadpool_limits.wrap(limits=1)  # of matrices this small, threads cost more than they bring
def main(args: Args) -> None:
    parts = [training_job.read_channel(Path(folder), LABEL) for folder in (args.train, args.validation)]
    table = pd.concat(parts, ignore_index=True)
    rows, prices = table.drop(columns=LABEL), table[LABEL].astype(float)
    models = chosen_among(candidates(args), args.models)
    predictions = out_of_fold(models, rows, prices, args)
    scores = compare(predictions, rows, prices, args, "Models compared")
    best = scores["models"][0]["name"]
    print(model_comparison.readable(scores))
    model = with_intervals(models[best], args).fit(rows, prices, predictions[best])
    estimator_artifact.save(
        Path(args.model_dir),
        model,
        rows,
        problem="regression",
        label=LABEL,
        modules=["housing_features.py", "conformal_intervals.py"],
        blank=BLANK,
        optional=OPTIONAL,
        limits=estimator_artifact.limits(rows),
        scale="log",
        unit="dollars",
        groups=["Neighborhood", "Sale_Condition"],
        interval={"level": args.interval_level, "method": METHOD},
        chosen=best,
        comparison=scores,
        comparisons=[
            compare(out_of_fold(tried, rows, prices, args), rows, prices, args, title)
            for title, tried in (studies(args) if args.studies else {}).items()
        ],
        assumptions=assumptions(rows, prices),
        curves=curves(best, args),
    )
    for name, value in scores["metrics"][best].items():
        print(f"cross_validated_{name}={value:.6f}")
    print(f"chosen: {best}")


def chosen_among(models: Mapping[str, Any], names: str) -> dict[str, Any]:
    """Raises ValueError for a name that is none of the models', and for fewer than two, which compare nothing."""
    if names == "all":
        return dict(models)
    wanted = [name.strip() for name in names.split(",")]
    if len(wanted) < 2 or not set(wanted) <= set(models):
        raise ValueError(f"models is {names!r}. Name two or more, with commas between, of {', '.join(models)}; or all.")
    return {name: models[name] for name in wanted}


def logarithmic(model: Any) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)


def on(encoder: Pipeline, model: Any) -> Pipeline:
    return Pipeline([("encode", encoder), ("model", model)])


def ridge() -> RidgeCV:
    return RidgeCV(alphas=RIDGE_ALPHAS)


def boosting(args: Args) -> GradientBoostingRegressor:
    return GradientBoostingRegressor(
        n_estimators=args.rounds,
        learning_rate=args.learning_rate,
        max_depth=args.max_depth,
        subsample=0.6,
        max_features=0.2,
        min_samples_leaf=5,
        random_state=args.seed,
    )


def candidates(args: Args) -> dict[str, Any]:
    """Unfitted models of the price by name; all but boosting see clipped and standardised numbers."""
    penalties: Mapping[str, Any] = {"alphas": ALPHAS, "cv": args.folds, "max_iter": 10_000}
    single = {
        "linear": on(features.encoder(features.clipped()), LinearRegression()),
        "polynomial": on(features.encoder(features.clipped(), curved=features.CURVED), ridge()),
        "ridge": on(features.encoder(features.clipped()), ridge()),
        "lasso": on(features.encoder(features.clipped()), LassoCV(**penalties)),
        "elastic net": on(features.encoder(features.clipped()), ElasticNetCV(l1_ratio=[0.2, 0.5, 0.8], **penalties)),
        "gradient boosting": on(features.encoder(), boosting(args)),
    }
    stacked = [(name.replace(" ", "_"), single[name]) for name in ("polynomial", "lasso", "gradient boosting")]
    together = StackingRegressor(stacked, final_estimator=LinearRegression(positive=True), cv=min(args.folds, 3))
    return {name: logarithmic(model) for name, model in {**single, "stacking": together}.items()}


def studies(args: Args) -> dict[str, dict[str, Any]]:
    """Comparisons that say why records are prepared as they are: title to unfitted models by name."""
    standard = features.clipped
    scalers = {
        "clipped, then standard": standard(),
        "standard": StandardScaler(),
        "min-max": MinMaxScaler(),
        "robust (median and quartiles)": RobustScaler(),
        "none": "passthrough",
    }
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    numbered = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encodings = {
        "scales in order, others one-hot": {},
        "all one-hot": {"scale_encoder": one_hot},
        "all numbered": {"category_encoder": numbered},
        "scales in order, others by mean price": {"category_encoder": TargetEncoder(target_type="continuous")},
    }
    brief = replace(args, rounds=max(args.rounds // 3, 1), learning_rate=args.learning_rate * 2.5)
    learners = {"ridge": (standard, ridge), "boosting": (lambda: "passthrough", lambda: boosting(brief))}
    return {
        "Scaling of numbers, by ridge": {
            name: logarithmic(on(features.encoder(scaler), ridge())) for name, scaler in scalers.items()
        },
        **{
            f"Encoding of categories, by {learner}": {
                name: logarithmic(on(features.encoder(scaler(), **options), model()))
                for name, options in encodings.items()
            }
            for learner, (scaler, model) in learners.items()
        },
        "What is modelled, by ridge": {
            "logarithm of the price": logarithmic(on(features.encoder(standard()), ridge())),
            "price": Positive(on(features.encoder(standard()), ridge())),
        },
    }


class Positive(TransformedTargetRegressor):  # type: ignore[misc]
    """Of a model that is not kept: the price itself is learned, and a prediction is at least a thousand dollars, as its
    logarithm is to be judged.
    """

    def predict(self, X: Any, **options: Any) -> np.ndarray:
        return np.maximum(super().predict(X, **options), 1000.0)


def out_of_fold(models: Mapping[str, Any], rows: pd.DataFrame, prices: pd.Series, args: Args) -> dict[str, np.ndarray]:
    """Each house's price by each model that learned from the other folds. Threads do: trees grow without Python."""
    folds = cross_validation.scheme("kfold", folds=args.folds, seed=args.seed)
    with joblib.parallel_config("threading", n_jobs=-1):
        return {name: cross_val_predict(model, rows, prices, cv=folds) for name, model in models.items()}


def compare(
    predictions: Mapping[str, np.ndarray], rows: pd.DataFrame, prices: pd.Series, args: Args, title: str
) -> dict[str, Any]:
    """As `model_comparison.compare` has it, by the RMSE of the logarithm, and `metrics`: the means of all metrics."""
    folds = cross_validation.scheme("kfold", folds=args.folds, seed=args.seed)
    parts = [judged for _, judged in folds.split(rows)]
    found = {
        name: pd.DataFrame([{key: f(prices.iloc[at], each[at]) for key, f in METRICS.items()} for at in parts])
        for name, each in predictions.items()
    }
    sizes = cross_validation.sizes(folds, rows, prices)
    ranked = model_comparison.compare(
        {name: -scores["rmse_log"].to_numpy() for name, scores in found.items()}, "− RMSE of the log price", *sizes
    )
    return {**ranked, "title": title, "metrics": {name: scores.mean().to_dict() for name, scores in found.items()}}


def with_intervals(model: Any, args: Args) -> ConformalIntervals:
    spread = GradientBoostingRegressor(
        n_estimators=max(args.rounds // 6, 10),
        learning_rate=0.05,
        max_depth=3,
        subsample=0.6,
        max_features=0.2,
        min_samples_leaf=20,
        random_state=args.seed,
    )
    return ConformalIntervals(
        model,
        on(features.encoder(), spread),
        level=args.interval_level,
        log=True,
        folds=args.folds,
        seed=args.seed,
    )


def assumptions(rows: pd.DataFrame, prices: pd.Series) -> dict[str, Any]:
    """What the tests say of least squares on the price and on its logarithm."""
    design = np.asarray(features.encoder(features.clipped()).fit_transform(rows))
    order = (rows["Year_Sold"] * 12 + rows["Mo_Sold"]).to_numpy()
    place = rows[["Longitude", "Latitude"]] * [np.cos(np.radians(42)), 1]
    targets = {"price": prices.to_numpy() / 1000, "logarithm of the price": np.log(prices.to_numpy())}
    return {
        "model": "all features, clipped and standardised, categories one-hot",
        "remedy": REMEDY,
        "targets": {
            name: assumption_tests.check(design, target, order, place.to_numpy()) for name, target in targets.items()
        },
        "vif": assumption_tests.inflation(rows[features.numbers(rows)]),
    }


def curves(best: str, args: Args) -> dict[str, Any]:
    """What the evaluation varies of the best model (learning_curves.py)."""
    depths: dict[str, Any] = {"values": [1, 2, 4, 6]}
    clipped: dict[str, Any] = {"values": [0.0, 0.005, 0.02, 0.05, 0.1]}
    varied = {
        "stacking": {"parameter": "regressor__gradient_boosting__model__max_depth", **depths},
        "gradient boosting": {"parameter": "regressor__model__max_depth", **depths},
    }.get(best, {"parameter": "regressor__encode__columns__numbers__scale__clip__share", **clipped})
    return {"scoring": "neg_root_mean_squared_log_error", "folds": args.folds, **varied}


def parse(argv: list[str] | None = None) -> Args:
    args: Args = training_job.parse(Args, __doc__, argv)
    return args


if __name__ == "__main__":
    training_job.run(lambda: main(parse()))
