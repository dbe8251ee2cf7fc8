"""The families of models that AutoML looks through: what of each may be chosen, and the estimator of a choice.

A configuration is a flat dict of names to values, as Optuna suggests it and as the knowledge file keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost
from automl_task import Task
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

if TYPE_CHECKING:  # only the search needs Optuna, which the images lack
    from optuna.trial import BaseTrial

Config = dict[str, Any]
RARE = 0.005  # a category in a smaller share of the rows is one of the rare ones
MOST_CATEGORIES = 60  # of a one-hot encoding
STOPPING_ROWS = 2000  # from so many on a network stops early
MOST_BINS = 250  # of the gradient boosting's own categories


def suggest(trial: BaseTrial, family: str, task: Task) -> Config:
    """One configuration out of the family's space for this task."""
    found = SPACES[family](trial, task)
    if task.categories:
        found["categories"] = trial.suggest_categorical("categories", ENCODINGS[family])
    if task.logarithmic:
        found["answers"] = trial.suggest_categorical("answers", ["logarithm", "plain"])
    return found


def boosted_trees(trial: BaseTrial, task: Task) -> Config:
    del task
    return {
        "n_estimators": trial.suggest_int("n_estimators", 30, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 9),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 60, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 30, log=True),
        "reg_alpha": trial.suggest_float("reg_alpha", 0.001, 10, log=True),
    }


def gradient_boosting(trial: BaseTrial, task: Task) -> Config:
    del task
    return {
        "max_iter": trial.suggest_int("max_iter", 30, 600, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 3, 64, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 120, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-4, 30, log=True),
        "max_features": trial.suggest_float("max_features", 0.2, 1.0),
    }


def forest(trial: BaseTrial, task: Task) -> Config:
    del task
    return {
        "n_estimators": trial.suggest_int("n_estimators", 60, 400, log=True),
        "max_features": trial.suggest_float("max_features", 0.05, 1.0, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 40, log=True),
    }


def linear(trial: BaseTrial, task: Task) -> Config:
    found: Config = {"numbers": trial.suggest_categorical("numbers", ["standard", "quantile", "spline"])}
    if task.classes is None:
        return found | {
            "alpha": trial.suggest_float("alpha", 1e-5, 1.0, log=True),
            "l1_ratio": trial.suggest_float("l1_ratio", 0.0, 1.0),
        }
    return found | {"C": trial.suggest_float("C", 1e-3, 100, log=True)}


def neighbours(trial: BaseTrial, task: Task) -> Config:
    del task
    return {
        "numbers": trial.suggest_categorical("numbers", ["standard", "quantile"]),
        "n_neighbors": trial.suggest_int("n_neighbors", 2, 120, log=True),
        "weights": trial.suggest_categorical("weights", ["distance", "uniform"]),
        "p": trial.suggest_categorical("p", [1, 2]),
    }


def network(trial: BaseTrial, task: Task) -> Config:
    del task
    return {
        "numbers": trial.suggest_categorical("numbers", ["standard", "quantile"]),
        "width": trial.suggest_int("width", 8, 128, log=True),
        "layers": trial.suggest_int("layers", 1, 2),
        "alpha": trial.suggest_float("alpha", 1e-5, 3, log=True),
        "learning_rate_init": trial.suggest_float("learning_rate_init", 3e-4, 2e-2, log=True),
    }


Space = Callable[["BaseTrial", Task], Config]
# In the order in which a tuning job begins them: what takes longest first.
SPACES: dict[str, Space] = {
    "boosted_trees": boosted_trees,
    "gradient_boosting": gradient_boosting,
    "random_forest": forest,
    "extra_trees": forest,
    "network": network,
    "linear": linear,
    "neighbours": neighbours,
}
FAMILIES = tuple(SPACES)
SEEDED = ("boosted_trees", "gradient_boosting", "network")  # forests are means of many seeds as they are
ENCODINGS = {
    "boosted_trees": ["one_hot", "ordinal", "target"],
    "gradient_boosting": ["native", "target"],
    "random_forest": ["ordinal", "target", "one_hot"],
    "extra_trees": ["ordinal", "target", "one_hot"],
    "network": ["one_hot", "target"],
    "linear": ["one_hot", "target"],
    "neighbours": ["one_hot", "target"],
}


