"""Columns of text: how long, in which words and language, and what does not belong in them; and lists in one value."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import edges
from case_study_chart_guide import Ask, choose
from case_study_languages import HINTS, language, scripts
from case_study_section import Chart, Section
from case_study_table import CaseTable

SAMPLE, SCRIPTS = 20_000, 2_000  # texts, and those whose letters are looked at
MIXED = 0.02  # share of the letters from which a script counts
COLUMNS = 4  # of text, with charts
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SHORT = 3  # letters, below which words are not listed
SEPARATORS = ("|", ";", ", ", ",")
LISTED = 0.2  # share of values with a separator, from which they are lists
REPEATED = 0.5  # share of the parts that occur again, from which lists have parts in common
DAMAGE = ("letters damaged by a wrong encoding", "HTML", "control characters", "invisible characters")
PERSONAL = ("e-mail addresses", "telephone numbers")


def texts(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    sample = sample.iloc[:: max(1, len(sample) // SAMPLE)]
    rows, charts, findings, warnings = [], list[Chart](), list[str](), list[str]()
    for name in table.of_kind("text"):
        known = sample[name].dropna().astype(str)
        if not len(known):
            continue
        words = Counter(word for text in known for word in set(WORD.findall(text.lower())))
        written = scripts(known.iloc[:SCRIPTS])
        rows.append(row(name, known, words, written))
        if len(rows) <= COLUMNS:
            charts += [of_lengths(name, known.str.len().to_numpy()), *of_words(name, words, len(known))]
        warnings += damage(name, known)
        if len(mixed := [f"{each.capitalize()} {share:.0%}" for each, share in written.items() if share > MIXED]) > 1:
            findings.append(f"{name} mixes scripts: {', '.join(mixed)}.")
    for name in table.of_kind("text", "category"):
        if found := of_lists(name, sample[name].dropna().astype(str)):
            charts.append(found[0])
            findings.append(found[1])
    if not rows and not charts:
        return None
    columns = ["column", "median letters", "most letters", "words on average", "different", "script", "language"]
    note = f"Of {len(sample):,} rows. A language is told by its function words; names and codes have none."
    tables = [Table("Columns of text", columns, rows, note)] if rows else []
    return Section("texts", "Texts", [], tables, charts, findings, warnings)


def row(name: str, known: pd.Series, words: Counter[str], written: dict[str, float]) -> tuple[Any, ...]:
    lengths, spoken = known.str.len(), known.str.split().str.len().mean()
    different = f"{known.nunique() / len(known):.0%}"
    script = next(iter(written), "").capitalize() or None
    return (
        name,
        int(lengths.median()),
        int(lengths.max()),
        round(spoken, 1),
        different,
        script,
        language(words, len(known)) or None,
    )


def of_lengths(name: str, lengths: np.ndarray) -> Chart:
    bounds = edges(lengths.astype(float))
    counts, _ = np.histogram(lengths, bounds)
    kind = choose(Ask("distribution", x="number")).kind
    data = {"edges": bounds.tolist(), "counts": counts.tolist(), "x_title": "letters", "y_title": "records"}
    return Chart("distribution", kind, f"Length of {name}", data)


def of_words(name: str, words: Counter[str], texts: int) -> list[Chart]:
    choice = choose(Ask("ranking", labels=len(words)))
    first = [(word, count) for word, count in words.most_common(200) if len(word) >= SHORT and count > 1][: choice.most]
    if not first:
        return []
    data = {"labels": [word for word, _ in first], "values": [count / texts for _, count in first]}
    titles = {"y_title": "share of texts"}
    return [Chart("ranking", choice.kind, f"Words of {name}", data | titles, f"Of {SHORT} letters and more.")]


def damage(name: str, known: pd.Series) -> list[str]:
    said = []
    for hint, pattern in HINTS.items():
        count = int(known.str.contains(pattern).sum())
        if count and (hint in DAMAGE or (hint in PERSONAL and count > 0.01 * len(known))):
            what = "personal data: are they needed?" if hint in PERSONAL else "clean them."
            said.append(f"{name} has {hint} in {count / len(known):.1%} of its values: {what}")
    return said


def of_lists(name: str, known: pd.Series) -> tuple[Chart, str] | None:
    """The parts of values that are lists, such as `Comedy|Drama`, by how many values have each."""
    for separator in SEPARATORS:
        if not len(known) or known.str.contains(separator, regex=False).mean() < LISTED:
            continue
        parts = Counter(part for text in known for part in {each.strip() for each in text.split(separator)} if part)
        again = sum(count for count in parts.values() if count > 1) / sum(parts.values())
        if again < REPEATED or len(parts) > len(known) / 2 or max(map(len, parts)) > 60:
            continue
        choice = choose(Ask("ranking", labels=len(parts)))
        first = parts.most_common(choice.most)
        data = {"labels": [part for part, _ in first], "values": [count / len(known) for _, count in first]}
        most = f"{first[0][0]} in {first[0][1] / len(known):.0%} of the values"
        said = f"{name} holds lists separated by “{separator}” of {len(parts)} different parts; {most}."
        return Chart("ranking", choice.kind, f"Parts of {name}", data | {"y_title": "share of records"}), said
    return None
