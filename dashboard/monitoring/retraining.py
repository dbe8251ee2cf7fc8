"""From drift to a new model: what a retraining would run, what the last ones came to, and a button that starts one."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, changes, look, navigation, objects
from dashboard.changes import Change
from dashboard.monitoring import reports
from deploy import retraining
from deploy.state import find
from deploy.verdicts import COLLECT
from mlops import executions

SHOWN = 5  # retrainings
STEP = "Retrain"
RUNNING = ("Executing", "Stopping")


@dataclass(frozen=True)
class Past:
    """An execution of the retraining pipeline, and what it started."""

    id: str
    started: datetime
    status: str
    outcome: str = ""  # of deploy/lambda/retraining.py: started, too soon, too few labelled records
    reason: str = ""
    execution: str = ""  # ARN of what it started
    became: str = ""  # that one's status
    version: str = ""  # that it registered
    said: str = ""  # why it registered none

    @property
    def runs(self) -> bool:
        return self.status in RUNNING or self.became in RUNNING


@dataclass(frozen=True)
class Retraining:
    """Of an endpoint. None and empty are what can't be read."""

    pipeline: str
    starts: str = ""  # the use case's pipeline
    parameters: dict[str, str] = field(default_factory=dict)  # that it is started with, besides the data's
    data: str = ""  # name of the data's parameter
    window: str = ""  # ISO 8601 duration of traffic
    cooldown: timedelta | None = None
    least: int | None = None  # labelled records
    alarms: tuple[str, ...] = ()  # that start it by themselves
    enabled: bool = True
    past: tuple[Past, ...] = ()  # newest first
    hidden: tuple[str, ...] = ()  # sentences: what this identity may not read of it
    labelled: int | None = None  # records that the newest Collect found

    @property
    def next(self) -> datetime | None:
        """When the cool-down ends; None: it has."""
        begun = next((each.started for each in self.past if each.execution), None)
        end = begun + self.cooldown if begun and self.cooldown else None
        return end if end and end > datetime.now(UTC) else None


@st.cache_resource(show_spinner=False)
def _memory() -> dict[str, Past]:
    """Retrainings that have ended with all that they started, by id."""
    return {}


@account.kept
def read(endpoint: str) -> Retraining:
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    name, known = retraining.name(endpoint), _memory()
    functions, events = account.client("lambda"), account.client("events")
    hidden: list[str] = []
    asks = {
        "function": lambda: functions.get_function_configuration(FunctionName=name),
        "rule": lambda: events.describe_rule(Name=retraining.rule_name(endpoint)),
        "pipeline": lambda: sagemaker.describe_pipeline(PipelineName=name),
    }
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        listed = pool.submit(executions.recent, sagemaker, name, SHOWN)
        found = dict(zip(asks, pool.map(functools.partial(_answer, hidden), asks.values()), strict=True))
        summaries = listed.result()
        ids = [each["PipelineExecutionArn"].rsplit("/", 1)[1] for each in summaries]
        past = list(
            pool.map(lambda pair: known.get(pair[0]) or _past(sagemaker, *pair), zip(ids, summaries, strict=True))
        )
        labelled = _labelled(sagemaker, s3, summaries[0]["PipelineExecutionArn"]) if summaries else None
    known |= {each.id: each for each in past if not each.runs and (each.became or not each.execution)}
    variables = found["function"].get("Environment", {}).get("Variables", {})
    cooldown = variables.get("COOLDOWN_SECONDS")
    return Retraining(
        pipeline=name,
        starts=variables.get("PIPELINE", ""),
        parameters=json.loads(variables.get("PARAMETERS", "{}")),
        data=variables.get("DATA_PARAMETER", ""),
        window=window(found["pipeline"].get("PipelineDefinition", "{}")),
        cooldown=timedelta(seconds=float(cooldown)) if cooldown else None,
        least=int(variables["MIN_RECORDS"]) if "MIN_RECORDS" in variables else None,
        alarms=alarms(found["rule"].get("EventPattern", "{}")),
        enabled=found["rule"].get("State") == "ENABLED",
        past=tuple(past),
        hidden=tuple(hidden),
        labelled=labelled,
    )


