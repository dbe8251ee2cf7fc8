"""All pipelines at a glance: the use cases' own, what they cost, and what else the account has."""

from __future__ import annotations

import streamlit as st

from dashboard import account, look, navigation
from dashboard.executions import costs, glance, others, start
from dashboard.executions.gate import Comparison
from dashboard.executions.glance import Glance, Monitored, Run, Served
from deploy import verdicts
from mlops import use_cases

_WIDTHS = (4, 5, 4)  # of a card's columns
_VERDICTS = {verdicts.COMPLETED: "healthy", verdicts.VIOLATIONS: "violations", verdicts.RUNNING: "running"}


@account.kept
def glances() -> list[Glance]:
    return glance.gather(account.target().client, use_cases.find_all())


def show() -> None:
    found = glances()
    if not found:
        look.empty("This clone has no use case: each is a file in pipelines/ with a function `build`.", "mlops list")
        return
    if not any(each.run or glance.RUN in each.problems for each in found):
        look.empty("No use case ran in this account yet.", f"mlops run {found[-1].name}")
    for each in found:
        _card(each)
    costs.show(found)
    others.show([each.name for each in found])


def _card(case: Glance) -> None:
    with st.container(border=True, key=f"case-{case.name}"):
        _heading(case)
        for column, draw in zip(st.columns(_WIDTHS), (_runs, _gates, _version), strict=True):
            with column:
                draw(case)
        _endpoints(case)


def _heading(case: Glance) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        navigation.link(f"**{case.name}**", "pipelines", pipeline=case.name)
        with st.container(horizontal=True, width="content"):
            if case.name in navigation.own_pages():
                navigation.link(navigation.module(case.name).TITLE, case.name)
            navigation.link("Experiments", "experiments", pipeline=case.name)
            if case.run:
                navigation.link("Start", "pipelines", icon=":material/play_arrow:", pipeline=case.name, start=start.NEW)
    st.caption(look.plain(case.summary))


def _label(case: Glance, part: str, label: str) -> bool:
    """Heads a cell; says why the part is not known, and then there is nothing more to say."""
    st.caption(label)
    if said := case.problems.get(part):
        st.markdown(f":orange[:material/warning: {look.plain(said)}]")
    return not said


def _runs(case: Glance) -> None:
    if not _label(case, glance.RUN, "Last execution"):
        return
    if case.run is None:
        st.markdown(":gray[never ran]")
        st.code(f"mlops run {case.name}", language="bash")
    elif case.run.running:
        look.live(_running, every=2)(case.name)
    else:
        _run(case.name, case.run)


def _running(pipeline: str) -> None:
    run = glance.last_run(account.client("sagemaker"), pipeline)
    if run is None or not run.running:  # what it made is to be seen in the other cells
        look.again()
    _run(pipeline, run)


def _run(pipeline: str, run: Run) -> None:
    navigation.link(f"{look.badge(run.status)} {run.id}", "pipelines", icon="", pipeline=pipeline, execution=run.id)
    if run.name and not run.name.startswith("execution-"):  # a name that AWS made up
        st.caption(look.plain(run.name))
    took = look.duration(run.started, run.ended)
    st.caption(f"for {took}" if run.running else f"{look.ago(run.started)}, took {took}")
    if run.running:
        st.caption(_progress(run))
    elif run.failure:
        st.caption(look.plain(_short(run.failure)))


def _progress(run: Run) -> str:
    busy = [step for step in run.steps if step.running]
    count = len(run.steps) - len(busy)
    done = f"{count} {'step' if count == 1 else 'steps'} done"
    return f"{done}, {', '.join(step.name for step in busy)} running" if busy else done


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()} …"


def _gates(case: Glance) -> None:
    if not _label(case, glance.RUN, "Gate"):
        return
    if not case.gates:
        st.markdown(":gray[none]" if case.run else "")
    for each in case.gates:
        st.markdown(comparison(each))
    if case.run and case.gates:
        query = {"pipeline": case.name, "execution": case.run.id}
        navigation.link("How it was judged", "pipelines", icon="", **query, step=case.gates[0].step)


def comparison(each: Comparison) -> str:
    """Markdown: `average precision **0.657** ≥ 0.601`, coloured by whether it holds."""
    if each.needless:
        return f":gray[{each.metric}: the run was given no version in service to beat]"
    bound = "?" if each.bound is None else f"{each.bound:.4g}"
    against = " of the version in service" if each.against == "current" else f" :gray[:small[{each.against}]]"
    if each.value is None:
        return f":gray[{each.metric} {each.sign} {bound}{against}: not known yet]"
    colour, icon = (look.GOOD, ":material/check_circle:") if each.holds else (look.BAD, ":material/error:")
    return f"{each.metric} :{colour}[{icon} **{each.value:.4g}**] {each.sign} {bound}{against}"


def _version(case: Glance) -> None:
    if not _label(case, glance.VERSION, "Newest version"):
        return
    if case.version is None:
        st.markdown(":gray[none]")
        return
    number = str(case.version["ModelPackageVersion"])
    approval = look.badge(case.version.get("ModelApprovalStatus", ""))
    navigation.link(f"{approval} version {number}", "registry", icon="", group=case.name, version=number)
    st.caption(f"registered {look.ago(case.version['CreationTime'])}")


def _endpoints(case: Glance) -> None:
    """A line each: what it serves, and what its monitors last found."""
    known = _label(case, glance.ENDPOINTS, "Endpoints, and what their monitors last found")
    if said := case.problems.get(glance.MONITORS):
        st.markdown(f":orange[:material/warning: {look.plain(said)}]")
    served = {each.endpoint: each for each in case.endpoints}
    watched = dict.fromkeys(each.endpoint for each in case.monitors)
    if known and not served and not watched:
        st.markdown(":gray[none]")
    for name in served | watched:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            if name in served:
                navigation.link(serves(served[name]), "endpoints", icon="", endpoint=name)
            else:
                st.markdown(name)
            for each in [one for one in case.monitors if one.endpoint == name]:
                navigation.link(drift(each), "monitoring", icon="", endpoint=name, monitor=each.kind)
            if name in served and not any(one.endpoint == name for one in case.monitors):
                st.markdown(":gray[no monitor]")


def serves(endpoint: Served) -> str:
    """Markdown: its stage, status and what it serves."""
    several = f", {endpoint.variants} variants" if endpoint.variants > 1 else ""
    what = f"version {endpoint.version}{several}" if endpoint.version else "no registered version"
    return f"{look.badge(endpoint.status)} **{endpoint.stage}** {what}"


def drift(monitor: Monitored) -> str:
    """Markdown: what a monitor last found, or that it never ran."""
    kind, found = monitor.kind.replace("-", " "), monitor.verdict
    if found is None:
        return f":gray-badge[{kind}: never ran]"
    if monitor.idle:
        return f":gray-badge[{kind}: nothing to compare]"
    word = _VERDICTS.get(found.status, found.status)
    return look.badge(
        found.status, f"{kind}: {len(found.violations)} {word}" if found.violations else f"{kind}: {word}"
    )
