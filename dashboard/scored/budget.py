"""What a budget for offers should buy, as a view: assumptions, the plan, and what it depends on."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.scored import campaign, figures, pictures
from dashboard.scored.campaign import Plan, Terms

RATES = np.linspace(0.0, 1.0, 41)


def ask(budget: float, offer_cost: float, save_rate: float) -> tuple[float, Terms]:
    """The assumptions, in fields that start at these values; they are in the address."""
    columns = st.columns(3)
    money = columns[0].number_input("Budget", 0.0, None, budget, 500.0, key="budget", bind="query-params")
    cost = columns[1].number_input(
        "Cost of an offer",
        0.0,
        None,
        offer_cost,
        5.0,
        key="offer",
        bind="query-params",
        help="Of each customer who gets one, whether or not it keeps them",
    )
    share = columns[2].number_input(
        "Leavers whom an offer keeps, %",
        0,
        100,
        round(100 * save_rate),
        5,
        key="keeps",
        bind="query-params",
        help="Only a test tells: make no offer to some of the list, chosen by chance, and compare who leaves",
    )
    return float(money), Terms(float(cost), share / 100)


def show(probability: np.ndarray, value: np.ndarray, budget: float, terms: Terms) -> Plan:
    """The plan for the budget, beside the best one of all. Money of one currency throughout."""
    curve = campaign.curve(probability, value, terms)
    plan, most = campaign.best(curve, budget), campaign.best(curve)
    _figures(plan)
    _words(plan, most, budget, terms, len(probability))
    within, best_of_all = "within the budget", "the most profitable"
    marks = {within: plan} if plan == most else {within: plan, best_of_all: most}
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Profit by how many get an offer")
        pictures.profit(curve, marks)
    with right:
        st.subheader("If offers keep more or fewer")
        profits = {
            "this plan": campaign.by_save_rate(plan, terms, RATES),
            "the best plan at each rate": _best(curve, terms, budget),
        }
        pictures.sensitivity(RATES, profits, terms.save_rate)
    alternative = campaign.by_value(probability, value, terms, budget)
    if alternative.profit > plan.profit * 1.01 and alternative.customers:
        st.caption(
            "Choosing by probability times value, and not by probability alone, the same budget would be expected to "
            f"earn {alternative.profit:,.0f} with {alternative.customers:,} customers."
        )
    return plan


def _figures(plan: Plan) -> None:
    figures.show(
        {
            "Offers": (f"{plan.customers:,}", ""),
            "From probability": (f"{plan.threshold:.1%}" if plan.customers else "none", ""),
            "Cost": (f"{plan.cost:,.0f}", ""),
            "Expected profit": (f"{plan.profit:,.0f}", ""),
        }
    )


def _words(plan: Plan, most: Plan, budget: float, terms: Terms, everybody: int) -> None:
    if not plan.customers:
        reason = (
            "No offer pays for itself under these assumptions" if not most.customers else "The budget pays for no offer"
        )
        st.info(f"{reason}: make none.", icon=":material/info:")
        return
    text = (
        f"Make an offer to the **{plan.customers:,}** of {everybody:,} customers who leave with a probability of "
        f"**{plan.threshold:.1%}** or more. It costs {plan.cost:,.0f} and is expected to keep {plan.saved:,.0f} of "
        f"revenue. It pays for itself as long as offers keep at least {campaign.break_even(plan, terms):.0%} of those "
        "who would leave."
    )
    if most.customers > plan.customers:
        text += (
            f" With a budget of {most.cost:,.0f}, {most.customers:,} offers down to {most.threshold:.1%} would earn "
            f"{most.profit - plan.profit:,.0f} more."
        )
    elif budget > plan.cost:
        text += f" {budget - plan.cost:,.0f} of the budget stay: a further offer costs more than it brings."
    st.markdown(text)


def _best(curve: campaign.Curve, terms: Terms, budget: float) -> np.ndarray:
    """At each of RATES, within the budget."""
    each = curve.saved / terms.save_rate if terms.save_rate else np.zeros_like(curve.saved)
    affordable = curve.cost <= budget
    return np.array([(rate * each - curve.cost)[affordable].max() for rate in RATES])
