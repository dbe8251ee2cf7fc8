"""Athena's reading of JSON tables by their Glue columns: runs inside MiniStack's process.

MiniStack 1.5 lets DuckDB guess columns and types of JSON from the data: a time given as text became a timestamp, whole
amounts became integers, a column that no record has did not exist, and others than Glue's appeared. Here a table has
the columns and types that Glue says and then its partition keys, as on AWS; a member that is missing is NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
_LARGEST = 20_000_000  # bytes of a record


def install() -> None:
    from ministack.services import athena, firehose

    others = athena._table_relation

    def table_relation(table: Document, files: Sequence[str]) -> Any:
        columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
        if athena._data_format(table) != "json" or not columns:
            return others(table, files)
        types = ", ".join(
            f"{_text(each['Name'])}: {_text(firehose._hive_to_duckdb_type(each.get('Type', 'string')))}"
            for each in columns
        )
        serde = ((table.get("StorageDescriptor") or {}).get("SerdeInfo") or {}).get("Parameters") or {}
        lenient = str(serde.get("ignore.malformed.json", "false")).lower() == "true"
        present = athena._path_partition_keys(table, files)
        reader = (
            f"read_json({athena._sql_list(files)}, format = 'newline_delimited', columns = {{{types}}}, "
            f"ignore_errors = {str(lenient).lower()}, maximum_object_size = {_LARGEST}, "
            f"{athena._hive_options(present)})"
        )
        names = {each["Name"] for each in present}
        shown = [_name(each["Name"]) for each in columns]
        for key in table.get("PartitionKeys") or []:
            value = _name(key["Name"]) if key["Name"] in names else f"CAST(NULL AS {athena._duckdb_type(key)})"
            shown.append(f"{value} AS {_name(key['Name'])}")
        return f"(SELECT {', '.join(shown)} FROM {reader})"

    athena._table_relation = table_relation


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
