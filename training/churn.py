"""Which customers are about to leave? Boosted trees with early stopping on the validation channel.

    python training/churn.py --train DIR --validation DIR --model-dir DIR
    python training/churn.py --train DIR --validation DIR --cross-validate 5     (measures, saves nothing)

Prints one line a round as XGBoost itself does, and last of all one for the model as it will be served:

    [12]<tab>train-auc:0.8623<tab>train-aucpr:0.6912<tab>train-logloss:0.4871<tab>validation-auc:0.8471 ...

AWS's XGBoost image takes no metric definitions but has its own, which make `validation:auc` of such a line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
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

LABEL = "Churn"
# What a request may leave blank, and what stands in for it: the same rule as in processing/churn.py.
FILL = {"TotalCharges": "tenure * MonthlyCharges"}
# What anyone in the business knows; it also keeps a small sample's noise out of the trees.
MONOTONE = {"tenure": -1, "Contract_Month-to-month": 1, "Contract_Two year": -1}


@dataclass
class Args:
    train: str = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    """folder with CSV files: raw customer columns and the label as 0 or 1"""
    validation: str = os.environ.get("SM_CHANNEL_VALIDATION", "/opt/ml/input/data/validation")
    """the same, for early stopping and the threshold"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the artifact goes: pipeline, metadata and code/inference.py"""
    imbalance: str = "none"
    """weights (the rarer class counts more), smote (synthetic training rows) or none, which measured best"""
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
    """threads; at this table's size two are no faster, and slower where jobs share the cores"""
    early_stopping_rounds: int = 50
    """stop after so many rounds without a better log loss on validation"""
    offer_cost: float = 50.0
    """what a retention offer costs, spent on every customer who is labelled 1"""
    customer_value: float = 300.0
    """what is lost with a customer who leaves without an offer"""
    cross_validate: int = 0
    """measure over so many stratified folds of train and validation together instead of saving a model"""
    seed: int = 0
    """of sampling, SMOTE and folds"""


def main(args: Args) -> None:
    train, validation = read(Path(args.train)), read(Path(args.validation))
    if args.cross_validate:
        cross_validate(pd.concat([train, validation], ignore_index=True), args)
        return
    pipeline, factor = fit(train, validation, args, progress=True)
    probability = predict(pipeline, factor, validation)
    threshold = cheapest_threshold(validation[LABEL].to_numpy(), probability, args.offer_cost, args.customer_value)
    metrics = measure(validation[LABEL], probability)
    save(Path(args.model_dir), pipeline, metadata(pipeline, train, factor, threshold, metrics, args))
    print(f"best round {pipeline[-1].best_iteration}, threshold {threshold:.4f}")
    print(
        f"[{pipeline[-1].best_iteration}]",
        *(f"validation-{name}:{value:.6f}" for name, value in metrics.items()),
        sep="\t",
    )


def read(folder: Path) -> pd.DataFrame:
    """All CSV files of a channel. Raises ValueError when there is nothing to learn from."""
    files = sorted(folder.rglob("*.csv"))
    if not files:
        raise ValueError(f"Channel {folder} holds no .csv file. Give it the output of processing/churn.py.")
    table = pd.concat([pd.read_csv(path) for path in files], ignore_index=True).drop(
        columns="customerID", errors="ignore"
    )
    if LABEL not in table or set(table[LABEL].unique()) != {0, 1}:
        raise ValueError(f"Channel {folder} needs a column {LABEL} that holds both 0 and 1.")
    return table


