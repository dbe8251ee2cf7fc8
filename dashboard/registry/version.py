"""A version beside another one, by default the one in production; what it is made of; and the decision on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboard import look, navigation
from dashboard.registry import card, code, data, decision, fairness, listing, measured, performance, reasons, versions
from dashboard.registry.measured import Version
from dashboard.registry.reading import Document
from dashboard.registry.versions import Group

_NOTHING = "nothing"


def show(group: Group, number: str) -> None:
    """Raises LookupError where there is no such version."""
    navigation.link(f"All versions of {group.title}", "registry", icon=":material/arrow_back:", group=group.name)
    package = versions.package(group, number)
    serving = versions.serving(group)
    _head(group, package, versions.endpoints_of(package, serving))
    comparison, beside = st.columns([3, 1], gap="medium")
    with comparison:
        against = _against(group, package, serving)
        packages = [package, *([versions.package(group, against)] if against else [])]
        candidate, *others = measured.read(packages)
        current = others[0] if others else None
        said, better = measured.headline(candidate, current)
        _verdict(said, better)
        _parts(group, candidate, current)
    with beside:
        doubts = [*([said] if better is False else []), *_older(group, package, serving)]
        decision.panel(group, package, versions.endpoints_of(package, serving), doubts)


def _head(group: Group, package: Document, serving: list[str]) -> None:
    status = package.get("ModelApprovalStatus", "")
    st.subheader(f"Version {package['ModelPackageVersion']} of {group.title}", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(look.badge(status) if status else "", width="content")
        for each in serving:
            navigation.link(f"serves {each}", "endpoints", icon=":material/cloud_done:", endpoint=each)
        pipeline, execution = navigation.execution(package.get("MetadataProperties", {}).get("GeneratedBy", ""))
        if execution:
            words = f"execution {execution}"
            navigation.link(words, "pipelines", icon=":material/account_tree:", pipeline=pipeline, execution=execution)
        if serving:
            navigation.link("lineage", "delivery", icon=":material/polyline:", lineage=serving[0])
    said = [f"made {look.ago(package['CreationTime'])}"]
    if made_by := listing.who(package.get("CreatedBy") or {}):
        said.append(f"by {made_by}")
    if decided := listing.decided(package):
        said.append(f"{status.lower()} {decided}")
    st.caption(look.plain(", ".join(said)))
    if reason := package.get("ApprovalDescription"):
        st.markdown(f":material/format_quote: {look.plain(reason)}")


def _against(group: Group, package: Document, serving: dict[str, list[str]]) -> str:
    """The number of the version to compare with, "" for none; the choice goes into the address."""
    own = str(package["ModelPackageVersion"])
    live = _live(group, serving)
    numbers = [str(each["ModelPackageVersion"]) for each in versions.newest(group.name)]
    asked = st.query_params.get("against", "")
    offered = list(dict.fromkeys([*live, *([asked] if asked.isdecimal() else []), *numbers]))
    offered = [each for each in offered if each != own]
    in_production = [each for each, where in live.items() if versions.production(group) in where]
    default = asked if asked in (_NOTHING, *offered) else _default(offered, [] if own in in_production else live, own)
    chosen = st.selectbox(
        "Compare with",
        [*offered, _NOTHING],
        index=[*offered, _NOTHING].index(default),
        format_func=lambda each: _titled(each, live),
        accept_new_options=True,
        help="The newest versions; type the number of an older one.",
        key=f"against-{own}",
    )
    st.query_params["against"] = chosen or _NOTHING
    return "" if chosen in (None, _NOTHING) else chosen.removeprefix("version ")


def _default(offered: Sequence[str], live: Iterable[str], own: str) -> str:
    """The first that serves, which is production's; if nothing does, or the version itself there, the one before it."""
    before = [each for each in offered if int(each) < int(own)]
    return next((each for each in live if each != own), None) or next(iter(before), _NOTHING)


def _live(group: Group, serving: dict[str, list[str]]) -> dict[str, list[str]]:
    """Version numbers with the endpoints that serve them, production's first."""
    prefix = group.arn.replace(":model-package-group/", ":model-package/") + "/"
    found = {arn.removeprefix(prefix): where for arn, where in serving.items() if arn.startswith(prefix)}
    return dict(sorted(found.items(), key=lambda each: versions.production(group) not in each[1]))


def _titled(number: str, live: dict[str, list[str]]) -> str:
    if number == _NOTHING:
        return number
    return f"version {number}" + (f", serves {', '.join(live[number])}" if number in live else "")


def _older(group: Group, package: Document, serving: dict[str, list[str]]) -> list[str]:
    number = package["ModelPackageVersion"]
    newer = [each for each, where in _live(group, serving).items() if versions.production(group) in where]
    return [f"It is older than version {each}, which serves in production." for each in newer if int(each) > number]


def _verdict(said: str, better: bool | None) -> None:
    show = {True: st.success, False: st.error, None: st.info}[better]
    icon = {True: ":material/trending_up:", False: ":material/trending_down:", None: ":material/trending_flat:"}[better]
    show(look.plain(said), icon=icon)


def _parts(group: Group, candidate: Version, current: Version | None) -> None:
    """Only the part that is open is drawn, and reads what it needs."""
    draws = {
        "Metrics": lambda: performance.show(candidate, current),
        "Bias": lambda: fairness.show(candidate, current),
        "SHAP": lambda: reasons.show(candidate, current),
        "Data": lambda: data.show(candidate, current),
        "Code": lambda: code.show(candidate, current),
        "Model card": lambda: card.show(group, candidate),
    }
    for tab, draw in zip(st.tabs(list(draws), key="part", bind="query-params"), draws.values(), strict=True):
        if tab.open:
            with tab:
                draw()
