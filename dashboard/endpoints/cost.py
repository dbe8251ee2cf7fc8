"""What an endpoint costs in a month, what it captures, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import account, look
from dashboard.endpoints import described, served
from dashboard.endpoints.described import Found
from deploy import cost, names, prices, recurrence, stages, state, time_to_live
from deploy.cost import Estimate, Traffic
from mlops import cost as command


def show(found: Found) -> None:
    _capture(found)
    with look.errors():
        _end(found)
    with look.errors():
        _month(found)


def _capture(found: Found) -> None:
    capture = found.endpoint.get("DataCaptureConfig") or {}
    if not capture.get("EnableCapture"):
        said = "nothing of its requests is kept, and no monitor sees them."
        st.markdown(f":material/videocam_off: **Data capture is off**: {said}")
        return
    share, status = capture["CurrentSamplingPercentage"], capture["CaptureStatus"]
    st.markdown(f":material/videocam: **Data capture is {status.lower()}**: {share} % of the requests, in")
    st.code(f"{capture['DestinationS3Uri'].rstrip('/')}/{found.name}", language=None)


def _end(found: Found) -> None:
    schedule = expiry(found.name)
    if schedule is None:
        st.markdown(":material/all_inclusive: **It stays** until somebody deletes it: no time to live is scheduled.")
        return
    end = time_to_live.ends(schedule)
    left = look.span((end - datetime.now(UTC)).total_seconds())
    st.markdown(f":material/timer: **It is deleted** in {left}, on {look.moment(end)}, by `{schedule['Name']}`.")


@account.kept
def expiry(endpoint: str) -> dict[str, Any] | None:
    """GetSchedule of what deletes it; None for an endpoint that stays."""
    return state.find(account.client("scheduler").get_schedule, Name=names.expiry(endpoint))


def _month(found: Found) -> None:
    estimate, how = month(found.name)
    most = "" if estimate.low == estimate.high else f" to {estimate.high:,.2f}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.metric("A month on AWS, by list prices", f"{estimate.low:,.2f}{most} USD", border=True)
    rows = [{"what": each.what, "at least": each.low, "at most": each.high, "how": each.how} for each in estimate.lines]
    money = st.column_config.NumberColumn(format="dollar")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={"at least": money, "at most": money},
        alt="What the month's cost is made of",
    )
    missing = f" Without a price and left out: {', '.join(estimate.unpriced)}." if estimate.unpriced else ""
    st.caption(look.plain(" ".join([how, *estimate.assumed])) + look.plain(missing))


@account.kept
def month(name: str) -> tuple[Estimate, str]:
    """As its stage is declared, or what its instances cost where no stage of ours is."""
    target = account.target()
    found = served.endpoint(name)
    use_case, stage = described.use_case(found), described.stage(found)
    table = prices.load()
    declared = stages.of(use_case).get(stage) if use_case and stage else None
    if declared:
        return command.of_month(target, use_case, declared, table, Traffic(), 0.0), (
            f"As deploy/stages.yml declares the stage {stage}."
        )
    use = "asynchronous" if described.is_asynchronous(found) else "real-time"
    lines = [
        cost.instances(
            f"variant {each.name}", table, use, each.hardware, (recurrence.HOURS * (each.desired_instances or 0),) * 2
        )
        for each in described.variants(found)
        if each.desired_instances is not None
    ]
    said = "Its instances alone: no stage in deploy/stages.yml declares it."
    return Estimate(lines), said if lines else "A serverless endpoint costs by request, and no stage declares it."
