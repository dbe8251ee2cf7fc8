"""Sends random requests to a sagelocal of its own and looks whether it still stands.

    python tests/robustness/fuzz.py [--requests 10000] [--seed 0] [--threads 8]

No answer may be a 5xx or take longer than a minute, every answer must parse with botocore, and afterwards each resource
that a List names can be described, a pipeline runs through, and the log has no traceback. Prints each finding with the
request that shows it and exits with 1 when there is one.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import http.client
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fuzz_hints as hints
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from fuzz_shapes import MODES, Requests

from sagelocal import config, server
from sagelocal.api.model import operation_model, operation_names
from sagelocal.api.operations import handlers
from sagelocal.api.resources import RESOURCES, Resource
from sagelocal.config import Settings

_TIMEOUT = 60.0  # seconds; an answer that takes longer is a wedge
_UNKNOWN = 0.03  # share of operations that the model has and sagelocal has not


@dataclass
class Result:
    sent: int = 0
    codes: collections.Counter[str] = field(default_factory=collections.Counter)
    accepted: collections.Counter[str] = field(default_factory=collections.Counter)
    findings: list[str] = field(default_factory=list)


class Wire:
    """One connection that sends what botocore would, but checks nothing before."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parser = create_parser("json")

    def send(self, operation: str, request: Any) -> tuple[int, dict[str, Any], str]:
        """HTTP status, the answer as botocore reads it, and the error's code or ""."""
        connection = http.client.HTTPConnection("127.0.0.1", self._settings.port, timeout=_TIMEOUT)
        try:
            headers = {
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"SageMaker.{operation}",
                "Authorization": f"AWS4-HMAC-SHA256 Credential={self._settings.access_key}/20260101/x/y/z",
            }
            connection.request("POST", "/", json.dumps(request), headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        shape = operation_model("sagemaker", operation).output_shape
        raw = {"status_code": answer.status, "headers": dict(answer.headers), "body": body}
        parsed = self._parser.parse(raw, shape)
        return answer.status, parsed, str(parsed.get("Error", {}).get("Code", ""))


def fuzz(settings: Settings, count: int, seed: int, threads: int) -> Result:
    result, lock = Result(), threading.Lock()
    seen: dict[str, list[Any]] = {}
    known = sorted(handlers())
    making = sorted(hints.templates(settings)) * 2  # what others need is made more often
    unknown = sorted(operation_names("sagemaker") - set(known))

    def work(number: int) -> None:
        chance = random.Random(f"{seed}/{number}")
        maker, wire = Requests(chance, hints.hints(settings), hints.templates(settings), seen), Wire(settings)
        for _ in range(count // threads + (number < count % threads)):
            operation = chance.choice(unknown if chance.random() < _UNKNOWN else known + making)
            mode = chance.choices(MODES, weights=(5, 2, 3))[0]
            request = maker.request(operation_model("sagemaker", operation), mode)
            finding, code, answer = _try(wire, operation, request)
            maker.learn(answer)
            with lock:
                result.sent += 1
                result.codes[code or "accepted"] += 1
                if not code:
                    result.accepted[operation] += 1
                if finding:
                    result.findings.append(f"{finding}\n  {operation} {json.dumps(request)[:2000]}")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return result


def _try(wire: Wire, operation: str, request: Any) -> tuple[str, str, dict[str, Any]]:
    """What is wrong with the answer, "" when nothing is; its error code; and the answer."""
    try:
        status, answer, code = wire.send(operation, request)
    except TimeoutError:
        return f"no answer within {_TIMEOUT:g} s", "wedge", {}
    except Exception as error:  # a closed connection, an answer that does not parse
        return f"{type(error).__name__}: {error}", "broken", {}
    if status >= 500:
        return f"status {status}: {answer['Error'].get('Message')}", code, {}
    if status != 200 and not (code and answer["Error"].get("Message")):
        return f"status {status} without a code or a message", code, {}
    return "", code, {} if code else answer


def broken(settings: Settings) -> Iterator[str]:
    """What a client finds wrong with the state afterwards."""
    for resource in RESOURCES.values():
        if {f"List{resource.kind}s", f"Describe{resource.kind}"} <= handlers().keys():
            yield from _undescribed(settings, resource)
    yield from _pipeline_runs(settings)
    log = (settings.state / "server.log").read_text(errors="replace")
    if "Traceback" in log:
        yield "server.log has a traceback: " + log[log.index("Traceback") :][:3000]


def _undescribed(settings: Settings, resource: Resource) -> Iterator[str]:
    """What a List names and a Describe refuses; what ended meanwhile is still there, so nothing may be missing."""
    sagemaker = settings.client("sagemaker")
    describe = getattr(sagemaker, xform_name(f"Describe{resource.kind}"))
    (key, *_) = operation_model("sagemaker", f"Describe{resource.kind}").input_shape.required_members or [""]
    listing = xform_name(f"List{resource.kind}s")
    with contextlib.suppress(ParamValidationError):  # a List that needs a parent's name
        pages = (
            sagemaker.get_paginator(listing).paginate()
            if sagemaker.can_paginate(listing)
            else [getattr(sagemaker, listing)()]
        )
        for summary in (one for page in pages for one in page[resource.summaries]):
            try:
                describe(**{key: summary.get(key) or summary[resource.arn_field]})
            except ClientError as error:
                yield f"Describe{resource.kind} of {summary}: {error}"


def _pipeline_runs(settings: Settings) -> Iterator[str]:
    sagemaker = settings.client("sagemaker")
    steps = [
        {"Name": "Yes", "Type": "Condition", "Arguments": {"Conditions": [hints.TRUE], "IfSteps": [], "ElseSteps": []}}
    ]
    document = json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": steps})
    token = "a" * 40
    sagemaker.create_pipeline(
        PipelineName="afterwards", ClientRequestToken=token, RoleArn=settings.role_arn, PipelineDefinition=document
    )
    arn = sagemaker.start_pipeline_execution(PipelineName="afterwards", ClientRequestToken=token)[
        "PipelineExecutionArn"
    ]
    deadline = time.monotonic() + _TIMEOUT
    while (
        status := sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
    ) == "Executing":
        if time.monotonic() > deadline:
            yield f"{arn} is still Executing after {_TIMEOUT:g} s"
            return
        time.sleep(0.05)
    if status != "Succeeded":
        yield f"{arn} ended {status}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder) / "state")
        server.up(settings)
        try:
            started = time.monotonic()
            result = fuzz(settings, arguments.requests, arguments.seed, arguments.threads)
            seconds = time.monotonic() - started
            result.findings += broken(settings)
        finally:
            server.down(settings)
    for finding in result.findings[:50]:
        print(finding)
    print(
        f"{result.sent} requests in {seconds:.0f} s, {sum(result.accepted.values())} accepted by "
        f"{len(result.accepted)} operations, {len(result.findings)} findings"
    )
    print(", ".join(f"{code} {count}" for code, count in result.codes.most_common()))
    raise SystemExit(bool(result.findings))


if __name__ == "__main__":
    main()
