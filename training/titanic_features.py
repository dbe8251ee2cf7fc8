"""What a passenger's record says between the lines: a title in the name, a deck in the cabin, company on the ticket.

Part of the served model: this file travels in its artifact.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

# "Braund, Mr. Owen Harris" has the title Mr. What stands for the same is one title. The few others are Rare of men, as
# of officers and clergymen; of women they count as Mrs.
TITLE = r",\s*([^,.]+)\."
TITLES = {each: each for each in ("Mr", "Mrs", "Miss", "Master")} | {"Mme": "Mrs", "Mlle": "Miss", "Ms": "Miss"}
RARE = "Rare"
TEXTS = ("Name", "Sex", "Ticket", "Cabin", "Embarked")
NUMBERS = ("Pclass", "Age", "SibSp", "Parch", "Fare")


class PassengerFeatures(TransformerMixin, BaseEstimator):
    """From raw records to a table of features, NaN where a record is blank. Nothing is filled here.

    Numbers beyond those of the training records count as the nearest of them: a fare that is ten times the highest is
    answered as the highest.
    """

    def fit(self, rows: pd.DataFrame, answers: Any = None) -> Self:
        numbers = rows[list(NUMBERS)].astype(float)
        self.ranges_ = {name: (numbers[name].min(), numbers[name].max()) for name in NUMBERS}
        self.tickets_ = text(rows["Ticket"]).value_counts().to_dict()
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        found = self._of_one(rows)
        return with_party(found, 1.0 + text(rows["Ticket"]).map(self.tickets_).fillna(0).astype(float))

    def fit_transform(self, rows: pd.DataFrame, answers: Any = None, **_: Any) -> pd.DataFrame:
        """A training passenger is one of those counted by ticket, unlike a passenger who is asked about."""
        found = self.fit(rows)._of_one(rows)
        return with_party(found, text(rows["Ticket"]).map(self.tickets_).fillna(1).astype(float))

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        blank = pd.DataFrame({name: [None] for name in (*TEXTS, *NUMBERS)})
        return self.transform(blank).columns.to_numpy(dtype=object)

    def _of_one(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What a record says by itself."""
        numbers = {name: rows[name].astype(float).clip(*self.ranges_[name]) for name in NUMBERS}
        texts = {name: text(rows[name]) for name in TEXTS}
        family = 1 + numbers["SibSp"] + numbers["Parch"]
        rare = pd.Series(np.where(texts["Sex"] == "female", "Mrs", RARE), index=rows.index)
        title = texts["Name"].str.extract(TITLE, expand=False).str.strip()
        return pd.DataFrame(
            {
                "Title": title.map(TITLES).fillna(rare).where(texts["Name"].notna()),
                "Sex": texts["Sex"],
                "Deck": texts["Cabin"].str[0],
                "Embarked": texts["Embarked"],
                **numbers,
                "FamilySize": family,
                "Alone": (family == 1).astype(float),
            },
            index=rows.index,
        )


def text(column: pd.Series) -> pd.Series:
    """As objects, NaN where there is none: what scikit-learn takes for a blank."""
    return column.astype(object).where(column.notna(), np.nan)


def with_party(found: pd.DataFrame, on_ticket: pd.Series) -> pd.DataFrame:
    """Who travels together shares a ticket or a family; a fare is a ticket's, for all who travel on it."""
    party = np.maximum(on_ticket, found["FamilySize"])
    return found.assign(Party=party, FareEach=found["Fare"] / party)
