"""The hyperparameters of the XGBoost image in algorithm mode: its own list, ranges, aliases and words for a fault."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from .errors import UserError
from .hyperparameters import Parameter, choice, positive, rate

MAXIMIZE = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision"),
    *("precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro"),
)
MINIMIZE = (
    *("aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy"),
    *("logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle"),
    "tweedie-nloglik",
)
METRICS = MAXIMIZE + MINIMIZE
_THRESHOLDS = ("error", "ndcg", "map")  # may carry one: error@0.7
_OBJECTIVES = (
    *("aft_loss_distribution", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax"),
    *("multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic"),
    *("reg:gamma", "reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror", "reg:tweedie", "survival:aft"),
    "survival:cox",
)
_BUILDERS = ("grow_colmaker", "distcol", "grow_histmaker", "grow_quantile_histmaker")
_TREE_UPDATERS = (*_BUILDERS, "grow_skmaker", "sync", "refresh", "prune")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")

_SHARE = Parameter(float, low=0, high=1)
_PART = Parameter(float, above=0, high=1)
_FLAG = Parameter(int, low=0, high=1)
_WORD = choice("true", "false")
KNOWN = {
    "num_round": positive(required=True),
    "csv_weights": _FLAG,
    "early_stopping_rounds": positive(),
    "booster": choice("gbtree", "gblinear", "dart"),
    "verbosity": Parameter(int, low=0, high=3),
    "nthread": positive(),
    "eta": _SHARE,
    "gamma": rate(),
    "max_depth": Parameter(int, low=0),
    "min_child_weight": rate(),
    "max_delta_step": rate(),
    "subsample": _PART,
    "colsample_bytree": _PART,
    "colsample_bylevel": _PART,
    "colsample_bynode": _PART,
    "lambda": rate(),
    "alpha": rate(),
    "tree_method": choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": Parameter(float, above=0, below=1),
    "scale_pos_weight": Parameter(float, above=0),
    "updater": Parameter(),
    "dsplit": choice("row", "col"),
    "refresh_leaf": _FLAG,
    "process_type": choice("default", "update"),
    "grow_policy": choice("depthwise", "lossguide"),
    "max_leaves": Parameter(int, low=0),
    "max_bin": Parameter(int, low=0),
    "predictor": choice("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": Parameter(),
    "interaction_constraints": Parameter(),
    "sample_type": choice("uniform", "weighted"),
    "normalize_type": choice("tree", "forest"),
    "rate_drop": _SHARE,
    "one_drop": _FLAG,
    "skip_drop": _SHARE,
    "lambda_bias": _SHARE,
    "tweedie_variance_power": Parameter(float, above=1, below=2),
    "objective": choice(*_OBJECTIVES),
    "num_class": Parameter(int, low=2),
    "base_score": rate(),
    "_kfold": Parameter(int, low=2),
    "_num_cv_round": positive(),
    "_tuning_objective_metric": choice(*(f"validation:{metric}" for metric in METRICS)),
    "eval_metric": Parameter(),
    "seed": Parameter(int, above=-(2**31), below=2**31 - 1),
    "num_parallel_tree": positive(),
    "save_model_on_termination": _WORD,
    "aft_loss_distribution": choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": rate(),
    "deterministic_histogram": _WORD,
    "sampling_method": choice("uniform", "gradient_based"),
    "prob_buffer_row": Parameter(int, above=1),
    "use_dask_gpu_training": _WORD,
}
_ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}


def validated(given: Mapping[str, str]) -> dict[str, Any]:
    """The hyperparameters that were given, read. Raises UserError in the words of AWS's algorithm toolkit."""
    given = {_ALIASES.get(name, name): value for name, value in given.items()}
    for name, parameter in KNOWN.items():
        if parameter.required and name not in given:
            raise UserError(f"Missing required hyperparameter: {name}")
    values = {}
    for name, text in given.items():
        if name not in KNOWN:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        values[name] = _value(name, str(text))
    _check_together(values)
    return values


def _value(name: str, text: str) -> Any:
    if name in ("eval_metric", "updater"):
        return [part.strip() for part in text.split(",")]
    if name in ("monotone_constraints", "interaction_constraints"):
        return _constraints(name, text)
    parameter = KNOWN[name]
    if parameter.kind is not str:
        try:
            parameter.kind(text)
        except ValueError:
            raise UserError(f"Hyperparameter {name}: could not parse value (caused by ValueError)") from None
    try:
        return parameter.read(text)
    except ValueError as error:
        allowed = list(parameter.choices) if parameter.choices else parameter.interval
        raise UserError(f"Hyperparameter {name}: {text} is not in {allowed}") from error


def _constraints(name: str, text: str) -> Any:
    try:
        value = ast.literal_eval(text)
        each = [item for group in value for item in group] if name == "interaction_constraints" else list(value)
        legal = all(isinstance(item, int) for item in each)
    except (ValueError, SyntaxError, TypeError):
        raise UserError(f"Hyperparameter {name}: could not parse value (caused by ValueError)") from None
    bounds = "[1, +inf)" if name == "interaction_constraints" else "[-1, 0, 1]"
    if not legal or any(item < 1 if name == "interaction_constraints" else item not in (-1, 0, 1) for item in each):
        raise UserError(f"Hyperparameter {name}: value {value} not in range {bounds}")
    return value


def _check_together(values: dict[str, Any]) -> None:
    """What one hyperparameter asks of another."""
    objective = values.get("objective")
    if objective in ("multi:softmax", "multi:softprob") and "num_class" not in values:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if objective is None and "num_class" in values:
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    _check_metrics(values.get("eval_metric") or [], objective or "")
    _check_updaters(values)
    method = values.get("tree_method")
    if "monotone_constraints" in values and method not in ("exact", "hist"):
        raise UserError(
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'."
        )
    if "interaction_constraints" in values and method not in ("exact", "hist", "approx"):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter is set to either 'exact', 'hist' "
            "or 'approx'."
        )
    if values.get("use_dask_gpu_training") == "true":
        raise UserError(
            "Distributed GPU training through Dask (use_dask_gpu_training) is not implemented by sagelocal."
        )


def _check_metrics(metrics: list[str], objective: str) -> None:
    for metric in metrics:
        name, at, threshold = metric.partition("@")
        if at and name not in _THRESHOLDS:
            raise UserError(
                f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized threshold should be one "
                "of these options: 'error', 'ndcg', 'map'."
            )
        if at:
            try:
                float(threshold)
            except ValueError:
                raise UserError(f"Threshold value 't' in '{name}@t' expects float input.") from None
        elif name not in METRICS:
            raise UserError(f"Hyperparameter eval_metric: value {metrics} not in range {list(METRICS)}")
    if "auc" in metrics and not objective.startswith(("binary:", "rank:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def _check_updaters(values: dict[str, Any]) -> None:
    updaters = values.get("updater")
    if updaters is None:
        return
    if values.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            raise UserError(f"Linear updater should be one of these options: {', '.join(_LINEAR_UPDATERS)}.")
    elif values.get("process_type") == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise UserError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
    elif not set(updaters) <= set(_TREE_UPDATERS):
        raise UserError(f"Tree updater should be selected from these options: {', '.join(_TREE_UPDATERS)}.")
    elif sum(each in _BUILDERS for each in updaters) > 1:
        raise UserError(f"Only one tree grow plugin can be selected. Choose one from: {', '.join(_BUILDERS)}.")
