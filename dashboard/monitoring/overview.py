"""Every monitor of every endpoint, or of one: its strip of verdicts, its schedule and its alarm."""

from __future__ import annotations

import streamlit as st

from dashboard import look, navigation
from dashboard.monitoring import runs, strip, words
from dashboard.monitoring.monitors import Account, Monitor
from dashboard.monitoring.runs import Run, State

ENDPOINTS = 8  # on a page
COLUMNS = 36  # runs in a strip: what a desktop's width has room for


def show(account: Account) -> None:
    """Of all endpoints, a page of them at a time."""
    groups = account.groups()
    if not groups:
        look.empty(
            "Nothing is monitored in this account.",
            "mlops deploy churn        # an endpoint with its monitors",
            "mlops demo drift          # from drift to a new model, in two minutes",
        )
        _unmonitored(account)
        return
    last = (len(groups) - 1) // ENDPOINTS
    page = min(_number(st.query_params.get("page", "1")), last + 1)
    shown = groups[(page - 1) * ENDPOINTS : page * ENDPOINTS]
    found = runs.histories(tuple(each for endpoint in shown for each in account.of(endpoint)), COLUMNS)
    _sum(account, found)
    strip.legend()
    for endpoint in shown:
        group(account, endpoint, found)
    follow(tuple(each for endpoint in shown for each in account.of(endpoint)), found)
    if last:
        _pages(page, last + 1)
    _unmonitored(account)


def group(account: Account, endpoint: str, found: dict[str, list[Run]], *, title: bool = True) -> None:
    with st.container(border=True):
        if title:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.subheader(look.plain(endpoint), anchor=False, width="content")
                label = "Alarms and retraining" if endpoint in account.retrainings else "Alarms"
                navigation.link(label, "monitoring", icon=":material/notifications:", endpoint=endpoint)
                if endpoint in account.endpoints:
                    navigation.link("Endpoint", "endpoints", icon=":material/dns:", endpoint=endpoint)
        for monitor in account.of(endpoint):
            row(account, monitor, found[monitor.name])


def row(account: Account, monitor: Monitor, history: list[Run]) -> None:
    """A line of facts, with the strip beneath it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        query = {"endpoint": monitor.endpoint, "monitor": monitor.name}
        navigation.link(words.KINDS[monitor.kind], "monitoring", icon=words.ICONS[monitor.kind], **query)
        engine = " :gray-badge[Model Monitor]" if monitor.managed else ""
        alarms = " ".join(words.alarm_badge(each["StateValue"]) for each in account.alarms_of(monitor) if watches(each))
        st.markdown(f"{words.run_badge(next(iter(history), None))} {alarms}{engine}", width="content")
        st.caption(words.schedule(monitor), width="content")
    if history:
        strip.draw(monitor, history)
    else:
        st.caption("It never ran." + (f" It will {look.moment(monitor.next)}." if monitor.next else ""))


def watches(alarm: dict[str, object]) -> bool:
    """Whether an alarm is about verdicts, rather than about a model's age or one of the metrics."""
    return alarm.get("MetricName") == "violations"


def follow(monitors: tuple[Monitor, ...], found: dict[str, list[Run]], count: int = COLUMNS) -> None:
    """Draws the page anew when a run that is under way has ended."""

    def running(each: dict[str, list[Run]]) -> set[str]:
        return {run.id for history in each.values() for run in history if run.state is State.RUNNING}

    def look_again() -> None:
        if running(runs.histories(monitors, count)) != before:
            st.rerun()

    if before := running(found):
        look.live(look_again, every=3)()


def _sum(account: Account, found: dict[str, list[Run]]) -> None:
    newest = [next((run for run in history if run.verdict), None) for history in found.values()]
    violated = sum(run is not None and run.violations > 0 for run in newest)
    silent = sum(run is None for run in newest)
    alarmed = sum(each["StateValue"] == "ALARM" for group in account.groups() for each in account.alarms_about(group))
    with st.container(horizontal=True):
        st.metric("Monitors", len(account.monitors), width="content")
        st.metric("With violations", violated, width="content", help="by their last verdict, on this page")
        st.metric("Without a verdict", silent, width="content", help="on this page")
        st.metric("Alarms on", alarmed, width="content", help="of monitored endpoints")


def _unmonitored(account: Account) -> None:
    without = sorted(set(account.endpoints) - set(account.groups()))
    if without:
        st.caption(f"Endpoints without a monitor: {', '.join(without)}. `deploy/stages.yml` declares what is watched.")


def _pages(page: int, last: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if page > 1:
            navigation.link("Before", "monitoring", icon=":material/chevron_left:", page=str(page - 1))
        st.caption(f"Page {page} of {last}", width="content")
        if page < last:
            navigation.link("More", "monitoring", icon=":material/chevron_right:", page=str(page + 1))


def _number(text: str) -> int:
    return max(1, int(text)) if text.isdecimal() else 1
