"""What a budget for offers should buy: whom to make one, from which probability on, and what that is expected to earn.

A customer who gets an offer costs `offer_cost`, whatever becomes of it. Of those who would have left, the share
`save_rate` stays because of it and brings `value`, which is each customer's own. Whoever would have stayed brings
nothing more. So an offer to a customer who leaves with probability p is expected to earn
p * save_rate * value - offer_cost, and the most likely ones are asked first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Terms:
    offer_cost: float
    save_rate: float  # 0 to 1


@dataclass(frozen=True)
class Plan:
    """An offer to everybody from `threshold` on. Money is what is expected, but for the cost."""

    threshold: float  # probability; above 1 where nobody gets an offer
    customers: int
    cost: float
    saved: float

    @property
    def profit(self) -> float:
        return self.saved - self.cost


@dataclass(frozen=True)
class Curve:
    """Every threshold that matters, falling, the first one above all probabilities. Arrays of one shape."""

    threshold: Array
    customers: Array
    cost: Array
    saved: Array

    @property
    def profit(self) -> Array:
        return self.saved - self.cost

    def plan(self, at: int) -> Plan:
        return Plan(float(self.threshold[at]), int(self.customers[at]), float(self.cost[at]), float(self.saved[at]))


def curve(probability: Array, value: Array, terms: Terms) -> Curve:
    """`value`: what keeping each customer brings, in the order of `probability`. Equal probabilities are one step."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.empty(0, int)
    reached = np.concatenate([[0], last + 1])
    saved = np.concatenate([[0.0], np.cumsum(ranked * value[order])[last]]) * terms.save_rate
    nobody = np.nextafter(max(1.0, ranked[0] if len(ranked) else 1.0), 2)
    return Curve(np.concatenate([[nobody], ranked[last]]), reached, reached * terms.offer_cost, saved)


def best(found: Curve, budget: float = np.inf) -> Plan:
    """The most profitable plan that the budget pays for; among equals the one that asks the fewest."""
    affordable = found.cost <= budget
    return found.plan(int(np.argmax(np.where(affordable, found.profit, -np.inf))))


def break_even(plan: Plan, terms: Terms) -> float:
    """The save rate at which a plan earns as much as it costs; infinite where no rate would do."""
    return terms.save_rate * plan.cost / plan.saved if plan.saved > 0 else np.inf if plan.cost else 0.0


def by_save_rate(plan: Plan, terms: Terms, rates: Array) -> Array:
    """The profit of one plan, should its offers keep another share of those who would leave."""
    each = plan.saved / terms.save_rate if terms.save_rate else 0.0
    return each * rates - plan.cost


def by_value(probability: Array, value: Array, terms: Terms, budget: float) -> Plan:
    """What the same budget earns where each customer's expected gain decides, and not the probability alone: for
    comparison, as no threshold says who these are.
    """
    gain = probability * value * terms.save_rate
    order = np.argsort(-gain, kind="stable")
    most = len(gain) if not terms.offer_cost else int(min(len(gain), budget // terms.offer_cost))
    chosen = order[:most][gain[order[:most]] > terms.offer_cost]
    lowest = float(probability[chosen].min()) if len(chosen) else float(np.nextafter(1.0, 2))
    return Plan(lowest, len(chosen), len(chosen) * terms.offer_cost, float(gain[chosen].sum()))
