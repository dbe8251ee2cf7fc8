"""`mlops logs`: what a step's job or an endpoint's containers printed, from CloudWatch Logs on either target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deploy import names
from mlops import console, executions
from mlops.targets import Target


@dataclass
class Tail:
    """Reads the streams of a group whose names start with a prefix, each event once."""

    logs: Any
    group: str
    prefix: str
    tokens: dict[str, str] = field(default_factory=dict)

    def read(self) -> Iterator[tuple[str, str]]:
        """(stream, line) of all events that came since the last call, stream by stream."""
        for stream in self._streams():
            yield from ((stream, line) for line in self._lines(stream))

    def _streams(self) -> list[str]:
        pages = self.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=self.group, **({"logStreamNamePrefix": self.prefix} if self.prefix else {})
        )
        try:
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []

    def _lines(self, stream: str) -> Iterator[str]:
        while True:
            token = {"nextToken": self.tokens[stream]} if stream in self.tokens else {"startFromHead": True}
            page = self.logs.get_log_events(logGroupName=self.group, logStreamName=stream, **token)
            yield from (event["message"].rstrip("\n") for event in page["events"])
            # CloudWatch Logs: the end is reached when the token comes back as it was sent.
            if page["nextForwardToken"] == self.tokens.get(stream):
                return
            self.tokens[stream] = page["nextForwardToken"]


def steps(target: Target, use_case: str, step: str | None, execution: str | None, *, follow: bool) -> None:
    """Raises LookupError for a step that the execution doesn't have, or when no step has a job yet."""
    sagemaker = target.client("sagemaker")
    arn = executions.find(sagemaker, use_case, execution)
    found = executions.steps(sagemaker, arn)
    chosen = [each for each in found if each.job and step in (None, each.name)]
    if not chosen:
        jobs = ", ".join(each.name for each in found if each.job) or "none yet"
        raise LookupError(f"No log of {step or 'any step'} in {arn}. Steps that ran a job: {jobs}.")
    for each in chosen:
        for group, prefix in executions.log_streams(target, each):
            console.note(f"{each.name} ({each.shown_status}): {executions.log_link(target, group, prefix)}")
            tail = Tail(target.client("logs"), group, prefix)
            _show(tail, target.poll, partial(_runs, target, arn, each.name) if follow else lambda: False)


def endpoint(target: Target, use_case: str, stage: str, *, follow: bool) -> None:
    group = f"/aws/sagemaker/Endpoints/{names.endpoint_name(use_case, stage)}"
    console.note(executions.log_link(target, group, ""))
    _show(Tail(target.client("logs"), group, ""), target.poll, lambda: follow)


def _runs(target: Target, execution: str, step: str) -> bool:
    return any(each.running for each in executions.steps(target.client("sagemaker"), execution) if each.name == step)


def _show(tail: Tail, poll: float, more: Callable[[], bool]) -> None:
    """Prints until `more` says that nothing will come; what came while it was asked is printed too."""
    going = True
    while going:
        going = more()
        for _, line in tail.read():
            console.say(line)
        if going:
            time.sleep(poll)
