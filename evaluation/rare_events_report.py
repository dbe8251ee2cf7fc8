"""The page on a model of rare events over time: the verdict, ranking, members, money, calibration, days, scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import learning_curves
import rare_events_curves
import rare_events_pictures as draw
import report_pictures
from analysis_report import Badge, Picture, Report, Section, Table, Text
from compared_models import p_value

ENSEMBLE, BASELINE = "ensemble", "rules"
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
WAYS = {
    "best member": "the member with the best average precision alone, its probability calibrated",
    "all alike": "the mean of all members' standardised scores, calibrated",
    "stack": "a logistic regression over the members' scores, no weight below 0",
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


def leads(member: Found) -> bool:
    return bool(member["lead"]["difference"] > 0 and member["lead"]["p"] < 0.05)


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


def ranking(pictured: Found, order: list[str], evaluation: Found) -> list[Section]:
    share = evaluation["dataset"]["positive"] / evaluation["dataset"]["records"]
    return [
        Picture(
            "Ranking",
            lambda: [
                draw.models(pictured["precision_recall"], order, ("recall", "precision"), "steps-pre", ""),
                draw.models(
                    pictured["roc"],
                    order,
                    ("false positive rate", "true positive rate (recall)"),
                    "default",
                    "lower right",
                ),
            ],
            "Precision over recall, and the ROC curve, of the ensemble and its members",
            note=f"Guessing has a precision of {share:.2%} at any recall. The ROC curve flatters: one false alarm in a "
            "hundred genuine transactions is as many alerts as there are frauds.",
        )
    ]


def compared(evaluation: Found) -> list[Section]:
    members, top = evaluation["members"], evaluation["top"]
    own, rare = evaluation["binary_classification_metrics"], evaluation["rare_events"]
    size = evaluation["dataset"]["days"]
    rows: list[list[Any]] = [
        [
            ENSEMBLE,
            f"{own['average_precision']['value']:.3f}",
            f"{own['auc']['value']:.3f}",
            f"{rare['card_precision']['value']:.3f}",
            round(evaluation["spent"][ENSEMBLE]["total"] / size),
            None,
            None,
            None,
            Badge("this model", True),
        ]
    ]
    for each in members:
        lead = each["lead"]
        low, high = lead["interval"]
        rows.append(
            [
                draw.spoken(each["name"]),
                f"{each['average_precision']['value']:.3f}",
                f"{each['auc']['value']:.3f}",
                f"{each['card_precision']:.3f}",
                round(evaluation["spent"][each["name"]]["total"] / size),
                f"{lead['difference']:+.3f}",
                f"{low:+.3f} to {high:+.3f}",
                p_value(lead["p"]),
                Badge("worse", False)
                if leads(each)
                else Badge("better", True)
                if lead["p"] < 0.05 and lead["difference"] < 0
                else Badge("no clear difference"),
            ]
        )
    columns = ["model", "average precision", "ROC-AUC", f"card precision at {top}", "euros a day"]
    note = (
        f"The lead is the ensemble's in average precision, by a paired bootstrap over the {size} days, whose "
        "p is never below 2 / (resamples + 1); each model's euros are at the threshold that cost least on validation."
    )
    near = [each for each in members if not leads(each)]
    why = [Text("Why the ensemble does not beat every member", [reason(each) for each in near])] if near else []
    return [
        Table(
            "Members compared",
            [*columns, "the ensemble's lead", "95 % interval", "p", ""],
            rows,
            note,
            frozenset({0}),
            True,
        ),
        Picture("The ensemble's lead", draw.leads(members), "The lead over each member with its 95 % interval"),
        *why,
    ]


def reason(member: Found) -> str:
    lead = member["lead"]
    low, high = lead["interval"]
    return (
        f"Against {draw.spoken(member['name'])} its lead is {lead['difference']:+.4f} ({low:+.4f} to {high:+.4f}, p "
        f"{p_value(lead['p'])}). What the other members know it knows mostly too: their mistakes are the same "
        "transactions, and a combination helps only where mistakes differ."
    )


def ensemble(facts: Found) -> list[Section]:
    members = facts["members"]
    whole = sum(each["weight"] > 0 for each in members)
    rows = [
        [
            WAYS.get(each["way"], each["way"]),
            f"{each['average_precision']:.4f}",
            Badge("serves", True) if each["way"] == facts["chosen"] else None,
        ]
        for each in facts["ways"]
    ]
    weights = ", ".join(f"{draw.spoken(each['name'])} {each['weight']:.3g}" for each in members if each["weight"] > 0)
    text = (
        f"{whole} of {len(members)} members weigh something: {weights} (log-odds for each unit of the member's own "
        "score). Members learnt from days before validation, so their scores there are honest; weights are learnt on "
        "validation's earlier days and judged on the days after them, part by part, and the winner is then fitted to "
        "all of it. A weight a member is far less than could be learnt by heart there."
    )
    return [
        Table(
            "How the members become one",
            ["way", "average precision on later days of validation", ""],
            rows,
            f"{text} {' '.join(f'Left out: {each}.' for each in facts.get('left_out', []))}".strip(),
            whole=True,
        )
    ]


def imbalance(found: Mapping[str, Any]) -> list[Section]:
    if not found:
        return []
    ways = list(dict.fromkeys(each["way"] for tried in found.values() for each in tried))
    rows: list[list[Any]] = []
    for name, tried in found.items():
        by_way = {each["way"]: each for each in tried}
        best = max(tried, key=lambda each: each["average_precision"])["way"]
        scores = [f"{by_way[way]['average_precision']:.4f}" if way in by_way else None for way in ways]
        rows.append([draw.spoken(name), *scores, best])
    note = (
        "Average precision on validation, of the same settings learnt by each way. Weights: frauds together weigh as "
        "much as genuine transactions together. Focal: records that are classified well count little. Undersampling: "
        "all frauds and ten genuine transactions for each. The best one's model is the member."
    )
    return [
        Table("One record in a hundred: ways to learn from it", ["member", *ways, "serves"], rows, note, whole=True)
    ]


def rules(facts: Found) -> list[Section]:
    told = next((each["rules"] for each in facts["members"] if each["name"] == BASELINE and "rules" in each), None)
    if not told:
        return []
    rows = [
        [each["rule"], each["transactions"], each["frauds"], f"{each['frauds'] / each['transactions']:.1%}"]
        for each in told
    ]
    note = "The first rule that a transaction meets counts. Found on the train channel, greedily by precision."
    return [Table("The baseline's rules", ["rule", "transactions", "frauds", "precision"], rows, note, whole=True)]


def money(evaluation: Found, pictured: Found) -> list[Section]:
    days, chosen, spent = evaluation["dataset"]["days"], evaluation["threshold"], evaluation["spent"]
    nothing = spent["no model"]["total"]
    rows = [
        [
            draw.spoken(name),
            round(each["alerts"] / days),
            round(each["missed"] / days),
            round(each["total"] / days),
            f"{1 - each['total'] / nothing:.0%}" if name != "no model" else None,
        ]
        for name, each in spent.items()
    ]
    note = (
        f"An alert costs {euros(chosen['alert_cost'])} of an analyst's time, a fraud without one its amount. Each "
        f"model has the threshold that cost least on validation; this one's is {chosen['value']:.3f}."
    )
    return [
        Table(
            "What it is worth",
            ["model", "alerts, € a day", "missed frauds, € a day", "together", "saved"],
            rows,
            note,
            whole=True,
        ),
        Picture(
            "Cost",
            lambda: [
                draw.costs(pictured["cost"], pictured["days"], chosen["value"]),
                draw.spent(evaluation["spent"], days),
            ],
            "Cost a day over the threshold, and of each model, what alerts and missed frauds cost",
            note="The threshold's axis is of log-odds. In a flat valley a threshold that is somewhat off costs little.",
        ),
    ]


def calibrated(evaluation: Found, pictured: Found, facts: Found) -> list[Section]:
    found = evaluation["calibration"]
    rows = [
        [
            f"{each['from']:g} to {each['to']:g}",
            each["records"],
            f"{each['mean_probability']:.4f}",
            f"{each['observed_share']:.4f}",
            f"{each['interval'][0]:.4f} to {each['interval'][1]:.4f}",
        ]
        for each in found["groups"]
    ]
    worded = {"as it is": "as it is", "beta": "with a beta calibration"}
    said = ", ".join(f"{each['log_loss']:.5f} {worded[each['way']]}" for each in facts["calibrations"])
    note = (
        f"Expected calibration error {found['expected_calibration_error']:.5f}: the mean distance between probability "
        f"and share. Brier score {found['brier']:.5f}, {found['brier_skill']:.0%} better than saying "
        f"{found['observed_share']:.2%} of all. On average the model says {found['mean_probability']:.2%}. "
        f"Log loss on later days of validation: {said}; the lower one serves."
    )
    columns = ["probability", "transactions", "mean", "observed share", "95 % interval"]
    return [
        Picture(
            "Calibration",
            lambda: [
                draw.reliability(found["groups"]),
                draw.distribution(pictured["answers"], pictured["probability"], evaluation["threshold"]["value"]),
            ],
            "Observed share of frauds over the mean probability, and how probabilities spread",
            note="On the diagonal a probability of 0.3 comes true 30 times in 100. Bars: 95 % of sampling error. Axes "
            "are of log-odds.",
        ),
        Table("Calibration by range", columns, rows, note, whole=True),
    ]


def days(evaluation: Found) -> list[Section]:
    found, top = evaluation["by_day"], evaluation["top"]
    names = list(found)

    def column(name: str) -> list[float]:
        return [found[day][name] for day in names]

    rows = [
        [
            day,
            each["transactions"],
            each["frauds"],
            each["alerts"],
            f"{each['precision']:.2f}",
            f"{each['recall']:.2f}",
            f"{each['average_precision']:.3f}",
            f"{each['card_precision']:.2f}",
            round(each["cost"]),
            round(each["cost_without_model"]),
        ]
        for day, each in found.items()
    ]
    columns = ["day", "transactions", "frauds", "alerts", "precision", "recall", "average precision"]
    return [
        Picture(
            "Over time",
            lambda: [
                draw.over_time(
                    names,
                    {
                        "average precision": (column("average_precision"), report_pictures.CURRENT, "-"),
                        "precision of the alerts": (column("precision"), draw.BLUE, "-"),
                        "recall": (column("recall"), draw.GREEN, "-"),
                    },
                    "of the day",
                    1.05,
                ),
                draw.over_time(
                    names,
                    {
                        f"card precision at {top}": (column("card_precision"), report_pictures.CURRENT, "-"),
                        "possible": (column("possible"), report_pictures.BASELINE, "--"),
                    },
                    f"share of {top} cards",
                ),
            ],
            "Average precision, precision, recall and card precision by day",
            note="A card whose fraud was found is blocked and counts no more, so what is possible falls after the "
            "first days, when none has been found yet.",
        ),
        Table("By day", [*columns, f"card precision at {top}", "euros", "euros without"], rows),
    ]


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


def euros(value: float) -> str:
    return f"{value:,.0f} €"
