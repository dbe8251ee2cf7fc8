"""`train` of the XGBoost image in algorithm mode: a booster from the train (and validation) channel.

Behaviour after the image's source repository (aws/sagemaker-xgboost-container). It differs where that one is at fault:
checkpoints are written after each round and resumed, and see `xgboost_metrics.evaluator`.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from xgboost.callback import EarlyStopping, EvaluationMonitor, TrainingCallback

from . import xgboost_data, xgboost_metrics
from .errors import AlgorithmError, UserError
from .job import Channel, Job, log, numbers, require
from .xgboost_distributed import cluster
from .xgboost_parameters import MAXIMIZE, validated

MODEL = "xgboost-model"
_CHECKPOINT = "xgboost-checkpoint"
_NUMBERED = rf"{_CHECKPOINT}\.\d+"
_KEPT_CHECKPOINTS = 5
# What the image counts as the user's fault among the library's own errors.
_USERS_FAULTS = (
    "label must be in [0,1] for logistic regression",
    "label must be in (0, 1) for logistic regression",  # XGBoost 3.2
    "label must be in [0, num_class)",
    "Target is multiclass but average='binary'",
    "feature_names mismatch",
    "Check failed: preds.size() == info.labels_.size()",
    "AUC: the dataset only contains pos or neg samples",
    "base_score must be in (0,1)",
    "label must be nonnegative",
    "Parameter reg_lambda should be greater equal to 0",
)


def train(job: Job) -> None:
    """Raises UserError or AlgorithmError. Writes `xgboost-model`, or with `_kfold` `xgboost-model-0` and so on."""
    log("Running XGBoost Sagemaker in algorithm mode")
    values = validated(job.hyperparameters)
    require(job, {"train": True, "validation": False, "code": False})
    for channel in job.channels.values():
        if channel.name != "code":
            xgboost_data.kind(channel)
    weights = values.pop("csv_weights", 0) == 1
    training = xgboost_data.load([job.channels["train"]], weights)
    validation_channel = job.channels.get("validation")
    validation = xgboost_data.load([validation_channel], weights) if validation_channel else None
    alone = len(job.hosts) == 1
    if alone and training is None:
        raise UserError(f"No data in training channel path {job.channels['train'].folder}")
    if alone and validation_channel and validation is None:
        raise UserError(f"No data in validation channel path {validation_channel.folder}")
    usable = training is not None and not (validation_channel and validation is None)
    with cluster(job, usable) as master:
        if master is not None and training is not None:
            _fit(job, values, training, validation, weights, master)


def _fit(
    job: Job,
    values: dict[str, Any],
    training: xgboost.DMatrix,
    validation: xgboost.DMatrix | None,
    weights: bool,
    master: bool,
) -> None:
    log(f"Train matrix has {training.num_row()} rows and {training.num_col()} columns")
    if validation is not None:
        log(f"Validation matrix has {validation.num_row()} rows")
    values.pop("use_dask_gpu_training", None)
    if "updater" in values:
        values["updater"] = ",".join(values["updater"])
    folds = values.pop("_kfold", None)
    rounds = values.pop("_num_cv_round", 1)
    fit = Fit(job, values, training, validation, master)
    try:
        if folds is None:
            boosters = [fit.booster(training, None)[0]]
        else:
            channels = [job.channels[name] for name in ("train", "validation") if name in job.channels]
            boosters = _cross_validated(fit, job, channels, weights, folds, rounds)
    except (UserError, OSError):
        raise
    except Exception as error:  # the library's own
        message = str(error).partition("Stack trace:")[0].strip()
        if any(fault in message for fault in _USERS_FAULTS):
            raise UserError(message) from error
        raise AlgorithmError(f"XGB train call failed with exception:\n {message}") from error
    if master:
        for number, booster in enumerate(boosters):
            save(booster, job.model / (MODEL if folds is None else f"{MODEL}-{number}"), job.version)


class Fit:
    """xgboost.train with the image's way of evaluating, stopping and saving."""

    def __init__(
        self,
        job: Job,
        values: dict[str, Any],
        training: xgboost.DMatrix,
        validation: xgboost.DMatrix | None,
        master: bool,
    ) -> None:
        self._job = job
        self._master = master
        self.rounds: int = values.pop("num_round")
        self._keep = values.pop("save_model_on_termination", "false") == "true"
        self._patience = values.pop("early_stopping_rounds", None)
        asked = values.pop("eval_metric", None)
        own, custom, tuned = xgboost_metrics.chosen(asked, values.pop("_tuning_objective_metric", None))
        self._stop_on = (tuned or asked or [None])[-1]
        self.objective: str = values.get("objective", "reg:squarederror")
        self._custom = xgboost_metrics.evaluator(custom, self.objective) if custom else None
        self.classes: int | None = values.get("num_class")
        self._values = {**values, **({"eval_metric": own} if own else {})}
        self._watched = [(training, "train"), *([(validation, "validation")] if validation is not None else [])]

    def booster(self, data: xgboost.DMatrix, fold: int | None) -> tuple[xgboost.Booster, dict[str, Any]]:
        """The trained model and the history of its evaluations: data set, metric, a value a round."""
        folder = self._job.checkpoints
        if folder and fold is not None:
            folder = folder / f"model-{fold}"
        start, done = _latest(folder)
        if start:
            log(f"Checkpoint loaded from {start}\nResuming from iteration {done}")
        name = MODEL if fold is None else f"{MODEL}-{fold}"
        callbacks: list[TrainingCallback] = [EvaluationMonitor(logger=lambda text: print(text, end="", flush=True))]
        if folder and self._master:
            callbacks.append(_Checkpoints(folder, done))
        if self._keep and self._master:
            callbacks.append(_Intermediate(self._job.model / name, self._job.version))
            _leave_on_sigterm()
        if self._patience and self._stop_on and len(self._watched) > 1:
            callbacks.append(
                EarlyStopping(
                    rounds=self._patience,
                    data_name="validation",
                    metric_name=self._stop_on,
                    maximize=self._stop_on in MAXIMIZE,
                    save_best=self._master,
                )
            )
        history: dict[str, Any] = {}
        booster = xgboost.train(
            self._values,
            data,
            num_boost_round=self.rounds - done,
            evals=self._watched,
            custom_metric=self._custom,
            evals_result=history,
            callbacks=callbacks,
            xgb_model=bytearray(start.read_bytes()) if start else None,
            verbose_eval=False,
        )
        return booster, history


