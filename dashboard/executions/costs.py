"""What a use case costs on AWS: its last run, and a month of each endpoint that it has; reckoned when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import streamlit as st

from dashboard import account, surroundings
from dashboard.executions.glance import Glance
from deploy import prices, stages
from deploy.cost import Estimate, Traffic
from mlops import cost

Row = dict[str, Any]


def show(cases: Sequence[Glance]) -> None:
    folded = st.expander(
        "What it costs", icon=":material/payments:", on_change="rerun", key="costs", bind="query-params"
    )
    if not folded.open:
        return
    with folded:
        with st.spinner("Looking up what ran …"):
            table = prices.load()
            found = [row for case in cases for row in rows(case.name, [each.stage for each in case.endpoints])]
        if found:
            for sentence in totals(found):
                st.markdown(sentence)
            money = st.column_config.NumberColumn(format="%.2f")
            st.dataframe(
                found, hide_index=True, column_config={"USD at least": money, "at most": money, "endpoint": None}
            )
        else:
            st.write("Nothing ran and nothing is deployed that would cost.")
        st.caption(" ".join(cost.notes(account.target(), table)))


@account.kept
def rows(case: str, deployed: list[str]) -> list[Row]:
    """Of the newest execution that ran a job, and of each deployed stage that is declared."""
    target, table = account.target(), prices.load()
    # As in `mlops cost`: a laptop's jobs have no instances to start, whose time AWS would bill.
    added = cost.START_UP if surroundings.read().target == "laptop" else 0.0
    run, execution = cost.of_run(target, case, table, added)
    found = [_row(case, f"a run, as {execution}", run)] if run else []
    declared = stages.of(case)
    for stage in [declared[name] for name in deployed if name in declared]:
        month = cost.of_month(target, case, stage, table, Traffic(), added)
        row = _row(case, f"a month of {stage.name}", month)
        found.append({**row, "ceiling": stage.cost_ceiling, "endpoint": stage.name})
    return found


def totals(found: Sequence[Row]) -> Iterator[str]:
    """Markdown: a month of each use case's endpoints together."""
    for case in dict.fromkeys(row["use case"] for row in found):
        months = [row for row in found if row["use case"] == case and row["endpoint"]]
        if months:
            low, high = (sum(row[member] for row in months) for member in ("USD at least", "at most"))
            amount = f"{low:,.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:,.2f} to {high:,.2f}"
            yield f"A month of {case}'s {'endpoint' if len(months) == 1 else 'endpoints'}: **{amount} USD**"


def _row(case: str, what: str, estimate: Estimate) -> Row:
    return {
        "use case": case,
        "endpoint": "",  # its stage; a run has none
        "what": what,
        "USD at least": estimate.low,
        "at most": estimate.high,
        "ceiling": None,
        "how": "; ".join(_how(estimate)),
    }


def _how(estimate: Estimate) -> Iterator[str]:
    for line in estimate.lines:
        if line.high >= 0.01:
            yield f"{line.what}: {line.how}"
    if estimate.unpriced:
        yield f"without a price, and left out: {', '.join(estimate.unpriced)}"
