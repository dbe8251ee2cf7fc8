"""What CodePipeline is asked for the delivery page: all of a pipeline in one gathering, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard import account
from dashboard.delivery import flow
from dashboard.delivery.flow import Commit, Stage
from deploy import names, served, stages
from mlops import cicd_pipelines
from mlops.changed import PROJECT
from mlops.cicd_pipelines import RUNNING, Action

Document = dict[str, Any]
LISTED = 50  # executions in a page of the list
_GATHERED = 10  # executions of one pipeline that run, with all that their rows of stages say


@dataclass(frozen=True)
class Shown:
    """An execution with all that its row of stages says."""

    pipeline: str
    identity: str
    status: str
    said: str  # why it has this status, or was stopped
    summary: Document  # ListPipelineExecutions' entry, or of an old one GetPipelineExecution's
    execution: Document  # GetPipelineExecution's
    declared: list[Document]  # stages of the version that it runs
    stages: list[Stage]
    runs: list[Action]
    commit: Commit | None
    packages: list[tuple[str, str]]  # group and version

    @property
    def running(self) -> bool:
        return self.status in RUNNING

    @property
    def works(self) -> bool:
        """Whether it goes on by itself: it runs, and waits neither for a person nor for its turn."""
        asked = any(run.waits for run in self.runs) and not any(
            run.status == "InProgress" and not run.waits for run in self.runs
        )
        return self.running and not asked and not any(stage.waiting for stage in self.stages)

    @property
    def began(self) -> datetime | None:
        """GetPipelineExecution does not tell it, so of one that is not listed it is that of its first action."""
        return self.summary.get("startTime") or min((run.started for run in self.runs), default=None)

    @property
    def ended(self) -> datetime | None:
        """None while it runs."""
        if self.running:
            return None
        return self.summary.get("lastUpdateTime") or max((run.ended for run in self.runs), default=None)

    @property
    def short(self) -> str:
        return self.identity[:8]


@dataclass(frozen=True)
class Glance:
    """A pipeline: its newest executions, and those of them that are drawn."""

    name: str
    mode: str
    executions: list[Document]  # ListPipelineExecutions' first page
    older: str  # the token of its next page; "" after the last
    shown: list[Shown]
    state: list[Document]  # GetPipelineState's stages


@dataclass(frozen=True)
class Approval:
    """A manual approval that waits, with what its answer needs."""

    shown: Shown
    action: Action
    token: str

    @property
    def after(self) -> Document | None:
        return flow.following(self.shown.declared, self.action.stage)


def project() -> str:
    """What the names of the project's pipelines begin with."""
    return os.environ.get(PROJECT) or "mlops"


@account.kept
def pipelines() -> list[Document]:
    """ListPipelines' entries, the project's own first; of the others those that changed last."""
    pages = account.client("codepipeline").get_paginator("list_pipelines").paginate()
    found = [each for page in pages for each in page["pipelines"]]
    ours = [each for each in found if mine(each["name"])]
    others = [each for each in found if not mine(each["name"])]
    return [
        *sorted(ours, key=lambda each: str(each["name"])),
        *sorted(others, key=lambda each: each["updated"], reverse=True),
    ]


def mine(name: str) -> bool:
    return name.startswith(f"{project()}-")


@account.kept
def executions(pipeline: str, token: str) -> Document:
    """A further page of ListPipelineExecutions, the newest first. Raises LookupError when there is no such pipeline."""
    return _executions(account.client("codepipeline"), pipeline, token)


def _executions(codepipeline: Any, pipeline: str, token: str) -> Document:
    more = {"nextToken": token} if token else {}
    try:
        return dict(codepipeline.list_pipeline_executions(pipelineName=pipeline, maxResults=LISTED, **more))
    except codepipeline.exceptions.PipelineNotFoundException:
        raise LookupError(f"There is no pipeline {pipeline} here: `mlops cicd up` makes the project's.") from None


@account.kept
def glance(pipeline: str) -> Glance:
    """What runs in a pipeline, else its newest execution. Raises LookupError when there is no such pipeline."""
    codepipeline = account.client("codepipeline")
    with ThreadPoolExecutor() as pool:
        state = pool.submit(codepipeline.get_pipeline_state, name=pipeline)
        page = _executions(codepipeline, pipeline, "")
        listed, now = page["pipelineExecutionSummaries"], state.result()["stageStates"]
        shown = list(pool.map(lambda each: _shown(codepipeline, pipeline, each, now), _chosen(listed, now)))
    return Glance(
        name=pipeline,
        mode=listed[0].get("executionMode", "") if listed else "",
        executions=listed,
        older=page.get("nextToken", ""),
        shown=shown,
        state=now,
    )


