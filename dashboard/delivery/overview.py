"""All pipelines at a glance: what waits for a person, the project's own as rows of stages, the account's others."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import account, look, navigation
from dashboard.delivery import approvals, reading, stages
from dashboard.delivery.reading import Glance

_ROWS = 4  # executions of one pipeline that are drawn, when so many run
_OTHERS = 20  # of the account's other pipelines shown with their newest execution


def show() -> None:
    found = reading.pipelines()
    if not found:
        look.empty(
            "There is no CodePipeline here. The project's build, test and deploy what is pushed.",
            "mlops cicd up",
            "git push local main",
        )
        return
    names = [each["name"] for each in found]
    ours = [name for name in names if reading.mine(name)]
    glances = [glance for name in ours if (glance := _glance(name))]
    approvals.show(reading.approvals(glances))
    look.live(_rows, every=pace(glances))([each.name for each in glances], _mark(glances))
    if not ours:
        look.empty(f"None of the pipelines here is of the project {reading.project()}.", "mlops cicd up")
    if others := names[len(ours) :]:
        st.subheader("Other pipelines of the account")
        _others(others)


def _glance(name: str) -> Glance | None:
    """None where it was said why there is none."""
    with look.errors():
        return reading.glance(name)
    return None


def pace(glances: list[Glance]) -> float | None:
    """Seconds between two looks: often while something works, seldom while only a person is waited for."""
    running = [shown for each in glances for shown in each.shown if shown.running]
    if not running:
        return None
    return 2 if any(shown.works for shown in running) else 10


def _mark(glances: list[Glance]) -> list[tuple[str, str, str]]:
    """What the parts outside of the live one depend on."""
    waiting = [(each.shown.pipeline, each.shown.identity, each.token) for each in reading.approvals(glances)]
    return [(each.name, one.identity, one.status) for each in glances for one in each.shown] + waiting


def _rows(names: list[str], mark: list[tuple[str, str, str]]) -> None:
    glances = [reading.glance(name) for name in names]
    if _mark(glances) != mark:
        st.rerun()
    for glance in glances:
        _row(glance)


def _row(glance: Glance) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader(glance.name)
        navigation.link("Executions, start and stop", "delivery", icon=":material/arrow_forward:", pipeline=glance.name)
    if not glance.shown:
        look.empty(f"Nothing has started {glance.name} yet.", "git push local main")
    for shown in glance.shown[:_ROWS]:
        stages.heading(shown)
        stages.draw(shown)
    if more := glance.shown[_ROWS:]:
        st.caption(f"{len(more)} more run or wait.")


def _others(names: list[str]) -> None:
    for name, newest in newest_of(tuple(names[:_OTHERS])).items():
        with st.container(horizontal=True, vertical_alignment="center"):
            navigation.link(name, "delivery", pipeline=name)
            if isinstance(newest, str):
                st.caption(newest)
            else:
                st.markdown(look.badge(newest["status"]))
                st.caption(look.ago(newest["startTime"]))
    if len(names) > _OTHERS:
        chosen = st.selectbox("Another one", names[_OTHERS:], index=None, placeholder="Choose a pipeline")
        if chosen:
            navigation.link(chosen, "delivery", icon=":material/arrow_forward:", pipeline=chosen)


@account.kept
def newest_of(names: tuple[str, ...]) -> dict[str, Any]:
    """ListPipelineExecutions' newest of each pipeline, or a word for why there is none."""
    codepipeline = account.client("codepipeline")

    def ask(name: str) -> Any:
        try:
            found = codepipeline.list_pipeline_executions(pipelineName=name, maxResults=1)["pipelineExecutionSummaries"]
        except codepipeline.exceptions.ClientError as error:
            return look.sentence(error)
        return found[0] if found else "never started"

    return dict(zip(names, account.together(ask, names), strict=True))
