"""`mlops sql`: a query of Athena over what a use case's streams left in the lake."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

from deploy import streams
from mlops import console
from mlops.errors import Failure
from mlops.targets import Target

_POLL = 0.2  # seconds between two looks, at first; it grows to the target's


def ask(target: Target, use_case: str, query: str, rows: int) -> None:
    """Prints the answer's first `rows` rows. Raises Failure with what Athena says against the query."""
    athena = target.client("athena")
    execution = run(athena, use_case, query, target.poll)
    found = answer(athena, execution["QueryExecutionId"])
    headings = next(found, ())
    shown = list(itertools.islice(found, rows))
    console.show(headings, shown)
    more = "" if next(found, None) is None else f" and more: {execution['ResultConfiguration']['OutputLocation']}"
    scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
    cost = "" if target.settings else f"; {scanned / 1e6:,.1f} MB were read"  # what AWS is paid for
    console.note(f"{len(shown)} rows{more}{cost}")


def run(athena: Any, use_case: str, query: str, poll: float) -> dict[str, Any]:
    """Athena's QueryExecution of a query that succeeded, in the use case's database and workgroup.

    Raises Failure with what Athena says against it, or where there is no such workgroup.
    """
    group = streams.workgroup(use_case)
    try:
        athena.get_work_group(WorkGroup=group)
    except athena.exceptions.InvalidRequestException as error:
        raise Failure(f"There is no workgroup {group}: {console.command()} stream up {use_case}") from error
    context = {"Database": streams.database(use_case)}
    started = athena.start_query_execution(QueryString=query, QueryExecutionContext=context, WorkGroup=group)
    pause = _POLL
    while True:
        found = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]
        state = found["Status"]["State"]
        if state == "SUCCEEDED":
            return dict(found)
        if state in ("FAILED", "CANCELLED"):
            raise Failure(f"Athena: {found['Status'].get('StateChangeReason', state)}")
        time.sleep(pause)
        pause = min(2 * pause, poll)


def answer(athena: Any, execution: str) -> Iterator[tuple[str, ...]]:
    """The names of the columns, then the rows; what is NULL is empty. DDL has one column without a name."""
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution)
    first = True
    for page in pages:
        found = page["ResultSet"]
        columns = tuple(each["Name"] for each in found["ResultSetMetadata"]["ColumnInfo"])
        rows = [tuple(cell.get("VarCharValue", "") for cell in row["Data"]) for row in found["Rows"]]
        if first:
            yield columns
            rows = rows[1:] if rows[:1] == [columns] else rows  # a SELECT's first row repeats the names
        first = False
        yield from rows
