"""Athena's SQL beyond DuckDB's and MiniStack's, and the private calls into MiniStack for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from ministack.services import athena, glue

from sagelocal import ministack_functions, ministack_trino

TABLE = r"""
    CREATE EXTERNAL TABLE t (a INT, b STRING) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
    WITH SERDEPROPERTIES ("separatorChar" = ",", 'quoteChar' = "`", "escapeChar" = "\\") LOCATION 's3://b/x';
"""


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(athena, "_run_duckdb", athena._run_duckdb)
    monkeypatch.setattr(athena._Cursor, "string", athena._Cursor.string)
    ministack_trino.install()


def run(query: str, database: str = "db") -> dict[str, Any]:
    return asyncio.run(ministack_trino.run(query, database))


def value(expression: str) -> Any:
    (row,) = run(f"SELECT {expression}")["rows"]
    return row[0]


@pytest.mark.parametrize("name", ministack_functions.MACROS)
def test_a_macro_is_one_of_duckdb(name: str) -> None:
    made = duckdb.connect()
    made.execute(f"CREATE TEMP MACRO {name}{ministack_functions.MACROS[name]}")
    known = "SELECT count(*) FROM duckdb_functions() WHERE function_type LIKE '%macro' AND function_name = ?"
    assert made.execute(known, [name.lower()]).fetchall() != [(0,)]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("7/2", 3),
        ("-7/2", -3),
        ("7/2.0", 3.5),
        ("try(1/0)", None),
        ("date_diff('hour', timestamp '2026-06-01 00:30:00', timestamp '2026-06-01 01:00:00')", 0),
        ("date_diff('day', date '2026-06-01', date '2026-06-08')", 7),
        ("CAST(date_add('day', 1, date '2026-06-01') AS varchar)", "2026-06-02"),
        ("date_add('hour', -1, timestamp '2026-06-01 00:00:00')", "2026-05-31 23:00:00.000"),
        ("CAST(date_trunc('month', date '2026-06-15') AS varchar)", "2026-06-01"),
        ("from_iso8601_timestamp('2026-06-01T02:00:00+02:00')", "2026-06-01 00:00:00.000 UTC"),
        ("From_UnixTime(1780272000.5)", "2026-06-01 00:00:00.500 UTC"),
        ("from_unixtime(1.5) > from_unixtime(1)", "true"),
        ("from_unixtime(1780317296.789)", "2026-06-01 12:34:56.789 UTC"),
        ("typeof(1)", "integer"),
        ("to_unixtime(timestamp '2026-06-01 00:00:00')", 1780272000.0),
        ("to_timestamp('2026-06-01 00:00:00', 'yyyy-mm-dd hh24:mi:ss')", "2026-06-01 00:00:00.000"),
        ("date_format(timestamp '2026-06-01 13:05:09', '%Y-%m-%d %H:%i:%s')", "2026-06-01 13:05:09"),
        ("date_parse('2026-06-01 13:05', '%Y-%m-%d %H:%i')", "2026-06-01 13:05:00.000"),
        ("date_parse(concat('2026-06', '-01'), '%Y-%m-%d')", "2026-06-01 00:00:00.000"),
        ("day_of_week(date '2026-06-07')", 7),
        ("approx_percentile(x, 0.5) FROM UNNEST(ARRAY[1, 2, 9]) AS t(x)", 2),
        ("approx_distinct(x) FROM UNNEST(ARRAY[1, 2, 2]) AS t(x)", 2),
        ("map_agg(x, x + 1) FROM UNNEST(ARRAY[1, 2]) AS t(x)", "{1=2, 2=3}"),
        ("json_extract_scalar('{\"a\": {\"b\": 3}}', '$.a.b')", "3"),
        ("json_extract_scalar('{\"a\": {\"b\": 3}}', '$.a')", None),
        ("json_extract_scalar('no JSON', '$.a')", None),
        ("concat('a', NULL)", None),
        ("greatest(1, NULL, 2)", None),
        ("least(2, 1)", 1),
        ("regexp_like('abc123', '\\d+')", "true"),
        ("regexp_extract('abc', '\\d')", None),
        ("regexp_extract('abc12', '(\\d)(\\d)', 2)", "2"),
        ("regexp_replace('a1b2', '(\\d)', '<$1>')", "a<1>b<2>"),
        ("split_part('a,b', ',', 3)", None),
        ("split_part('a,,b', ',', 2)", ""),
        ("format('%s-%03d', 'a', 5)", "a-005"),
        ("element_at(ARRAY[1, 2, 3], -1)", 3),
        ("element_at(MAP(ARRAY['a'], ARRAY[1]), 'b')", None),
        ("sequence(1, 3)", "[1, 2, 3]"),
        ("array_join(ARRAY[1, 2], '-')", "1-2"),
        ("ARRAY[true, NULL]", "[true, null]"),
    ],
)
def test_an_expression_has_athenas_value(expression: str, wanted: Any) -> None:
    found = value(expression)
    assert float(found) == wanted if isinstance(wanted, float) else found == wanted


def test_types_have_athenas_names() -> None:
    query = "SELECT now(), ARRAY[1], MAP(ARRAY[1], ARRAY[2]), ROW(1), cardinality(ARRAY[1]), sum(1), date '2026-06-01'"
    types = ["timestamp with time zone", "array", "map", "row", "bigint", "bigint", "date"]
    assert run(query)["column_types"] == types


def test_a_column_without_a_name_is_numbered() -> None:
    assert run("SELECT 1, 2 AS two, count(*), x FROM (SELECT 1 AS x) GROUP BY x")["columns"] == [
        "_col0",
        "two",
        "_col2",
        "x",
    ]
    assert run("WITH t AS (SELECT 1 AS x) SELECT * FROM t UNION ALL SELECT x + 1 FROM t")["columns"] == ["x"]
    assert run("SELECT x + 1 FROM (SELECT 1 AS x) UNION SELECT 2;")["columns"] == ["_col0"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR is for Athena on AWS"),
        ("CREATE TABLE t AS SELECT 1", "CREATE TABLE is for Athena on AWS"),
        ("INSERT INTO t VALUES (1)", "INSERT INTO is for Athena on AWS"),
        ("COPY (SELECT 1) TO 'x'", "is for Athena on AWS"),
        ("SELECT 1; SELECT 2", "Only one sql statement is allowed"),
        ("SELECT now() AT TIME ZONE 'Europe/Madrid'", "AT TIME ZONE with another zone than UTC"),
        ("SHOW PARTITIONS t", "SHOW PARTITIONS is for Athena on AWS"),
        ("DESCRIBE nope", "Table 'db.nope' does not exist"),
        ("SHOW TABLES IN nope", "Schema 'nope' does not exist"),
        ("SELECT * FROM read_avro('a.avro')", "tables of Avro files"),
    ],
)
def test_what_is_not_answered_as_athena_would_is_refused(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(query)


def test_a_division_by_zero_is_an_error() -> None:
    with pytest.raises(duckdb.Error, match="Division by zero"):
        run("SELECT 1/0")


@pytest.fixture
def _cataloged(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "name", "Type": "string", "Comment": "whose"}]
    table = {"StorageDescriptor": {"Columns": columns}, "PartitionKeys": [{"Name": "day", "Type": "string"}]}
    store = SimpleNamespace(**vars(glue))
    store._databases = {"db": {}, "other": {}}
    store._tables = {"db/sales": table, "db/stores": table, "other/sales": table}
    monkeypatch.setattr(ministack_trino.ministack_show, "_glue", lambda: store)


@pytest.mark.usefixtures("_cataloged")
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SHOW TABLES", [["sales"], ["stores"]]),
        ("show tables in other;", [["sales"]]),
        ("SHOW TABLES '*al*|x'", [["sales"]]),
        ("SHOW TABLES LIKE 'st*'", [["stores"]]),
        ("SHOW DATABASES", [["db"], ["other"]]),
        ("SHOW SCHEMAS LIKE 'o*'", [["other"]]),
        ("SHOW COLUMNS IN sales", [["id"], ["name"], ["day"]]),
        ("SHOW COLUMNS FROM other.sales", [["id"], ["name"], ["day"]]),
        ("SHOW COLUMNS IN sales IN other", [["id"], ["name"], ["day"]]),
        ('DESCRIBE "sales"', [["id", "bigint", ""], ["name", "string", "whose"], ["day", "string", ""]]),
        ("DESCRIBE FORMATTED db.sales", [["id", "bigint", ""], ["name", "string", "whose"], ["day", "string", ""]]),
    ],
)
def test_tables_and_columns_are_glues(query: str, rows: list[list[str]]) -> None:
    assert run(query)["rows"] == rows


@pytest.mark.usefixtures("_installed")
def test_ministack_asks_it() -> None:
    found = asyncio.run(athena._run_duckdb("SELECT 7/2 AS half", "db", "AwsDataCatalog"))
    assert found == {"columns": ["half"], "column_types": ["integer"], "rows": [[3]]}


@pytest.mark.usefixtures("_installed")
def test_texts_of_ddl_may_stand_in_double_quotes() -> None:
    found = athena._parse_ddl(TABLE)
    assert (found.table, found.location) == ("t", "s3://b/x")
    parameters = {"separatorChar": ",", "quoteChar": "`", "escapeChar": "\\"}
    assert found.serde_parameters == parameters | {"serialization.format": "1"}
