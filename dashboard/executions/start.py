"""Starting an execution: a form of the pipeline's parameters, and what it will do, said before it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import account, look, navigation
from dashboard.changes import Change, button
from dashboard.executions import facts, parameters, summaries
from dashboard.executions.parameters import Field, Value
from mlops import selection

NEW = "new"  # ?start=new begins with the defaults, ?start=<execution id> with that one's values
Document = dict[str, Any]


def show(pipeline: str, like: str) -> None:
    described = summaries.described(pipeline)
    definition = json.loads(described["PipelineDefinition"])
    earlier = {} if like in ("", NEW) else facts.parameters(summaries.arn(pipeline, like))
    st.subheader("Start an execution")
    st.caption(_version(described) + (f" The values are those of {like}." if earlier else ""))
    known = parameters.fields(definition)
    values = _fields(pipeline, like, known, earlier)
    name = _name(f"start-{pipeline}-{like}")
    wrong = [each.name for each in known if parameters.problem(each, values[each.name])]
    if wrong:
        st.caption(f"Mend {', '.join(wrong)} first.")
    given = parameters.changed(known, values)
    with st.container(horizontal=True, vertical_alignment="center"):
        if wrong or name is None:
            st.button(f"Start {pipeline}", key="start", icon=":material/play_arrow:", type="primary", disabled=True)
        else:
            change = _change(pipeline, definition, known, given, name)
            button(f"Start {pipeline}", change, key="start", icon=":material/play_arrow:", primary=True)
        navigation.link("Back to its executions", "pipelines", pipeline=pipeline)


def _version(described: Mapping[str, Any]) -> str:
    changed = look.ago(described["LastModifiedTime"])
    return (
        f"It runs the definition that the account has, put there {changed}. "
        f"What was edited in this clone since then, `mlops run {described['PipelineName']}` brings there first."
    )


def _fields(pipeline: str, like: str, known: list[Field], earlier: Mapping[str, str]) -> dict[str, Value | None]:
    values: dict[str, Value | None] = {}
    pairs = [st.columns(2) for _ in known[::2]]  # so that Tab goes as one reads, on a phone too
    for number, each in enumerate(known):
        with pairs[number // 2][number % 2]:
            begin = parameters.start(each, earlier.get(each.name))
            values[each.name] = value = _widget(each, begin, key=f"start-{pipeline}-{like}-{each.name}")
            if said := parameters.problem(each, value):
                st.markdown(f":red[:material/error: {look.plain(each.name)}: {look.plain(said)}]")
            elif value != each.default:
                st.caption(f"Default: {look.plain(_shown(each.default))}")
    return values


def _shown(value: Value | None) -> str:
    return "none" if value is None else parameters.text(value)


def _widget(field: Field, begin: Value | None, key: str) -> Value | None:
    if field.choices:
        choices = list(field.choices)
        place = choices.index(begin) if begin in choices else None
        chosen: Value | None = st.selectbox(field.name, choices, index=place, key=key)
        return chosen
    if field.kind == "Boolean":
        if begin is None:
            return {"yes": True, "no": False}.get(str(st.selectbox(field.name, ["yes", "no"], index=None, key=key)))
        return bool(st.toggle(field.name, bool(begin), key=key))
    if field.kind == "Integer":
        return st.number_input(field.name, value=None if begin is None else int(begin), step=1, key=key)
    if field.kind == "Float":
        step = _step(float(begin or 0))
        value = None if begin is None else float(begin)
        return st.number_input(field.name, value=value, step=step, format="%.10g", key=key)
    return str(st.text_input(field.name, "" if begin is None else str(begin), key=key))


def _step(value: float) -> float:
    """By which the arrows change a number: one of the second digit that counts."""
    return float(10.0 ** (int(f"{value or 1:e}".partition("e")[2]) - 1))


def _name(key: str) -> str | None:
    """The display name, "" for none; None for one that the API would refuse."""
    given = st.text_input("Display name", key=f"{key}-display-name", placeholder="optional: such as fewer-rounds")
    if given and not re.fullmatch(parameters.DISPLAY_NAME, given):
        st.markdown(":red[:material/error: Letters, digits and hyphens between them go, at most 82.]")
        return None
    return given


def _change(pipeline: str, definition: Document, known: list[Field], given: Mapping[str, str], name: str) -> Change:
    def call() -> str:
        request: Document = {"PipelineParameters": [{"Name": key, "Value": value} for key, value in given.items()]}
        return started(pipeline, **request, **({"PipelineExecutionDisplayName": name} if name else {}))

    return Change(
        title=f"Start {pipeline}?",
        does=_does(pipeline, definition, known, given),
        confirm=f"Start {pipeline}",
        call=call,
    )


def started(pipeline: str, **request: Any) -> str:
    """Starts an execution, and goes to it."""
    answer = account.client("sagemaker").start_pipeline_execution(PipelineName=pipeline, **request)
    execution = answer["PipelineExecutionArn"].rsplit("/", 1)[1]
    st.query_params.from_dict({"pipeline": pipeline, "execution": execution})
    return f"Started {execution} of {pipeline}."


def _does(pipeline: str, definition: Document, known: list[Field], given: Mapping[str, str]) -> str:
    steps = list(selection.all_steps(definition["Steps"]))
    lines = [f"An execution of **{look.plain(pipeline)}** starts: {len(steps)} steps, those of branches included."]
    lines += ["Parameters that differ from their defaults:" if given else "All parameters have their defaults."]
    defaults = {each.name: each.default for each in known}
    lines += [
        f"- {look.plain(key)} is {look.plain(value)}, by default {look.plain(_shown(defaults[key]))}"
        for key, value in given.items()
    ]
    return "\n\n".join([*lines, *consequences(steps)])


def consequences(steps: list[Document]) -> list[str]:
    """What stays of such steps, in sentences of Markdown."""
    kinds = {step["Type"] for step in steps}
    said = []
    if groups := [step["Arguments"].get("ModelPackageGroupName") for step in steps if step["Type"] == "RegisterModel"]:
        where = ", ".join(sorted({look.plain(each) for each in groups if isinstance(each, str)}))
        said.append(
            f"It may register a new version in the group {where or 'that it names'}, to be approved or rejected."
        )
    if "Endpoint" in kinds:
        said.append("It may make or change an endpoint.")
    if kinds & {"Processing", "Training", "Tuning", "Transform", "AutoML", "ClarifyCheck", "QualityCheck", "EMR"}:
        said.append("On AWS its jobs are billed by the second.")
    return said
