"""Executions of pipelines as lines of text, for the terminal that pushed and for whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
Call = Callable[[str, str, Document], Document]  # a service (codepipeline, codebuild), its operation, the request
Write = Callable[[str], None]
_POLL_SECONDS = 0.5
_RUNNING = ("InProgress", "Stopping")
_PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")  # a user's own; the others take no time to speak of


def follow(call: Call, started: list[Document], write: Write) -> bool:
    """Writes what executions do until each has ended or waits for a person; whether none of them failed.

    `started`: [{"pipelineName", "pipelineExecutionId"}].
    """
    views = [_View(call, one["pipelineName"], one["pipelineExecutionId"], write) for one in started]
    while sum(view.update() for view in views):
        time.sleep(_POLL_SECONDS)
    return not any(view.failed for view in views)


class _View:
    def __init__(self, call: Call, pipeline: str, execution: str, write: Write) -> None:
        self._call, self._pipeline, self._execution, self._write = call, pipeline, execution, write
        self._seen: dict[str, str] = {}  # action execution id -> what was last said of it
        self._phases: dict[str, str] = {}  # build id -> the phase that was said last
        self._over = False
        self.failed = False

    def update(self) -> bool:
        """Writes what changed; whether there will be more."""
        if self._over:
            return False
        named = {"pipelineName": self._pipeline, "pipelineExecutionId": self._execution}
        # First how the execution is, so that what its last action said is there when it has ended.
        execution = self._call("codepipeline", "GetPipelineExecution", named)["pipelineExecution"]
        wanted = {"pipelineName": self._pipeline, "filter": {"pipelineExecutionId": self._execution}}
        found = self._call("codepipeline", "ListActionExecutions", wanted)["actionExecutionDetails"]
        actions = list(reversed(found))
        for action in actions:
            self._show(action)
        if execution["status"] not in _RUNNING:
            self._end(execution)
            return False
        open_ones = [action for action in actions if action["status"] == "InProgress"]
        if open_ones and all(_is_approval(action) for action in open_ones):
            self._approval(open_ones)
            return False
        return bool(open_ones) or self._goes_on()

    def _show(self, action: Document) -> None:
        identity, status = action["actionExecutionId"], action["status"]
        if self._seen.get(identity) == status:
            if status == "InProgress" and action["input"]["actionTypeId"]["provider"] == "CodeBuild":
                self._phase(action)
            return
        began = identity not in self._seen
        self._seen[identity] = status
        where = f"{action['stageName']}/{action['actionName']}"
        result = action["output"].get("executionResult", {})
        if status == "InProgress":
            if not _is_approval(action):
                self._line(f"{where}: started")
            return
        seconds = action["lastUpdateTime"] - action["startTime"]
        took = "" if began and seconds < 1 else f" after {_duration(seconds)}"
        summary = result.get("externalExecutionSummary", "").split("\n")[0]
        if status != "Failed":
            self._line(f"{where}: {status.lower()}{took}" + (f" ({summary})" if summary else ""))
            return
        self._line(f"{where}: FAILED{took}")
        for line in result.get("errorDetails", {}).get("message", summary).split("\n"):
            self._line(f"    {line}")
        if build := result.get("externalExecutionId", ""):
            self._line(f"    whole log: {log_command(build)}")

    def _phase(self, action: Document) -> None:
        """Which phase a build has come to: it may take minutes."""
        build = action["output"].get("executionResult", {}).get("externalExecutionId")
        found = self._call("codebuild", "BatchGetBuilds", {"ids": [build]})["builds"] if build else []
        phase = found[0].get("currentPhase", "") if found else ""
        if phase in _PHASES and self._phases.get(build) != phase:
            self._phases[build] = phase
            self._line(f"{action['stageName']}/{action['actionName']}: {phase.lower()}")

    def _end(self, execution: Document) -> None:
        self._over = True
        self.failed = execution["status"] not in ("Succeeded", "Superseded")
        said = f": {execution['statusSummary']}" if execution.get("statusSummary") else ""
        self._line(f"{execution['status']}{said} (execution {self._execution})")
        if execution["status"] == "Failed":
            self._line(f"what it did: aws codepipeline get-pipeline-state --name {self._pipeline}")

    def _approval(self, waiting: list[Document]) -> None:
        self._over = True
        for action in waiting:
            given = action["input"].get("resolvedConfiguration", {})
            self._line(f"{action['stageName']}/{action['actionName']}: waits for an approval")
            for text in (given.get("CustomData", ""), given.get("ExternalEntityLink", "")):
                if text:
                    self._line(f"    {text}")
            self._line("    answer it: mlops cicd approve, or aws codepipeline put-approval-result")

    def _goes_on(self) -> bool:
        """Between two stages: says what the execution waits for; False when only a person can let it go on."""
        for stage in self._call("codepipeline", "GetPipelineState", {"name": self._pipeline})["stageStates"]:
            if self._execution not in [one["pipelineExecutionId"] for one in stage.get("inboundExecutions", [])]:
                continue
            closed = not stage["inboundTransitionState"]["enabled"]
            before = stage.get("latestExecution", {}).get("pipelineExecutionId", "")
            asked = any("token" in action.get("latestExecution", {}) for action in stage["actionStates"])
            if closed:
                said = f"the transition into it is disabled: {stage['inboundTransitionState'].get('disabledReason')}"
            else:
                said = f"the execution {before} is in it" + (" and waits for an approval" if asked else "")
            if self._seen.get(stage["stageName"]) != said:
                self._seen[stage["stageName"]] = said
                self._line(f"waits for the stage {stage['stageName']}: {said}")
            self._over = closed or asked
        return not self._over

    def _line(self, text: str) -> None:
        self._write(f"[{self._pipeline}] {text}")


def log_command(build: str) -> str:
    """How a build's log is read: CodeBuild's default group and stream are named after project and build."""
    project, _, stream = build.partition(":")
    return f"aws logs tail /aws/codebuild/{project} --log-stream-names {stream} --since 1d" if stream else build


def _is_approval(action: Document) -> bool:
    return bool(action["input"]["actionTypeId"]["category"] == "Approval")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
