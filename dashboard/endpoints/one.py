"""One endpoint: what it is, what it is doing, what it answers, and what stands around it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import alarms, look, navigation
from dashboard.endpoints import (
    components,
    cost,
    deployment,
    described,
    history,
    log,
    scaling,
    served,
    traffic,
    weights,
)
from dashboard.endpoints.alarms import about
from dashboard.endpoints.described import Found, Variant


def show(name: str) -> None:
    navigation.link("All endpoints", "endpoints", icon=":material/arrow_back:")
    found = served.endpoint(name)
    _heading(found)
    # Each part keeps its place, whatever the ones above it show: what is drawn anew doesn't jump.
    with st.container():
        for sentence in found.problems:
            st.caption(f":material/warning: {look.plain(sentence)}")
        deployment.show(found)
    with st.container():
        _variants(found)
    with st.container(), look.errors():
        traffic.show(found)
    with st.container():
        _more(found)


def _heading(found: Found) -> None:
    st.header(found.name)
    facts = [look.badge(found.status), f":gray-badge[{described.mode(found)}]"]
    if owner := described.use_case(found):
        facts.append(f":gray-badge[{look.plain(f'{owner}, {described.stage(found)}')}]")
    else:
        facts.append(":gray-badge[not of this project: no tag mlops\\:use-case]")
    st.markdown(" ".join(facts))
    made, changed = (look.ago(found.endpoint[each]) for each in ("CreationTime", "LastModifiedTime"))
    st.caption(f"Made {made}, changed {changed}: {found.endpoint['EndpointConfigName']}")
    with st.container(horizontal=True):
        versions = {each.version for each in described.variants(found) if each.version and each.version.number}
        for version in sorted(versions, key=str):
            navigation.to_version(version.group, str(version.number))
        navigation.link("Playground", "playground", icon=":material/send:", endpoint=found.name)
        navigation.link("Monitoring", "monitoring", icon=":material/monitoring:", endpoint=found.name)
        navigation.link("Lineage", "delivery", icon=":material/account_tree:", lineage=found.name)


def _variants(found: Found) -> None:
    st.subheader("Variants")
    every = described.variants(found)
    if not every:
        st.caption("It has no variants yet.")
        return
    shares = described.shares({each.name: each.weight for each in every if not each.shadow})
    st.dataframe(
        [_row(each, shares) for each in every],
        hide_index=True,
        width="stretch",
        alt=f"The variants of {found.name}",
    )
    if described.has_components(found):
        with look.errors():
            components.show(found)
    with look.errors():
        weights.show(found)


def _row(variant: Variant, shares: dict[str, float]) -> dict[str, str]:
    now, then = f"{variant.weight:g}", f"{variant.desired_weight:g}"
    share = "copies" if variant.shadow else weights.percent(shares[variant.name])
    count = "on demand" if variant.instances is None else str(variant.instances)
    wanted = "" if variant.desired_instances is None else str(variant.desired_instances)
    return {
        "variant": f"{variant.name} (shadow)" if variant.shadow else variant.name,
        "serves": str(variant.version or variant.model),
        "of the requests": share,
        "weight": now if now == then else f"{now} → {then}",
        "instances": count if wanted in ("", count) else f"{count} → {wanted}",
        "on": variant.hardware,
        "doing": "; ".join(variant.states),
    }


def _more(found: Found) -> None:
    parts: dict[str, Callable[[Found], None]] = {
        "Deployments": history.show,
        "Autoscaling": scaling.show,
        "Alarms": _alarms,
        "Cost and capture": cost.show,
        "Log": log.show,
    }
    tabs = st.tabs(list(parts), on_change="rerun", key="part", bind="query-params")
    for tab, part in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab, look.errors():
                part(found)


def _alarms(found: Found) -> None:
    back = deployment.rollback_alarms(found.endpoint)
    alarms.show(about(found.name, tuple(back)), found.name)
    if back:
        st.caption(look.plain(f"A deployment is taken back by: {', '.join(back)}."))
