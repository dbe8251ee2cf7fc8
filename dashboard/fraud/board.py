"""The alerts, newest first, each with its reasons and the buttons that label it.

A component of ours: a table of Streamlit's is drawn anew with each alert that comes, so that what one reads, or is
about to press, moves away. Here what is read stays where it is, and new alerts wait behind a button.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import changes, look, surroundings
from dashboard.fraud import alerts, marking
from dashboard.fraud.alerts import Alert

_KEY = "fraud-board"
_HTML = '<p role="status"></p><button type="button" class="new" hidden></button><ol></ol>'


def draw(found: Sequence[Alert], asked: str) -> None:
    """`asked` differs where other alerts are asked for: then all are drawn anew."""
    marks = marking.of_window()

    def marked() -> None:
        marking.take((st.session_state.get(_KEY) or {}).get("marked") or ())

    look.component("mlops_fraud_board", __file__, _HTML)(
        data={
            "alerts": [alerts.said(each, marks.problems.get(each.id, "")) for each in found],
            "asked": asked,
            "done": marks.done,
            "unless": "" if surroundings.read().may_change else changes.NOT_ALLOWED.replace("`", ""),
        },
        key=_KEY,
        on_marked_change=marked,
    )
