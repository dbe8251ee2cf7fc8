"""What CodePipeline says of delivery's pipelines, alike on AWS and on a laptop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops.cicd_stacks import Stacks
from mlops.targets import Target

RUNNING = ("InProgress", "Stopping")
_KIND = "AWS::CodePipeline::Pipeline"


@dataclass(frozen=True)
class Action:
    """An action as it was run last."""

    pipeline: str
    execution: str  # id
    stage: str
    name: str
    category: str
    status: str
    started: Any  # datetime
    ended: Any  # datetime of its last change
    configuration: dict[str, str]  # with its variables resolved
    summary: str
    error: str
    build: str  # CodeBuild's id, "" of another action
    by: str  # who answered an approval
    identity: str  # actionExecutionId
    provider: str  # "CodeBuild", "Manual" …
    external: str  # id of what it started elsewhere, or of the commit it fetched
    variables: dict[str, str]  # that later actions can read
    artifacts: dict[str, str]  # s3:// URIs of what it made, by name

    @property
    def waits(self) -> bool:
        """Whether it waits for a person's answer."""
        return self.category == "Approval" and self.status == "InProgress"


def names(target: Target, project: str) -> list[str]:
    """The project's pipelines. Raises LookupError where there is no stack of them."""
    stacks, stack = Stacks(target.client("cloudformation"), target.poll), f"{project}-cicd"
    if stacks.status(stack) is None:
        raise LookupError(f"There is no stack {stack}: mlops cicd up makes it.")
    return [name for _, kind, name in stacks.resources(stack) if kind == _KIND]


def chosen(target: Target, project: str, pipeline: str | None) -> list[str]:
    """`pipeline` may leave the project's name out: `build` for `mlops-build`. Raises LookupError."""
    found = names(target, project)
    if pipeline is None:
        return found
    for name in (pipeline, f"{project}-{pipeline}"):
        if name in found:
            return [name]
    raise LookupError(f"{pipeline} is no pipeline of {project}: {', '.join(found)}.")


def newest(client: Any, pipeline: str, count: int = 1) -> list[dict[str, Any]]:
    """Executions as ListPipelineExecutions gives them, the newest first."""
    found: list[dict[str, Any]] = client.list_pipeline_executions(pipelineName=pipeline, maxResults=count)[
        "pipelineExecutionSummaries"
    ]
    return found


def actions(client: Any, pipeline: str, execution: str) -> list[Action]:
    """In the order in which they began; of one that was retried, the last run alone."""
    found: dict[tuple[str, str], Action] = {}
    for action in runs(client, pipeline, execution):
        found.setdefault((action.stage, action.name), action)
    return sorted(found.values(), key=lambda action: action.started)


def runs(client: Any, pipeline: str, execution: str) -> list[Action]:
    """All of an execution's, also those that a retry came after; the newest first."""
    pages = client.get_paginator("list_action_executions").paginate(
        pipelineName=pipeline, filter={"pipelineExecutionId": execution}
    )
    return [_action(pipeline, each) for page in pages for each in page["actionExecutionDetails"]]


def _action(pipeline: str, found: dict[str, Any]) -> Action:
    given, made = found.get("input", {}), found.get("output", {})
    kind, result = given.get("actionTypeId", {}), made.get("executionResult", {})
    return Action(
        pipeline=pipeline,
        execution=found["pipelineExecutionId"],
        stage=found["stageName"],
        name=found["actionName"],
        category=kind.get("category", ""),
        status=found["status"],
        started=found["startTime"],
        ended=found["lastUpdateTime"],
        configuration=given.get("resolvedConfiguration") or given.get("configuration") or {},
        summary=result.get("externalExecutionSummary", ""),
        error=result.get("errorDetails", {}).get("message", ""),
        build=result.get("externalExecutionId", "") if kind.get("provider") == "CodeBuild" else "",
        by=found.get("updatedBy", ""),
        identity=found["actionExecutionId"],
        provider=kind.get("provider", ""),
        external=result.get("externalExecutionId", ""),
        variables=made.get("outputVariables", {}),
        artifacts={
            each["name"]: "s3://{bucket}/{key}".format_map(each["s3location"])
            for each in made.get("outputArtifacts", [])
            if "s3location" in each
        },
    )


def waiting(client: Any, pipelines: list[str]) -> Iterator[tuple[Action, str]]:
    """Approvals that wait, each with the token that its answer needs."""
    for pipeline in pipelines:
        for stage in client.get_pipeline_state(name=pipeline)["stageStates"]:
            for state in stage["actionStates"]:
                latest = state.get("latestExecution", {})
                if latest.get("status") != "InProgress" or "token" not in latest:
                    continue
                execution = stage["latestExecution"]["pipelineExecutionId"]
                for action in actions(client, pipeline, execution):
                    if (action.stage, action.name) == (stage["stageName"], state["actionName"]) and action.waits:
                        yield action, latest["token"]
