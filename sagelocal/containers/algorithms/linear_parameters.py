"""The linear learner's hyperparameters, and what is decided here where they leave it to `auto`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .errors import UserError
from .hyperparameters import Parameter, choice, positive, rate
from .linear_solver import Settings

_AUTO = ("auto",)
_SHARE = Parameter(float, "auto", low=0, high=1, words=_AUTO)
_WORD = choice("auto", "true", "false", default="auto")
LOSSES = {
    "binary_classifier": ("logistic", "hinge_loss"),
    "multiclass_classifier": ("softmax_loss",),
    "regressor": (
        *("squared_loss", "absolute_loss", "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss"),
        *("quantile_loss", "huber_loss"),
    ),
}
_MODELS = 32
_RATE = 0.01
_RATE_FACTORS = (1, 10, 0.1, 3)
_DECAYS = (0.0, 1e-5, 1e-3, 1e-2)  # beside the given one, or its tenth, tenfold …
_FACTORS = (1, 0.1, 10, 0.01)
_CRITERIA = ("accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision", "loss_function")
KNOWN = {
    "feature_dim": positive("auto", words=_AUTO),
    "num_classes": Parameter(int, low=3, high=1000000),
    "predictor_type": choice(*LOSSES, required=True),
    "accuracy_top_k": positive(3),
    "balance_multiclass_weights": Parameter(bool, False),
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "bias_lr_mult": Parameter(float, "auto", above=0, words=_AUTO),
    "bias_wd_mult": rate("auto", words=_AUTO),
    "binary_classifier_model_selection_criteria": choice(*_CRITERIA, default="accuracy"),
    "early_stopping_patience": positive(3),
    "early_stopping_tolerance": Parameter(float, 0.001, above=0),
    "epochs": positive(15),
    "f_beta": Parameter(float, 1.0, above=0),
    "huber_delta": Parameter(float, 1.0, above=0),
    "init_bias": Parameter(float, 0.0),
    "init_method": choice("uniform", "normal", default="uniform"),
    "init_scale": Parameter(float, 0.07, above=0),
    "init_sigma": Parameter(float, 0.01, above=0),
    "l1": rate("auto", words=_AUTO),
    "learning_rate": Parameter(float, "auto", above=0, words=_AUTO),
    "loss": choice("auto", *itertools.chain(*LOSSES.values()), default="auto"),
    "loss_insensitivity": Parameter(float, 0.01, above=0),
    "lr_scheduler_factor": Parameter(float, "auto", above=0, below=1, words=_AUTO),
    "lr_scheduler_minimum_lr": Parameter(float, "auto", above=0, words=_AUTO),
    "lr_scheduler_step": positive("auto", words=_AUTO),
    "margin": Parameter(float, 1.0, above=0),
    "mini_batch_size": positive(1000),
    "momentum": Parameter(float, "auto", low=0, below=1, words=_AUTO),
    "normalize_data": choice("auto", "true", "false", default="true"),
    "normalize_label": _WORD,
    "num_calibration_samples": positive("auto", words=_AUTO),
    "num_models": positive("auto", words=_AUTO),
    "num_point_for_scaler": positive(10000),
    "optimizer": choice("auto", "sgd", "adam", "rmsprop", default="auto"),
    "positive_example_weight_mult": Parameter(float, 1.0, above=0, words=("balanced", "auto")),
    "quantile": Parameter(float, 0.5, above=0, below=1),
    "target_precision": Parameter(float, 0.8, low=0, high=1),
    "target_recall": Parameter(float, 0.8, low=0, high=1),
    "unbias_data": _WORD,
    "unbias_label": _WORD,
    "use_bias": Parameter(bool, True),
    "use_lr_scheduler": Parameter(bool, True),
    "wd": rate("auto", words=_AUTO),
}


def settle(values: dict[str, Any], tuned: bool) -> None:
    """Puts decisions where `auto` stands. Raises UserError for what does not go together."""
    kind = values["predictor_type"]
    if kind == "multiclass_classifier" and values["num_classes"] is None:
        raise UserError("num_classes must be given with predictor_type multiclass_classifier.")
    if values["loss"] == "auto":
        values["loss"] = LOSSES[kind][0]
    if values["loss"] not in LOSSES[kind]:
        raise UserError(f"loss {values['loss']} is not one of {', '.join(LOSSES[kind])} of a {kind}.")
    if tuned:
        values["num_models"] = 1
    unbiased = "true" if values["use_bias"] else "false"
    defaults = {
        "beta_1": 0.9,
        "beta_2": 0.999,
        "bias_lr_mult": 1.0,
        "bias_wd_mult": 0.0,
        "lr_scheduler_factor": 0.99,
        "lr_scheduler_minimum_lr": 1e-5,
        "lr_scheduler_step": 100,
        "momentum": 0.0,
        "num_models": _MODELS,
        "optimizer": "adam",
        "normalize_data": "true",
        "normalize_label": "true",
        "unbias_data": unbiased,
        "unbias_label": unbiased,
    }
    for name, value in defaults.items():
        if values[name] == "auto":
            values[name] = value


def models(values: dict[str, Any], labels: np.ndarray) -> list[Settings]:
    """The first model is as given; the others vary learning rate, weight decay, L1 and positive weight around it."""
    base = _RATE if values["learning_rate"] == "auto" else values["learning_rate"]
    decays, l1 = (_around(values[name]) for name in ("wd", "l1"))
    weight = values["positive_example_weight_mult"]
    balanced = float((labels == 0).sum() / max((labels == 1).sum(), 1))
    weights = {"balanced": [balanced], "auto": [1.0, balanced]}.get(str(weight), [weight])
    varied = itertools.product(l1[:2], decays, weights, [base * factor for factor in _RATE_FACTORS])
    grid = [Settings(size, sparse, decay, positive) for sparse, decay, positive, size in varied]
    return list(itertools.islice(itertools.cycle(grid), values["num_models"]))


def _around(value: Any) -> list[float]:
    if value == "auto":
        return list(_DECAYS)
    return [value * factor for factor in _FACTORS] if value else list(_DECAYS)
