"""Trino's functions, which Athena has and DuckDB has not or has with another result, as DuckDB's macros.

Trino's documentation is what each follows: https://trino.io/docs/current/functions.html. A macro that has the name of
one of DuckDB's own functions asks that as `system.main.…`.
"""

from __future__ import annotations

import re

_NONE_IS_NULL = "CASE WHEN {given} THEN system.main.{name}({names}) END"
# MySQL's formats, which date_format and date_parse take, as strftime's; %M first, since %i becomes it.
_FORMATS = {"%M": "%B", "%W": "%A", "%i": "%M", "%s": "%S", "%c": "%-m", "%e": "%-d", "%k": "%-H", "%h": "%I"}
_MORE_FORMATS = {"%l": "%-I", "%T": "%H:%M:%S", "%r": "%I:%M:%S %p", "%v": "%V", "%x": "%G"}


def _format(name: str) -> str:
    for mysql, ours in (_FORMATS | _MORE_FORMATS).items():
        name = f"replace({name}, '{mysql}', '{ours}')"
    return name


def format_of(text: str) -> str:
    """strftime's for one of MySQL's."""
    for mysql, ours in (_FORMATS | _MORE_FORMATS).items():
        text = text.replace(mysql, ours)
    return text


def _each_arity(name: str, body: str) -> str:
    """Overloads for two to six arguments; `body` is filled with what joins them."""
    found = []
    for count in range(2, 7):
        names = [f"a{number}" for number in range(count)]
        given = " AND ".join(f"{each} IS NOT NULL" for each in names)
        filled = body.format(name=name, names=", ".join(names), given=given, joined=" || ".join(names))
        found.append(f"({', '.join(names)}) AS {filled}")
    return ", ".join(found)


MACROS = {
    # Times. Trino answers with a time zone, UTC in Athena.
    "from_iso8601_timestamp": "(text) AS CAST(text AS TIMESTAMPTZ)",
    "from_iso8601_date": "(text) AS CAST(text AS DATE)",
    "from_unixtime": "(seconds) AS make_timestamptz(CAST(CAST(seconds AS DOUBLE) * 1000000 AS BIGINT))",
    "to_unixtime": "(moment) AS epoch(moment)",
    # Teradata's, with formats such as 'yyyy-mm-dd hh24:mi:ss': one that ISO 8601 is read by.
    "to_timestamp": "(text, format) AS CAST(text AS TIMESTAMP)",
    "date_add": "(unit, n, day DATE) AS CAST(day + CAST(n || ' ' || unit AS INTERVAL) AS DATE), "
    "(unit, n, moment) AS moment + CAST(n || ' ' || unit AS INTERVAL)",
    "date_diff": "(unit, first, last) AS date_sub(unit, first, last)",  # whole units; DuckDB's counts limits crossed
    "date_trunc": "(unit, day DATE) AS CAST(system.main.date_trunc(unit, day) AS DATE), "
    "(unit, moment) AS system.main.date_trunc(unit, moment)",
    "date_format": f"(moment, format) AS strftime(moment, {_format('format')})",
    "date_parse": "(text, format) AS strptime(text, format)",
    "day_of_week": "(moment) AS isodow(moment)",
    "dow": "(moment) AS isodow(moment)",
    "day_of_month": "(moment) AS day(moment)",
    "day_of_year": "(moment) AS dayofyear(moment)",
    "doy": "(moment) AS dayofyear(moment)",
    "week_of_year": "(moment) AS week(moment)",
    "year_of_week": "(moment) AS isoyear(moment)",
    "yow": "(moment) AS isoyear(moment)",
    "last_day_of_month": "(moment) AS last_day(moment)",
    # Aggregates. Those that approximate do it by other sketches than Trino's.
    "approx_distinct": "(x) AS approx_count_distinct(x), (x, error) AS approx_count_distinct(x)",
    "approx_percentile": "(x, p) AS approx_quantile(x, p)",
    "every": "(x) AS bool_and(x)",
    "map_agg": "(k, v) AS map(list(k), list(v))",
    # JSON. What is none is NULL, and so is a scalar where there is an object or an array.
    "json_extract": "(text, path) AS CASE WHEN json_valid(text) THEN system.main.json_extract(text, path) END",
    "json_extract_scalar": "(text, path) AS CASE WHEN json_valid(text) AND json_type(text, path) "
    "NOT IN ('OBJECT', 'ARRAY', 'NULL') THEN json_extract_string(text, path) END",
    "json_format": "(x) AS CAST(x AS VARCHAR)",
    "json_parse": "(text) AS CAST(text AS JSON)",
    # Texts. NULL where DuckDB passes over a NULL or answers with an empty text; all matches, not the first one.
    "concat": _each_arity("concat", "{joined}"),
    "format": ", ".join(
        f"(text, {', '.join(names)}) AS printf(text, {', '.join(names)})" for names in ("a", "ab", "abc")
    ),
    "split_part": "(text, mark, n) AS CASE WHEN n <= len(string_split(text, mark)) "
    "THEN system.main.split_part(text, mark, n) END",
    "regexp_like": "(text, pattern) AS regexp_matches(text, pattern)",
    "regexp_extract": "(text, pattern) AS "
    "CASE WHEN regexp_matches(text, pattern) THEN system.main.regexp_extract(text, pattern) END, "
    "(text, pattern, n) AS "
    "CASE WHEN regexp_matches(text, pattern) THEN system.main.regexp_extract(text, pattern, n) END",
    "regexp_replace": "(text, pattern) AS system.main.regexp_replace(text, pattern, '', 'g'), "
    "(text, pattern, other) AS system.main.regexp_replace("
    r"text, pattern, system.main.regexp_replace(other, '\$(\d)', '\\\1', 'g'), 'g')",
    # Arrays, maps and numbers.
    "element_at": "(x, k) AS x[k]",
    "array_join": "(x, mark) AS array_to_string(x, mark)",
    "sequence": "(first, last) AS generate_series(first, last), "
    "(first, last, step) AS generate_series(first, last, step)",
    "greatest": _each_arity("greatest", _NONE_IS_NULL),
    "least": _each_arity("least", _NONE_IS_NULL),
    "truncate": "(x) AS trunc(x)",
    "is_nan": "(x) AS isnan(x)",
    "typeof": "(x) AS lower(system.main.typeof(x))",
}
_USED = re.compile(rf"\b({'|'.join(MACROS)})\s*\(", re.IGNORECASE)
# A whole number divided by another is one; what DuckDB reads of a time without a zone is UTC.
_SETTINGS = ("SET TimeZone = 'UTC'", "SET integer_division = true")


def prepared(query: str) -> list[str]:
    """What DuckDB does before a query of Trino's, statement by statement: the division is read by the parser."""
    used = sorted({name.lower() for name in _USED.findall(query)})
    return [*_SETTINGS, *(f"CREATE TEMP MACRO {name}{MACROS[name]}" for name in used)]
