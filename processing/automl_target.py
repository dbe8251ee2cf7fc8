"""What kind of problem a target is, by its values."""

from __future__ import annotations

import pandas as pd

CLASSES = 20  # a target with more distinct numbers is one to be estimated
MOST_CLASSES = 100
NUMBERS = 0.95  # of the values; a column with more, and other text too, holds mistakes


def problem_of(answers: pd.Series) -> str:
    """binary, multiclass or regression, by the values as text, blanks left out.

    Raises ValueError for a target with one value only, and for texts that are too many to be classes.
    """
    distinct = answers.nunique()
    if distinct < 2:
        raise ValueError(f"Column {answers.name!r}, the target, has one value only: there is nothing to predict.")
    if distinct == 2:
        return "binary"
    if distinct > CLASSES and pd.to_numeric(answers, errors="coerce").notna().mean() >= NUMBERS:
        return "regression"
    if distinct > MOST_CLASSES:
        raise ValueError(
            f"Column {answers.name!r}, the target, has {distinct} different texts, and at most {MOST_CLASSES} can be "
            "classes. Name another target."
        )
    return "multiclass"