def _cross_validated(
    fit: Fit, job: Job, channels: list[Channel], weights: bool, folds: int, rounds: int
) -> list[xgboost.Booster]:
    """A booster a fold over the rows of both channels; prints the mean metrics and writes predictions.csv.

    As in the image, what is evaluated each round are the two channels, and not the fold's own rows.
    """
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    data = xgboost_data.load(channels, weights)
    assert data is not None  # the train channel has rows
    truth = data.get_label()
    classes = bool(fit.classes) or fit.objective.startswith("binary:")
    splitter = (RepeatedStratifiedKFold if classes else RepeatedKFold)(n_splits=folds, n_repeats=rounds)
    log(f"Run {rounds}-round of {folds}-fold cross validation with {len(truth)} rows")
    boosters: list[xgboost.Booster] = []
    histories: list[dict[str, Any]] = []
    predicted: list[tuple[np.ndarray, np.ndarray]] = []
    for train_rows, test_rows in splitter.split(np.zeros(len(truth)), truth if classes else None):
        log(f"Train cross validation fold {len(boosters) % folds + 1}")
        booster, history = fit.booster(data.slice(train_rows), len(boosters))
        boosters.append(booster)
        histories.append(history)
        predicted.append((test_rows, booster.predict(data.slice(test_rows))))
        if len(boosters) % folds == 0:
            log(f"The metrics of round {len(boosters) // folds} cross validation")
            _print_means(fit.rounds, histories[-folds:])
    if rounds > 1:
        log(f"The overall metrics of {rounds}-round cross validation")
        _print_means(fit.rounds, histories)
    _write_predictions(job.output / "predictions.csv", truth, predicted, rounds, classes)
    return boosters


def _print_means(rounds: int, histories: list[dict[str, Any]]) -> None:
    parts = [f"[{rounds}]"]
    for metric in histories[0]["train"]:
        for name in histories[0]:
            parts.append(f"{name}-{metric}:{np.mean([history[name][metric][-1] for history in histories]):.5f}")
    print("\t".join(parts), flush=True)


def _write_predictions(
    file: Path, truth: np.ndarray, predicted: list[tuple[np.ndarray, np.ndarray]], rounds: int, classes: bool
) -> None:
    """A row for each row of the data: label, mean prediction; for classes label, mean probability, most frequent."""
    from scipy import stats

    values, labels = np.zeros((len(truth), rounds)), np.zeros((len(truth), rounds))
    seen = np.zeros(len(truth), dtype=int)
    for rows, predictions in predicted:
        if predictions.ndim > 1:
            labels[rows, seen[rows]] = predictions.argmax(axis=1)
            values[rows, seen[rows]] = predictions.max(axis=1)
        else:
            labels[rows, seen[rows]] = predictions > 0.5
            values[rows, seen[rows]] = predictions
        seen[rows] += 1
    columns = [truth, values.mean(axis=1), *([stats.mode(labels, axis=1).mode] if classes else [])]
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, np.column_stack(columns), delimiter=",", fmt="%f")


def save(booster: xgboost.Booster, file: Path, version: str) -> None:
    """The library's own binary format, and a pickle in images before 1.3, as documented."""
    raw = pickle.dumps(booster) if numbers(version) < (1, 3) else bytes(booster.save_raw("ubj"))
    draft = file.with_name(f".{file.name}")
    draft.write_bytes(raw)
    draft.replace(file)


class _Intermediate(TrainingCallback):
    """Saves the model after each round, for a job that is stopped (save_model_on_termination)."""

    def __init__(self, file: Path, version: str) -> None:
        self._file, self._version = file, version

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        save(model, self._file, self._version)
        return False


class _Checkpoints(TrainingCallback):
    """`xgboost-checkpoint.<round>` after each round, the last five of them."""

    def __init__(self, folder: Path, done: int) -> None:
        self._folder, self._done = folder, done

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        number = self._done + epoch
        draft = self._folder / f".{_CHECKPOINT}"
        draft.write_bytes(bytes(model.save_raw("ubj")))
        draft.replace(self._folder / f"{_CHECKPOINT}.{number}")
        (self._folder / f"{_CHECKPOINT}.{number - _KEPT_CHECKPOINTS}").unlink(missing_ok=True)
        return False


def _latest(folder: Path | None) -> tuple[Path | None, int]:
    """The newest checkpoint and how many rounds it has."""
    files = folder.iterdir() if folder and folder.exists() else ()
    numbered = [(int(file.name.rpartition(".")[2]), file) for file in files if re.fullmatch(_NUMBERED, file.name)]
    if not numbered:
        return None, 0
    number, file = max(numbered)
    return file, number + 1


def _leave_on_sigterm() -> None:
    """The model of the last round is on disk: exit status 0, as the image does."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
