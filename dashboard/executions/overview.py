"""All pipelines at a glance: the use cases' own, and what else the account has."""

from __future__ import annotations

from dashboard import look, navigation
from mlops import use_cases


def show() -> None:
    cases = use_cases.find_all()
    if not cases:
        look.empty("This clone has no use case.", "mlops new mine")
        return
    for case in cases:
        navigation.link(f"{case.name}: {case.summary}", "pipelines", pipeline=case.name)
    look.empty("Start one.", f"mlops run {cases[0].name}")
