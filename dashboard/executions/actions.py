"""What can be done with an execution: stop it, go on with it, run steps of it anew, start another one like it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import account, look, navigation
from dashboard.changes import Change, button
from dashboard.executions import selective, start, summaries
from dashboard.executions.summaries import name_of
from mlops import selection
from mlops.executions import RUNNING, Step

Document = dict[str, Any]
_RETRIED = ("Failed", "Stopped")
_MOST_PARALLEL = 50  # MaxParallelExecutionSteps that the form offers; AWS gives no bound


def show(pipeline: str, execution: Mapping[str, Any], steps: Sequence[Step]) -> None:
    """`execution` is DescribePipelineExecution's answer. Outside of what redraws itself: a dialog would close."""
    status = execution["PipelineExecutionStatus"]
    with st.container(horizontal=True, vertical_alignment="center"):
        if status in RUNNING:
            if status == "Executing":
                button("Stop execution", stop(pipeline, execution, steps), key="stop", icon=":material/stop_circle:")
            button("Parallel steps", parallelism(pipeline, execution), key="parallel", icon=":material/density_small:")
        else:
            if status in _RETRIED:
                ended = ended_by(steps)
                unless = f"The Fail step {ended} ended it: AWS takes no retry then." if ended else ""
                change = retry(pipeline, execution, steps)
                button("Retry", change, key="retry", icon=":material/replay:", unless=unless)
            change = rerun(pipeline, execution, steps)
            button("Run steps anew", change, key="rerun", icon=":material/checklist:")
        navigation.link(
            "Start one like it", "pipelines", icon=":material/play_arrow:", pipeline=pipeline, start=name_of(execution)
        )


def ended_by(steps: Sequence[Step]) -> str:
    """The name of the Fail step that ended an execution; "" for one that ended otherwise."""
    return next((step.name for step in steps if "Fail" in step.metadata and step.status == "Failed"), "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"**{look.plain(name)}**" for name in names)


def stop(pipeline: str, execution: Mapping[str, Any], steps: Sequence[Step]) -> Change:
    busy = [step.name for step in steps if step.running]
    running = f"What runs is stopped, jobs included: {_listed(busy)}." if busy else "No step runs at the moment."

    def call() -> str:
        account.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution["PipelineExecutionArn"])
        return f"{name_of(execution)} of {pipeline} is stopping."

    return Change(
        title=f"Stop {name_of(execution)} of {pipeline}?",
        does=f"{running} What has not started doesn't. What has succeeded stays, and a retry goes on from there.",
        confirm=f"Stop {name_of(execution)}",
        call=call,
    )


def retry(pipeline: str, execution: Mapping[str, Any], steps: Sequence[Step]) -> Change:
    kept = [step.name for step in steps if step.status == "Succeeded"]
    again = [step.name for step in steps if step.status != "Succeeded"]
    does = [
        f"The same execution goes on, with its own definition and parameters. {_listed(again) or 'No step'} runs "
        "again, and what comes after.",
        f"These succeeded and don't run again: {_listed(kept)}." if kept else "No step has succeeded yet: all run.",
    ]

    def call() -> str:
        account.client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=execution["PipelineExecutionArn"])
        return f"{name_of(execution)} of {pipeline} goes on."

    return Change(
        title=f"Retry {name_of(execution)} of {pipeline}?",
        does="\n\n".join(does),
        confirm=f"Retry {name_of(execution)}",
        call=call,
    )


def parallelism(pipeline: str, execution: Mapping[str, Any]) -> Change:
    now = (execution.get("ParallelismConfiguration") or {}).get("MaxParallelExecutionSteps")

    bound = f"At most {now} steps run at the same time." if now else "Nothing bounds how many steps run."

    def ask() -> Document:
        return {"most": st.number_input("Steps at the same time", 1, _MOST_PARALLEL, now or 10, key="parallel-steps")}

    def call(most: int) -> str:
        account.client("sagemaker").update_pipeline_execution(
            PipelineExecutionArn=execution["PipelineExecutionArn"],
            ParallelismConfiguration={"MaxParallelExecutionSteps": most},
        )
        return f"{name_of(execution)} runs at most {most} steps at the same time."

    return Change(
        title=f"Parallel steps of {name_of(execution)} of {pipeline}",
        does=f"{bound} Steps that run go on; the new bound is looked at when one starts.",
        confirm=f"Change {name_of(execution)}",
        ask=ask,
        call=call,
    )


def rerun(pipeline: str, execution: Mapping[str, Any], steps: Sequence[Step]) -> Change:
    """Some steps of the pipeline's newest definition, with this execution's results for the others."""
    source, status = name_of(execution), execution["PipelineExecutionStatus"]

    def ask() -> Document:
        definition = json.loads(summaries.described(pipeline)["PipelineDefinition"])
        failed = [step.name for step in steps if step.status == "Failed" and "Fail" not in step.metadata]
        names = [step["Name"] for step in selection.all_steps(definition["Steps"])]
        begin = selective.onwards(definition, failed) if failed else []
        chosen = st.multiselect("Steps to run", names, begin, key=f"rerun-{source}", placeholder="Choose steps")
        wrong = selective.problems(definition, chosen, source, status, steps)
        for said in wrong if chosen else []:
            st.markdown(f":red[:material/error: {look.plain(said)}]")
        if chosen and not wrong:
            _say(definition, chosen, source)
        return {"definition": definition, "chosen": chosen}

    def call(definition: Document, chosen: list[str]) -> str:
        if wrong := selective.problems(definition, chosen, source, status, steps):
            raise ValueError(" ".join(wrong))
        arn = execution["PipelineExecutionArn"]
        known = [each["Name"] for each in definition.get("Parameters") or []]
        values = selection.parameters(account.client("sagemaker"), arn, known)
        return start.started(
            pipeline,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in values.items()],
            SelectiveExecutionConfig=selection.request(selection.Selection(chosen), arn),
        )

    return Change(
        title=f"Run steps of {pipeline} anew",
        does=f"A new execution runs only the steps that you choose, as the pipeline's newest definition has them, with "
        f"the parameters of **{source}**. What they need of other steps is what those made in {source}.",
        confirm=f"Run steps with {source}'s results",
        ask=ask,
        call=call,
    )


def _say(definition: Document, chosen: Sequence[str], source: str) -> None:
    if lent := selective.lenders(definition, chosen):
        st.caption(f"From {source}: what {', '.join(map(look.plain, lent))} made.")
    for name, condition in selective.unconditional(definition, chosen).items():
        st.caption(f"{look.plain(name)} runs whatever {look.plain(condition)} would say, which is not chosen.")
    steps = [step for step in selection.all_steps(definition["Steps"]) if step["Name"] in chosen]
    for said in start.consequences(steps):
        st.caption(said)