def _answer(hidden: list[str], ask: Any) -> dict[str, Any]:
    """Empty where it is gone, or may not be read, which `hidden` then says."""
    try:
        return dict(find(ask) or {})
    except ClientError as error:
        hidden.append(look.sentence(error))
        return {}


def window(definition: str) -> str:
    """How much traffic Collect takes, from a pipeline's definition."""
    for step in json.loads(definition).get("Steps", []):
        arguments = step.get("Arguments", {}).get("AppSpecification", {}).get("ContainerArguments", [])
        if step["Name"] == COLLECT and "--window" in arguments:
            return str(arguments[arguments.index("--window") + 1])
    return ""


def alarms(pattern: str) -> tuple[str, ...]:
    """Names that a rule's pattern waits for."""
    return tuple(json.loads(pattern).get("detail", {}).get("alarmName", []))


def _past(sagemaker: Any, run_id: str, summary: Mapping[str, Any]) -> Past:
    steps = executions.steps(sagemaker, summary["PipelineExecutionArn"])
    metadata = next((each.metadata for each in steps if each.name == STEP), {})
    answers = {each["Name"]: each["Value"] for each in metadata.get("Lambda", {}).get("OutputParameters", [])}
    failed = next((each.failure for each in steps if each.status == "Failed" and each.failure), "")
    reason = answers.get("reason", "") or failed
    execution = answers.get("execution", "")
    made = Past(run_id, summary["StartTime"], summary["PipelineExecutionStatus"], answers.get("outcome", ""), reason)
    return _with(made, execution, *_became(sagemaker, execution)) if execution else made


def _with(past: Past, execution: str, became: str, version: str, said: str) -> Past:
    return Past(past.id, past.started, past.status, past.outcome, past.reason, execution, became, version, said)


def _became(sagemaker: Any, execution: str) -> tuple[str, str, str]:
    """An execution's status, the version that it registered, and why it registered none."""
    try:
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        steps = executions.steps(sagemaker, execution)
    except ClientError as error:
        return "", "", f"what it came to is not known. {look.sentence(error)}"
    arns = [each.metadata["RegisterModel"].get("Arn", "") for each in steps if "RegisterModel" in each.metadata]
    version = next((arn.rsplit("/", 1)[1] for arn in arns if arn), "")
    failed = next((each for each in steps if each.status == "Failed"), None)
    why = (failed.metadata.get("Fail", {}).get("ErrorMessage") or failed.failure) if failed else ""
    return described["PipelineExecutionStatus"], version, why


def _labelled(sagemaker: Any, s3: Any, execution: str) -> int | None:
    """Records with a label, as the Collect of an execution counted them."""
    try:
        steps = executions.steps(sagemaker, execution)
    except ClientError:
        return None
    job = next((each.job for each in steps if each.name == COLLECT and each.status == "Succeeded"), None)
    if not job:
        return None
    output = reports.output_of(reports.describe(sagemaker, job[1]))
    found = objects.document(s3, f"{output}/summary.json").get("labelled") if output else None
    return int(found) if found is not None else None


def show(endpoint: str, *, declared: bool) -> None:
    if not declared:
        st.caption(
            "A violation starts no retraining here. A stage whose `monitoring` declares `retraining` in "
            "`deploy/stages.yml` learns anew when an alarm goes off."
        )
        return
    found = read(endpoint)
    for said in found.hidden:
        st.warning(look.harmless(said), icon=":material/lock:")
    _terms(found)
    with st.container(horizontal=True, vertical_alignment="center"):
        button(found, key="retraining")
        navigation.link(found.pipeline, "pipelines", icon=":material/account_tree:", pipeline=found.pipeline)
    if any(each.runs for each in found.past):
        look.live(_follow, every=3)(endpoint, [each.id for each in found.past if each.runs])
    for each in found.past:
        _row(found, each)
    if not found.past:
        st.caption("None has run yet.")