def fit(train: pd.DataFrame, validation: pd.DataFrame, args: Args, progress: bool = False) -> tuple[Pipeline, float]:
    """Preprocessing and classifier as one Pipeline over raw columns, and the factor by which it overstates the odds."""
    rows, answers = train.drop(columns=LABEL), train[LABEL]
    balance = float((answers == 0).sum() / (answers == 1).sum())
    weight = balance if args.imbalance == "weights" else 1.0
    if args.imbalance == "smote":
        rows, answers = oversample(rows, answers, args.seed)
    encode = encoder(train)
    encoded = encode.fit_transform(rows)
    seen = encode.transform(validation.drop(columns=LABEL))
    factor = 1.0 if args.imbalance == "none" else balance
    # The last evaluation set decides when to stop: validation again, in the proportions that the trees are fitted to.
    sets = [(encoded, answers), (seen, validation[LABEL]), (seen, validation[LABEL])]
    weights = [None, None, np.where(validation[LABEL] == 1, factor, 1.0)]
    classifier = xgboost.XGBClassifier(
        n_estimators=args.num_round,
        learning_rate=args.eta,
        max_depth=args.max_depth,
        min_child_weight=args.min_child_weight,
        subsample=args.subsample,
        colsample_bytree=args.colsample_bytree,
        reg_lambda=args.reg_lambda,
        scale_pos_weight=weight,
        monotone_constraints=tuple(MONOTONE.get(name, 0) for name in encoded.columns),
        early_stopping_rounds=args.early_stopping_rounds,
        eval_metric=["auc", "aucpr", "logloss"],
        callbacks=[Progress()] if progress else None,
        random_state=args.seed,
        n_jobs=args.nthread,
    )
    classifier.fit(encoded, answers, eval_set=sets, sample_weight_eval_set=weights, verbose=False)
    classifier.callbacks = None  # the artifact must load where this file is not
    return Pipeline([("encode", encode), ("classify", classifier)]), factor


def encoder(train: pd.DataFrame) -> ColumnTransformer:
    """One-hot for text, numbers as they are; a category never seen in training becomes all zeros."""
    categories = [name for name in train.columns if train[name].dtype == object]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    columns = ColumnTransformer(
        [("category", one_hot, categories)], remainder="passthrough", verbose_feature_names_out=False
    )
    return columns.set_output(transform="pandas")


