"""Whom a page is about: the endpoint, and where its records come from. Both are in the address."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import account, changes, look
from dashboard.changes import Change
from dashboard.scored import asking, held_out, sources
from dashboard.scored.records import Scored
from dashboard.scored.sources import Place

ASKED, HELD_OUT, FILE = "Asked in production", "Held-out test split", "From a file"
_PERIODS = {"24 hours": 1, "7 days": 7, "30 days": 30, "90 days": 90}
_SCORED = "scored-file"


def endpoint(use_case: str) -> Place | None:
    """That of the address (`?endpoint=churn-production`), else the newest; None where none is in service."""
    known = sources.endpoints(use_case)
    if not known:
        return None
    wanted = st.query_params.get("endpoint")
    if wanted and wanted not in known:
        said = look.harmless(f"Endpoint {wanted} is not in service: this is {known[0]}.")
        st.warning(said, icon=":material/warning:")
    chosen = st.sidebar.selectbox("Endpoint", known, index=known.index(wanted) if wanted in known else 0)
    st.query_params["endpoint"] = chosen
    return sources.place(use_case, chosen)


def period() -> int:
    """Days up to now that captured requests are taken from (`?last=7+days`)."""
    chosen = st.sidebar.selectbox(
        "Requests of the last",
        list(_PERIODS),
        index=2,
        key="last",
        bind="query-params",
        help="As the endpoint captured them",
    )
    return _PERIODS[chosen]


def records(place: Place, asked: Scored, label: str, id_column: str) -> Scored | None:
    """What is chosen (`?customers=From+a+file`); None where it is not there yet, which is said.

    What needs no new question comes first: the requests that people asked, else the split the version was judged by.
    """
    chosen = st.segmented_control(
        "Customers",
        [ASKED, HELD_OUT, FILE],
        default=ASKED if len(asked) or not held_out.known(place.package) else HELD_OUT,
        key="customers",
        bind="query-params",
        required=True,
    )
    if chosen == FILE:
        return _of_a_file(place, id_column)
    if chosen == HELD_OUT:
        found = sources.held_back(place, place.endpoint, place.version, label)
        st.caption(
            f"{len(found):,} customers that version {place.version} was judged by and has not learnt from. What became "
            "of them is known: a rehearsal, and nobody to call."
        )
        return found
    return _asked(place, asked)


def _asked(place: Place, asked: Scored) -> Scored | None:
    """Those whose outcome is not known yet: nothing can be done about the others."""
    if not len(asked):
        _nothing_asked(place)
        return None
    known = asked.known()
    if known.all():
        st.info(
            f"What became of all {len(asked):,} customers that {place.endpoint} was asked about is known already.",
            icon=":material/info:",
        )
        return None
    others = f" {int(known.sum()):,} more are left out: what became of them is known." if known.any() else ""
    st.caption(
        f"{int((~known).sum()):,} requests to {place.endpoint} as it captured them, each taken for one customer, with "
        f"the answers of that time: nothing is asked anew.{others} {asked.left_out}"
    )
    return asked.take(np.flatnonzero(~known))


def _nothing_asked(place: Place) -> None:
    if not place.captures:
        look.empty(f"{place.endpoint} captures no requests: declare `capture` of its stage in deploy/stages.yml.")
        st.code(f"mlops deploy {place.use_case}", language="bash")
        return
    look.empty(f"{place.endpoint} was asked nothing in this period.", f"mlops traffic {place.use_case}")


def _of_a_file(place: Place, id_column: str) -> Scored | None:
    given = st.file_uploader(
        "Customers as CSV or parquet",
        type=["csv", "parquet"],
        help=f"With the columns {', '.join(place.features)}. A column {id_column} names each customer and is not sent.",
        max_upload_size=50,
    )
    if given:
        try:
            table = sources.table(given.name, lambda: io.BytesIO(given.getvalue()))
            rows = asking.columns(table, place.features)
        except ValueError as error:
            st.error(look.plain(str(error)), icon=":material/error:")
        else:
            batch = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
            ids = asking.names(table, id_column, batch)
            changes.button(f"Ask about {len(rows):,} customers", _ask(place, rows, ids), key="ask-file", primary=True)
    found = st.session_state.get(_SCORED, {}).get(place.endpoint)
    if found is None and not given:
        st.info("Choose a file. Each customer becomes a request that also asks why.", icon=":material/info:")
    return found


def _ask(place: Place, rows: pd.DataFrame, ids: list[str]) -> Change:
    def call() -> str:
        found = progress(place, rows, ids)
        st.session_state.setdefault(_SCORED, {})[place.endpoint] = found
        return f"{place.endpoint} answered about {len(found):,} customers."

    return Change(
        title=f"Ask {place.endpoint} about {len(rows):,} customers?",
        does=(
            f"Sends {len(rows):,} requests, each with the InferenceId {look.code(ids[0])} and so on. They are captured "
            "as all traffic is: monitors look at them, and labels of these ids can say later what became of them."
        ),
        confirm=f"Ask {place.endpoint}",
        call=call,
    )


def why(place: Place, found: Scored, rows: np.ndarray) -> Change:
    """Asks again about some of the records, with reasons this time."""
    about = [str(found.ids[at]) for at in rows]

    def call() -> str:
        answered = progress(place, found.features.iloc[rows], [asking.captured.reasons_id(each) for each in about])
        known = dict(zip(about, answered.reasons, strict=True))
        st.session_state.setdefault(_why_key(place.endpoint), {}).update(known)
        return f"{place.endpoint} gave reasons for {sum(map(bool, known.values())):,} customers."

    return Change(
        title=f"Ask {place.endpoint} why, for {len(rows):,} customers?",
        does=(
            f"Sends these {len(rows):,} customers again, as requests that are captured as all traffic is. They are the "
            "riskiest ones, so monitors see a little more of those than came by themselves. Their InferenceIds begin "
            f"with `{asking.captured.REASONS}`, and this page lists them once."
        ),
        confirm=f"Ask {place.endpoint} why",
        call=call,
    )


def explained(place: Place, found: Scored) -> Scored:
    """With the reasons that were asked for in this window and are not captured yet."""
    known = st.session_state.get(_why_key(place.endpoint), {})
    if not known:
        return found
    reasons = [why or known.get(name, {}) for name, why in zip(found.ids, found.reasons, strict=True)]
    return replace(found, reasons=reasons)


def _why_key(endpoint_name: str) -> str:
    return f"why-{endpoint_name}"


def progress(place: Place, rows: pd.DataFrame, ids: list[str]) -> Scored:
    bar = st.progress(0.0, text=f"Asking {place.endpoint} …")
    step = max(1, len(rows) // 50)

    def said(count: int) -> None:
        if count % step == 0:
            bar.progress(count / len(rows), text=f"{count:,} of {len(rows):,} answered")

    try:
        return asking.ask(account.client("sagemaker-runtime"), place.endpoint, rows, ids, said)
    finally:
        bar.empty()
