"""What every page says in the same way: states, times, numbers, errors, and that there is nothing yet."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, NoReturn, ParamSpec
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from dashboard.account import ReadOnly

P = ParamSpec("P")

GOOD, BAD, WARN, BUSY, IDLE = "green", "red", "orange", "blue", "gray"  # Streamlit's names, of both themes
# Of charts: readable on light and dark, and told apart by people who see no red or no green (Okabe and Ito's palette).
SERIES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]
_STATES = {  # the words of SageMaker's, CodePipeline's, CodeBuild's and CloudWatch's statuses
    GOOD: ("Succeeded", "Completed", "InService", "Approved", "OK", "SUCCEEDED", "CompletedSucceeded"),
    BAD: (
        "Failed",
        "FAILED",
        "ERROR",
        "Rejected",
        "ALARM",
        "Faulted",
        "FAULT",
        "TIMED_OUT",
        "RollbackFailed",
        "OutOfService",
    ),
    WARN: (
        "CompletedWithViolations",
        "CompletedWithFailures",
        "PendingManualApproval",
        "Pending",
        "RollingBack",
        "UpdateRollbackFailed",
        "INCOMPLETE",
    ),
    BUSY: (
        "Executing",
        "InProgress",
        "IN_PROGRESS",
        "Starting",
        "Creating",
        "Updating",
        "SystemUpdating",
        "Stopping",
        "Deleting",
    ),
}
_COLOURS = {word: colour for colour, words in _STATES.items() for word in words}
_BYTES = ("bytes", "KiB", "MiB", "GiB", "TiB")
_SENTENCE = 600  # characters of an error
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~$:&]")
_ICONS = {GOOD: "check_circle", BAD: "error", WARN: "warning", BUSY: "sync"}  # of Material Symbols


def colour(status: str) -> str:
    """Streamlit's colour of a status, by AWS's word for it; gray for one that is neither good, bad nor under way."""
    return _COLOURS.get(status, IDLE)


def plain(text: str) -> str:
    """Somebody's text for st.markdown and labels: nothing in it is emphasis, an icon, a formula or a link under another
    name; a bare address may become a link to itself.
    """
    return _MARKDOWN.sub(r"\\\g<0>", text)


def icon(status: str) -> str:
    """The name of a status' Material Symbol, "" without one: told apart as its colours are, and by its shape."""
    return "stop_circle" if status == "Stopped" else _ICONS.get(colour(status), "")


def badge(status: str, word: str = "") -> str:
    """Markdown: a status as a coloured badge whose icon says it too, for those who can't tell its colour.

    `word` is said instead of AWS's for it.
    """
    mark = f":material/{name}: " if (name := icon(status)) else ""
    return f":{colour(status)}-badge[{mark}{word or status}]"


def status_column(label: str, statuses: Iterable[str]) -> Any:
    """Of st.dataframe: cells that are lists of statuses, drawn as coloured badges; `statuses`: all that occur."""
    known = sorted(set(statuses))
    return st.column_config.MultiselectColumn(label, options=known, color=[colour(each) for each in known])


def pick(rows: Any, *, key: str, alt: str, **options: Any) -> int | None:
    """A table, `rows` and `options` as st.dataframe has them, and the place of the row that is chosen in it."""
    chosen: Any = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="single-row", key=key, alt=alt, **options
    )
    return next(iter(chosen.selection.rows), None)


def ink() -> str:
    """The colour of text that a chart draws as a mark, which no theme colours: readable on the reader's background."""
    return "#d3d8df" if st.context.theme.type == "dark" else "#3c434e"


def empty(what: str, *commands: str) -> None:
    """There is nothing yet, and what to run."""
    st.info(what + (" To get there:" if commands else ""), icon=":material/info:")
    if commands:
        st.code("\n".join(commands), language="bash")


def moment(when: datetime | None) -> str:
    """In the reader's own time zone, as the browser tells it."""
    return f"{when.astimezone(_zone()):%Y-%m-%d %H:%M:%S}" if when else ""


def _zone() -> tzinfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except ZoneInfoNotFoundError:
        return UTC


