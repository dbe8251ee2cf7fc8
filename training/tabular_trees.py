"""What training scripts of tabular binary classification share: boosted trees behind a one-hot encoding, stopped early
on the validation channel, and the artifact that `tabular_inference.py` serves. The rest is in a use case's own script.

`fit` prints one line a round as XGBoost itself does:

    [12]<tab>train-auc:0.8623<tab>train-aucpr:0.6912<tab>train-logloss:0.4871<tab>validation-auc:0.8471 ...

AWS's XGBoost image takes no metric definitions but has its own, which make `validation:auc` of such a line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from training_job import parse, put_code, read_channel, run

__all__ = ["parse", "run"]  # for the scripts that build on this


@dataclass
class TreeArgs:
    train: str = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    """folder with CSV files: raw columns and the label as 0 or 1"""
    validation: str = os.environ.get("SM_CHANNEL_VALIDATION", "/opt/ml/input/data/validation")
    """the same, for early stopping and the threshold"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the artifact goes: pipeline, metadata and code/inference.py"""
    eta: float = 0.05
    """learning rate"""
    max_depth: int = 3
    """of a tree"""
    min_child_weight: float = 10.0
    """least weight in a leaf"""
    subsample: float = 0.7
    """share of the rows for each tree"""
    colsample_bytree: float = 0.5
    """share of the columns for each tree"""
    reg_lambda: float = 5.0
    """L2 penalty on the leaves"""
    num_round: int = 1000
    """most trees"""
    nthread: int = 1
    """threads; at these tables' size two are no faster, and slower where jobs share the cores"""
    early_stopping_rounds: int = 50
    """stop after so many rounds without a better log loss on validation"""
    cross_validate: int = 0
    """measure over so many stratified folds of train and validation together instead of saving a model"""
    seed: int = 0
    """of sampling and folds"""


# What the evaluation varies to show bias and variance; some seconds' worth, as `make run` waits for it.
CURVES = {
    "scoring": "roc_auc",
    "folds": 3,
    "sizes": [0.1, 0.25, 0.5, 1.0],
    "most": 6000,
    "parameter": "classify__max_depth",
    "values": [1, 2, 4, 6, 9],
}
Fit = Callable[[pd.DataFrame, pd.DataFrame], tuple[Pipeline, float]]  # train and validation to a model and odds factor


def read(folder: Path, label: str, ignored: Sequence[str] = ()) -> pd.DataFrame:
    """All CSV files of a channel. Raises ValueError when there is nothing to learn from."""
    table = read_channel(folder, label).drop(columns=list(ignored), errors="ignore")
    if set(table[label].unique()) != {0, 1}:
        raise ValueError(f"Channel {folder} needs a column {label} that holds both 0 and 1.")
    return table


def encoder(rows: pd.DataFrame) -> ColumnTransformer:
    """One-hot for text, numbers as they are; a category never seen in training becomes all zeros."""
    categories = [name for name in rows.columns if rows[name].dtype == object]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    columns = ColumnTransformer(
        [("category", one_hot, categories)], remainder="passthrough", verbose_feature_names_out=False
    )
    return columns.set_output(transform="pandas")


def fit(
    train: tuple[pd.DataFrame, pd.Series],
    validation: tuple[pd.DataFrame, pd.Series],
    args: TreeArgs,
    *,
    weight: np.ndarray | None = None,
    stopping_weight: np.ndarray | None = None,
    monotone: Mapping[str, int] | None = None,
    progress: bool = False,
) -> Pipeline:
    """Encoder and classifier as one Pipeline over raw columns.

    `train` and `validation` are rows and answers; `weight` of training rows, `stopping_weight` of validation rows in
    the loss that decides when to stop, both of shape (rows,). `monotone` maps encoded columns to -1 or 1.
    """
    (rows, answers), (seen_rows, seen_answers) = train, validation
    encode = encoder(rows)
    encoded, seen = encode.fit_transform(rows), encode.transform(seen_rows)
    # The last evaluation set decides when to stop: validation again, in the proportions that the trees are fitted to.
    sets = [(encoded, answers), (seen, seen_answers), (seen, seen_answers)]
    classifier = xgboost.XGBClassifier(
        n_estimators=args.num_round,
        learning_rate=args.eta,
        max_depth=args.max_depth,
        min_child_weight=args.min_child_weight,
        subsample=args.subsample,
        colsample_bytree=args.colsample_bytree,
        reg_lambda=args.reg_lambda,
        monotone_constraints=tuple((monotone or {}).get(name, 0) for name in encoded.columns),
        early_stopping_rounds=args.early_stopping_rounds,
        eval_metric=["auc", "aucpr", "logloss"],
        callbacks=[Progress()] if progress else None,
        random_state=args.seed,
        n_jobs=args.nthread,
    )
    weights = [None, None, np.ones(len(seen)) if stopping_weight is None else stopping_weight]
    classifier.fit(encoded, answers, sample_weight=weight, eval_set=sets, sample_weight_eval_set=weights, verbose=False)
    classifier.callbacks = None  # the artifact must load where this file is not
    return Pipeline([("encode", encode), ("classify", classifier)])


