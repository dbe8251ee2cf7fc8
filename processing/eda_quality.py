"""What was found in a raw table and what was done about it: quality.json, and the same in words as quality.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eda_cleaning import CORRUPT, Done, Repeats
from eda_columns import EXAMPLES, Column
from eda_reading import Source

LOST = "made missing"
Finding = dict[str, Any]  # what, rows, examples, done


def found(
    files: list[Source],
    columns: Mapping[str, Column],
    done: Mapping[str, Done],
    repeats: Mapping[str, Repeats],
    target: str,
    corrupt_share: float,
) -> dict[str, Any]:
    rows = next(iter(columns.values())).rows
    return {
        "files": [each.path.name for each in files],
        "rows": rows,
        "target": target,
        "skipped_rows": sum(each.skipped for each in files),
        "notes": [note for each in files for note in notes(each)],
        "policy": policy(corrupt_share),
        "columns": {name: column_found(columns[name], done[name], rows) for name in columns},
        "corrupt": sum(each.corrupt for each in done.values()),
        "duplicates": {name: repeated(each) for name, each in repeats.items() if each.held},
    }


def notes(source: Source) -> Iterator[str]:
    yield from source.notes
    if source.form == "csv" and source.separator != ",":
        name = {"\t": "tabs", ";": "semicolons", "|": "bars"}[source.separator]
        yield f"{source.path.name} separates its fields by {name}."
    if source.skipped:
        yield (
            f"{source.skipped:,} rows of {source.path.name} have too many or too few fields: they were left out, as "
            "nobody can tell which value belongs to which column."
        )


def policy(corrupt_share: float) -> list[str]:
    return [
        "Whitespace around values is taken away. Names of columns lose it too; blank and repeated names get a number.",
        "Blank fields and words for nothing (NA, null, nan, ? and the like) are missing values. Vaguer words (none, "
        "unknown, -) are missing where the rest are numbers, times or truths, and stay a category elsewhere.",
        f"A column is what all but at most {corrupt_share:.0%} of its values are. The others are corrupt: they become "
        "missing values and are counted here. With more of them the column stays text.",
        "Infinite numbers and days that no calendar has become missing values.",
        "Numbers with currency or percent signs or separators of thousands are read as numbers, in the unit that they "
        "are written in. Whole numbers with leading zeros, or with more digits than a float64 holds, are codes: text.",
        "Categories that differ only in case or in whitespace between words are one category, in its most frequent "
        "spelling.",
        "No row is dropped and nothing is filled in: equal rows may be two facts, and what to put in a gap depends on "
        "why it is there.",
    ]


def column_found(column: Column, done: Done, rows: int) -> dict[str, Any]:
    reading = done.reading
    return {
        "kind": reading.kind,
        "type": str(reading.type),
        "missing": done.missing,
        "missing_share": done.missing / rows,
        "missing_as_written": column.missing,
        "distinct": different(column, done),
        "distinct_exact": column.distinct.exact,
        "findings": list(findings(column, done)),
    }


def different(column: Column, done: Done) -> int:
    """Values in the clean table, as near as the raw ones tell."""
    if done.reading.kind == "boolean":
        return min(2, column.distinct.count)
    return column.distinct.count - len(done.reading.unified)


def findings(column: Column, done: Done) -> Iterator[Finding]:
    reading = done.reading
    for note in reading.notes:
        yield {"what": note, "rows": column.rows, "examples": [], "done": "as said"}
    if column.padded:
        yield {"what": "whitespace around values", "rows": column.padded, "examples": [], "done": "taken away"}
    if words := {word: rows for word, rows in column.missing_words.items() if word}:
        yield {
            "what": "words for a missing value",
            "rows": sum(words.values()),
            "examples": sorted(words, key=words.__getitem__, reverse=True)[:EXAMPLES],
            "done": LOST,
        }
    if column.vague:
        kept = reading.kind in ("category", "text", "identifier")
        yield {
            "what": "vague words such as none or unknown",
            "rows": column.vague,
            "examples": [],
            "done": "kept as a category" if kept else LOST,
        }
    for reason, rows in done.rows.items():
        told = LOST if reason in CORRUPT else "unified" if reason == "another spelling" else "read"
        yield {"what": reason, "rows": rows, "examples": done.examples[reason], "done": told}


def repeated(each: Repeats) -> dict[str, Any]:
    again, different, most = each.found()
    return {"repeated": again, "different": different, "most_frequent": most, "compared_share": each.share}


def write(report: Mapping[str, Any], folder: Path) -> None:
    """quality.json and quality.md, which is printed too."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quality.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    text = readable(report)
    (folder / "quality.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def readable(report: Mapping[str, Any]) -> str:
    columns = report["columns"]
    return "\n".join(
        [
            f"# Quality of {', '.join(report['files'][:3])}",
            "",
            f"{report['rows']:,} rows, {len(columns)} columns; {report['corrupt']:,} corrupt values were made missing.",
            "",
            *(f"- {note}" for note in report["notes"]),
            *(f"- {told_repeats(name, each)}" for name, each in report["duplicates"].items()),
            "",
            "| column | kind | missing | different values | found and done |",
            "|---|---|---|---|---|",
            *(row(name, each) for name, each in columns.items()),
            "",
            "What is done about what:",
            "",
            *(f"- {sentence}" for sentence in report["policy"]),
        ]
    )


def told_repeats(name: str, each: Mapping[str, Any]) -> str:
    what = "Whole rows" if name == "rows" else "Rows without their identifiers"
    if not each["repeated"]:
        return f"{what}: all different."
    return (
        f"{what}: {each['repeated']:,} repeat an earlier one, the most frequent occurs {each['most_frequent']:,} times."
    )


def row(name: str, each: Mapping[str, Any]) -> str:
    about = "" if each["distinct_exact"] else "about "
    cells = [name, each["kind"], f"{each['missing_share']:.1%}", f"{about}{each['distinct']:,}"]
    cells.append("; ".join(told(finding) for finding in each["findings"]))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def told(finding: Finding) -> str:
    examples = f" ({', '.join(finding['examples'][:3])})" if finding["examples"] else ""
    if finding["done"] == "as said":
        return str(finding["what"])
    return f"{finding['rows']:,} {finding['what']}{examples}: {finding['done']}"
