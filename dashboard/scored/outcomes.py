"""How a forecast compares with what came true, as a view."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.scored import figures, forecast, pictures
from dashboard.scored.records import Scored
from dashboard.scored.sources import Place

FEWEST = 30  # labels a group, on average


def show(place: Place, found: Scored, *, leavers: str) -> None:
    """`leavers`: what to call those it came true of. Says what to run where no label is known."""
    known = found.known()
    if not known.any():
        _nothing(place, found)
        return
    probability, truth = found.probability[known], found.truth[known]
    expected, actual = forecast.promised(probability), int(truth.sum())
    chosen = probability >= place.threshold
    precision = forecast.wilson(truth[chosen].sum(), int(chosen.sum()))
    recall = forecast.wilson(truth[chosen].sum(), actual)
    figures.show(
        {
            "Labels": (f"{len(truth):,}", f"of {len(found):,} requests"),
            f"Expected {leavers}": (f"{expected.value:,.0f}", figures.between(expected)),
            f"Actual {leavers}": (f"{actual:,}", f"{actual / len(truth):.1%} of the labels"),
            f"Precision from {place.threshold:.1%} on": (f"{precision.value:.1%}", figures.between(precision, ".1%")),
        }
    )
    st.markdown(_verdict(expected, actual, leavers))
    count = int(np.clip(len(truth) // FEWEST, 1, 10))
    table = forecast.groups(probability, truth, count)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Predicted and came true")
        pictures.reliability(table)
    with right:
        st.subheader("By group of equal size")
        _groups(table)
    st.caption(
        f"From {place.threshold:.1%} on, where version {place.version} says yes, {recall.value:.0%} of the {leavers} "
        f"were found ({recall.low:.0%} to {recall.high:.0%}). Intervals are of 95 % and hold chance alone. Whoever "
        "stayed because of an offer counts as one who would have stayed: a campaign that works makes the forecast "
        "look too high. Customers who got no offer tell."
    )


def _verdict(expected: forecast.Estimate, actual: int, leavers: str) -> str:
    if expected.low <= actual <= expected.high:
        return f":green[:material/check_circle:] {actual:,} {leavers} are within what chance allows the forecast."
    way = "more" if actual > expected.value else "fewer"
    share = abs(actual / expected.value - 1) if expected.value else 1.0
    return (
        f":orange[:material/warning:] **{share:.0%} {way} {leavers}** than expected, which chance does not explain "
        f"({expected.low:,.0f} to {expected.high:,.0f} in 95 of 100 cases): the population has changed, or something "
        "was done about it."
    )


def _groups(table: pd.DataFrame) -> None:
    st.dataframe(
        table[["group", "records", "predicted", "observed", "expected", "actual"]],
        hide_index=True,
        column_config={
            "predicted": st.column_config.NumberColumn(format="percent"),
            "observed": st.column_config.NumberColumn("came true", format="percent"),
            "expected": st.column_config.NumberColumn(format="%.1f"),
        },
        alt="Predicted and actual shares by group",
    )


def _nothing(place: Place, found: Scored) -> None:
    if not len(found):
        look.empty(f"{place.endpoint} was asked nothing in this period.", f"mlops traffic {place.use_case}")
        return
    stage = place.endpoint.removeprefix(f"{place.use_case.replace('_', '-')}-")
    at = "" if stage == "production" else f" --stage {stage}"
    look.empty(
        f"What became of these {len(found):,} requests is not known yet. A table with `inference_id` and the label, "
        "such as the downloaded list with a column added, says it:",
        f"mlops label {place.use_case} FILE{at}",
    )
    st.caption("To rehearse it, held-out customers bring their labels along:")
    st.code(
        f"mlops traffic {place.use_case} --count 500 --labels labels.csv{at}\nmlops label {place.use_case} "
        f"labels.csv{at}",
        language="bash",
    )
