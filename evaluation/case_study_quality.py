"""What the table was before it was cleaned: types, formats, corrupt values, and what was done by which policy."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analysis_report import Badge, Table
from case_study_section import Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, rows_note

LOST = "made missing"  # as processing/eda_quality.py says it
CORRUPT = ("not a number", "not a time", "no such day", "infinite", "neither of the two")


def data_quality(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    """None for a table that did not come through processing/eda.py."""
    columns = facts.get("columns")
    if not columns:
        return None
    found = [(name, finding) for name, each in columns.items() for finding in each["findings"]]
    corrupt = Counter[str]()
    for name, finding in found:
        if finding["what"] in CORRUPT:
            corrupt[name] += finding["rows"]
    tables = [kinds_table(columns, table)]
    tables += [findings_table(found)] if found else []
    tables.append(policy_table(facts))
    return Section(
        "data-quality", "Types, formats and corrupt values", words(facts), tables, [],
        told(facts, found, corrupt, table), warned(columns, corrupt, table, facts),
    )  # fmt: skip


def words(facts: dict[str, Any]) -> list[str]:
    said = (
        "Each column is taken for what nearly all of its values are. What was changed on the way is counted below, "
        "with the policy by which it was; nothing else was touched."
    )
    return [said, *facts.get("notes", [])]


def kinds_table(columns: dict[str, Any], table: CaseTable) -> Table:
    rows = [
        [
            name, each["kind"], each["type"], table.rows - each["missing"],
            f"{'' if each['distinct_exact'] else 'about '}{each['distinct']:,}",
        ]
        for name, each in list(columns.items())[:MOST_ROWS]
    ]  # fmt: skip
    note = rows_note(len(rows), len(columns))
    return Table("What the columns are", ["column", "taken for", "type", "values", "different"], rows, note)


def findings_table(found: list[tuple[str, dict[str, Any]]]) -> Table:
    rows = [
        [name, each["what"], each["rows"], ", ".join(each["examples"][:3]) or None, treatment(each["done"])]
        for name, each in found[:MOST_ROWS]
    ]
    columns = ["column", "found", "rows", "such as", "what was done"]
    return Table("What was found and done", columns, rows, rows_note(len(rows), len(found)))


def treatment(done: str) -> Badge | str:
    return Badge(done, False) if done == LOST else done


def policy_table(facts: dict[str, Any]) -> Table:
    return Table("The policy", ["what is done about what"], [[sentence] for sentence in facts["policy"]])


def told(
    facts: dict[str, Any], found: list[tuple[str, dict[str, Any]]], corrupt: Counter[str], table: CaseTable
) -> list[str]:
    kinds = Counter(each["kind"] for each in facts["columns"].values())
    said = [", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) + ": so the columns are read."]
    if corrupt:
        said.append(
            f"{sum(corrupt.values()):,} values were of another type than their column's others and are missing now, in "
            f"{listed(list(corrupt))}."
        )
    else:
        said.append("No value is of another type than its column's others.")
    for what, verb in (
        ("whitespace around values", "has blanks around values"),
        ("another spelling", "spells categories in several ways"),
    ):
        names = [name for name, each in found if each["what"] == what]
        if names:
            plural = verb if len(names) == 1 else verb.replace("has", "have").replace("spells", "spell")
            said.append(f"{listed(names)} {plural}; that was mended.")
    return said


def warned(columns: dict[str, Any], corrupt: Counter[str], table: CaseTable, facts: dict[str, Any]) -> list[str]:
    said = []
    if facts.get("skipped_rows"):
        said.append(f"{facts['skipped_rows']:,} rows have too many or too few fields and were left out.")
    for name, rows in corrupt.most_common(3):
        share = rows / table.rows
        if share >= 0.01:
            said.append(f"{share:.1%} of {name} was corrupt: find out where that comes from before it is used.")
    mixed = [name for name, each in columns.items() if any("mixes numbers" in one["what"] for one in each["findings"])]
    if mixed:
        said.append(f"{listed(mixed)} {'mixes' if len(mixed) == 1 else 'mix'} numbers and words: which are meant?")
    unclear = [
        name for name, each in columns.items() if any("cannot be told apart" in one["what"] for one in each["findings"])
    ]
    if unclear:
        said.append(f"Whether {listed(unclear)} has day or month first cannot be told: month was taken.")
    return said