def ago(when: datetime | None) -> str:
    return f"{span((datetime.now(UTC) - when).total_seconds())} ago" if when else ""


def duration(start: datetime | None, end: datetime | None = None) -> str:
    """From start to end, or until now."""
    return span(((end or datetime.now(UTC)) - start).total_seconds()) if start else ""


def span(seconds: float) -> str:
    """In at most two units: 0.4 s, 12 s, 3 min 4 s, 2 h 5 min, 3 days."""
    whole = int(seconds)
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"


def size(count: int) -> str:
    """Of bytes: 512 bytes, 1.5 MiB."""
    power = min(max(0, count.bit_length() - 1) // 10, len(_BYTES) - 1)
    return f"{count} bytes" if power == 0 else f"{count / 1024**power:.1f} {_BYTES[power]}"


def sentence(error: Exception) -> str:
    """What failed, in AWS's words, with the id by which it is found in logs."""
    if isinstance(error, EndpointConnectionError):
        return f"{error}: nothing answers there. On a laptop `mlops up` starts it again."
    if not isinstance(error, ClientError):
        return str(error)
    said, request = error.response["Error"], error.response.get("ResponseMetadata", {}).get("RequestId", "unknown")
    words = " ".join(said.get("Message", "").split())  # a proxy on the way answers with a page of HTML
    shown = words if len(words) <= _SENTENCE else f"{words[:_SENTENCE]} …"
    return f"{said.get('Code', 'Unknown')}: {shown} (request id {request})"


def harmless(text: str) -> str:
    """A sentence that quotes somebody's words, without links, pictures and formulas: what ours has as code stays so."""
    return re.sub(r"[\\\[\]<$]", r"\\\g<0>", text)


def leave(label: str, address: str) -> None:
    """A button to an address that somebody gave, and where it leads; nothing for what is no web page's."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    if parts.scheme in ("https", "http") and parts.hostname:
        st.link_button(label, address, icon=":material/open_in_new:", help=f"Leads to `{parts.hostname}`.")


def code(text: str) -> str:
    """Somebody's text as code within Markdown."""
    return f"`{text.replace('`', '')}`"


@contextmanager
def errors() -> Iterator[None]:
    """Says what the account refused, or could not be found, in one sentence; what is ours to mend goes on as it is."""
    try:
        yield
    except (LookupError, ReadOnly) as error:
        if isinstance(error, KeyError | IndexError):  # a LookupError by name only
            raise
        st.warning(harmless(str(error)), icon=":material/warning:")
    except (ClientError, BotoCoreError) as error:
        st.error(harmless(sentence(error)), icon=":material/error:")


def live(function: Callable[P, Any], *, every: float | None = None) -> Callable[P, Any]:
    """A fragment that draws itself anew every so many seconds, by itself (None: when its own widgets change).

    A fragment's later runs are outside of the page's, so it has an error boundary of its own.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors():
            function(*args, **kwargs)

    return st.fragment(guarded, run_every=every)


def again() -> NoReturn:
    """Draws the page anew with nothing kept, as what is under way has come to an end. Also out of a fragment."""
    st.cache_data.clear()
    st.rerun()


def turn(following: str) -> None:
    """Buttons to the next page of a list and back to its first one. A page is `before` in the address.

    Args:
        following: the next page's token or time, "" after the last.
    """
    with st.container(horizontal=True):
        if "before" in st.query_params and st.button("Newest", icon=":material/first_page:", key="newest"):
            first_page()
            st.rerun()
        if following and st.button("Older", icon=":material/chevron_right:", key="older"):
            st.query_params["before"] = following
            st.rerun()


def first_page() -> None:
    """For what changes what a list holds."""
    st.query_params.pop("before", None)


def component(name: str, file: str, html: str | None = None) -> Callable[..., Any]:
    """One of ours, with the script and the style that lie beside `file` under its name."""
    js, css = (_text(Path(file).with_suffix(ending)) for ending in (".js", ".css"))
    return st.components.v2.component(name, html=html, js=js, css=css)


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
