"""Sentences and notes that the sections of a case study share."""

from __future__ import annotations

from collections.abc import Sequence

from case_study_table import CaseTable

MOST_ROWS = 100  # of a table in the report


def listed(names: Sequence[object], most: int = 5) -> str:
    """a, b and c; with the number of the rest where there are more."""
    words = [str(name) for name in names]
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def rows_note(shown: int, there: int) -> str:
    return f"The first {shown} of {there}. " if shown < there else ""


def sampled_note(table: CaseTable, rows: int, what: str) -> str:
    """`what` is a clause such as "Quantiles are"; nothing where the sample is the whole table."""
    return f"{what} of {rows:,} rows drawn with seed {table.seed}. " if rows < table.rows else ""


def p_text(value: float) -> str:
    """A p-value as people read it."""
    if value != value:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share_text(share: float) -> str:
    """As percent; never 0 for some nor 100 for not all."""
    if 0 < share < 0.0005:
        return "< 0.1%"
    return "> 99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"
