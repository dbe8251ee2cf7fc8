"""What is there twice: whole rows, columns that say the same, identifiers that should occur once, and constants."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_section import Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, sampled_note

UNIQUE = 0.9  # of an identifier's values are different: those that are not may be mistakes


def duplicates(table: CaseTable, facts: dict[str, Any]) -> Section:
    sample = table.sample()
    rows = facts.get("duplicates") or counted(sample, table)
    twins = twin_columns(sample)
    keys = repeated_keys(table, facts)
    constants = [name for name in table.columns if sample[name].nunique(dropna=True) <= 1]
    tables = [rows_table(rows, table)]
    note = sampled_note(table, len(sample), "Compared by codes")
    if twins:
        listing = [[first, second, how] for first, second, how in twins[:MOST_ROWS]]
        tables.append(Table("Columns that say the same", ["column", "and", "how"], listing, note))
    return Section(
        "duplicates", "Duplicates", WORDS, tables, [], told(rows, table.rows, twins, constants),
        warned(rows, keys),
    )  # fmt: skip


WORDS = [
    "Equal rows may be one fact written twice or two equal facts: flowers of the same size, sales of the same price. "
    "Where they are the same fact they count twice in every figure here, and a row that is in a training and in a test "
    "split makes a model look better than it is. None was left out.",
]


def counted(sample: pd.DataFrame, table: CaseTable) -> dict[str, dict[str, Any]]:
    """What the processing job counts over all rows, of the sample where there was no such job."""
    telling = [name for name in table.columns if table.columns[name] != "identifier"]
    kinds = {"rows": list(table.columns)}
    if telling and len(telling) < len(table.columns):
        kinds["rows but for identifiers"] = telling
    return {name: repeats(sample[columns]) for name, columns in kinds.items()}


def repeats(frame: pd.DataFrame) -> dict[str, Any]:
    sizes = frame.groupby(list(frame.columns), dropna=False, sort=False).size()
    repeated = sizes[sizes > 1]
    return {
        "repeated": int((repeated - 1).sum()),
        "different": len(repeated),
        "most_frequent": int(sizes.max()),
        "compared_share": 1.0,
    }


def twin_columns(sample: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Columns with equal values, and such whose values stand for each other one to one; constants are none."""
    coded = {name: pd.factorize(sample[name])[0] for name in sample.columns}
    coded = {name: found for name, found in coded.items() if 1 < len(np.unique(found)) < len(sample)}
    groups: dict[bytes, list[str]] = {}
    for name, found in coded.items():  # codes count in the order of first sight: one-to-one columns have the same
        groups.setdefault(found.astype(np.int32).tobytes(), []).append(str(name))
    return [
        (first, second, "equal" if same(sample[first], sample[second]) else "one to one: other names, same groups")
        for names in groups.values()
        for first, second in itertools.combinations(names, 2)
    ]


def same(first: pd.Series, second: pd.Series) -> bool:
    return first.dtype == second.dtype and bool(first.equals(second))


def repeated_keys(table: CaseTable, facts: dict[str, Any]) -> list[tuple[str, int]]:
    """Identifiers of which nearly all values are different, and how many are not."""
    found = []
    for name in table.of_kind("identifier"):
        column = facts.get("columns", {}).get(name)
        if column and column["distinct_exact"]:
            values = table.rows - column["missing"]
            again = values - column["distinct"]
            if values and 0 < again < (1 - UNIQUE) * values:
                found.append((name, again))
    return found


def rows_table(rows: dict[str, dict[str, Any]], table: CaseTable) -> Table:
    body = [
        [name, each["repeated"], f"{each['repeated'] / table.rows:.2%}", each["different"], each["most_frequent"]]
        for name, each in rows.items()
    ]
    share = min((each["compared_share"] for each in rows.values()), default=1.0)
    note = "" if share == 1 else f"Estimated from {share:.1%} of the different rows, all of whose repetitions count. "
    columns = ["equal in", "repeat an earlier one", "share", "different ones among them", "the most frequent occurs"]
    return Table("Equal rows", columns, body, note)


def told(
    rows: dict[str, dict[str, Any]], count: int, twins: list[tuple[str, str, str]], constants: list[str]
) -> list[str]:
    whole = rows["rows"]["repeated"] if "rows" in rows else 0
    said = [
        f"{whole:,} of {count:,} rows ({whole / count:.1%}) repeat an earlier one."
        if whole
        else "No two rows are equal."
    ]
    without = rows.get("rows but for identifiers", {}).get("repeated", 0)
    if without > whole:
        said.append(f"Without their identifiers {without:,} rows are equal to an earlier one.")
    said += [f"{first} and {second} say the same ({how})." for first, second, how in twins[:3]]
    if constants:
        said.append(f"{listed(constants)} {'has' if len(constants) == 1 else 'have'} no two different values.")
    return said


def warned(rows: dict[str, dict[str, Any]], keys: list[tuple[str, int]]) -> list[str]:
    said = [f"{name} looks like a key, and {again:,} of its values occur again." for name, again in keys]
    if "rows but for identifiers" in rows and rows["rows"]["repeated"]:
        said.append("Rows are equal with their identifiers: the same record was written more than once.")
    return said
