"""Features of passengers, ways to fill blanks, and a classifier that weighs both classes alike."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

import imputer_comparison  # noqa: E402
import imputers  # noqa: E402
from balanced_classifier import BalancedClassifier  # noqa: E402
from titanic_features import PassengerFeatures  # noqa: E402
from titanic_passengers import RECORD, passengers  # noqa: E402

IMPUTERS = (
    *("mean", "median", "most_frequent", "constant", "group"),
    *("knn", "mice", "bayesian_ridge", "bayesian_pca", "model"),
)


@pytest.fixture(scope="module")
def features() -> PassengerFeatures:
    return PassengerFeatures().fit(passengers())


def one(features: PassengerFeatures, **values: object) -> pd.Series:
    return features.transform(pd.DataFrame([{**RECORD, **values}])).iloc[0]


@pytest.mark.parametrize(
    ("name", "sex", "title"),
    [
        ("Braund, Mr. Owen Harris", "male", "Mr"),
        ("Oliva y Ocana, Dona. Fermina", "female", "Mrs"),
        ("Sagesser, Mlle. Emma", "female", "Miss"),
        ("Rothes, the Countess. of (Lucy Noel Martha Dyer-Edwards)", "female", "Mrs"),
        ("Byles, Rev. Thomas Roussel Davids", "male", "Rare"),
        ("No comma here", "male", "Rare"),
    ],
)
def test_a_title_is_read_from_the_name(features: PassengerFeatures, name: str, sex: str, title: str) -> None:
    assert one(features, Name=name, Sex=sex)["Title"] == title


def test_a_deck_and_a_family_are_read(features: PassengerFeatures) -> None:
    found = one(features, Cabin="C23 C25 C27", SibSp=1, Parch=2)
    assert (found["Deck"], found["FamilySize"], found["Alone"]) == ("C", 4, 0)
    assert found["FareEach"] == pytest.approx(found["Fare"] / 4)


def test_what_is_blank_stays_blank(features: PassengerFeatures) -> None:
    found = one(features, Name=None, Age=None, Ticket=None, Fare=None, Cabin=None, Embarked=None)
    assert set(found.index[found.isna()]) == {"Title", "Age", "Fare", "FareEach", "Deck", "Embarked"}


def test_numbers_beyond_the_training_records_count_as_the_nearest(features: PassengerFeatures) -> None:
    highest = passengers()[["Age", "Fare"]].max()
    found = one(features, Age=10 * highest["Age"], Fare=10 * highest["Fare"])
    assert (found["Age"], found["Fare"]) == tuple(highest)


def test_company_on_a_ticket_counts_a_training_passenger_once(features: PassengerFeatures) -> None:
    raw = passengers()
    learnt = PassengerFeatures().fit_transform(raw)
    assert (learnt["Party"] >= 2).all()  # each ticket is two's
    stranger = one(features, Ticket="1000", SibSp=0)
    assert stranger["Party"] == 3
    assert one(features, Ticket="unheard of", SibSp=0)["Party"] == 1


@pytest.mark.parametrize("name", IMPUTERS)
def test_every_imputer_fills_every_blank_and_touches_nothing_else(name: str) -> None:
    table = PassengerFeatures().fit_transform(passengers(100))
    found = imputers.imputer(name, ["Title", "Pclass"]).fit(table)
    unseen = PassengerFeatures().fit(passengers(100)).transform(passengers(20, seed=1))
    unseen.loc[0, "Embarked"] = "X"
    for each in (table, unseen):
        filled = found.transform(each)
        assert not filled.isna().to_numpy().any()
        pd.testing.assert_frame_equal(filled.where(each.notna()), each.where(each.notna()), check_dtype=False)
    assert filled.loc[0, "Embarked"] == "X"


def test_alike_passengers_stand_in_for_each_other() -> None:
    table = pd.DataFrame({"Title": ["Mr", "Mr", "Master", "Master", "Mr", "Rare"], "Age": [40, 50, 4, 6, None, None]})
    filled = imputers.imputer("group", ["Title"]).fit(table).transform(table)
    assert filled["Age"].tolist() == [40, 50, 4, 6, 45, 23]  # of nobody's title: the median of all


def test_bayesian_pca_finds_the_directions_that_are_there() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(300, 2)) @ random.normal(size=(2, 10)) + random.normal(0, 0.05, (300, 10))
    shown = np.where(random.random(truth.shape) < 0.2, np.nan, truth)
    found = imputers.BayesianPCAImputer(directions=6).fit(shown)
    missed = (found.transform(shown) - truth)[np.isnan(shown)]
    assert np.sqrt((missed**2).mean()) < 0.1
    lengths = np.sort((found.directions_**2).sum(axis=0))
    assert lengths[-2] > 1
    assert lengths[-3] < 0.05  # the prior has switched the others off


def test_an_unknown_imputer_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'wish' is unknown. Use mean, median"):
        imputers.imputer("wish")


def test_hidden_values_are_guessed_best_by_what_knows_most() -> None:
    rows = passengers(200).drop(columns=["PassengerId", "Survived"])
    ways = {name: imputers.imputer(name, ["Title", "Pclass"]) for name in ("mean", "group", "model")}
    found = imputer_comparison.hidden_values(ways, PassengerFeatures(), rows, {"Age": "Age"}, order="Ticket", repeats=1)
    errors = found["Age"]
    assert set(errors) == {*ways, "forward fill", "backward fill", "interpolation"}
    assert errors["group"] < 0.5 < 0.9 < errors["mean"]
    assert errors["model"] < errors["interpolation"]


def test_neighbours_in_order_fill_blanks() -> None:
    table, order = pd.DataFrame({"a": [3.0, np.nan, 1.0], "b": ["z", np.nan, "x"]}), pd.Series([30, 20, 10])
    found = {name: fill(table, order).loc[1].to_dict() for name, fill in imputer_comparison.FROM_NEIGHBOURS.items()}
    assert found["forward fill"] == {"a": 1, "b": "x"}
    assert found["backward fill"] == {"a": 3, "b": "z"}
    assert found["interpolation"] == {"a": 2, "b": "x"}


def test_balanced_learning_leaves_probabilities_true() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(4000, 1))
    answers = (random.random(4000) < 1 / (1 + np.exp(2.5 - rows[:, 0]))).astype(int)
    plain = BalancedClassifier(LogisticRegression(), balance=False).fit(rows, answers)
    even = BalancedClassifier(LogisticRegression(), balance=True).fit(rows, answers)
    assert even.odds_factor_ > 5
    assert even.predict_proba(rows)[:, 1].mean() == pytest.approx(answers.mean(), abs=0.01)
    assert np.abs(even.predict_proba(rows) - plain.predict_proba(rows)).max() < 0.05
    with pytest.raises(ValueError, match="Two classes are needed, and the answers have 1"):
        BalancedClassifier(LogisticRegression()).fit(rows, np.zeros(4000))