class Progress(xgboost.callback.TrainingCallback):
    """One line a round, in the form that this file's docstring promises."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        sets = zip(("train", "validation"), evals_log.values(), strict=False)  # the third set only decides when to stop
        scores = (f"{name}-{metric}:{values[-1]:.6f}" for name, log in sets for metric, values in log.items())
        print(f"[{epoch}]", *scores, sep="\t", flush=True)
        return False


def predict(pipeline: Pipeline, factor: float, rows: pd.DataFrame) -> np.ndarray:
    """Probabilities, shape (rows,), with the effect of weights or resampling on the odds taken back."""
    scores = pipeline.predict_proba(rows)[:, 1].astype("float64")
    return scores / (scores + factor * (1 - scores))


def measure(answers: pd.Series, probability: np.ndarray) -> dict[str, float]:
    return {
        "auc": float(roc_auc_score(answers, probability)),
        "logloss": float(log_loss(answers, probability)),
        "aucpr": float(average_precision_score(answers, probability)),
    }


def cross_validate(table: pd.DataFrame, label: str, args: TreeArgs, fit: Fit) -> None:
    """Means over stratified folds; each fold's early stopping looks at a part of its own training rows only."""
    scores = []
    folds = StratifiedKFold(args.cross_validate, shuffle=True, random_state=args.seed)
    for learn, judge in folds.split(table, table[label]):
        part, judged = table.iloc[learn], table.iloc[judge]
        train, stop = train_test_split(part, test_size=0.15, stratify=part[label], random_state=args.seed)
        pipeline, factor = fit(train, stop)
        scores.append(measure(judged[label], predict(pipeline, factor, judged.drop(columns=label))))
        print(f"fold {len(scores)}:", *(f"{name}={value:.4f}" for name, value in scores[-1].items()), flush=True)
    means = pd.DataFrame(scores).mean()
    print(f"cv:auc={means['auc']:.4f} cv:average_precision={means['aucpr']:.4f} cv:logloss={means['logloss']:.4f}")


def metadata(
    pipeline: Pipeline,
    rows: pd.DataFrame,
    args: TreeArgs,
    *,
    label: str,
    optional: Sequence[str] = (),
    fill: Mapping[str, str] | None = None,
    odds_factor: float = 1.0,
    threshold: float,
    costs: Mapping[str, float],
    metrics: Mapping[str, float],
) -> dict[str, Any]:
    """All that serving and evaluation need to know beside the pipeline; `tabular_inference.py` reads it.

    `optional` are columns that a request may carry and the model ignores, `fill` a column's stand-in where it is blank,
    `costs` those of an `action` and a `miss`, `metrics` the validation's.
    """
    encode = pipeline[0]
    one_hot = dict(zip(encode.transformers_[0][2], encode.transformers_[0][1].categories_, strict=True))
    folders = ("train", "validation", "model_dir")
    return {
        "label": label,
        "features": {name: "category" if name in one_hot else "number" for name in rows.columns},
        "optional": list(optional),
        "fill": dict(fill or {}),
        "raw": {name: [f"{name}_{value}" for value in one_hot[name]] if name in one_hot else [name] for name in rows},
        "odds_factor": odds_factor,
        "threshold": threshold,
        "costs": dict(costs),
        "curves": CURVES,
        "best_round": pipeline[-1].best_iteration,
        "validation": dict(metrics),
        "hyperparameters": {name: value for name, value in asdict(args).items() if name not in folders},
    }


def save(folder: Path, pipeline: Pipeline, facts: Mapping[str, Any]) -> None:
    """The artifact, and one line of progress for the model as it will be served."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    joblib.dump(pipeline, folder / "model.joblib")
    (folder / "metadata.json").write_text(json.dumps(facts, indent=2) + "\n")
    put_code(folder / "code", "tabular_inference.py")
    print(f"best round {facts['best_round']}, threshold {facts['threshold']:.4f}")
    print(
        f"[{facts['best_round']}]",
        *(f"validation-{name}:{value:.6f}" for name, value in facts["validation"].items()),
        sep="\t",
    )
