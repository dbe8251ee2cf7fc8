"""Churn: who is about to leave and why, what that costs, whom to make an offer, and how right the forecast was.

The pattern for a use case's own page: what is particular stands here, the rest is `dashboard/scored/`.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import look
from dashboard.scored import budget, choice, figures, forecast, listed, outcomes, sources
from dashboard.scored.records import Scored
from dashboard.scored.sources import Place

TITLE, ICON = "Churn", ":material/group_remove:"
USE_CASE, LABEL, ID, REVENUE = "churn", "Churn", "customerID", "MonthlyCharges"
MONTHS = 12  # for which whoever stays is taken to go on paying
BUDGET, OFFER, KEEPS = 5_000.0, 50.0, 0.3  # where the fields start: your campaign's figures replace them
PHRASES = {
    "gender": "{}",
    "SeniorCitizen": "senior citizen: {}",
    "Partner": "partner: {}",
    "Dependents": "dependents: {}",
    "tenure": "months a customer: {}",
    "PhoneService": "phone: {}",
    "MultipleLines": "several lines: {}",
    "InternetService": "internet: {}",
    "OnlineSecurity": "online security: {}",
    "OnlineBackup": "online backup: {}",
    "DeviceProtection": "device protection: {}",
    "TechSupport": "tech support: {}",
    "StreamingTV": "streaming TV: {}",
    "StreamingMovies": "streaming films: {}",
    "Contract": "{} contract",
    "PaperlessBilling": "paperless billing: {}",
    "PaymentMethod": "pays by {}",
    "MonthlyCharges": "pays {} a month",
    "TotalCharges": "{} paid so far",
}


def page() -> None:
    place = choice.endpoint(USE_CASE)
    if place is None:
        look.empty("No churn endpoint is in service.", "mlops run churn", "mlops approve churn", "mlops deploy churn")
        return
    days = choice.period()
    asked = sources.asked(place, place.endpoint, days, (ID,))
    risk, offers, outcome = st.tabs(
        ["Customers at risk", "Retention budget", "Forecast and outcome"],
        key="view",
        on_change="rerun",
        bind="query-params",
    )
    with outcome:
        if outcome.open:
            outcomes.show(place, asked, leavers="leavers")
    if outcome.open:
        return
    with risk if risk.open else offers:
        found = choice.records(place, asked, LABEL, ID)
        if found is None:
            return
        found = choice.explained(place, found)
        months = st.sidebar.number_input(
            "Months that a kept customer pays", 1, 60, MONTHS, key="months", bind="query-params"
        )
        worth = np.nan_to_num(found.numbers(REVENUE)) * months
        if risk.open:
            _at_risk(place, found, worth, months)
        else:
            money, terms = budget.ask(BUDGET, OFFER, KEEPS)
            plan = budget.show(found.probability, worth, money, terms)
            st.caption(
                f"A customer is worth {REVENUE} times {months} months, probabilities are those of version "
                f"{place.version}, and an offer to somebody who would have stayed brings nothing. Costs of serving a "
                "kept customer are not in it."
            )
            _list(place, found, worth, plan.threshold, "retention-offers")


def _at_risk(place: Place, found: Scored, worth: np.ndarray, months: int) -> None:
    """How many, how much, who."""
    leavers = forecast.promised(found.probability)
    money = forecast.at_risk(found.probability, worth, place.calibration)
    figures.show(
        {
            "Customers": (f"{len(found):,}", ""),
            "Expected to leave": (f"{leavers.value:,.0f}", figures.between(leavers)),
            f"Revenue at risk in {months} months": (f"{money.value:,.0f}", figures.between(money)),
        }
    )
    st.caption(_rests_on(place, months))
    threshold = st.slider(
        "From which risk", 0.0, 1.0, round(place.threshold, 2), 0.01, format="percent", key="risk", bind="query-params"
    )
    _list(place, found, worth, threshold, "customers-at-risk")


def _rests_on(place: Place, months: int) -> str:
    text = (
        f"Each customer's probability times {REVENUE} times {months} months, added up. The interval is of 95 %: it "
        "holds chance"
    )
    if place.calibration is None:
        return f"{text} alone, as version {place.version} has no calibration with its evaluation."
    held_out = place.calibration
    return (
        f"{text}, and how well the probabilities are known: of {held_out.total:,} held-out customers version "
        f"{place.version} expected {held_out.expected:,.0f} to leave, and {held_out.actual:,} did. "
        "A population that has changed since is not in it."
    )


def _list(place: Place, found: Scored, worth: np.ndarray, threshold: float, name: str) -> None:
    order = np.argsort(-found.probability, kind="stable")
    chosen = order[found.probability[order] >= threshold]
    if not len(chosen):
        st.info(f"Nobody leaves with a probability of {min(threshold, 1):.0%} or more.", icon=":material/info:")
        return
    listed.show(place, found, chosen, worth, PHRASES, name=f"{name}-{place.endpoint}")
