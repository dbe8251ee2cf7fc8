"""What a page on rare events measures: cards, euros, calibration, days; and the page of a small ensemble."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "evaluation"), str(ROOT / "training")]

import fraud as training  # noqa: E402
import fraud_ensemble  # noqa: E402
import rare_events  # noqa: E402
import rare_events_curves as curves  # noqa: E402
import rare_events_members  # noqa: E402
import rare_events_metrics as metrics  # noqa: E402
import rare_events_report  # noqa: E402
from fraud_transactions import split  # noqa: E402
from rare_events_metrics import Events  # noqa: E402

MEMBERS = ("rules", "boosted_trees")


def events(**columns: Any) -> Events:
    answers = np.asarray(columns["answers"])
    given = {
        "days": np.full(len(answers), "2026-01-01"),
        "cards": np.arange(len(answers)),
        "amounts": np.full(len(answers), 10.0),
        "scenarios": answers,
        **{name: np.asarray(values) for name, values in columns.items()},
    }
    return Events(**{name: given[name] for name in ("answers", "days", "cards", "amounts", "scenarios")})


def test_a_card_whose_fraud_was_found_counts_no_more() -> None:
    two_days = events(
        answers=[1, 0, 1, 1, 0, 1],
        days=["2026-01-01"] * 3 + ["2026-01-02"] * 3,
        cards=[1, 2, 3, 1, 2, 3],
    )
    found = metrics.card_precision(two_days, np.array([0.9, 0.8, 0.1, 0.95, 0.2, 0.6]), top=2)
    assert found["card_precision"].tolist() == [0.5, 0.5]  # card 1 is blocked on the second day, and 3 is found
    assert found["compromised"].tolist() == [2, 1]
    assert found["possible"].tolist() == [1.0, 0.5]


def test_the_highest_transaction_of_a_card_counts() -> None:
    one_day = events(answers=[0, 1, 0], cards=[1, 1, 2])
    found = metrics.card_precision(one_day, np.array([0.9, 0.1, 0.5]), top=1)
    assert found["card_precision"].tolist() == [1.0]


def test_card_precision_is_the_handbooks() -> None:
    """Against its definition read one card at a time: days in order, cards found before are gone, k always divides."""
    random = np.random.default_rng(3)
    days = np.repeat([f"2026-01-0{day}" for day in range(1, 6)], 200)
    many = events(answers=(random.random(1000) < 0.1).astype(int), days=days, cards=random.integers(0, 60, 1000))
    scores = random.random(1000) + 0.5 * many.answers
    gone, expected = set[int](), list[float]()
    for day in sorted(set(days)):
        cards: dict[int, tuple[float, bool]] = {}
        for at in np.flatnonzero((days == day) & ~np.isin(many.cards, list(gone))):
            score, fraud = cards.get(many.cards[at], (0.0, False))
            cards[many.cards[at]] = max(score, scores[at]), fraud or bool(many.answers[at])
        first = sorted(cards, key=lambda card: -cards[card][0])[:15]
        caught = {card for card in first if cards[card][1]}
        expected.append(len(caught) / 15)
        gone |= caught
    assert metrics.card_precision(many, scores, top=15)["card_precision"].tolist() == expected
    assert len(set(expected)) > 2


def test_money_is_alerts_and_amounts_of_missed_frauds() -> None:
    few = events(answers=[1, 0, 1], amounts=[100.0, 7.0, 30.0])
    alerts = np.array([True, True, False])
    assert metrics.cost(few, alerts, 5.0) == 40.0
    assert metrics.spent(few, {"model": alerts}, 5.0)["model"] == {"alerts": 10.0, "missed": 30.0, "total": 40.0}
    limits, costs = metrics.costs(few, np.array([0.9, 0.5, 0.7]), 5.0)
    assert costs.tolist() == [130.0, 35.0, 10.0, 15.0]
    assert limits[1:].tolist() == [0.9, 0.7, 0.5]


def test_a_calibrated_probability_has_no_error_and_a_doubled_one_has() -> None:
    random = np.random.default_rng(0)
    probability = random.beta(0.2, 4, 60_000)
    answers = (random.random(60_000) < probability).astype(int)
    good, bad = metrics.calibration(answers, probability), metrics.calibration(answers, np.clip(2 * probability, 0, 1))
    assert good["expected_calibration_error"] < 0.004 < 0.02 < bad["expected_calibration_error"]
    assert good["brier_skill"] > bad["brier_skill"]
    assert sum(each["records"] for each in good["groups"]) == 60_000
    within = [each["interval"][0] <= each["mean_probability"] <= each["interval"][1] for each in good["groups"]]
    assert np.mean(within) > 0.7


def test_days_are_drawn_whole_and_the_same_for_two_models() -> None:
    random = np.random.default_rng(1)
    days = np.repeat([f"2026-01-{day:02d}" for day in range(1, 11)], 300)
    answers = (random.random(3000) < 0.1).astype(int)
    many = events(answers=answers, days=days)
    counts = metrics.day_counts(days, 50, 0)
    assert (counts.sum(axis=1) == 10).all()
    good, noise = answers + random.normal(0, 0.5, 3000), random.normal(size=3000)
    ours, theirs = (metrics.resampled(many, each, 0.0, counts, ranking_only=True) for each in (good, noise))
    again = metrics.resampled(many, good, 0.0, np.ones((1, 10)), ranking_only=True)["average_precision"][0]
    assert again == pytest.approx(metrics.average_precision(answers, good))
    lead = metrics.lead(ours["average_precision"], theirs["average_precision"], 0.5)
    assert lead["interval"][0] > 0
    assert lead["p"] == pytest.approx(2 / 51)
    same = metrics.lead(ours["average_precision"], ours["average_precision"], 0.0)
    assert same["p"] == 1.0


def test_scenarios_are_judged_against_genuine_records_alone() -> None:
    three = events(answers=[1, 1, 0, 0], scenarios=[1, 2, 0, 0], amounts=[5.0, 6.0, 1.0, 1.0])
    first, second = metrics.by_scenario(
        three, {"model": np.array([0.9, 0.1, 0.5, 0.2])}, {"model": 0.5}, {"1": "large amounts"}
    )
    assert (first["name"], first["average_precision"], first["recall"]) == (
        "large amounts",
        {"model": 1.0},
        {"model": 1.0},
    )
    assert (second["name"], second["recall"], second["amount"]) == ("scenario 2", {"model": 0.0}, 6.0)


def test_the_learning_curve_takes_the_last_days() -> None:
    table = split("2026-01-01", 8)
    matrix, answers = table.iloc[:, :19].to_numpy(float), table["fraud"].to_numpy()
    days = table["transaction_time"].str[:10].to_numpy(str)
    member = {
        "settings": {
            "eta": 0.3,
            "max_depth": 2,
            "min_child_weight": 1.0,
            "subsample": 1.0,
            "reg_lambda": 1.0,
            "columns": 1.0,
        },
        "rounds": 3,
    }
    found = curves.curves((matrix, answers, days), (matrix, answers), member, 10_000)
    assert found["learning"]["rows"] == [158, 335, 648, 1200]  # of 1, 2, 4 and 8 days
    assert found["learning"]["test"][-1] == pytest.approx(found["learning"]["train"][-1])
    assert len(found["validation"]["test"]) == len(curves.DEPTHS)
    assert "1,200 transactions" in curves.read_learning(found)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an ensemble of two."""
    folder = tmp_path_factory.mktemp("judged")
    for seed, (name, day) in enumerate(
        {"train": "2026-01-01", "validation": "2026-01-20", "test": "2026-02-10"}.items()
    ):
        (folder / name).mkdir()
        split(day, seed=seed).to_csv(folder / name / f"{name}.csv", index=False)
    channels = [part for name in ("train", "validation") for part in (f"--{name}", str(folder / name))]
    for name in MEMBERS:
        quick = ["--num-round", "10", "--max-depth", "3", "--imbalance", "none"]
        where = str(folder / "members" / name)
        training.main(training.parse(["--member", name, *channels, "--model-dir", where, *quick]))
    made = ["--members-dir", str(folder / "members"), "--model-dir", str(folder / "model")]
    fraud_ensemble.main(fraud_ensemble.parse([*made, *channels[2:]]))
    given = [part for name in ("model", "test") for part in (f"--{name}", str(folder / name))] + channels
    out = [
        part for name in ("output", "predictions", "answered", "sample") for part in (f"--{name}", str(folder / name))
    ]
    rare_events.main(
        rare_events.parse([*given, *out, "--note", "Simulated.", "--resamples", "20", "--top", "5", "--sampled", "100"])
    )
    return folder


