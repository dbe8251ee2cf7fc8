"""Which card transactions are fraud? One member of the ensemble, as a tuning job tries it.

    python training/fraud.py --member boosted_trees --train DIR --validation DIR --model-dir DIR

Members: `rules`, the baseline; `isolation_forest` and `one_class_svm`, which see no label; `random_forest` and
`boosted_trees`; `network`, which needs PyTorch. Those that can learn by several ways to meet the imbalance try each and
keep the best. All are judged by average precision on the validation channel, whose transactions are later than the
train channel's. `fraud_ensemble.py` makes one model of the best of each.

Prints the objective as XGBoost's image reads it, `[0]<tab>validation-aucpr:0.68`, and as `average_precision=0.68`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fraud_imbalance
import fraud_scores
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from training_job import parse as parse_args
from training_job import read_channel, run

LABEL = "fraud"
# What a table carries to judge by and to look up; no model sees it, and a request may carry it.
KEYS = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "scenario")
MEMBERS = ("rules", "isolation_forest", "one_class_svm", "random_forest", "boosted_trees", "network")
# Ways of fraud_imbalance.WAYS that a member can learn by; a detector sees no label and needs none.
WAYS = {
    "random_forest": ("none", "weights", "undersampling"),
    "boosted_trees": fraud_imbalance.WAYS,
    "network": fraud_imbalance.WAYS,
}


@dataclass
class Args:
    train: str = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    """folder with CSV files: features, label and keys"""
    validation: str = os.environ.get("SM_CHANNEL_VALIDATION", "/opt/ml/input/data/validation")
    """the same of later transactions: the objective is measured on it"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the member goes"""
    member: str = "boosted_trees"
    """which one"""
    members: str = ",".join(MEMBERS)
    """those that the ensemble is made of, with commas between; another member leaves itself out"""
    imbalance: str = ",".join(fraud_imbalance.WAYS)
    """ways to meet the imbalance that are compared, with commas between"""
    seed: int = 0
    """of sampling and weights"""
    nthread: int = 1
    """threads; more where a trial has an instance to itself"""
    share: float = 0.02
    """rules: of all frauds, that a rule has to find at least"""
    most: int = 8
    """rules: how many"""
    trees: int = 100
    """isolation forest and random forest: how many"""
    sample: int = 512
    """isolation forest: transactions that a tree is made of"""
    columns: float = 0.5
    """share of the features: of an isolation tree, of a boosted tree, of a split in the random forest"""
    gamma: float = 1.0
    """one-class SVM: how fast the kernel falls with the distance"""
    nu: float = 0.02
    """one-class SVM: about the share of transactions taken for unusual"""
    components: int = 200
    """one-class SVM: of Nystroem's approximation"""
    max_depth: int = 6
    """of a tree"""
    min_child_weight: float = 5.0
    """least weight in a leaf"""
    eta: float = 0.1
    """boosted trees: learning rate"""
    subsample: float = 0.8
    """share of the transactions for each tree"""
    reg_lambda: float = 2.0
    """boosted trees: L2 penalty on the leaves"""
    num_round: int = 200
    """boosted trees: the most trees; more would make reasons slow"""
    width: int = 64
    """network: of the first layer"""
    learning_rate: float = 0.005
    """network: the highest"""
    weight_decay: float = 0.01
    """network: L2 penalty"""
    epochs: int = 12
    """network: passes over the data"""


@dataclass(frozen=True)
class Split:
    features: list[str]
    matrix: np.ndarray  # shape (records, features)
    answers: np.ndarray  # 0 or 1

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        return self.matrix, self.answers


def main(args: Args) -> None:
    if args.member not in args.members.split(","):
        leave_out(args, f"it is not among the members {args.members}")
        return
    train, validation = (read(Path(folder)) for folder in (args.train, args.validation))
    if train.features != validation.features:
        raise ValueError(f"The channels have different features: {train.features} and {validation.features}.")
    ways, tried = [each for each in WAYS.get(args.member, ("none",)) if each in args.imbalance.split(",")], []
    best: Any = None
    for way in ways or ["none"]:
        start = time.perf_counter()
        member, more = FITS[args.member](train, validation, way, args)
        scores = member.scores(validation.matrix)
        found = {
            "way": way,
            "average_precision": float(average_precision_score(validation.answers, scores)),
            "auc": float(roc_auc_score(validation.answers, scores)),
            "seconds": round(time.perf_counter() - start, 2),
        }
        tried.append(found)
        print(f"{args.member} {way}: average_precision {found['average_precision']:.4f} in {found['seconds']} s")
        if best is None or found["average_precision"] > best[1]["average_precision"]:
            best = member, found, more
    member, found, more = best
    facts = {
        "member": args.member,
        "features": train.features,
        "validation": found,
        "imbalance": tried if args.member in WAYS else [],
        "settings": settings(args),
        **more,
    }
    fraud_scores.save(Path(args.model_dir), member, facts)
    tell(found["average_precision"])


