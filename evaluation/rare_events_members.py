"""Of a page on rare events: an ensemble's members, ranked and compared, and how they became one model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rare_events_pictures as draw
from analysis_report import Badge, Picture, Section, Table, Text
from compared_models import p_value
from rare_events_metrics import BASELINE, ENSEMBLE

WAYS = {
    "best member": "the member with the best average precision alone, its probability calibrated",
    "all alike": "the mean of all members' standardised scores, calibrated",
    "stack": "a logistic regression over the members' scores, no weight below 0",
}
Found = Mapping[str, Any]


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
    members, top, size = evaluation["members"], evaluation["top"], evaluation["dataset"]["days"]
    rows = [_of_ensemble(evaluation), *(_of_member(evaluation, each) for each in members)]
    columns = ["model", "on validation", "average precision", "ROC-AUC", f"card precision at {top}", "euros a day"]
    note = (
        f"The lead is the ensemble's in average precision, by a paired bootstrap over the {size} days, whose "
        "p is never below 2 / (resamples + 1); each model's euros are at the threshold that cost least on validation. "
        "Days are not quite independent, as a fraud may go on for weeks: intervals are rather too narrow. On "
        "validation: average precision on the days that the member's settings were chosen by; far more there than on "
        "test would say that the choice flattered it."
    )
    near = [each for each in members if not leads(each)]
    why = [Text("Why the ensemble does not beat every member", [reason(each) for each in near])] if near else []
    return [
        Table(
            "Members compared",
            [*columns, "lead", "95 % interval", "p", ""],
            rows,
            note,
            frozenset({0}),
            True,
        ),
        Picture("The ensemble's lead", draw.leads(members), "The lead over each member with its 95 % interval"),
        *why,
    ]


def _of_ensemble(evaluation: Found) -> list[Any]:
    own, rare = evaluation["binary_classification_metrics"], evaluation["rare_events"]
    return [
        ENSEMBLE,
        None,
        f"{own['average_precision']['value']:.3f}",
        f"{own['auc']['value']:.3f}",
        f"{rare['card_precision']['value']:.3f}",
        _euros_a_day(evaluation, ENSEMBLE),
        *(None, None, None),
        Badge("this model", True),
    ]


def _of_member(evaluation: Found, member: Found) -> list[Any]:
    lead = member["lead"]
    low, high = lead["interval"]
    return [
        draw.spoken(member["name"]),
        f"{member['on_validation']:.3f}",
        f"{member['average_precision']['value']:.3f}",
        f"{member['auc']['value']:.3f}",
        f"{member['card_precision']:.3f}",
        _euros_a_day(evaluation, member["name"]),
        f"{lead['difference']:+.3f}",
        f"{low:+.3f} to {high:+.3f}",
        p_value(lead["p"]),
        _verdict(member),
    ]


def _euros_a_day(evaluation: Found, model: str) -> int:
    return round(evaluation["spent"][model]["total"] / evaluation["dataset"]["days"])


def _verdict(member: Found) -> Badge:
    if leads(member):
        return Badge("worse", False)
    if member["lead"]["difference"] < 0 and member["lead"]["p"] < 0.05:
        return Badge("better", True)
    return Badge("no clear difference")


def leads(member: Found) -> bool:
    return bool(member["lead"]["difference"] > 0 and member["lead"]["p"] < 0.05)


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
        "score). Members learnt from days before validation; of validation they know what was chosen on it: settings, "
        "the way to meet the imbalance, when to stop. Weights are learnt on validation's earlier days and judged on "
        "the days after them, part by part, and the winner is then fitted to all of it. A weight a member is far less "
        "than could be learnt by heart there."
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