@pytest.fixture(scope="module")
def evaluation(judged: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((judged / "output" / "evaluation.json").read_text())
    return found


def test_the_numbers_are_where_a_pipeline_looks_for_them(judged: Path, evaluation: dict[str, Any]) -> None:
    found = evaluation["binary_classification_metrics"]
    assert found["average_precision"]["value"] > 0.6
    bounds = found["average_precision"]["confidence_interval"]
    assert bounds["lower"] < found["average_precision"]["value"] < bounds["upper"]
    assert 0 < evaluation["rare_events"]["card_precision"]["value"] <= 1
    assert evaluation["comparison"]["average_precision"]["current"] == 0.0
    spent = evaluation["spent"]
    assert spent["ensemble"]["total"] < spent["no model"]["total"]
    assert {each["name"] for each in evaluation["members"]} == set(MEMBERS)
    for each in evaluation["members"]:
        facts = json.loads((judged / "members" / each["name"] / "member.json").read_text())
        assert each["on_validation"] == pytest.approx(facts["validation"]["average_precision"], abs=1e-6)
    assert set(evaluation["by_day"]) == {f"2026-02-{day}" for day in range(10, 16)}
    assert [each["name"] for each in evaluation["by_scenario"]] == ["large amounts", "compromised terminals"]


def test_the_page_says_that_it_is_simulated_and_what_each_model_costs(judged: Path) -> None:
    page = (judged / "output" / "report.html").read_text()
    for words in ("Simulated.", "Members compared", "The baseline&#39;s rules", "without a model", "Learning curve"):
        assert words in page, words
    assert (judged / "output" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_predictions_carry_features_and_answers_and_no_keys(judged: Path) -> None:
    table = pd.read_csv(judged / "predictions" / "predictions.csv")
    assert list(table.columns[-3:]) == ["fraud", "predicted_label", "probability"]
    assert len(table.columns) == 22
    assert len(pd.read_csv(judged / "sample" / "sample.csv")) == 100


def test_what_service_is_compared_with_has_the_features_and_the_score(judged: Path) -> None:
    predictions = pd.read_csv(judged / "predictions" / "predictions.csv")
    answered = pd.read_csv(judged / "answered" / "answered.csv")
    assert list(answered.columns) == [*predictions.columns[:-3], "score"]
    assert answered["score"].tolist() == predictions["probability"].tolist()


def test_a_member_that_is_not_beaten_is_named(evaluation: dict[str, Any]) -> None:
    member = {**evaluation["members"][0], "lead": {"difference": -0.01, "interval": [-0.02, 0.01], "p": 0.3}}
    told = {**evaluation, "members": [member]}
    assert "better than every member but " in rare_events_report.verdict(told)
    sections = rare_events_members.compared(told)
    assert sections[-1].title == "Why the ensemble does not beat every member"


def test_a_split_without_frauds_or_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no .csv file"):
        rare_events.read(tmp_path, "fraud")
    split("2026-01-01", 1).drop(columns="transaction_time").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match="needs a column 'transaction_time', and has amount"):
        rare_events.read(tmp_path, "fraud")
    split("2026-01-01", 1).assign(fraud=0).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match="needs both 0 and 1 in the column fraud"):
        rare_events.read(tmp_path, "fraud")
