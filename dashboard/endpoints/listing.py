"""All endpoints at a glance, a page of them at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, look
from dashboard.endpoints import alarms, described, metrics
from dashboard.endpoints.described import Described, Found
from dashboard.endpoints.metrics import Line

_ROWS = 25
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Row:
    name: str
    status: str
    created: datetime
    mode: str = ""
    serves: str = ""
    use_case: str = ""
    stage: str = ""
    failure: str = ""
    requests: float | None = None  # of the last hour; None: none that CloudWatch knows of
    errors: float | None = None
    alarms: tuple[str, ...] = ()  # names of those in ALARM, without the endpoint's


@dataclass(frozen=True)
class Listing:
    rows: list[Row]
    older: str  # what `before` of the next page is; empty after the last
    problems: list[str] = field(default_factory=list)  # what could not be read, a sentence each


def show() -> None:
    asked = st.text_input(
        "Find",
        placeholder="a part of the name",
        key="name",
        bind="query-params",
        icon=":material/search:",
        on_change=look.first_page,
    )
    before = st.query_params.get("before", "")
    listing = read(asked.strip(), before)
    if not listing.rows and not (asked or before):
        look.empty("There is no endpoint.", "mlops run churn", "mlops approve churn", "mlops deploy churn")
        return
    if not listing.rows:
        st.info(f"No endpoint here{f' whose name contains {asked}' if asked else ''}.")
    else:
        _table(listing.rows)
    for sentence in listing.problems:
        st.caption(f":material/warning: {look.plain(sentence)}")
    look.turn(listing.older)


def _table(rows: list[Row]) -> None:
    place = look.pick(
        frame(rows),
        key="endpoints-table",
        alt="The endpoints, the newest first",
        height="content",
        placeholder="–",
        column_config={
            "status": look.status_column("status", [row.status for row in rows]),
            "requests": st.column_config.NumberColumn("requests, 1 h", format="localized"),
            "errors": st.column_config.NumberColumn("errors, 1 h", format="localized"),
            "alarms": st.column_config.ListColumn("in ALARM"),
        },
    )
    opened = rows[place].name if place is not None else None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        named = st.selectbox(
            "Open", [row.name for row in rows], index=None, placeholder="an endpoint", key="endpoints-open", width=360
        )
    if found := opened or named:
        for key in ("endpoints-table", "endpoints-open"):
            st.session_state.pop(key, None)
        st.query_params.clear()
        st.query_params["endpoint"] = found
        st.rerun()


def frame(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "endpoint": row.name,
                "status": [row.status],
                "serves": row.serves,
                "mode": row.mode,
                "requests": row.requests,
                "errors": row.errors,
                "alarms": list(row.alarms),
                "use case": row.use_case,
                "stage": row.stage,
                "made": look.ago(row.created),
                "why": row.failure,
            }
            for row in rows
        ]
    )


@account.kept
def read(name: str, before: str) -> Listing:
    """The newest endpoints whose name contains `name`, made before an ISO 8601 moment if one is given."""
    sagemaker, cloudwatch = account.client("sagemaker"), account.client("cloudwatch")
    query: dict[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": _ROWS}
    query |= {"NameContains": name} if name else {}
    query |= {"CreationTimeBefore": datetime.fromisoformat(before)} if before else {}
    page = sagemaker.list_endpoints(**query)
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        ringing = pool.submit(_asked, alarms.ringing, cloudwatch)
        found = list(pool.map(lambda each: _described(sagemaker, each), page["Endpoints"]))
        counts, problem = _asked(lambda: counted(cloudwatch, [each for each in found if each]))
        rung, other = ringing.result()
    rows = [
        _row(summary, each, counts or {}, rung or []) for summary, each in zip(page["Endpoints"], found, strict=True)
    ]
    problems = [problem, other, *(sentence for each in found if each for sentence in each.problems)]
    older = rows[-1].created.astimezone(UTC).isoformat() if rows and "NextToken" in page else ""
    return Listing(rows, older, list(dict.fromkeys(each for each in problems if each)))


def _described(sagemaker: Any, summary: Described) -> Found | None:
    """None for one that was deleted meanwhile; of one that may not be described, what ListEndpoints tells."""
    try:
        return described.read(sagemaker, summary["EndpointName"])
    except LookupError:
        return None
    except ClientError as error:
        return Found(summary, problems=(look.sentence(error),))


def _asked(call: Any, *arguments: Any) -> tuple[Any, str]:
    """The answer, or why there is none: numbers that may not be read leave a list readable."""
    try:
        return call(*arguments), ""
    except (ClientError, BotoCoreError) as error:
        return None, look.sentence(error)


def counted(cloudwatch: Any, found: list[Found], now: datetime | None = None) -> dict[str, dict[str, float]]:
    """Requests and errors of the last hour by endpoint; what CloudWatch has no values of is left out."""
    queries, owners = [], []
    for each in found:
        names = [variant.name for variant in described.variants(each) if not variant.shadow]
        requests, errors = metrics.counted(described.is_asynchronous(each))
        lines = [Line(metric, "Sum", variant) for variant in names for metric in (requests, *errors)]
        queries += metrics.query(lines, each.name, 60)
        owners += [(each.name, "requests" if line.metric == requests else "errors") for line in lines]
    queries = [query | {"Id": f"m{number}"} for number, query in enumerate(queries)]
    end = now or datetime.now(UTC)
    values = metrics.get(cloudwatch, queries, end - _HOUR, end)
    sums: dict[str, dict[str, float]] = {}
    for number, (endpoint, kind) in enumerate(owners):
        if seen := values[f"m{number}"]:
            of = sums.setdefault(endpoint, {})
            of[kind] = of.get(kind, 0.0) + sum(value for _, value in seen)
    return sums


def _row(summary: Any, found: Found | None, counts: dict[str, dict[str, float]], rung: list[alarms.Alarm]) -> Row:
    name, created = summary["EndpointName"], summary["CreationTime"]
    if found is None:
        return Row(name, "Deleted", created)
    of = counts.get(name, {})
    return Row(
        name=name,
        status=found.status,
        created=created,
        mode=described.mode(found),
        serves=described.serves(found),
        use_case=described.use_case(found),
        stage=described.stage(found),
        failure=found.endpoint.get("FailureReason", ""),
        requests=of.get("requests"),
        errors=of.get("errors"),
        alarms=tuple(each["AlarmName"].removeprefix(f"{name}-") for each in rung if name in alarms.endpoints(each)),
    )
