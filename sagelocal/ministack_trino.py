"""Athena's SQL on DuckDB, where MiniStack 1.5 runs a query as it is: runs inside MiniStack's process.

What DuckDB would answer with another result than Athena is brought to Athena's, or refused by name; SHOW and DESCRIBE
are answered from Glue. DDL's texts may stand in double quotes, as SageMaker's Feature Store classes write them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sagelocal import ministack_functions, ministack_show

Document = dict[str, Any]
Token = tuple[str, str, int, int]  # MiniStack's: kind, text, start, end
_QUERIES = ("select", "with", "values", "table", "explain", "(")
_ICEBERG = "s3tablescatalog/"
_TYPES = {"STRUCT": "row", "TUPLE": "row", "UBIGINT": "bigint", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone"}


def install() -> None:
    from ministack.services import athena

    athena._run_duckdb = run
    _let_texts_have_double_quotes()


async def run(query: str, database: str, catalog: str | None = None) -> Document:
    """The columns, their types and the rows. Raises ValueError or duckdb.Error with what is wrong with the query."""
    from ministack.services import athena

    tokens: list[Token] = list(athena._sql_tokens(query))
    if shown := ministack_show.answer([text for _, text, _, _ in tokens], database or "default"):
        return shown
    _check(tokens, query, catalog)
    rewritten, buckets, workdirs = await athena._rewrite_data_paths(_with_formats(query, tokens), database, catalog)
    try:
        return await asyncio.to_thread(_answered, rewritten, buckets)
    finally:
        for workdir in workdirs:
            shutil.rmtree(workdir, ignore_errors=True)


def _check(tokens: Sequence[Token], query: str, catalog: str | None) -> None:
    words = [text if kind != "str" else "''" for kind, text, _, _ in tokens]
    if ";" in words[:-1]:
        raise ValueError("Only one sql statement is allowed.")
    iceberg = _ICEBERG in query.lower() or (catalog or "").lower().startswith(_ICEBERG)
    if words and words[0] not in _QUERIES and not iceberg:
        raise ValueError(
            f"NOT_SUPPORTED: {' '.join(words[:2]).upper()} is for Athena on AWS: a laptop's runs SELECT, WITH, VALUES, "
            "EXPLAIN, SHOW, DESCRIBE, CREATE EXTERNAL TABLE and DROP TABLE. Write a table with awswrangler or boto3."
        )
    for place in range(len(words) - 3):
        if words[place : place + 3] == ["at", "time", "zone"] and tokens[place + 3][1].upper() != "'UTC'":
            raise ValueError(
                "NOT_SUPPORTED: AT TIME ZONE with another zone than UTC: DuckDB, which runs a laptop's queries, reads "
                "it otherwise than Athena."
            )


def _with_formats(query: str, tokens: Sequence[Token]) -> str:
    """Of date_parse, whose format must be a literal in DuckDB."""
    depth, inside, edits = 0, 0, []
    for (_, name, _, _), (kind, text, start, end) in itertools.pairwise(tokens):
        depth += (text == "(") - (text == ")")
        if text == "(" and name == "date_parse":
            inside = depth
        elif inside and depth < inside:
            inside = 0
        elif inside == depth and kind == "str" and name == ",":
            edits.append((start, end, ministack_functions.format_of(text)))
    for start, end, text in reversed(edits):
        query = query[:start] + text + query[end:]
    return query


def _answered(query: str, buckets: Document) -> Document:
    import duckdb
    from ministack.services import athena

    if "read_avro(" in query:  # an extension that DuckDB would download
        raise ValueError("NOT_SUPPORTED: tables of Avro files are for Athena on AWS: use Parquet, CSV or JSON.")
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET disabled_optimizers = 'type_pushdown'")  # it makes the CSV reader strict
        if buckets:
            athena._attach_s3_table_buckets(connection, buckets)
        for statement in ministack_functions.prepared(query):
            connection.execute(statement)
        found = connection.execute(query)
        described = found.description or []
        rows = [[_shown(value) for value in row] for row in found.fetchall()]
        names = _names(connection, query, [each[0] for each in described])
    types = [_type(str(each[1]).upper(), athena._DUCKDB_TYPE_MAP) for each in described]
    return {"columns": names, "column_types": types, "rows": rows}


def _type(kind: str, known: dict[str, str]) -> str:
    """Athena's name of one of DuckDB's types."""
    if kind.endswith("]"):
        return "array"
    first = kind.split("(")[0].strip()
    return _TYPES.get(first) or known.get(first, "varchar")


def _names(connection: Any, query: str, found: list[str]) -> list[str]:
    """Athena's `_col0` where an expression has no name of its own; with a `*` before it its place is not known."""
    (text,) = connection.execute("SELECT json_serialize_sql(?)", [query.rstrip().rstrip(";")]).fetchone()
    parsed = json.loads(text)
    if parsed["error"]:
        return found
    node = parsed["statements"][0]["node"]
    while node["type"] == "SET_OPERATION_NODE":
        node = node.get("left") or node["children"][0]
    chosen = node.get("select_list") or []
    if len(chosen) != len(found):
        return found
    return [
        name if each["alias"] or each["class"] in ("COLUMN_REF", "STAR") else f"_col{place}"
        for place, (each, name) in enumerate(zip(chosen, found, strict=True))
    ]


def _shown(value: Any) -> Any:
    """As Athena writes it; what Python writes alike stays what it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        return text if value.tzinfo is None else f"{text} UTC"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inner(key)}={_inner(each)}" for key, each in value.items()) + "}"
    return value


def _inner(value: Any) -> str:
    return "null" if value is None else str(_shown(value))


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
