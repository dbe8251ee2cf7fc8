"""Lineage: from an endpoint back to commit and data, as a graph and as a list with ways to the other pages."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import account, look, navigation
from dashboard.delivery import story
from dashboard.delivery.story import Part
from dashboard.graph import drawing
from mlops import lineage

_CHOSEN = "lineage-part"  # in the session's state
_OFFERED = 100  # endpoints


@account.kept
def endpoints() -> list[str]:
    """Names, the newest first."""
    found = account.client("sagemaker").list_endpoints(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=_OFFERED
    )
    return [each["EndpointName"] for each in found["Endpoints"]]


@account.kept
def traced(endpoint: str) -> dict[str, Any]:
    """Raises LookupError when there is no such endpoint."""
    return lineage.trace(account.target(), endpoint)


def show(asked: str) -> None:
    st.header("Lineage")
    names = endpoints()
    if not names and not asked:
        look.empty("There is no endpoint to trace.", "mlops run churn", "mlops approve churn", "mlops deploy churn")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        endpoint = _choose(names, asked)
        place = st.container(width="content")
    with st.spinner(f"Tracing {endpoint} …"):
        found = traced(endpoint)
    parts = story.parts(found)
    name, text = f"lineage-{endpoint}.json", lineage.as_text(found)
    place.download_button("Download as JSON", text, name, "application/json", icon=":material/download:")
    _draw(endpoint, parts)
    chosen = st.session_state.get(_CHOSEN)
    for part in reversed(parts):
        _section(part, marked=part.key == chosen)


def _choose(names: list[str], asked: str) -> str:
    """The choice goes into the address."""
    offered = names if asked in names or not asked else [asked, *names]
    chosen = st.selectbox("Endpoint", offered, index=offered.index(asked) if asked else 0, key=f"lineage-of-{asked}")
    if chosen != asked:
        st.query_params["lineage"] = chosen
    return str(chosen)


def _draw(endpoint: str, parts: list[Part]) -> None:
    by_key = {part.key: part for part in parts}
    drawing.draw(
        "lineage-graph",
        f"Lineage of {endpoint}: {', '.join(part.title for part in parts)}",
        {key: node(part) for key, part in by_key.items()},
        [(start, end, "", not by_key[start].known) for start, end in story.edges(parts)],
        st.session_state.get(_CHOSEN),
        lambda key: st.session_state.update({_CHOSEN: key}),
    )


def node(part: Part) -> dict[str, Any]:
    return {
        "title": part.title,
        "more": " · ".join(each for each in (part.status, part.brief) if each),
        "said": ", ".join(each for each in (part.title, part.status, part.brief) if each),
        "icon": part.icon if part.known else "help",
        "colour": look.colour(part.status) if part.status else look.IDLE,
        "dim": not part.known,
    }


def _section(part: Part, *, marked: bool) -> None:
    with st.container(border=True):
        what, facts = st.columns([1, 2])
        with what:
            title = f":material/{part.icon}: **{look.plain(part.title)}**"
            st.markdown(f":blue-background[{title}]" if marked else title)
            if part.status or not part.known:
                st.markdown(look.badge(part.status or story.UNKNOWN))
            for link in part.links:
                navigation.link(link.label, link.address, **link.query)
        with facts.container(gap="xsmall"):
            for label, value in part.facts:
                st.markdown(f":gray[{look.plain(label)}] {look.plain(value)}")
            if part.details:
                with st.expander("Addresses"):
                    st.code("\n".join(part.details), language=None, wrap_lines=True)
