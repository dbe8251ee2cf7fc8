"""What of Athena's SQL MiniStack 1.5 and its DuckDB do not know, as SageMaker's Feature Store classes write it.

Functions are macros that go before a query which uses one; DDL's texts may stand in double quotes. Runs inside
MiniStack's process.
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
    _let_texts_have_double_quotes()


def _let_texts_have_double_quotes() -> None:
    """As in Hive's DDL, where names that need quotes stand in backticks."""
    from ministack.services import athena

    in_single_quotes = athena._Cursor.string

    def string(cursor: Any) -> Any:
        kind, text, start, _ = cursor.peek()
        if kind != "qname" or cursor.text[start] != '"':
            return in_single_quotes(cursor)
        cursor.advance()
        return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), text)

    athena._Cursor.string = string


def with_macros(query: str) -> str:
    used = sorted({name.lower() for name in _USED.findall(query)})
    return "; ".join([_UTC, *(_MACROS[name] for name in used), query]) if used else query
