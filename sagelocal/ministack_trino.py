"""Functions of Athena's SQL that DuckDB, which MiniStack's Athena computes with, does not have: in MiniStack's process.

They are macros that go before a query which uses one. The list is what SageMaker's Feature Store classes write.
"""

from __future__ import annotations

import re
from typing import Any

# Trino's functions answer times with a time zone, UTC in Athena.
_MACROS = {
    "from_iso8601_timestamp": "CREATE TEMP MACRO from_iso8601_timestamp(text) AS CAST(text AS TIMESTAMPTZ)",
    "from_unixtime": "CREATE TEMP MACRO from_unixtime(seconds) AS make_timestamptz(CAST(seconds * 1000000 AS BIGINT))",
    # Teradata's, with formats such as 'yyyy-mm-dd hh24:mi:ss': one that ISO 8601 is read by.
    "to_timestamp": "CREATE TEMP MACRO to_timestamp(text, format) AS CAST(text AS TIMESTAMP)",
}
_USED = re.compile(rf"\b({'|'.join(_MACROS)})\s*\(", re.IGNORECASE)
_UTC = "SET TimeZone = 'UTC'"


def install() -> None:
    from ministack.services import athena

    rewrite = athena._rewrite_data_paths

    async def rewritten(query: str, *arguments: Any) -> Any:
        found, *rest = await rewrite(query, *arguments)
        return (with_macros(found), *rest)

    athena._rewrite_data_paths = rewritten


def with_macros(query: str) -> str:
    used = sorted({name.lower() for name in _USED.findall(query)})
    return "; ".join([_UTC, *(_MACROS[name] for name in used), query]) if used else query
