"""Of a page on rare events: what alerts and missed events cost, whether probabilities come true, and each day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rare_events_pictures as draw
import report_pictures
from analysis_report import Picture, Section, Table

Found = Mapping[str, Any]


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


def euros(value: float) -> str:
    return f"{value:,.0f} €"
