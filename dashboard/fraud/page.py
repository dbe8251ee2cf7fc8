"""Fraud: the alerts of the stream as they come, for the analyst who looks at them; and which file here draws what.

fraud                     the alerts of a day (board.py), as marking.py labels them; flow.py has the figures on top
fraud?view=Terminals      terminals.py: where alerts come from
fraud?view=Precision      precision.py: how right they were, by day
fraud?view=Stream         flow.py: how much comes through, how fast
All of it is read from the table of scores (reading.py, alerts.py) and from the scorer's metrics.
"""

from __future__ import annotations

import time
from dataclasses import astuple
from datetime import date
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import changes, look, surroundings
from dashboard.fraud import board, flow, marking, precision, reading, terminals
from dashboard.fraud.alerts import Alert, merged
from dashboard.fraud.reading import Filters

TITLE, ICON = "Fraud", ":material/crisis_alert:"
VIEWS = ("Alerts", "Terminals", "Precision", "Stream")
NEWEST = "Newest"
COUNT = 50  # alerts on a page
_ASKED, _FOUND = "fraud-asked", "fraud-found"  # of the window: the filters, and until when which page is kept
_SHARE = 30  # times as long as an answer took, until the next one is asked for
_LONGEST = 15.0  # s until then, at most: an answer may be late because the machine was busy with something else
_EVERY, _SLOWLY = 3.0, 60.0  # s between two looks at alerts, and at what takes many calls
_START = ("mlops stream up fraud", "mlops score fraud", "mlops traffic fraud --rate 20")


def page() -> None:
    if not (newest := _newest()):
        look.empty("No transaction has raised an alert in the last weeks.", *_START)
        look.live(_await_first, every=5.0)()
        return
    look.live(flow.headline, every=10.0)()
    tabs = st.tabs(VIEWS, key="view", on_change="rerun", bind="query-params")
    open_ = next((name for name, tab in zip(VIEWS, tabs, strict=True) if tab.open), VIEWS[0])
    with tabs[VIEWS.index(open_)]:
        if open_ == "Stream":
            look.live(flow.show, every=10.0)()
            return
        chosen = _choose(newest, narrow=open_ == "Alerts")
        if open_ == "Alerts":
            _alerts(chosen)
        else:
            draw = {"Terminals": terminals.show, "Precision": precision.show}[open_]
            look.live(lambda: draw(_day(chosen)), every=_SLOWLY)()


def _newest() -> str:
    """As reading has it; empty without a table, too."""
    try:
        return reading.newest()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return ""


def _await_first() -> None:
    reading.newest.clear()
    if _newest():
        st.rerun()


def _choose(newest: str, *, narrow: bool) -> dict[str, Any]:
    """The filters, whose choice is in the address."""
    kept: Any = {"bind": "query-params", "on_change": look.first_page}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        day = st.selectbox(
            "Day (UTC)",
            [NEWEST, *reading.before(date.fromisoformat(newest), reading.LOOK_BACK)],
            accept_new_options=True,
            width=170,
            help="Of the transaction. Any day can be typed, as 2026-06-01.",
            key="day",
            **kept,
        )
        if not narrow:
            return {"day": day or NEWEST}
        score = st.slider("From which score", 0.0, 1.0, 0.0, 0.05, format="percent", width=190, key="score", **kept)
        terminal, customer = (
            st.number_input(name.title(), 0, None, None, 1, placeholder="any", width=130, key=name, **kept)
            for name in ("terminal", "customer")
        )
        unlabelled = st.toggle("Not labelled only", key="open", **kept)
    return {
        "day": day or NEWEST,
        "score": score,
        "terminal": terminal,
        "customer": customer,
        "unlabelled": unlabelled,
    }


def _day(chosen: dict[str, Any]) -> str:
    """Raises LookupError for what is no day."""
    if chosen["day"] == NEWEST:
        return _newest()
    return reading.checked(chosen["day"])


def _alerts(chosen: dict[str, Any]) -> None:
    if not surroundings.read().may_change:
        st.caption(changes.NOT_ALLOWED)
    before = st.query_params.get("before", "")
    # Older ones stay as they are: only the newest page has alerts that come.
    look.live(lambda: _page(Filters(**{**chosen, "day": _day(chosen)}), before), every=None if before else _EVERY)()


def _page(filters: Filters, before: str) -> None:
    marks = marking.of_window()
    asked = f"{astuple(filters)} {before}"
    if st.session_state.get(_ASKED, asked) != asked:
        marks.forget()
        st.session_state.pop(_FOUND, None)
    st.session_state[_ASKED] = asked
    found = _found(filters, before)
    shown = merged(map(Alert.of, found.items), marks.recent())
    if not shown:
        _nothing(filters, found)
    else:
        with st.container(key="live-alerts"):
            board.draw(shown, asked)
    if found.looked_at > len(found.items):
        st.caption(f"{found.looked_at:,} alerts were looked through for these.")
    look.turn(found.following)


def _found(filters: Filters, before: str) -> reading.Page:
    """Where answers take long, as of a day with very many alerts, they are asked for less often: who looks should not
    slow down what scores.
    """
    kept: tuple[float, reading.Page] | None = st.session_state.get(_FOUND)
    if kept and time.monotonic() < kept[0]:
        return kept[1]
    started = time.monotonic()
    found = reading.alerts(filters, COUNT, before)
    took = time.monotonic() - started
    st.session_state[_FOUND] = (started + min(_SHARE * took, _LONGEST), found)
    return found


def _nothing(filters: Filters, found: reading.Page) -> None:
    if filters.narrow():
        more = ", of those that were looked through: older ones may" if found.following else ""
        st.info(f"No alert of {filters.day} is like that{more}.", icon=":material/filter_alt:")
    else:
        look.empty(f"No alert on {filters.day}.", *_START)
