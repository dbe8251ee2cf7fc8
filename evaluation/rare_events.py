"""Judges a model of rare events over time, such as fraud, on days that it never saw: ranking, alerts, money, one page.

    python evaluation/rare_events.py --model DIR --train DIR --validation DIR --test DIR --output DIR --predictions DIR

The tables carry the features, the label, and keys that no model sees: `transaction_time`, `customer_id`, perhaps
`scenario`. The artifact's handler answers, and its `member_scores` says what each member of an ensemble says alone.
The threshold is the model's own; members get theirs here, chosen on validation alike. Whatever is reported is of test.

Writes `evaluation.json` (`binary_classification_metrics.<metric>.value` as SageMaker's ModelMetrics has it, and
`rare_events`), PNGs, `report.html` and `report.pdf`; `predictions.csv`, the test set's features and label with
`predicted_label` and `probability`; `answered.csv`, its features and the probability as `score`, with which requests
and answers in service are compared; and `sample.csv`, some of its records, for analyses that look at each one long.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_report
import classification_metrics
import current_model
import evaluation_job
import model_artifact
import numpy as np
import pandas as pd
import rare_events_curves
import rare_events_metrics as metrics
import rare_events_report
from rare_events_metrics import BASELINE, ENSEMBLE, Events
from sklearn.metrics import precision_recall_curve, roc_curve

TIME, CARD, SCENARIO = "transaction_time", "customer_id", "scenario"
EXPLAINED = 1000  # records of each kind whose contributions are looked at


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with the records that it learnt from, for the curves; need not be there"""
    validation: str = "/opt/ml/processing/input/validation"
    """folder with CSV files of later records: chooses the members' thresholds"""
    test: str = "/opt/ml/processing/input/test"
    """folder with CSV files of the latest: is measured"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json, the PNGs and the report"""
    predictions: str = "/opt/ml/processing/output/predictions"
    """folder for predictions.csv"""
    answered: str = "/opt/ml/processing/output/answered"
    """folder for answered.csv"""
    sample: str = "/opt/ml/processing/output/sample"
    """folder for sample.csv"""
    top: int = 100
    """cards that analysts can look at a day"""
    alert_cost: float = -1.0
    """euros that an alert costs; below 0: the model's own"""
    resamples: int = 200
    """bootstrap resamples of days behind each interval"""
    most: int = 1_000_000
    """records of a fit for the curves; 0: no curves"""
    sampled: int = 5000
    """records of sample.csv"""
    seed: int = 0
    """of resamples and samples"""
    note: str = ""
    """what a reader of the page has to know of the data"""
    in_service: str = current_model.NONE
    """S3 URI of the model in service, which is judged on test beside this one; none: there is none"""


@dataclass(frozen=True)
class Judged:
    """A split with what the model and its members say; arrays of shape (records,)."""

    table: pd.DataFrame  # the features
    events: Events
    probability: np.ndarray
    scores: dict[str, np.ndarray]  # of each member


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        facts = artifact.metadata
        validation, test = (judge(artifact, read(Path(each), facts["label"])) for each in (args.validation, args.test))
        reasons = contributions(artifact, test, args.seed)
    cost = args.alert_cost if args.alert_cost >= 0 else facts["costs"]["alert"]
    evaluation = evaluate(validation, test, facts, cost, args)
    evaluation["reasons"] = reasons
    evaluation["comparison"] = against_current(test, args)
    evaluation["curves"] = measure_curves(args, facts, validation)
    report = rare_events_report.describe(evaluation, facts, pictured(validation, test, facts, cost))
    evaluation_job.write(evaluation, report, analysis_report.figures(report), Path(args.output))
    write_tables(test, facts, args)
    found = evaluation["binary_classification_metrics"]
    print(*(f"test:{name}={found[name]['value']:.6f}" for name in ("average_precision", "auc", "precision", "recall")))
    print(report.verdict)
    print(current_model.sentence(evaluation["comparison"]))


def read(folder: Path, label: str) -> pd.DataFrame:
    """All CSV files of the folder, in the order of time. Raises ValueError for a set that cannot be judged."""
    table = evaluation_job.read(folder, [label, TIME, CARD, "amount"])
    if set(table[label].unique()) != {0, 1}:
        raise ValueError(f"{folder} needs both 0 and 1 in the column {label}.")
    return table.sort_values(TIME, kind="stable").reset_index(drop=True)


def judge(artifact: model_artifact.Artifact, table: pd.DataFrame) -> Judged:
    facts, handler = artifact.metadata, artifact.handler
    features = table[list(facts["features"])]
    records = {name: features[name].tolist() for name in features}
    answers = table[facts["label"]].to_numpy(dtype=int)
    return Judged(
        features,
        Events(
            answers,
            table[TIME].str[:10].to_numpy(dtype=str),
            table[CARD].to_numpy(),
            table["amount"].to_numpy(dtype=float),
            table[SCENARIO].to_numpy(dtype=int) if SCENARIO in table else answers,
        ),
        np.asarray(handler.predict_fn(records, artifact.model)["probability"], dtype=float),
        handler.member_scores(records, artifact.model),
    )


