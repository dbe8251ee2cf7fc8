"""Offers: against a search of every possible threshold, and against figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.scored import campaign
from dashboard.scored.campaign import Terms

P = np.array([0.9, 0.5, 0.5, 0.1])
VALUE = np.array([100.0, 200.0, 400.0, 1000.0])


def test_a_curve_by_hand() -> None:
    found = campaign.curve(P, VALUE, Terms(offer_cost=10, save_rate=0.5))
    assert found.threshold[1:].tolist() == [0.9, 0.5, 0.1] and found.threshold[0] > 1
    assert found.customers.tolist() == [0, 1, 3, 4]  # equal probabilities are one step
    assert found.cost.tolist() == [0, 10, 30, 40]
    assert found.saved.tolist() == [0, 45, 195, 245]
    assert found.profit.tolist() == [0, 35, 165, 205]


@pytest.mark.parametrize("seed", range(20))
def test_the_best_plan_is_that_of_a_search(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    probability = random.integers(0, 12, count) / 11  # with ties, zeros and ones
    value = random.uniform(0, 500, count)
    terms = Terms(float(random.choice([0, 5, 80])), float(random.choice([0, 0.2, 1])))
    budget = float(random.uniform(0, 600))
    best = (0.0, 0)
    for threshold in {*probability}:
        chosen = probability >= threshold
        cost = chosen.sum() * terms.offer_cost
        profit = (probability[chosen] * value[chosen]).sum() * terms.save_rate - cost
        if cost <= budget and profit > best[0] + 1e-9:
            best = (float(profit), int(chosen.sum()))
    plan = campaign.best(campaign.curve(probability, value, terms), budget)
    assert plan.profit == pytest.approx(best[0], abs=1e-6)
    assert plan.cost <= budget
    assert (probability >= plan.threshold).sum() == plan.customers


def test_without_customers_or_profit_nobody_gets_an_offer() -> None:
    nobody = campaign.best(campaign.curve(np.array([]), np.array([]), Terms(10, 0.5)))
    too_dear = campaign.best(campaign.curve(P, VALUE, Terms(1000, 0.5)))
    for plan in (nobody, too_dear):
        assert (plan.customers, plan.cost, plan.profit) == (0, 0, 0)
        assert plan.threshold > 1
        assert campaign.break_even(plan, Terms(10, 0.5)) == 0


def test_a_plan_breaks_even_where_its_profit_is_nothing() -> None:
    terms = Terms(20, 0.4)
    plan = campaign.best(campaign.curve(P, VALUE, terms))
    rate = campaign.break_even(plan, terms)
    profits = campaign.by_save_rate(plan, terms, np.array([0.0, rate, 0.4]))
    assert profits == pytest.approx([-plan.cost, 0, plan.profit])


def test_by_value_asks_those_who_bring_the_most() -> None:
    plan = campaign.by_value(P, VALUE, Terms(10, 1.0), budget=25)
    assert (plan.customers, plan.cost, plan.saved) == (2, 20, 300)  # of 200 and of 100, the second and the last
    assert campaign.by_value(P, VALUE, Terms(150, 1.0), budget=1e9).customers == 1
