"""Changing something: a button, a confirmation that names what it is about and what follows, then the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, look, surroundings

_SAID = "changes-said"
NOT_ALLOWED = "Read-only: start with `mlops dashboard --target aws --allow-changes` to change things."


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Change:
    """`call` takes what `ask` returned as keyword arguments, and returns the sentence to say when it is done."""

    title: str  # names it: "Stop execution q1w2e3 of churn?"
    does: str  # Markdown: what follows from it, said before it is done
    confirm: str  # the button's words, which name it too: "Stop q1w2e3"
    call: Callable[..., str]
    ask: Callable[[], dict[str, Any]] = field(default=_nothing)  # draws input fields


def button(
    label: str, change: Change, *, key: str, icon: str | None = None, primary: bool = False, unless: str = ""
) -> None:
    """Disabled, with the reason as its help, where changes are not allowed, or for the reason `unless` says."""
    why = unless if surroundings.read().may_change else NOT_ALLOWED
    kind: Any = "primary" if primary else "secondary"
    if st.button(label, key=key, icon=icon, type=kind, disabled=bool(why), help=why or None):
        confirm(change)


def confirm(change: Change) -> None:
    """Opens the confirmation. Call it once a run: Streamlit shows one dialog at a time."""

    @st.dialog(change.title)
    def ask() -> None:
        st.markdown(change.does)
        answers = change.ask()
        with st.container(horizontal=True):
            sure = st.button(change.confirm, type="primary", key="changes-confirm")
            if st.button("Cancel", key="changes-cancel"):
                st.rerun()
        if sure:
            _do(change, answers)

    ask()


def _do(change: Change, answers: dict[str, Any]) -> None:
    try:
        with st.spinner(f"{change.confirm} …"):
            said = change.call(**answers)
    except (ClientError, BotoCoreError, LookupError, ValueError, account.ReadOnly) as error:
        st.error(look.harmless(look.sentence(error)), icon=":material/error:")
        return
    st.session_state[_SAID] = said
    st.cache_data.clear()
    st.rerun()


def said() -> None:
    """What the last change did, on the run after it."""
    if text := st.session_state.pop(_SAID, None):
        st.toast(look.harmless(text), icon=":material/check_circle:", duration="long")
