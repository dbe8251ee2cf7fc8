"""Registry: what the address names, and which file here draws it.

registry?group=…                         listing.py, the versions of a group
registry?group=…&version=…&against=…     version.py, a version beside another one, with a part of the comparison:
                                         performance.py, fairness.py, reasons.py (SHAP), data.py, code.py (origin.py),
                                         card.py; decision.py, to approve or reject (follows.py: what that starts)
What is registered is in versions.py, what the files say that it was registered with in measured.py (reading.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import look
from dashboard.registry import listing, version, versions
from dashboard.registry.versions import Group

TITLE, ICON = "Registry", ":material/inventory_2:"


def page() -> None:
    found = versions.groups()
    if not found:
        look.empty("No model package group yet: a pipeline makes its own when it registers.", "mlops run churn")
        return
    group = _choose(found)
    if number := st.query_params.get("version"):
        version.show(group, number)
    else:
        listing.show(group)


def _choose(found: Sequence[Group]) -> Group:
    """The group of the address, else the first; the choice goes into the address."""
    by_name = {each.name: each for each in found}
    asked = st.query_params.get("group")
    if asked and asked not in by_name:
        st.warning(look.harmless(f"There is no group {asked}."))
    chosen = st.selectbox(
        "Model package group",
        list(by_name),
        index=list(by_name).index(asked) if asked in by_name else 0,
        format_func=lambda name: by_name[name].title,
        key="registry-group",
    )
    if chosen != asked:
        for name in ("version", "against", "before", "part"):
            st.query_params.pop(name, None)
        st.query_params["group"] = chosen
    return by_name[chosen]