def button(found: Retraining, *, key: str) -> None:
    changes.button("Start retraining", change(found), key=f"start-{key}", icon=":material/model_training:")


def change(found: Retraining) -> Change:
    def start() -> str:
        started = account.client("sagemaker").start_pipeline_execution(PipelineName=found.pipeline)
        return f"Started {found.pipeline}: execution {started['PipelineExecutionArn'].rsplit('/', 1)[1]}."

    return Change(
        title=f"Start {found.pipeline}?",
        does=consequences(found),
        confirm=f"Start {found.pipeline}",
        call=start,
    )


def consequences(found: Retraining) -> str:
    """Markdown: what a start does, with pipeline and parameters."""
    given = [f"{look.code(found.data)}: what was collected"] if found.data else []
    given += [f"{look.code(name)}: {look.code(value)}" for name, value in found.parameters.items()]
    traffic = f"the traffic of the last {words(found.window)}" if found.window else "the recent traffic"
    steps = [
        f"The pipeline **{look.plain(found.pipeline)}** runs:",
        f"1. **{COLLECT}** takes {traffic} that has labels.",
        f"2. **{STEP}** starts the pipeline **{look.plain(found.starts or 'that it was made for')}**"
        + (" with" if given else "."),
        *(f"    - {each}" for each in given),
    ]
    limits = [f"It starts nothing {each}." for each in _limits(found)]
    if found.next:
        limits.append(f"**The cool-down lasts until {look.moment(found.next)}: until then it will start nothing.**")
    return "\n".join(steps) + "\n\n" + " ".join(limits)


def _limits(found: Retraining) -> list[str]:
    least = f"with fewer than {found.least} labelled records" if found.least is not None else ""
    cooldown = f"within {look.span(found.cooldown.total_seconds())} of the one before" if found.cooldown else ""
    return [each for each in (least, cooldown) if each]


def words(duration: str) -> str:
    """An ISO 8601 duration in words."""
    try:
        whole = retraining.seconds(duration)
    except ValueError:
        return duration
    return re.sub(r"^1 days$", "1 day", f"{whole // 86400} days" if whole % 86400 == 0 else look.span(whole))


def _terms(found: Retraining) -> None:
    facts = []
    if found.alarms:
        state = "by itself" if found.enabled else "no longer by itself, as its rule is switched off"
        facts.append(f"Starts {state} when one of these goes off: {', '.join(map(look.plain, found.alarms))}.")
    if found.labelled is not None and found.least is not None:
        enough = "enough" if found.labelled >= found.least else "too few"
        facts.append(f"The last one found {found.labelled:,} labelled records: {enough}, as it takes {found.least:,}.")
    if found.next:
        facts.append(f"It is cooling down until {look.moment(found.next)}.")
    st.markdown(" ".join(facts))


def _row(found: Retraining, past: Past) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            said = f"**{look.plain(past.outcome)}**" if past.outcome else look.badge(past.status)
            st.markdown(f"{look.moment(past.started)} {said}", width="content")
            query = {"pipeline": found.pipeline, "execution": past.id}
            navigation.link("Execution", "pipelines", icon=":material/account_tree:", **query)
            if past.execution:
                _started(past)
        if past.reason and not past.execution:
            st.caption(look.plain(past.reason))
        if past.said:
            st.caption(f"No version: {look.plain(past.said)}")


def _started(past: Past) -> None:
    """The execution that learns, and the version that came of it."""
    pipeline, started = navigation.execution(past.execution)
    query = {"pipeline": pipeline, "execution": started}
    navigation.link(f"{pipeline} {started}", "pipelines", icon=":material/model_training:", **query)
    st.markdown(look.badge(past.became or "gone"), width="content")
    if past.version:
        navigation.to_version(pipeline, past.version)


def _follow(endpoint: str, running: list[str]) -> None:
    """Draws the page anew when one of them has ended."""
    now = [each.id for each in read(endpoint).past if each.runs]
    st.caption(f"{len(now)} under way …")
    if now != running:
        st.rerun()
