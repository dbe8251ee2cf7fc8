"""A row of stages: each a card with its actions, how they ended, how long they took, and what to look at."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard import look, navigation
from dashboard.delivery import flow
from dashboard.delivery.flow import Stage, Step
from dashboard.delivery.reading import Shown
from mlops.cicd_pipelines import RUNNING, Action

_ROW = 6  # stages beside each other; more go on in a row beneath
_SAID = 160  # characters of a message in a card
_ICONS = {
    "Source": ":material/commit:",
    "Build": ":material/construction:",
    "Test": ":material/science:",
    "Approval": ":material/person_check:",
    "Deploy": ":material/rocket_launch:",
}


def icon(category: str) -> str:
    """Of an action's category."""
    return _ICONS.get(category, ":material/bolt:")


def draw(shown: Shown) -> None:
    for start in range(0, len(shown.stages), _ROW):
        row = shown.stages[start : start + _ROW]
        for column, stage in zip(st.columns(len(row), gap="small"), row, strict=True):
            with column.container(border=True, height="stretch", gap="xsmall"):
                _card(shown, stage)


def _card(shown: Shown, stage: Stage) -> None:
    st.markdown(f"**{look.plain(stage.name)}**")
    st.markdown(_badge(shown, stage))
    if stage.disabled is not None:
        why = f": {look.plain(stage.disabled)}" if stage.disabled else ""
        st.markdown(f":orange[:material/block: Nothing comes in{why}]")
    for step in stage.steps:
        _step(shown, step)
    if not stage.status and stage.other:
        when = "Here now" if stage.other_status in RUNNING else "Last here"
        st.caption(f"{when}: {stage.other[:8]}, {stage.other_status}")


def _badge(shown: Shown, stage: Stage) -> str:
    if stage.status == "InProgress" and any(step.runs and step.runs[0].waits for step in stage.steps):
        return ":orange-badge[:material/person_check: Waits for you]"
    if stage.status:
        return look.badge(stage.status)
    if stage.waiting:
        return ":orange-badge[:material/hourglass_top: At its door]"
    if shown.execution.get("executionType") == "ROLLBACK":  # which is of one stage
        return ":gray-badge[Left out]"
    return ":gray-badge[Not yet]" if shown.running else ":gray-badge[Not reached]"


def _step(shown: Shown, step: Step) -> None:
    mark = icon(step.category)
    if not step.runs:
        st.caption(f"{mark} {look.plain(step.name)}")
        return
    run = step.runs[0]
    st.caption(f"{mark} {look.plain(step.name)}, {look.duration(run.started, _ended(run))}")
    if len(step.runs) > 1:
        st.caption(f"Run {len(step.runs)} times")
    if said := word(run):
        st.markdown(f":small[{look.plain(_cut(said))}]")
    if run.build:
        navigation.link("Log and tests", "delivery", icon=":material/article:", **address(shown, build=run.build))


def _ended(run: Action) -> datetime | None:
    return None if run.status == "InProgress" else run.ended


def word(run: Action) -> str:
    """The one thing to say of a run: why it failed, who answered what, or which commit it was."""
    if run.error:
        return run.error.partition("\n")[0]
    if run.category == "Approval":
        who = f"by {run.by.rpartition('/')[2]}" if run.by else ""
        return ": ".join(each for each in (who, run.summary) if each)
    return run.summary.partition("\n")[0]


def address(shown: Shown, **more: str) -> dict[str, str]:
    """The query of an execution's page."""
    return {"pipeline": shown.pipeline, "execution": shown.identity, **more}


def heading(shown: Shown) -> None:
    """What it is about and what started it, in a line or two."""
    facts = [look.badge(shown.status)]
    facts += [f"**{look.plain(group)} version {version}**" for group, version in shown.packages]
    if shown.commit:
        what, _, identity = shown.commit.name.partition(" ")
        facts.append(f"{what} {look.code(identity)} {look.plain(shown.commit.message.partition(chr(10))[0])}")
        facts += [f"by {look.plain(shown.commit.author)}"] if shown.commit.author else []
    st.markdown(" ".join([facts[0], ", ".join(facts[1:])]))
    by = flow.trigger(shown.summary)
    where = [shown.commit.repository, "" if shown.commit.branch in by else shown.commit.branch] if shown.commit else []
    st.caption(", ".join(each for each in (look.plain(by), *map(look.plain, where), _time(shown)) if each))
    if shown.said:
        st.markdown(f":small[{look.plain(_cut(shown.said))}]")


def _time(shown: Shown) -> str:
    began = shown.began
    if began is None:
        return ""
    if shown.running:
        return f"{look.moment(began)}, for {look.duration(began)}"
    return f"{look.moment(began)} ({look.ago(began)}), took {look.duration(began, shown.ended)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SAID else f"{text[: _SAID - 1]}…"
