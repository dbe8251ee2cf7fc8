"""`mlops logs`: what a step's job or an endpoint's containers printed, from CloudWatch Logs on either target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    """Following ends with the execution, or with the one step. Raises LookupError when there was nothing to show."""
    sagemaker = target.client("sagemaker")
    arn = executions.find(sagemaker, use_case, execution)
    tails: dict[str, Tail] = {}
    heading, going = "", True
    while going:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        found = executions.steps(sagemaker, arn)
        chosen = [each for each in found if each.job and step in (None, each.name)]
        # Asked before reading: what came meanwhile is printed, too.
        going = follow and status in executions.RUNNING and not (step and any(not each.running for each in chosen))
        for each in chosen:
            for group, prefix in executions.log_streams(target, each):
                tail = tails.setdefault(prefix, Tail(target.client("logs"), group, prefix))
                for stream, line in tail.read():
                    # The trials of a tuning step are jobs of their own.
                    title = f"{each.name}: {executions.log_link(target, group, stream.split('/')[0] + '/')}"
                    if title != heading:
                        console.note(heading := title)
                    console.say(line)
        if going:
            time.sleep(target.poll)
    if not tails:
        jobs = ", ".join(each.name for each in found if each.job) or "none yet"
        raise LookupError(f"No log of {step or 'any step'} in {arn}. Steps that ran a job: {jobs}.")


def endpoint(target: Target, use_case: str, stage: str, *, follow: bool) -> None:
    """Raises LookupError where there is no log to show."""
    name = names.endpoint_name(use_case, stage)
    group = f"/aws/sagemaker/Endpoints/{name}"
    tail = Tail(target.client("logs"), group, "")
    console.note(executions.log_link(target, group, ""))
    while True:
        for _, line in tail.read():
            console.say(line)
        if not tail.tokens and not follow:
            raise LookupError(f"There is no log of endpoint {name}: mlops deploy makes the endpoint.")
        if not follow:
            return
        time.sleep(target.poll)
