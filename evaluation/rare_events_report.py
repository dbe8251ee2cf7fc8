"""The page on a model of rare events over time: the verdict, its metrics, and the sections of the modules beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import learning_curves
import rare_events_curves
import rare_events_pictures as draw
from analysis_report import Picture, Report, Section, Table, Text
from rare_events_members import compared, ensemble, imbalance, leads, ranking, rules
from rare_events_metrics import BASELINE, ENSEMBLE
from rare_events_worth import calibrated, days, euros, money

ROWS = {
    "average_precision": (
        "Average precision",
        "precision averaged over all recalls; guessing gives the share of frauds",
    ),
    "auc": ("ROC-AUC", "chance that a fraud is ranked above a genuine transaction; guessing gives 0.5"),
    "precision": ("Precision", "of the alerts, the share that was fraud"),
    "recall": ("Recall", "of the frauds, the share that got an alert"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "false_positive_rate": ("False positive rate", "of the genuine transactions, the share that got an alert"),
    "brier": ("Brier score", "mean squared error of the probability; lower is better"),
    "log_loss": ("Log loss", "surprise at the truth, in nats; lower is better"),
}
Found = Mapping[str, Any]


def describe(evaluation: Found, facts: Found, pictured: Found) -> Report:
    """`facts`: the artifact's metadata.json; `pictured` as `rare_events.pictured` has it."""
    order = [ENSEMBLE, *(each["name"] for each in evaluation["members"])]
    sections: list[Section] = [
        *([Text("What the records are", [evaluation["note"]])] if evaluation["note"] else []),
        metric_table(evaluation),
        *ranking(pictured, order, evaluation),
        *compared(evaluation),
        *ensemble(facts),
        *imbalance(evaluation["imbalance"]),
        *rules(facts),
        *money(evaluation, pictured),
        *calibrated(evaluation, pictured, facts),
        *days(evaluation),
        *kinds(evaluation, order),
        *features(evaluation["reasons"], facts.get("scenarios", {})),
        *learnt(evaluation.get("curves")),
    ]
    size = evaluation["dataset"]
    return Report(
        title=f"{facts['label'].capitalize()}: what does the model find, and what is that worth?",
        verdict=verdict(evaluation),
        good=None,
        subtitle=f"{size['records']:,} records of {size['days']} days that the model never saw, "
        f"{size['positive']:,} of them fraud ({size['positive'] / size['records']:.2%}).",
        sections=sections,
    )


def verdict(evaluation: Found) -> str:
    score = evaluation["binary_classification_metrics"]["average_precision"]
    money = evaluation["rare_events"]
    bounds = score["confidence_interval"]
    said = f"Average precision {score['value']:.3f} ({bounds['lower']:.3f} to {bounds['upper']:.3f})"
    near = [each for each in evaluation["members"] if not leads(each)]
    if not near:
        said += ", better than every member alone. "
    else:
        names = ", ".join(draw.spoken(each["name"]) for each in near)
        said += f", better than every member but {names}. "
    said += f"A day costs {euros(money['cost_a_day']['value'])} with it"
    if "cost_a_day_of_rules" in money:
        said += f", {euros(money['cost_a_day_of_rules']['value'])} with rules"
    return said + f" and {euros(money['cost_a_day_without_model']['value'])} without a model."


def metric_table(evaluation: Found) -> Table:
    found, top = evaluation["binary_classification_metrics"], evaluation["top"]
    rows: list[list[Any]] = [[title, *numbers(found[name]), meaning] for name, (title, meaning) in ROWS.items()]
    card, possible = (evaluation["rare_events"][f"card_precision{end}"] for end in ("", "_possible"))
    rows.insert(
        2,
        [
            f"Card precision at {top}",
            *numbers(card),
            f"of the {top} cards a day with the highest scores, the share with a fraud that was not known before; "
            f"{possible['value']:.3f} is possible, as few days have {top} such cards",
        ],
    )
    note = (
        "Intervals hold the metric with 95 % confidence: percentiles of bootstrap resamples of whole days, as the "
        "transactions of a day belong together. Precision, recall and F1 are at the threshold."
    )
    return Table("Metrics on test", ["Metric", "Value", "95 % interval", "What it is"], rows, note, whole=True)


def numbers(metric: Found) -> list[str]:
    bounds = metric["confidence_interval"]
    return [f"{metric['value']:.4g}", f"{bounds['lower']:.4g} to {bounds['upper']:.4g}"]


def kinds(evaluation: Found, order: list[str]) -> list[Section]:
    found = evaluation["by_scenario"]
    if len(found) < 2:
        return []
    names = [ENSEMBLE, *[each for each in order if each != ENSEMBLE]]
    rows = [
        [
            each["name"],
            each["frauds"],
            round(each["amount"]),
            f"{each['average_precision'][ENSEMBLE]:.3f}",
            f"{each['recall'][ENSEMBLE]:.1%}",
            *([f"{each['recall'][BASELINE]:.1%}"] if BASELINE in names else []),
        ]
        for each in found
    ]
    columns = ["scenario", "frauds", "euros", "average precision", "got an alert"]
    return [
        Picture(
            "By scenario",
            lambda: draw.scenarios(found, names, "average_precision", "average precision"),
            "Average precision of each model by scenario",
            note="Each scenario's frauds against all genuine transactions, so values are lower than for all frauds "
            "together where a scenario is rare. No model sees the scenario.",
        ),
        Table(
            "Scenarios",
            [*columns, *(["got an alert by rules"] if BASELINE in names else [])],
            rows,
            whole=True,
        ),
    ]


def features(reasons: Mapping[str, Mapping[str, float]], names: Mapping[str, str]) -> list[Section]:
    rows = [
        [
            names.get(name, f"scenario {name}") if len(reasons) > 2 else "frauds",
            *[f"{draw.spoken(each)} ({value:+.2f})" for each, value in list(of.items())[:3]],
        ]
        for name, of in reasons.items()
        if name != "all"
    ]
    if not any(reasons["all"].values()):
        return []
    return [
        Picture(
            "What the trees look at",
            draw.reasons(reasons["all"]),
            "Features by the mean size of their contribution",
            note="Exact TreeSHAP values of the ensemble's trees, weighted as the ensemble weighs them, of test records "
            "drawn at random.",
        ),
        Table(
            "The strongest reasons by kind of fraud",
            ["", "first", "second", "third"],
            rows,
            "Mean contributions to the log-odds of the frauds. Alerts carry the three strongest of their own.",
            whole=True,
        ),
    ]


def learnt(curves: Found | None) -> list[Section]:
    if not curves:
        return []
    learning, validation = curves["learning"], curves["validation"]
    return [
        Picture(
            "Learning curve",
            lambda: learning_curves.draw(
                [rows / 1000 for rows in learning["rows"]],
                learning,
                "thousand transactions to learn from",
                "average precision",
            ),
            "Average precision on what was learnt from and on validation, by the number of transactions",
            note=rare_events_curves.read_learning(curves),
        ),
        Picture(
            "Validation curve: max_depth",
            lambda: learning_curves.draw(validation["values"], validation, "max_depth", "average precision"),
            "Average precision on what was learnt from and on validation, by the depth of the trees",
            note=rare_events_curves.read_validation(curves),
        ),
    ]
