"""`mlops cicd status`, `approve`, `reject`, `start`, `stop`, `retry`, `logs` and `watch`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore import xform_name

from mlops import cicd_pipelines as pipelines
from mlops import console
from mlops.cicd_pipelines import RUNNING, Action
from mlops.errors import Failure
from mlops.logs import Tail
from mlops.targets import Target

_LINES = 5  # of a build's log, under a failed action


def status(target: Target, project: str) -> None:
    """The newest execution of each pipeline, what waits for a person, and why one failed."""
    client = target.client("codepipeline")
    found = pipelines.names(target, project)
    for pipeline in found:
        _show(client, pipeline)
    for action, _ in pipelines.waiting(client, found):
        console.say(f"{action.pipeline} waits for you at {action.stage}:")
        _show_question(action)
        short = action.pipeline.removeprefix(f"{project}-")
        console.note(f"{console.command()} cicd approve {short}, or {console.command()} cicd reject {short} --reason …")


def _show(client: Any, pipeline: str) -> None:
    executions = pipelines.newest(client, pipeline)
    if not executions:
        console.say(f"{pipeline}: nothing has started it yet")
        return
    execution = executions[0]
    rows = []
    for action in pipelines.actions(client, pipeline, execution["pipelineExecutionId"]):
        name = action.stage if action.stage == action.name else f"{action.stage}/{action.name}"
        rows.append((name, action.status, console.duration(action.started, _end(action)), _word(action)))
    title = f"{pipeline}: {execution['status']}, {console.ago(execution['startTime'])}{_commit(execution)}"
    console.show(("action", "status", "took", "what it says"), rows, title=title)
    if reason := execution.get("statusSummary"):
        console.say(reason)
    if execution["status"] == "Failed":
        mlops = console.command()
        console.note(f"{mlops} cicd logs {pipeline} shows the whole log, {mlops} cicd retry {pipeline} tries again")


def _commit(execution: Mapping[str, Any]) -> str:
    said = [
        f", commit {each.get('revisionId', '')[:8]} {each.get('revisionSummary', '')}".rstrip()
        for each in execution.get("sourceRevisions", [])
    ]
    return said[0].splitlines()[0] if said else ""


def _end(action: Action) -> Any:
    return None if action.status == "InProgress" else action.ended


def _word(action: Action) -> str:
    if action.error:
        first, *rest = action.error.splitlines()
        return "\n".join([first, *[line for line in rest if not line.startswith("[Container]")][-_LINES:]])
    if action.category == "Approval":
        return " ".join(
            each for each in (f"by {action.by.rpartition('/')[2]}" if action.by else "", action.summary) if each
        )
    return action.summary.partition("\n")[0] if action.category == "Source" else ""


def _show_question(action: Action) -> None:
    for member in ("CustomData", "ExternalEntityLink"):
        if text := action.configuration.get(member):
            console.say(f"  {text}")


def answer(
    target: Target, project: str, pipeline: str | None, reason: str, *, approve: bool, yes: bool = False
) -> None:
    """Answers the approval that waits. Raises LookupError for none or several, Failure when the user says no."""
    client = target.client("codepipeline")
    found = list(pipelines.waiting(client, pipelines.chosen(target, project, pipeline)))
    if not found:
        raise LookupError(f"Nothing waits for an approval: {console.command()} cicd status shows what runs.")
    if len(found) > 1:
        where = ", ".join(f"{action.pipeline} ({action.stage})" for action, _ in found)
        raise LookupError(f"Several approvals wait, name one: {where}.")
    action, token = found[0]
    verb = "Approved" if approve else "Rejected"
    console.say(f"{action.pipeline}, {action.stage}:")
    _show_question(action)
    _ask(f"{'Approve' if approve else 'Reject'} it?", yes)
    client.put_approval_result(
        pipelineName=action.pipeline,
        stageName=action.stage,
        actionName=action.name,
        result={"summary": reason or f"{verb} with mlops cicd", "status": verb},
        token=token,
    )
    console.say(f"{verb}: {console.command()} cicd watch {action.pipeline} shows how it goes on")


def _ask(question: str, yes: bool) -> None:
    if yes or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise Failure("Nothing was answered.")


def start(target: Target, project: str, pipeline: str, variables: Mapping[str, str]) -> None:
    client = target.client("codepipeline")
    name = pipelines.chosen(target, project, pipeline)[0]
    given = [{"name": key, "value": value} for key, value in variables.items()]
    execution = client.start_pipeline_execution(name=name, **({"variables": given} if given else {}))
    console.say(f"{name} started: execution {execution['pipelineExecutionId']}")


def stop(target: Target, project: str, pipeline: str | None, reason: str, *, abandon: bool) -> None:
    """Stops each execution that runs. Raises LookupError where none does."""
    client = target.client("codepipeline")
    running = [
        (name, each["pipelineExecutionId"])
        for name in pipelines.chosen(target, project, pipeline)
        for each in pipelines.newest(client, name, count=100)
        if each["status"] == "InProgress"
    ]
    if not running:
        raise LookupError(f"Nothing of {pipeline or project} is running.")
    for name, execution in running:
        client.stop_pipeline_execution(
            pipelineName=name,
            pipelineExecutionId=execution,
            abandon=abandon,
            **({"reason": reason} if reason else {}),
        )
        how = "is abandoned" if abandon else "stops when its action has ended (--abandon: at once)"
        console.say(f"{name}, execution {execution}, {how}")


def retry(target: Target, project: str, pipeline: str | None, *, everything: bool) -> None:
    """Runs the failed stage's failed actions again. Raises LookupError where none has failed."""
    client = target.client("codepipeline")
    for name in pipelines.chosen(target, project, pipeline):
        for stage in client.get_pipeline_state(name=name)["stageStates"]:
            latest = stage.get("latestExecution", {})
            newest = [each["pipelineExecutionId"] for each in pipelines.newest(client, name)]
            if latest.get("status") in ("Failed", "Stopped") and latest["pipelineExecutionId"] in newest:
                client.retry_stage_execution(
                    pipelineName=name,
                    stageName=stage["stageName"],
                    pipelineExecutionId=latest["pipelineExecutionId"],
                    retryMode="ALL_ACTIONS" if everything else "FAILED_ACTIONS",
                )
                console.say(f"{name} runs {stage['stageName']} again")
                return
    raise LookupError(f"No stage of {pipeline or project} has failed in its newest execution.")