def _chosen(listed: list[Document], state: list[Document]) -> list[Document]:
    """What is in a stage now, then what else runs; the newest where nothing does."""
    by_id = {each["pipelineExecutionId"]: each for each in listed}
    inside = [
        latest["pipelineExecutionId"]
        for stage in reversed(state)
        if (latest := stage.get("latestExecution", {})).get("status") in RUNNING
    ]
    waiting = [each["pipelineExecutionId"] for each in listed if each["status"] in RUNNING]
    found = [by_id.get(each, {"pipelineExecutionId": each}) for each in dict.fromkeys([*inside, *waiting])]
    return found[:_GATHERED] or listed[:1]


@account.kept
def execution(pipeline: str, identity: str) -> Shown:
    """Raises LookupError when there is none of that id."""
    codepipeline = account.client("codepipeline")
    state = codepipeline.get_pipeline_state(name=pipeline)["stageStates"]
    return _shown(codepipeline, pipeline, {"pipelineExecutionId": identity}, state)


def _shown(codepipeline: Any, pipeline: str, summary: Document, state: list[Document]) -> Shown:
    identity = summary["pipelineExecutionId"]
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(cicd_pipelines.runs, codepipeline, pipeline, identity)
        try:
            found = codepipeline.get_pipeline_execution(pipelineName=pipeline, pipelineExecutionId=identity)
        except codepipeline.exceptions.PipelineExecutionNotFoundException:
            raise LookupError(
                f"{pipeline} has no execution {identity}: CodePipeline forgets them after a year, or it is another's."
            ) from None
        described = found["pipelineExecution"]
        version = described.get("pipelineVersion")
        declared = codepipeline.get_pipeline(name=pipeline, **({"version": version} if version else {}))
        runs = listed.result()
    return Shown(
        pipeline=pipeline,
        identity=identity,
        status=described["status"],
        said=described.get("statusSummary") or summary.get("stopTrigger", {}).get("reason", ""),
        summary=described | summary,
        execution=described,
        declared=declared["pipeline"]["stages"],
        stages=flow.stages(declared["pipeline"]["stages"], runs, state, identity),
        runs=runs,
        commit=flow.commit(runs, described | summary),
        packages=flow.about(described),
    )


def approvals(glances: Sequence[Glance]) -> list[Approval]:
    """Of what is drawn.

    In the mode PARALLEL, where GetPipelineState shows one execution alone, an action's token is its external id
    (PutApprovalResult's reference).
    """
    return [
        Approval(shown, run, token)
        for each in glances
        for shown in each.shown
        for run in shown.runs
        if run.waits and (token := _token(each, run))
    ]


def _token(glance: Glance, run: Action) -> str:
    if glance.mode == "PARALLEL":
        return run.external
    for stage in glance.state:
        if (stage["stageName"], stage.get("latestExecution", {}).get("pipelineExecutionId")) == (
            run.stage,
            run.execution,
        ):
            tokens = {
                each["actionName"]: each.get("latestExecution", {}).get("token", "") for each in stage["actionStates"]
            }
            return tokens.get(run.name, "")
    return ""


@account.kept
def serving(endpoint: str) -> list[tuple[str, str]]:
    """Group and version of what an endpoint serves. Raises LookupError when there is none of that name."""
    containers = served.containers(account.client("sagemaker"), endpoint)
    return flow.packages(" ".join(each.get("ModelPackageName", "") for each in containers))


def endpoint(use_case: str, stage: str) -> str:
    """The endpoint of this account that a delivery's stage is for, by deploy/stages.yml; "" where it names none."""
    try:
        declared = stages.of(use_case).get(stage.lower())
    except ValueError:  # a file that says something wrong; whoever deploys is told
        return ""
    return names.endpoint_name(use_case, declared.name) if declared and not declared.account else ""


@account.kept
def declaration(pipeline: str) -> Document:
    """GetPipeline's pipeline as it is now."""
    return dict(account.client("codepipeline").get_pipeline(name=pipeline)["pipeline"])