def read(folder: Path) -> Split:
    """Raises ValueError for a channel that cannot be learnt from, or be judged by."""
    table = read_channel(folder, LABEL)
    if set(table[LABEL].unique()) != {0, 1}:
        raise ValueError(f"Channel {folder} needs a column {LABEL} that holds both 0 and 1.")
    rows = features_of(table)
    if rows.isna().any(axis=None):
        blank = ", ".join(rows.columns[rows.isna().any()])
        raise ValueError(f"Channel {folder} has blanks in {blank}: features are always known.")
    return Split(list(rows.columns), rows.to_numpy(dtype=float), table[LABEL].to_numpy(dtype=int))


def features_of(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=[LABEL, *KEYS], errors="ignore")


def fit_rules(train: Split, _: Split, way: str, args: Args) -> tuple[Any, dict[str, Any]]:
    import fraud_rules

    table, rules = fraud_rules.fit(*train.pair, args.share, args.most)
    return table, {"rules": fraud_rules.told(rules, train.features)}


def fit_isolation_forest(train: Split, _: Split, way: str, args: Args) -> tuple[Any, dict[str, Any]]:
    import fraud_detectors

    return fraud_detectors.isolation_forest(train.matrix, args.trees, args.sample, args.columns, args.seed), {}


def fit_one_class_svm(train: Split, _: Split, way: str, args: Args) -> tuple[Any, dict[str, Any]]:
    import fraud_detectors

    return fraud_detectors.one_class_svm(train.matrix, args.gamma, args.nu, args.components, args.seed), {}


def fit_random_forest(train: Split, _: Split, way: str, args: Args) -> tuple[Any, dict[str, Any]]:
    import fraud_trees

    parameters = {
        "num_parallel_tree": args.trees,
        "max_depth": args.max_depth,
        "min_child_weight": args.min_child_weight / 4,  # of one record, before any round
        "subsample": args.subsample,
        "colsample_bynode": args.columns,
        "nthread": args.nthread,
    }
    return fraud_trees.forest(train.pair, train.features, way, parameters, args.seed), {}


def fit_boosted_trees(train: Split, validation: Split, way: str, args: Args) -> tuple[Any, dict[str, Any]]:
    import fraud_trees

    parameters = {
        "eta": args.eta,
        "max_depth": args.max_depth,
        "min_child_weight": args.min_child_weight,
        "subsample": args.subsample,
        "colsample_bytree": args.columns,
        "reg_lambda": args.reg_lambda,
        "nthread": args.nthread,
    }
    found = fraud_trees.boosted(train.pair, validation.pair, train.features, way, parameters, args.num_round, args.seed)
    return found, {"rounds": found.booster.num_boosted_rounds()}


def fit_network(train: Split, validation: Split, way: str, args: Args) -> tuple[Any, dict[str, Any]]:
    import fraud_network

    found = fraud_network.fit(
        train.pair,
        validation.pair,
        way,
        width=args.width,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        epochs=args.epochs,
        seed=args.seed,
    )
    return found, {}


Fit = Callable[[Split, Split, str, Args], tuple[Any, dict[str, Any]]]  # the member, and facts of its own
FITS: dict[str, Fit] = {
    "rules": fit_rules,
    "isolation_forest": fit_isolation_forest,
    "one_class_svm": fit_one_class_svm,
    "random_forest": fit_random_forest,
    "boosted_trees": fit_boosted_trees,
    "network": fit_network,
}


def leave_out(args: Args, why: str) -> None:
    """An artifact that says so, in place of a member."""
    print(f"{args.member} is left out: {why}")
    folder = Path(args.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "left_out.txt").write_text(f"{args.member}: {why}\n")
    tell(0.0)


def tell(score: float) -> None:
    print(f"average_precision={score:.6f}")
    print(f"[0]\tvalidation-aucpr:{score:.6f}", flush=True)


def settings(args: Args) -> dict[str, Any]:
    """Those of the member's own."""
    own = {
        "rules": ("share", "most"),
        "isolation_forest": ("trees", "sample", "columns"),
        "one_class_svm": ("gamma", "nu", "components"),
        "random_forest": ("trees", "max_depth", "min_child_weight", "subsample", "columns"),
        "boosted_trees": ("eta", "max_depth", "min_child_weight", "subsample", "columns", "reg_lambda", "num_round"),
        "network": ("width", "learning_rate", "weight_decay", "epochs"),
    }
    return {name: value for name, value in asdict(args).items() if name in own[args.member]}


def parse(argv: list[str] | None = None) -> Args:
    args = parse_args(Args, __doc__, argv, member=MEMBERS)
    for option, known in (("members", MEMBERS), ("imbalance", fraud_imbalance.WAYS)):
        given = getattr(args, option).split(",")
        if wrong := [each for each in given if each not in known]:
            raise SystemExit(f"--{option}: {', '.join(wrong)} unknown. Known: {', '.join(known)}.")
    return args


if __name__ == "__main__":
    run(lambda: main(parse()))