def contributions(artifact: model_artifact.Artifact, test: Judged, seed: int) -> dict[str, Any]:
    """Mean contributions to the log-odds: of all records by size, and of each scenario's frauds with their sign."""
    random, found = np.random.default_rng(seed), {}
    for scenario in [None, *np.unique(test.events.scenarios[test.events.answers == 1])]:
        at = (
            np.arange(len(test.events))
            if scenario is None
            else np.flatnonzero((test.events.answers == 1) & (test.events.scenarios == scenario))
        )
        at = np.sort(random.choice(at, min(EXPLAINED, len(at)), replace=False))
        values = artifact.handler.explain_fn(test.table.iloc[at].to_dict("list"), artifact.model)
        found["all" if scenario is None else str(scenario)] = (
            (values.abs() if scenario is None else values).mean().sort_values(ascending=False).round(5).to_dict()
        )
    return found


def evaluate(validation: Judged, test: Judged, facts: dict[str, Any], alert_cost: float, args: Args) -> dict[str, Any]:
    events, threshold = test.events, float(facts["threshold"])
    counts = metrics.day_counts(events.days, args.resamples, args.seed)
    once = np.ones((1, len(events)))
    values = classification_metrics.metrics(events.answers, test.probability, threshold, once)
    drawn = metrics.resampled(events, test.probability, threshold, counts)
    numbers = {name: metrics.interval(float(each[0]), drawn[name]) for name, each in values.items()}
    labels = (test.probability >= threshold).astype(int)
    daily = metrics.by_day(events, test.probability, threshold, alert_cost, args.top)
    members = compare(validation, test, alert_cost, counts, drawn, args.top)
    thresholds = {ENSEMBLE: threshold} | {each["name"]: each["threshold"] for each in members}
    precision = daily["card_precision"]
    days = len(daily)
    alerts = {name: each >= thresholds[name] for name, each in {ENSEMBLE: test.probability, **test.scores}.items()}
    alerts["no model"] = np.zeros(len(events), dtype=bool)
    spent = dict(sorted(metrics.spent(events, alerts, alert_cost).items(), key=lambda each: each[1]["total"]))
    card = np.array([np.repeat(precision.to_numpy(), count).mean() for count in counts])
    return {
        "binary_classification_metrics": {
            **numbers,
            "confusion_matrix": classification_metrics.confusion(events.answers, labels),
            **curves_of(events.answers, test.probability),
        },
        "rare_events": {
            "card_precision": metrics.interval(float(precision.mean()), card),
            "card_precision_possible": {"value": float(daily["possible"].mean())},
            "cost_a_day": {"value": spent[ENSEMBLE]["total"] / days},
            "cost_a_day_without_model": {"value": spent["no model"]["total"] / days},
            **({"cost_a_day_of_rules": {"value": spent[BASELINE]["total"] / days}} if BASELINE in spent else {}),
            "alerts_a_day": {"value": float(daily["alerts"].mean())},
        },
        "threshold": {"value": threshold, "chosen_on": "validation", "alert_cost": alert_cost},
        "calibration": metrics.calibration(events.answers, test.probability),
        "members": members,
        "by_day": json.loads(daily.round(6).to_json(orient="index")),
        "by_scenario": metrics.by_scenario(
            events, {ENSEMBLE: test.probability, **test.scores}, thresholds, facts.get("scenarios", {})
        ),
        "spent": spent,
        "imbalance": {each["name"]: each["imbalance"] for each in facts["members"] if each.get("imbalance")},
        "top": args.top,
        "note": args.note,
        "model": {"label": facts["label"], "threshold": threshold},
        "dataset": {"records": len(events), "positive": int(events.answers.sum()), "days": days},
    }


def compare(
    validation: Judged,
    test: Judged,
    alert_cost: float,
    counts: np.ndarray,
    ours: dict[str, np.ndarray],
    top: int,
) -> list[dict[str, Any]]:
    """The members on test, best first, each at the threshold that cost least on validation, and the ensemble's lead."""
    found = []
    own = metrics.average_precision(test.events.answers, test.probability)
    for name, scores in test.scores.items():
        limits, cost = metrics.costs(validation.events, validation.scores[name], alert_cost)
        limit = float(limits[int(np.argmin(cost))])
        value = classification_metrics.ranking(test.events.answers, scores, np.ones((1, len(scores))))
        drawn = metrics.resampled(test.events, scores, limit, counts, ranking_only=True)
        alone = float(value["average_precision"][0])
        found.append(
            {
                "name": name,
                "average_precision": metrics.interval(alone, drawn["average_precision"]),
                "auc": metrics.interval(float(value["auc"][0]), drawn["auc"]),
                "on_validation": metrics.average_precision(validation.events.answers, validation.scores[name]),
                "card_precision": float(metrics.card_precision(test.events, scores, top).iloc[:, 0].mean()),
                "threshold": limit,
                "lead": metrics.lead(ours["average_precision"], drawn["average_precision"], own - alone),
            }
        )
    return sorted(found, key=lambda each: -each["average_precision"]["value"])


