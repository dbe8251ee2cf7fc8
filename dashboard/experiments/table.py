"""A ranking as a table, in which a row can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.experiments import runs
from dashboard.experiments.runs import Metric
from mlops.experiments import Entry

_ROWS = 12  # before it scrolls


def show(ranked: Sequence[Entry], metric: Metric | None, production: str, *, jobs: bool, choose: bool) -> None:
    """With `choose`, a row that is selected becomes the choice of the selectbox with the key "run"."""
    table = runs.table(ranked, metric, production, jobs=jobs)
    names = [runs.name(each, jobs=jobs) for each in ranked]

    what = "Training jobs" if jobs else "Executions"
    key = f"{what} {metric.name if metric else ''}"  # a selection is of a row: not of another order's

    def chosen() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            st.session_state["run"] = names[rows[0]]

    options: dict[str, Any] = {"key": key, "on_select": chosen, "selection_mode": "single-row"}
    st.dataframe(
        table.style.apply(_emphasis, axis=1),
        hide_index=True,
        column_config=_columns(table, metric),
        height="content" if len(table) <= _ROWS else 35 * (_ROWS + 1),
        alt=f"{what}, best {metric.name} first" if metric else f"{what}, the newest first",
        **(options if choose else {}),
    )


def _emphasis(row: pd.Series[Any]) -> list[str]:
    return ["font-weight: bold" if row["Mark"] else ""] * len(row)


def _columns(table: pd.DataFrame, metric: Metric | None) -> dict[str, Any]:
    numbers = table.select_dtypes("number").columns
    config: dict[str, Any] = {each: st.column_config.NumberColumn(format="%.5g") for each in numbers}
    if metric:
        config[metric.name] = st.column_config.NumberColumn(f"{metric.name} ▾", format="%.5g", help=metric.direction)
    return config | {
        "Mark": st.column_config.TextColumn("", width=20 + 8 * int(table["Mark"].str.len().max())),
        "Status": look.status_column("Status", (status for cell in table["Status"] for status in cell)),
        "Started": st.column_config.DatetimeColumn(format="distance"),
        "Took": st.column_config.NumberColumn("Took (s)", format="%.0f"),
    }