def logs(target: Target, project: str, pipeline: str | None, stage: str | None, *, follow: bool) -> None:
    """What the build of a stage printed: the stage's that failed, else of the one that ran last.

    Raises LookupError where there was none.
    """
    client = target.client("codepipeline")
    builds = [action for name in pipelines.chosen(target, project, pipeline) for action in _builds(client, name, stage)]
    if not builds:
        raise LookupError(f"{pipeline or project} has built nothing{f' in {stage}' if stage else ''} yet.")
    failed = [action for action in builds if action.status == "Failed"]
    action = max(failed if failed and not stage else builds, key=lambda each: each.started)
    console.note(f"{action.pipeline}, {action.stage}: build {action.build}")
    codebuild, tail = target.client("codebuild"), None
    while True:
        build = codebuild.batch_get_builds(ids=[action.build])["builds"][0]
        where = build.get("logs", {})
        if tail is None and where.get("streamName"):
            tail = Tail(target.client("logs"), where["groupName"], where["streamName"])
        for _, line in tail.read() if tail else ():
            console.say(line)
        if not follow or build["buildComplete"]:
            return
        time.sleep(target.poll)


def _builds(client: Any, pipeline: str, stage: str | None) -> list[Action]:
    return [
        action
        for execution in pipelines.newest(client, pipeline)
        for action in pipelines.actions(client, pipeline, execution["pipelineExecutionId"])
        if action.build and stage in (None, action.stage)
    ]


def watch(target: Target, project: str, pipeline: str | None) -> None:
    """Follows what runs until it ends or waits for a person. Raises Failure when it failed, LookupError for nothing."""
    from sagelocal.cicd import progress

    client = target.client("codepipeline")
    started = [
        {"pipelineName": name, "pipelineExecutionId": each["pipelineExecutionId"]}
        for name in pipelines.chosen(target, project, pipeline)
        for each in pipelines.newest(client, name)
        if each["status"] in RUNNING
    ]
    if not started:
        raise LookupError(f"Nothing of {pipeline or project} is running: {console.command()} cicd status")

    def call(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answered: dict[str, Any] = _plain(getattr(target.client(service), xform_name(operation))(**request))
        return answered

    if not progress.follow(call, started, console.say):
        raise Failure("")


def _plain(answer: Any) -> Any:
    """As the wire has it: times are epoch seconds."""
    if isinstance(answer, dict):
        return {name: _plain(each) for name, each in answer.items()}
    if isinstance(answer, list):
        return [_plain(each) for each in answer]
    return answer.timestamp() if isinstance(answer, datetime) else answer
