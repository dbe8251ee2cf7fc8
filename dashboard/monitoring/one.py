"""One monitor: its strip, and the verdict that the address names, or the newest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from dashboard import alarms, look, navigation
from dashboard.monitoring import overview, report, reports, retraining, run_now, runs, strip, trends, words
from dashboard.monitoring.monitors import Account, Monitor
from dashboard.monitoring.runs import SHOWN, Run
from deploy import names

VIEWS = ["Report", "Over time", "Alarms", "Retraining"]


def show(account: Account, monitor: Monitor) -> None:
    _top(account, monitor)
    wanted = st.query_params.get("execution", "")
    history = _history(monitor, wanted)
    if not history:
        look.empty(f"The monitor {monitor.name} never ran.", *commands(monitor))
        return
    run = next((each for each in history if each.id == wanted), None) or _newest(history)
    strip.draw(monitor, history, run.id)
    strip.legend()
    _older(monitor, history)
    _choose(history, run)
    at = history.index(run)
    before = history[at:]
    if at and len(before) < SHOWN <= len(history):
        before = [run, *runs.before(monitor, run.started)]
    overview.follow((monitor,), {monitor.name: history}, SHOWN)
    _views(account, monitor, run, history, before)


def _views(account: Account, monitor: Monitor, run: Run, history: Sequence[Run], before: Sequence[Run]) -> None:
    """Only the one that is open is drawn."""
    verdict, over_time, alarmed, learning = st.tabs(VIEWS, key="view", on_change="rerun", bind="query-params")
    declared = monitor.endpoint in account.retrainings
    with verdict:
        if verdict.open:
            report.show(monitor, run, before, lambda: _retrain(monitor.endpoint, declared=declared))
    with over_time:
        if over_time.open:
            trends.show(monitor, history)
    with alarmed:
        if alarmed.open:
            alarms.show(account.alarms_of(monitor), monitor.name)
    with learning:
        if learning.open:
            retraining.show(monitor.endpoint, declared=declared)


def _retrain(endpoint: str, *, declared: bool) -> None:
    if declared:
        retraining.button(retraining.read(endpoint), key="report")


def _top(account: Account, monitor: Monitor) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        navigation.link("All monitors", "monitoring", icon=":material/arrow_back:")
        navigation.link(monitor.endpoint, "monitoring", icon=":material/dns:", endpoint=monitor.endpoint)
    st.header(f"{words.KINDS[monitor.kind]} of {monitor.endpoint}")
    st.markdown(words.ASKS[monitor.kind])
    alarms = " ".join(
        words.alarm_badge(each["StateValue"]) for each in account.alarms_of(monitor) if overview.watches(each)
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{alarms}{' :gray-badge[Model Monitor]' if monitor.managed else ''}", width="content")
        st.caption(words.schedule(monitor), width="content")
        run_now.button(monitor)


def _history(monitor: Monitor, wanted: str) -> list[Run]:
    """The newest runs, or those around the one that the address names, newest first."""
    newest = runs.histories((monitor,), SHOWN)[monitor.name]
    if until := st.query_params.get("before", ""):
        return runs.before(monitor, runs.moment(until))
    if not wanted or wanted in [each.id for each in newest]:
        return newest
    found = runs.find(monitor, wanted)
    return runs.before(monitor, found.started + timedelta(seconds=1))


def commands(monitor: Monitor) -> list[str]:
    """That run it at once; none for a monitor of no use case of this project."""
    use_case = reports.use_case(monitor.endpoint)
    stage = monitor.endpoint.removeprefix(names.endpoint_name(use_case, ""))
    return [f"mlops monitor {use_case} --stage {stage} --now --kind {monitor.kind}"] if use_case else []


def _newest(history: Sequence[Run]) -> Run:
    return next((each for each in history if each.verdict), history[0])


def _older(monitor: Monitor, history: Sequence[Run]) -> None:
    query = {"endpoint": monitor.endpoint, "monitor": monitor.name}
    with st.container(horizontal=True):
        if len(history) >= SHOWN:
            before = f"{history[-1].started.timestamp():.3f}"
            navigation.link("Older runs", "monitoring", icon=":material/chevron_left:", before=before, **query)
        if "before" in st.query_params:
            navigation.link("Newest runs", "monitoring", icon=":material/last_page:", **query)


def _choose(history: Sequence[Run], run: Run) -> None:
    """The same as the strip, for who would rather choose from a list."""
    options = report.options(history)
    key = "monitoring-run"
    st.session_state[key] = run.id

    def chosen() -> None:
        st.query_params["execution"] = st.session_state[key]

    st.selectbox("Run", list(options), format_func=lambda each: options.get(each, each), key=key, on_change=chosen)
