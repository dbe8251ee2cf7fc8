"""An execution of a CodePipeline as what a person asks of it: its stages, what started it, what it is about."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.cicd_pipelines import Action

Document = dict[str, Any]
_SHA = re.compile(r"[0-9a-f]{40}")
_PACKAGE = re.compile(r"arn:[\w-]+:sagemaker:[\w-]*:\d*:model-package/([^/\s]+)/(\d+)")
_EXECUTION = re.compile(r"arn:[\w-]+:sagemaker:[\w-]*:\d*:pipeline/([^/\s]+)/execution/(\w+)")


@dataclass(frozen=True)
class Step:
    """An action of a stage, with its runs in one execution."""

    name: str
    category: str
    provider: str
    runs: tuple[Action, ...]  # the newest first; none before its turn

    @property
    def status(self) -> str:
        return self.runs[0].status if self.runs else ""


@dataclass(frozen=True)
class Stage:
    name: str
    status: str  # "" where the execution did not get
    steps: tuple[Step, ...]
    disabled: str | None  # why nothing comes in, "" for no reason; None when the way is open
    waiting: bool  # this execution is at its door
    other: str  # id of the execution that was here last, where it is another one
    other_status: str  # of that one here


@dataclass(frozen=True)
class Commit:
    identity: str
    message: str
    author: str
    repository: str
    branch: str
    url: str

    @property
    def name(self) -> str:
        """`commit 1a2b3c4d`, or of a source that is no repository its revision."""
        return f"{'commit' if _SHA.fullmatch(self.identity) else 'revision'} {self.identity[:8]}"


def stages(
    declared: Sequence[Document], runs: Sequence[Action], state: Sequence[Document], execution: str
) -> list[Stage]:
    """`declared` as GetPipeline has them, `state` as GetPipelineState; `runs` are the execution's, the newest first."""
    now = {each["stageName"]: each for each in state}
    return [_stage(each, runs, now.get(each["name"], {}), execution) for each in declared]


def _stage(declared: Document, runs: Sequence[Action], state: Document, execution: str) -> Stage:
    steps = tuple(
        Step(
            name=each["name"],
            category=each["actionTypeId"]["category"],
            provider=each["actionTypeId"]["provider"],
            runs=tuple(run for run in runs if (run.stage, run.name) == (declared["name"], each["name"])),
        )
        for each in sorted(declared["actions"], key=lambda one: one.get("runOrder", 1))
    )
    latest, way = state.get("latestExecution", {}), state.get("inboundTransitionState", {})
    here = latest.get("pipelineExecutionId") == execution
    inbound = state.get("inboundExecutions") or [state.get("inboundExecution", {})]
    return Stage(
        name=declared["name"],
        status=latest["status"] if here else derived([step.status for step in steps]),
        steps=steps,
        disabled=None if way.get("enabled", True) else way.get("disabledReason", ""),
        waiting=execution in [each.get("pipelineExecutionId") for each in inbound],
        other="" if here else latest.get("pipelineExecutionId", ""),
        other_status="" if here else latest.get("status", ""),
    )


def derived(statuses: Sequence[str]) -> str:
    """A stage's status by those of its actions, for an execution that GetPipelineState does not show any more."""
    begun = [each for each in statuses if each]
    for status in ("InProgress", "Failed", "Abandoned"):
        if status in begun:
            return status
    if not begun:
        return ""
    return "Succeeded" if len(begun) == len(statuses) else "Stopped"


def trigger(execution: Mapping[str, Any]) -> str:
    """What started it, in words."""
    found = execution.get("trigger", {})
    kind, detail = found.get("triggerType", ""), found.get("triggerDetail", "")
    last = detail.rsplit("/", 1)[-1]
    target = execution.get("rollbackMetadata", {}).get("rollbackTargetPipelineExecutionId", "")
    if kind in ("WebhookV2", "Webhook", "PollForSourceChanges"):
        return f"push to {branch}" if (branch := _branch(detail)) else "push"
    words = {
        "CloudWatchEvent": f"rule {last}" if last else "an event",
        "StartPipelineExecution": f"by hand ({last})" if last else "by hand",
        "CreatePipeline": "the pipeline was made",
        "ManualRollback": f"rollback to {target[:8]}",
        "AutomatedRollback": f"automatic rollback to {target[:8]}",
        "PutActionRevision": "a revision was put",
    }
    return words.get(kind, kind or "unknown")


def _branch(detail: str) -> str:
    """Of a push's detail, where it says so in JSON; "" else."""
    try:
        reference = json.loads(detail)["reference"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(reference).removeprefix("refs/heads/").removeprefix("refs/tags/")


def commit(runs: Sequence[Action], execution: Mapping[str, Any]) -> Commit | None:
    """Of the first source action; its author is known where the source tells it as a variable."""
    revisions = execution.get("sourceRevisions") or execution.get("artifactRevisions") or []
    sources = [run for run in runs if run.category == "Source" and (run.variables or run.external)]
    if not revisions and not sources:
        return None
    revision = revisions[0] if revisions else {}
    told = sources[0].variables if sources else {}
    author = told.get("AuthorDisplayName") or told.get("AuthorEmail") or ""
    return Commit(
        identity=told.get("CommitId") or revision.get("revisionId") or (sources[0].external if sources else ""),
        message=(told.get("CommitMessage") or _message(revision.get("revisionSummary", ""))).strip(),
        author=author,
        repository=told.get("FullRepositoryName") or told.get("RepositoryName") or "",
        branch=told.get("BranchName", ""),
        url=revision.get("revisionUrl", ""),
    )


def _message(summary: str) -> str:
    """Providers of connections wrap the message in JSON: {"ProviderType": "GitHub", "CommitMessage": "…"}."""
    try:
        return str(json.loads(summary)["CommitMessage"])
    except (ValueError, KeyError, TypeError):
        return summary


def packages(text: str) -> list[tuple[str, str]]:
    """Group and version of each model package that a text names by its ARN, each once."""
    return list(dict.fromkeys(_PACKAGE.findall(text)))


def executions(text: str) -> list[tuple[str, str]]:
    """SageMaker pipeline and execution id of each execution that a text names by its ARN, each once."""
    return list(dict.fromkeys(_EXECUTION.findall(text)))


def about(execution: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The model packages among an execution's variables."""
    return packages(" ".join(str(each.get("resolvedValue", "")) for each in execution.get("variables", [])))


def following(declared: Sequence[Document], stage: str) -> Document | None:
    """The stage after another; None after the last."""
    names = [each["name"] for each in declared]
    after = names.index(stage) + 1 if stage in names else len(names)
    return declared[after] if after < len(names) else None
