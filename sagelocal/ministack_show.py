"""SHOW and DESCRIBE of Athena, from MiniStack's Glue: DuckDB knows no tables but a query's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]


def answer(words: Sequence[str], database: str) -> Document | None:
    """`words` are a statement's tokens; None for one that is another. Raises ValueError for what is not answered."""
    rest = [each for each in words if each != ";"]
    first, second = (*rest, "", "")[:2]
    if first == "show" and second == "tables":
        return _tables(rest[2:], database)
    if first == "show" and second in ("databases", "schemas"):
        return _listed("database_name", sorted(_glue()._databases), _pattern(rest[2:]))
    if first == "show" and second == "columns" and len(rest) > 3:
        return _listed("field", [each["Name"] for each in _columns(rest[3:], database)], "")
    if first in ("describe", "desc"):
        return _described(_columns([each for each in rest[1:] if each not in ("extended", "formatted")], database))
    if first == "show":
        raise ValueError(f"NOT_SUPPORTED: SHOW {second.upper()} is for Athena on AWS: ask Glue instead, by boto3.")
    return None


def _glue() -> Any:
    from ministack.services import glue

    return glue


def _tables(rest: list[str], database: str) -> Document:
    if rest[:1] in (["in"], ["from"]):
        database, rest = rest[1], rest[2:]
    if database not in _glue()._databases:
        raise ValueError(f"SCHEMA_NOT_FOUND: Schema '{database}' does not exist")
    names = [name for place, _, name in (each.partition("/") for each in _glue()._tables) if place == database]
    return _listed("tab_name", sorted(names), _pattern(rest))


def _pattern(rest: Sequence[str]) -> str:
    """A regular expression in which * stands for any text and | for or, in quotes; LIKE may stand before it."""
    return rest[-1].strip("'") if rest else ""


def _listed(column: str, names: Sequence[str], pattern: str) -> Document:
    wanted = re.compile(pattern.replace("*", ".*") or ".*", re.IGNORECASE)
    rows = [[each] for each in names if wanted.fullmatch(each)]
    return {"columns": [column], "column_types": ["varchar"], "rows": rows}


def _columns(name: Sequence[str], database: str) -> list[Document]:
    """A table's, then its partition keys; `name` is tokens of `table`, `db.table` or `table in db`."""
    parts = [each for each in name if each not in (".", "in", "from")]
    if len(parts) > 1:
        database = parts[0] if "." in name else parts[1]
    table = (parts[-1] if "." in name else parts[0]) if parts else ""
    found = _glue()._tables.get(f"{database}/{table}")
    if found is None:
        raise ValueError(f"TABLE_NOT_FOUND: Table '{database}.{table}' does not exist")
    return [*found["StorageDescriptor"]["Columns"], *(found.get("PartitionKeys") or [])]


def _described(columns: Sequence[Document]) -> Document:
    rows = [[each["Name"], each.get("Type", "string"), each.get("Comment", "")] for each in columns]
    return {"columns": ["col_name", "data_type", "comment"], "column_types": ["varchar"] * 3, "rows": rows}