def oversample(rows: pd.DataFrame, answers: pd.Series, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """As many churned as loyal customers, by SMOTE for mixed columns (Chawla et al., 2002), on training rows only.

    Neighbours are found on standardised numbers; otherwise TotalCharges alone would decide who is near.
    """
    from imblearn.over_sampling import SMOTENC

    numbers = [name for name in rows.columns if rows[name].dtype != object and rows[name].nunique() > 2]
    mean, deviation = rows[numbers].mean(), rows[numbers].std()
    scaled = rows.assign(**((rows[numbers] - mean) / deviation))
    sampler = SMOTENC([name for name in rows.columns if name not in numbers], random_state=seed)
    more, answers = sampler.fit_resample(scaled, answers)
    invented = more.iloc[len(rows) :]
    return pd.concat([rows, invented.assign(**(invented[numbers] * deviation + mean))], ignore_index=True), answers


class Progress(xgboost.callback.TrainingCallback):
    """One line a round, in the form that this file's docstring promises."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        sets = zip(("train", "validation"), evals_log.values(), strict=False)  # the third set only decides when to stop
        scores = (f"{name}-{metric}:{values[-1]:.6f}" for name, log in sets for metric, values in log.items())
        print(f"[{epoch}]", *scores, sep="\t", flush=True)
        return False


def predict(pipeline: Pipeline, factor: float, table: pd.DataFrame) -> np.ndarray:
    """Probabilities, shape (rows,), with the effect of weights or resampling on the odds taken back."""
    scores = pipeline.predict_proba(table.drop(columns=LABEL))[:, 1].astype("float64")
    return scores / (scores + factor * (1 - scores))


def measure(answers: pd.Series, probability: np.ndarray) -> dict[str, float]:
    return {
        "auc": float(roc_auc_score(answers, probability)),
        "logloss": float(log_loss(answers, probability)),
        "aucpr": float(average_precision_score(answers, probability)),
    }


def cheapest_threshold(answers: np.ndarray, probability: np.ndarray, offer_cost: float, customer_value: float) -> float:
    """The probability from which on an offer pays: least offers paid plus customers lost, over these customers."""
    order = np.argsort(-probability, kind="stable")
    saved = np.concatenate([[0], np.cumsum(answers[order])])
    costs = offer_cost * np.arange(len(order) + 1) + customer_value * (answers.sum() - saved)
    ranked = probability[order]
    whole = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])  # equal scores get the same answer
    best = int(np.flatnonzero(whole)[np.argmin(costs[whole])])
    return float(ranked[best - 1]) if best else 1.0


def cross_validate(table: pd.DataFrame, args: Args) -> None:
    """Means over stratified folds; each fold's early stopping looks at a part of its own training rows only."""
    scores = []
    for learn, judge in StratifiedKFold(args.cross_validate, shuffle=True, random_state=args.seed).split(
        table, table[LABEL]
    ):
        part = table.iloc[learn]
        train, stop = train_test_split(part, test_size=0.15, stratify=part[LABEL], random_state=args.seed)
        pipeline, factor = fit(train, stop, args)
        scores.append(measure(table.iloc[judge][LABEL], predict(pipeline, factor, table.iloc[judge])))
        print(f"fold {len(scores)}:", *(f"{name}={value:.4f}" for name, value in scores[-1].items()), flush=True)
    means = pd.DataFrame(scores).mean()
    print(f"cv:auc={means['auc']:.4f} cv:average_precision={means['aucpr']:.4f} cv:logloss={means['logloss']:.4f}")


def metadata(
    pipeline: Pipeline, train: pd.DataFrame, factor: float, threshold: float, metrics: dict[str, float], args: Args
) -> dict[str, Any]:
    """All that serving and evaluation need to know beside the pipeline; `training/tabular_inference.py` reads it."""
    rows = train.drop(columns=LABEL)
    encode = pipeline[0]
    one_hot = dict(zip(encode.transformers_[0][2], encode.transformers_[0][1].categories_, strict=True))
    return {
        "label": LABEL,
        "features": {name: "category" if name in one_hot else "number" for name in rows.columns},
        "optional": ["customerID"],
        "fill": FILL,
        "raw": {name: [f"{name}_{value}" for value in one_hot[name]] if name in one_hot else [name] for name in rows},
        "odds_factor": factor,
        "threshold": threshold,
        "costs": {"action": args.offer_cost, "miss": args.customer_value},
        "best_round": pipeline[-1].best_iteration,
        "validation": metrics,
        "hyperparameters": {name: value for name, value in asdict(args).items() if not isinstance(value, str)}
        | {"imbalance": args.imbalance},
    }


def save(folder: Path, pipeline: Pipeline, facts: dict[str, Any]) -> None:
    (folder / "code").mkdir(parents=True, exist_ok=True)
    joblib.dump(pipeline, folder / "model.joblib")
    (folder / "metadata.json").write_text(json.dumps(facts, indent=2) + "\n")
    shutil.copyfile(Path(__file__).with_name("tabular_inference.py"), folder / "code" / "inference.py")


def parse(argv: list[str] | None = None) -> Args:
    """Hyperparameters come as `--max_depth 6` from SageMaker, as `--max-depth 6` by hand; a string may be in quotes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Args):
        flags = dict.fromkeys(["--" + field.name.replace("_", "-"), "--" + field.name])
        convert = unquoted if isinstance(field.default, str) else type(field.default)
        parser.add_argument(*flags, dest=field.name, type=convert, default=field.default)  # type: ignore[arg-type]
    args = Args(**vars(parser.parse_args(argv)))
    if args.imbalance not in ("weights", "smote", "none"):
        parser.error(f"argument --imbalance: {args.imbalance!r} is unknown. Use weights, smote or none.")
    return args


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def tell_the_platform(error: Exception) -> None:
    """SageMaker makes the job's FailureReason of this file's first kilobyte."""
    folder = Path("/opt/ml/output")
    if folder.is_dir():
        (folder / "failure").write_text(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    try:
        main(parse())
    except Exception as error:
        tell_the_platform(error)
        raise
