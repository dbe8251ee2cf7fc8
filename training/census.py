"""Who earns above 50,000? Boosted trees, and the same with the bias between groups reduced by reweighing.

    python training/census.py --train DIR --validation DIR --model-dir DIR [--mitigation reweighing --facet gender]
    python training/census.py --train DIR --validation DIR --cross-validate 5     (measures, saves nothing)

`reweighing` gives each training row a weight by its group and label, those of fairlearn's reduction of demographic
parity (Agarwal et al., "A Reductions Approach to Fair Classification", 2018): the disadvantaged group's positives weigh
more and its negatives less, the stronger the multiplier. Of several strengths the strongest is kept whose ROC-AUC on
validation loses no more than `allowed_loss`; what each of them reached there is in metadata.json as `trade_off`.

Prints one line a round as XGBoost itself does, and last of all one for the model as it will be served.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import decision_threshold
import numpy as np
import pandas as pd
import tabular_trees as trees
from sklearn.pipeline import Pipeline

LABEL = "loan"
IGNORED = ["Unnamed: 0", "education"]  # what a request may carry of the raw table
# Multipliers of demographic parity. At a group's share of the rows and beyond, its negatives would have no weight left.
STRENGTHS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


@dataclass
class Args(trees.TreeArgs):
    eta: float = 0.1
    """learning rate"""
    max_depth: int = 5
    """of a tree"""
    min_child_weight: float = 3.0
    """least weight in a leaf"""
    subsample: float = 0.8
    """share of the rows for each tree"""
    reg_lambda: float = 3.0
    """L2 penalty on the leaves"""
    mitigation: str = "none"
    """none, or reweighing of the training rows"""
    facet: str = "gender"
    """column whose groups are to be treated alike"""
    allowed_loss: float = 0.01
    """how much of the ROC-AUC on validation the mitigation may cost"""


@dataclass(frozen=True)
class Candidate:
    """A model of one strength, with its figures on validation."""

    strength: float
    pipeline: Pipeline
    threshold: float
    metrics: dict[str, float]
    demographic_parity_difference: float  # largest difference between groups in the share that is labelled 1
    equalized_odds_difference: float  # the same among those with one true label


def main(args: Args) -> None:
    train, validation = (trees.read(Path(folder), LABEL, IGNORED) for folder in (args.train, args.validation))
    if args.cross_validate:
        whole = pd.concat([train, validation], ignore_index=True)
        trees.cross_validate(whole, LABEL, args, lambda learn, stop: (fit(learn, stop, args, 0.0), 1.0))
        return
    check_facet(train, args.facet)
    strengths = STRENGTHS if args.mitigation == "reweighing" else (0.0,)
    candidates = [candidate(train, validation, args, strength) for strength in strengths]
    chosen = strongest(candidates, args.allowed_loss)
    facts = trees.metadata(
        chosen.pipeline,
        train.drop(columns=LABEL),
        args,
        label=LABEL,
        optional=IGNORED,
        threshold=chosen.threshold,
        costs={"action": 1.0, "miss": 2.0},  # a wrong label costs the same either way
        metrics=chosen.metrics,
    )
    if args.mitigation == "reweighing":
        facts["trade_off"] = trade_off(candidates, chosen, args)
    trees.save(Path(args.model_dir), chosen.pipeline, facts)


def check_facet(train: pd.DataFrame, facet: str) -> None:
    if facet not in train or train[facet].nunique() < 2:
        raise ValueError(f"facet {facet!r} must be a column with several groups, one of {', '.join(train.columns)}.")


def candidate(train: pd.DataFrame, validation: pd.DataFrame, args: Args, strength: float) -> Candidate:
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    pipeline = fit(train, validation, args, strength, progress=args.mitigation == "none")
    answers, groups = validation[LABEL], validation[args.facet]
    probability = trees.predict(pipeline, 1.0, validation.drop(columns=LABEL))
    threshold = decision_threshold.cheapest(answers.to_numpy(), probability, 1.0, 2.0)
    labels = (probability >= threshold).astype(int)
    metrics = trees.measure(answers, probability) | {"accuracy": float((labels == answers).mean())}
    differences = (
        float(difference(answers, labels, sensitive_features=groups))
        for difference in (demographic_parity_difference, equalized_odds_difference)
    )
    return Candidate(strength, pipeline, threshold, metrics, *differences)


def fit(train: pd.DataFrame, validation: pd.DataFrame, args: Args, strength: float, progress: bool = False) -> Pipeline:
    sets = [(part.drop(columns=LABEL), part[LABEL]) for part in (train, validation)]
    weight, stopping = (reweighing(part, args.facet, strength) if strength else None for part in (train, validation))
    return trees.fit(sets[0], sets[1], args, weight=weight, stopping_weight=stopping, progress=progress)


def reweighing(table: pd.DataFrame, facet: str, strength: float) -> np.ndarray:
    """Weights, shape (rows,), that draw the group with the smallest share of positives towards the others.

    Raises ValueError for a strength that would turn a label round.
    """
    from fairlearn.reductions import DemographicParity, ErrorRate

    answers, groups = table[LABEL].reset_index(drop=True), table[facet].reset_index(drop=True)
    disadvantaged = answers.groupby(groups).mean().idxmin()
    parity, error = DemographicParity(), ErrorRate()
    for moment in (parity, error):
        moment.load_data(table.drop(columns=LABEL), answers, sensitive_features=groups)
    multipliers = pd.Series(0.0, index=parity.index)
    multipliers[("-", "all", disadvantaged)] = strength
    # Positive for rows to be labelled 1, negative for rows to be labelled 0.
    signed = parity.signed_weights(multipliers) + error.signed_weights()
    weights = np.where(answers == 1, signed, -signed)
    if (weights < 0).any():
        raise ValueError(f"Reweighing by {strength} would turn labels round: {facet} has too few {disadvantaged!r}.")
    return weights


def strongest(candidates: list[Candidate], allowed_loss: float) -> Candidate:
    """That of the smallest demographic parity difference among those that lose little enough against the first."""
    least = candidates[0].metrics["auc"] - allowed_loss
    good = [each for each in candidates if each.metrics["auc"] >= least]
    return min(good, key=lambda each: each.demographic_parity_difference)


def trade_off(candidates: list[Candidate], chosen: Candidate, args: Args) -> dict[str, Any]:
    points = [
        {
            "strength": each.strength,
            **each.metrics,
            "demographic_parity_difference": each.demographic_parity_difference,
            "equalized_odds_difference": each.equalized_odds_difference,
        }
        for each in candidates
    ]
    return {"facet": args.facet, "measured_on": "validation", "chosen": chosen.strength, "points": points}


def parse(argv: list[str] | None = None) -> Args:
    return trees.parse(Args, __doc__, argv, mitigation=("none", "reweighing"))


if __name__ == "__main__":
    trees.run(lambda: main(parse()))