# To begin with where no similar table lends anything, and after what they lend: sound on most tables.
DEFAULTS: dict[str, Config] = {
    "boosted_trees": {
        "n_estimators": 300,
        "learning_rate": 0.05,
        "max_depth": 4,
        "min_child_weight": 5.0,
        "subsample": 0.8,
        "colsample_bytree": 0.6,
        "reg_lambda": 3.0,
        "reg_alpha": 0.01,
        "categories": "one_hot",
        "answers": "logarithm",
    },
    "gradient_boosting": {
        "max_iter": 150,
        "learning_rate": 0.06,
        "max_leaf_nodes": 12,
        "min_samples_leaf": 20,
        "l2_regularization": 1.0,
        "max_features": 0.6,
        "categories": "native",
        "answers": "logarithm",
    },
    "random_forest": {
        "n_estimators": 200,
        "max_features": 0.3,
        "min_samples_leaf": 3,
        "categories": "ordinal",
        "answers": "logarithm",
    },
    "extra_trees": {
        "n_estimators": 200,
        "max_features": 0.4,
        "min_samples_leaf": 3,
        "categories": "one_hot",
        "answers": "logarithm",
    },
    "network": {
        "numbers": "quantile",
        "width": 32,
        "layers": 1,
        "alpha": 0.1,
        "learning_rate_init": 0.003,
        "categories": "one_hot",
        "answers": "logarithm",
    },
    "linear": {
        "numbers": "spline",
        "alpha": 1e-3,
        "l1_ratio": 0.5,
        "C": 0.1,
        "categories": "one_hot",
        "answers": "logarithm",
    },
    "neighbours": {
        "numbers": "quantile",
        "n_neighbors": 20,
        "weights": "distance",
        "p": 1,
        "categories": "one_hot",
        "answers": "logarithm",
    },
}


# Before all: learnt in a fraction of the defaults' time, so that each family has an answer early.
CHEAPEST: dict[str, Config] = {
    "boosted_trees": {"n_estimators": 60, "learning_rate": 0.15, "max_depth": 3},
    "gradient_boosting": {"max_iter": 50, "learning_rate": 0.15, "max_leaf_nodes": 8},
    "random_forest": {"n_estimators": 60, "max_features": 0.2, "min_samples_leaf": 5},
    "extra_trees": {"n_estimators": 60, "max_features": 0.2, "min_samples_leaf": 5, "categories": "ordinal"},
    "network": {"numbers": "standard", "width": 16, "learning_rate_init": 0.01},
    "linear": {"numbers": "standard"},
    "neighbours": {"numbers": "standard"},
}


def cheapest(family: str) -> Config:
    return {**DEFAULTS[family], **CHEAPEST[family]}


def build(family: str, config: Mapping[str, Any], task: Task, threads: int = 1) -> Any:
    """An unfitted estimator over the tidy table."""
    model = MODELS[family](config, task, threads)
    found = Pipeline([("encode", encoder(family, config, task)), ("model", model)])
    if config.get("answers") == "logarithm":
        return TransformedTargetRegressor(found, func=np.log1p, inverse_func=np.expm1, check_inverse=False)
    return found


def encoder(family: str, config: Mapping[str, Any], task: Task) -> ColumnTransformer:
    categories = task.categories
    numbers = [name for name in task.table if name not in categories]
    parts: list[tuple[str, Any, list[str]]] = []
    if categories:  # first, as the gradient boosting counts on it
        parts.append(("categories", category_encoder(config["categories"], task), categories))
    if numbers:
        parts.append(("numbers", number_encoder(config.get("numbers", ""), family), numbers))
    return ColumnTransformer(parts)