def against_current(test: Judged, args: Args) -> dict[str, Any]:
    """The model in service beside this one, in the form of `current_model.compare`, by whole days; loaded after this
    one's last answer.
    """
    counts = metrics.day_counts(test.events.days, args.resamples, args.seed)
    nothing = np.zeros(len(test.events))
    serving = (
        nothing if args.in_service == current_model.NONE else current_model.probabilities(args.in_service, test.table)
    )
    found: dict[str, Any] = {"current_model": args.in_service, "records": len(test.events)}
    values, drawn = [], []
    for scores in (test.probability, serving):
        once = np.ones((1, len(scores)))
        values.append(classification_metrics.ranking(test.events.answers, scores, once))
        drawn.append(metrics.resampled(test.events, scores, 0.0, counts, ranking_only=True))
    for name in current_model.METRICS:
        ours = float(values[0][name][0])
        theirs = 0.0 if serving is nothing else float(values[1][name][0])
        lead = drawn[0][name] - (0.0 if serving is nothing else drawn[1][name])
        found[name] = {"candidate": ours, "current": theirs, "lead": metrics.interval(ours - theirs, lead)}
    return found


def curves_of(answers: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    false_positive, true_positive, _ = roc_curve(answers, probability)
    precision, recall, _ = precision_recall_curve(answers, probability)
    thin = classification_metrics.thin
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": thin(false_positive),
            "true_positive_rates": thin(true_positive),
        },
        "precision_recall_curve": {"precisions": thin(precision), "recalls": thin(recall)},
    }


def pictured(validation: Judged, test: Judged, facts: dict[str, Any], alert_cost: float) -> dict[str, Any]:
    """What only the pictures need: curves of each model, and costs over the threshold."""
    models = {ENSEMBLE: test.probability, **test.scores}
    answers = test.events.answers
    return {
        "precision_recall": {
            name: thinned(*precision_recall_curve(answers, each)[1::-1]) for name, each in models.items()
        },
        "roc": {name: thinned(*roc_curve(answers, each)[:2]) for name, each in models.items()},
        "cost": {
            "validation": metrics.costs(validation.events, validation.probability, alert_cost),
            "test": metrics.costs(test.events, test.probability, alert_cost),
        },
        "days": {name: len(np.unique(each.events.days)) for name, each in (("validation", validation), ("test", test))},
        "answers": answers,
        "probability": test.probability,
    }


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In the order of x, at most 400 points, evenly along it."""
    order = np.argsort(x, kind="stable")
    if len(x) <= 400:
        return x[order], y[order]
    at = np.unique(np.searchsorted(x[order], np.linspace(x.min(), x.max(), 400)).clip(0, len(x) - 1))
    return x[order][at], y[order][at]


def measure_curves(args: Args, facts: dict[str, Any], validation: Judged) -> dict[str, Any] | None:
    """None without the records that the model learnt from, and of one without boosted trees."""
    member = next((each for each in facts["members"] if each["name"] == rare_events_curves.MEMBER), None)
    if member is None or not args.most or not Path(args.train).is_dir():
        return None
    table = read(Path(args.train), facts["label"])
    train = (
        table[list(facts["features"])].to_numpy(dtype=float),
        table[facts["label"]].to_numpy(dtype=int),
        table[TIME].str[:10].to_numpy(dtype=str),
    )
    judged = validation.table.to_numpy(dtype=float), validation.events.answers
    return rare_events_curves.curves(train, judged, member, args.most)


def write_tables(test: Judged, facts: dict[str, Any], args: Args) -> None:
    labels = (test.probability >= facts["threshold"]).astype(int)
    table = test.table.assign(**{facts["label"]: test.events.answers})
    for folder in (args.predictions, args.answered, args.sample):
        Path(folder).mkdir(parents=True, exist_ok=True)
    table.assign(predicted_label=labels, probability=test.probability).to_csv(
        Path(args.predictions) / "predictions.csv", index=False
    )
    test.table.assign(score=test.probability).to_csv(Path(args.answered) / "answered.csv", index=False)
    table.sample(min(args.sampled, len(table)), random_state=args.seed).sort_index().to_csv(
        Path(args.sample) / "sample.csv", index=False
    )


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
