"""The list of records at risk, with reasons, as a table and as a file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import changes, effects
from dashboard.scored import choice, download, reasons
from dashboard.scored.records import Scored
from dashboard.scored.sources import Place

_SHOWN = 500  # rows of the table; the file has all
_WHY = 50  # customers at a time who are asked about again


def table(found: Scored, chosen: np.ndarray, worth: np.ndarray, phrases: Mapping[str, str]) -> pd.DataFrame:
    """The chosen records, `chosen` being their places in order."""
    features = found.features.iloc[chosen].to_dict("records")
    listed = pd.DataFrame(
        {
            "customer": [found.ids[at] for at in chosen],
            "risk": found.probability[chosen],
            "why": [reasons.words(found.reasons[at], one, phrases) for at, one in zip(chosen, features, strict=True)],
            "at risk": (found.probability[chosen] * worth[chosen]).round(2),
        }
    )
    if found.known().any():
        listed["came true"] = pd.Series(found.truth[chosen]).map({1.0: "yes", 0.0: "no"}).fillna("").to_numpy()
    return listed


def show(
    place: Place, found: Scored, chosen: np.ndarray, worth: np.ndarray, phrases: Mapping[str, str], *, name: str
) -> None:
    """Table, reasons for who has none, one customer in detail, and the file."""
    listed = table(found, chosen[:_SHOWN], worth, phrases)
    unexplained = np.array([at for at in chosen if not found.reasons[at]], int)
    if len(unexplained):
        st.caption(
            f"{len(unexplained):,} of these {len(chosen):,} answers came without reasons. A request that asks for "
            "them, with "
            '`"explain": true`, is captured with them.'
        )
        asked = unexplained[:_WHY]
        label = f"Ask why, for the {len(asked)} most at risk"
        changes.button(label, choice.why(place, found, asked), key="ask-why", icon=":material/psychology:")
    st.dataframe(
        listed.round({"risk": 3, "at risk": 0}),
        hide_index=True,
        column_config={
            "customer": st.column_config.TextColumn(
                help="The request's inference id, else its event id", width="medium"
            ),
            "risk": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0, color="auto-inverse", width="small"
            ),
            "at risk": st.column_config.NumberColumn(format="localized", help="Risk times revenue", width="small"),
            "why": st.column_config.TextColumn(help="What raises the risk most (SHAP values)", width="large"),
            "came true": st.column_config.TextColumn(help="Whether it came true, as labels say", width="small"),
        },
        alt=f"{len(chosen)} customers at risk, with reasons",
    )
    if len(chosen) > _SHOWN:
        st.caption(f"The first {_SHOWN:,} of {len(chosen):,}: the file has all of them.")
    st.download_button(
        f"Download {len(chosen):,} as CSV",
        lambda: download.csv(export(found, chosen, worth, phrases)),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    _one(found, chosen)


def export(found: Scored, chosen: np.ndarray, worth: np.ndarray, phrases: Mapping[str, str]) -> pd.DataFrame:
    """As the table, with all features. `inference_id` is what labels call the request (`mlops label`)."""
    listed = table(found, chosen, worth, phrases).rename(columns={"customer": "inference_id"})
    listed = listed.rename(columns={"risk": "probability", "at risk": "revenue_at_risk", "why": "reasons"})
    return pd.concat(
        [listed.drop(columns="came true", errors="ignore"), found.features.iloc[chosen].reset_index(drop=True)], axis=1
    )


def _one(found: Scored, chosen: np.ndarray) -> None:
    explained = [int(at) for at in chosen[:_SHOWN] if found.reasons[at]]
    if not explained:
        return
    at = st.selectbox(
        "A customer in detail",
        explained,
        format_func=lambda each: f"{found.ids[each]}: {found.probability[each]:.0%}",
        index=None,
        placeholder="Choose one to see all that led to the answer",
    )
    if at is not None:
        effects.draw(found.features.iloc[at].to_dict(), found.reasons[at], what="risk")