def category_encoder(kind: str, task: Task) -> Any:
    if kind == "one_hot":
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=RARE,
            max_categories=MOST_CATEGORIES,
            sparse_output=False,
            dtype=np.float32,
        )
    if kind == "target":
        kinds = {"binary": "binary", "multiclass": "multiclass", "regression": "continuous"}
        return TargetEncoder(target_type=kinds[task.problem], random_state=task.seed)
    most = MOST_BINS if kind == "native" else None
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=most,
        dtype=np.float32 if kind == "ordinal" else np.float64,
    )


def number_encoder(kind: str, family: str) -> Any:
    if not kind:  # trees know what to do with blanks
        return "passthrough"
    del family
    filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    if kind == "standard":
        return make_pipeline(filled, StandardScaler())
    if kind == "quantile":
        return make_pipeline(filled, QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=0))
    splines = SplineTransformer(n_knots=6, knots="quantile", extrapolation="linear")
    return make_pipeline(filled, StandardScaler(), splines, StandardScaler())


def boosted_trees_model(config: Mapping[str, Any], task: Task, threads: int) -> Any:
    kind = xgboost.XGBRegressor if task.classes is None else xgboost.XGBClassifier
    return kind(**of(config), random_state=task.seed, n_jobs=threads)


def gradient_boosting_model(config: Mapping[str, Any], task: Task, threads: int) -> Any:
    del threads  # as many as threadpoolctl allows
    kind = HistGradientBoostingRegressor if task.classes is None else HistGradientBoostingClassifier
    count = len(task.categories) if config.get("categories") == "native" else 0
    return kind(
        **of(config),
        early_stopping=False,
        categorical_features=list(range(count)) if count else None,
        random_state=task.seed,
    )


def forest_model(classifier: Any, regressor: Any) -> Callable[[Mapping[str, Any], Task, int], Any]:
    def made(config: Mapping[str, Any], task: Task, threads: int) -> Any:
        kind = regressor if task.classes is None else classifier
        return kind(**of(config), random_state=task.seed, n_jobs=threads)

    return made


def linear_model(config: Mapping[str, Any], task: Task, threads: int) -> Any:
    del threads
    if task.classes is None:
        return ElasticNet(**of(config), max_iter=2000, tol=1e-3)
    return LogisticRegression(**of(config), max_iter=300)


def neighbours_model(config: Mapping[str, Any], task: Task, threads: int) -> Any:
    kind = KNeighborsRegressor if task.classes is None else KNeighborsClassifier
    return kind(**of(config), n_jobs=threads)


def network_model(config: Mapping[str, Any], task: Task, threads: int) -> Any:
    del threads
    kind = MLPRegressor if task.classes is None else MLPClassifier
    values = of(config)
    shape = (values.pop("width"),) * values.pop("layers")
    found = kind(
        **values,
        hidden_layer_sizes=shape,
        early_stopping=len(task.answers) >= STOPPING_ROWS,
        n_iter_no_change=8,
        max_iter=120,
        random_state=task.seed,
    )
    # Its answers are scaled as its inputs are: a network learns prices in the hundreds of thousands slowly.
    return TransformedTargetRegressor(found, transformer=StandardScaler()) if task.classes is None else found


MODELS: dict[str, Callable[[Mapping[str, Any], Task, int], Any]] = {
    "boosted_trees": boosted_trees_model,
    "gradient_boosting": gradient_boosting_model,
    "random_forest": forest_model(RandomForestClassifier, RandomForestRegressor),
    "extra_trees": forest_model(ExtraTreesClassifier, ExtraTreesRegressor),
    "network": network_model,
    "linear": linear_model,
    "neighbours": neighbours_model,
}


def of(config: Mapping[str, Any]) -> Config:
    """What of a configuration is the model's own."""
    return {name: value for name, value in config.items() if name not in ("categories", "numbers", "answers")}
