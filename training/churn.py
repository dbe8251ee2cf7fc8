"""Which customers are about to leave? Boosted trees with early stopping on the validation channel.

    python training/churn.py --train DIR --validation DIR --model-dir DIR
    python training/churn.py --train DIR --validation DIR --cross-validate 5     (measures, saves nothing)

Prints one line a round as XGBoost itself does, and last of all one for the model as it will be served.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import decision_threshold
import numpy as np
import pandas as pd
import tabular_trees as trees
from sklearn.pipeline import Pipeline

LABEL = "Churn"
ID = "customerID"
# What a request may leave blank, and what stands in for it: the same rule as in processing/churn.py.
FILL = {"TotalCharges": "tenure * MonthlyCharges"}
# What anyone in the business knows; it also keeps a small sample's noise out of the trees.
MONOTONE = {"tenure": -1, "Contract_Month-to-month": 1, "Contract_Two year": -1}


@dataclass
class Args(trees.TreeArgs):
    imbalance: str = "none"
    """weights (the rarer class counts more), smote (synthetic training rows) or none, which measured best"""
    offer_cost: float = 50.0
    """what a retention offer costs, spent on every customer who is labelled 1"""
    customer_value: float = 300.0
    """what is lost with a customer who leaves without an offer"""


def main(args: Args) -> None:
    train, validation = (trees.read(Path(folder), LABEL, [ID]) for folder in (args.train, args.validation))
    if args.cross_validate:
        whole = pd.concat([train, validation], ignore_index=True)
        trees.cross_validate(whole, LABEL, args, lambda learn, stop: fit(learn, stop, args))
        return
    pipeline, factor = fit(train, validation, args, progress=True)
    probability = trees.predict(pipeline, factor, validation.drop(columns=LABEL))
    costs = {"action": args.offer_cost, "miss": args.customer_value}
    facts = trees.metadata(
        pipeline,
        train.drop(columns=LABEL),
        args,
        label=LABEL,
        optional=[ID],
        fill=FILL,
        odds_factor=factor,
        threshold=decision_threshold.cheapest(validation[LABEL].to_numpy(), probability, *costs.values()),
        costs=costs,
        metrics=trees.measure(validation[LABEL], probability),
    )
    trees.save(Path(args.model_dir), pipeline, facts)


def fit(train: pd.DataFrame, validation: pd.DataFrame, args: Args, progress: bool = False) -> tuple[Pipeline, float]:
    """Preprocessing and classifier as one Pipeline over raw columns, and the factor by which it overstates the odds."""
    rows, answers = train.drop(columns=LABEL), train[LABEL]
    balance = float((answers == 0).sum() / (answers == 1).sum())
    if args.imbalance == "smote":
        rows, answers = oversample(rows, answers, args.seed)
    factor = 1.0 if args.imbalance == "none" else balance
    pipeline = trees.fit(
        (rows, answers),
        (validation.drop(columns=LABEL), validation[LABEL]),
        args,
        weight=np.where(answers == 1, balance, 1.0) if args.imbalance == "weights" else None,
        stopping_weight=np.where(validation[LABEL] == 1, factor, 1.0),
        monotone=MONOTONE,
        progress=progress,
    )
    return pipeline, factor


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


def parse(argv: list[str] | None = None) -> Args:
    return trees.parse(Args, __doc__, argv, imbalance=("weights", "smote", "none"))


if __name__ == "__main__":
    trees.run(lambda: main(parse()))
