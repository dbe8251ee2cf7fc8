"""Athena's SQL beyond DuckDB's and MiniStack's, and the private calls into MiniStack for it."""

from __future__ import annotations

import asyncio
from datetime import datetime

import duckdb
import pytest
from ministack.services import athena

from sagelocal import ministack_trino

TABLE = r"""
    CREATE EXTERNAL TABLE t (a INT, b STRING) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
    WITH SERDEPROPERTIES ("separatorChar" = ",", 'quoteChar' = "`", "escapeChar" = "\\") LOCATION 's3://b/x';
"""


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(athena, "_rewrite_data_paths", athena._rewrite_data_paths)
    monkeypatch.setattr(athena._Cursor, "string", athena._Cursor.string)
    ministack_trino.install()


def test_functions_of_times() -> None:
    query = """
        SELECT from_iso8601_timestamp('2026-06-01T02:00:00+02:00') = From_UnixTime(1780272000.0),
               from_unixtime(1.5) > from_unixtime(1), to_timestamp('2026-06-01 00:00:00', 'yyyy-mm-dd hh24:mi:ss')
    """
    assert duckdb.connect().execute(ministack_trino.with_macros(query)).fetchall() == [
        (True, True, datetime(2026, 6, 1))
    ]
    assert ministack_trino.with_macros("SELECT 1") == "SELECT 1"


@pytest.mark.usefixtures("_installed")
def test_a_query_is_given_them() -> None:
    rewritten, *_ = asyncio.run(athena._rewrite_data_paths("SELECT from_unixtime(0)", "db"))
    assert "MACRO from_unixtime" in rewritten
    assert duckdb.connect().execute(rewritten).fetchall()


@pytest.mark.usefixtures("_installed")
def test_texts_of_ddl_may_stand_in_double_quotes() -> None:
    found = athena._parse_ddl(TABLE)
    assert (found.table, found.location) == ("t", "s3://b/x")
    parameters = {"separatorChar": ",", "quoteChar": "`", "escapeChar": "\\"}
    assert found.serde_parameters == parameters | {"serialization.format": "1"}
