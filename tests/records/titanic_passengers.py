"""Passengers of a ship that never sailed, as the source writes them down: women survive, and the first class does."""

from __future__ import annotations

import numpy as np
import pandas as pd

RECORD = {
    "Pclass": 3,
    "Name": "Braund, Mr. Owen Harris",
    "Sex": "male",
    "Age": 22.0,
    "SibSp": 1,
    "Parch": 0,
    "Ticket": "A/5 21171",
    "Fare": 7.25,
    "Cabin": None,
    "Embarked": "S",
}


def passengers(rows: int = 150, seed: int = 0) -> pd.DataFrame:
    """A raw table. Two share each ticket; ages follow titles and classes, and every fifth is blank."""
    random = np.random.default_rng(seed)
    woman, pclass = random.random(rows) < 0.4, random.integers(1, 4, rows)
    young = random.random(rows) < 0.3
    title = np.where(woman, np.where(young, "Miss", "Mrs"), np.where(young, "Master", "Mr"))
    age = np.where(young, 8, 48 - 5 * pclass) + random.normal(0, 3, rows).round()
    chance = 1 / (1 + np.exp(-(4.0 * woman - 1.2 * (pclass - 1) - 0.5)))
    return pd.DataFrame(
        {
            "PassengerId": range(1, rows + 1),
            "Survived": (random.random(rows) < chance).astype(int),
            "Pclass": pclass,
            "Name": [f"Family{place // 2}, {each}. Given" for place, each in enumerate(title)],
            "Sex": np.where(woman, "female", "male"),
            "Age": np.where(random.random(rows) < 0.2, np.nan, np.maximum(age, 0.5)),
            "SibSp": random.integers(0, 2, rows),
            "Parch": random.integers(0, 3, rows),
            "Ticket": [str(1000 + place // 2) for place in range(rows)],
            "Fare": (90.0 / pclass + random.random(rows)).round(2),
            "Cabin": [f"C{place}" if each == 1 else None for place, each in enumerate(pclass)],
            "Embarked": random.choice(["S", "C", "Q"], rows),
        }
    )
