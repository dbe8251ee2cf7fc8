"""What makes EventBridge's rules and schedules start CodePipeline's pipelines: runs inside MiniStack's process.

A target's Input or InputTransformer gives StartPipelineExecution's `variables` and `sourceRevisions`; without one the
event starts the pipeline as it is (CodePipeline's guide, source actions and EventBridge).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagelocal.ministack_gate import TOKEN_HEADER

log = logging.getLogger(__name__)
Document = dict[str, Any]
# StartPipelineExecution's request, and the ARN of what started it; whether sagelocal answered.
Start = Callable[[Document, str], bool]
STARTS = "/_sagelocal/pipeline-starts"
_PREFIX = "arn:aws:codepipeline:"
_GIVEN = ("variables", "sourceRevisions")
_REQUEST_SECONDS = 30.0
_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # before each attempt to reach sagelocal, which may be starting


class Starts:
    """Each start is on disk until sagelocal has answered it: the event that asks for it is delivered only once."""

    def __init__(self, folder: Path, start: Start) -> None:
        self._folder, self._start = folder, start
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, request: Document, rule: str) -> None:
        file = self._folder / f"{request['clientRequestToken']}.json"
        draft = file.with_suffix(".draft")
        with draft.open("w") as written:
            json.dump({"request": request, "rule": rule}, written)
            written.flush()
            os.fsync(written.fileno())
        draft.replace(file)
        self._run(file)

    def resume(self) -> None:
        """Goes on with those that a kill interrupted, or that found no sagelocal."""
        for file in sorted(self._folder.glob("*.json")):
            self._run(file)

    def _run(self, file: Path) -> None:
        threading.Thread(target=self._deliver, args=(file,), name="start-delivery", daemon=True).start()

    def _deliver(self, file: Path) -> None:
        kept = json.loads(file.read_text())
        if self._start(kept["request"], kept["rule"]):
            file.unlink(missing_ok=True)


def install(starts: Starts) -> None:
    from ministack.services import eventbridge

    invoke = eventbridge._invoke_target

    def invoke_target(target: Document, event: Document, rule: Document, view: Any = None) -> None:
        arn = str(target.get("Arn", ""))
        if not arn.startswith(_PREFIX):
            invoke(target, event, rule, view)
            return
        try:
            given = parsed(_input(eventbridge, target, event, rule, view))
        except ValueError as error:
            log.error("%s does not start %s: %s", rule.get("Arn"), arn, error)
            return
        # The same event to the same target starts one execution, however often it is delivered.
        identity = "\n".join([str(event["EventId"]), str(rule.get("Arn")), str(target.get("Id", "")), arn])
        token = hashlib.sha256(identity.encode()).hexdigest()
        request = {"name": arn.rsplit(":", 1)[1], "clientRequestToken": token, **given}
        starts.begin(request, str(rule.get("Arn", "")))

    eventbridge._invoke_target = invoke_target
    starts.resume()


def _input(eventbridge: Any, target: Document, event: Document, rule: Document, view: Any) -> str:
    if target.get("InputTransformer"):
        shown = view or eventbridge._pattern_event_view(event)
        return str(eventbridge._apply_input_transformer(target["InputTransformer"], rule, shown))
    return str(target.get("Input") or "")


def parsed(text: str) -> Document:
    """StartPipelineExecution's members in a target's input; others say nothing to it. Raises ValueError."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"its input is not JSON ({error}): {text[:500]}") from error
    if not isinstance(found, dict):
        raise ValueError(f"its input is no JSON object: {text[:500]}")
    return {member: found[member] for member in _GIVEN if found.get(member)}


def starter(port: int, token: str) -> Start:
    """Starts pipelines by sagelocal on `port`; tries again while it isn't there."""

    def start(request: Document, rule: str) -> bool:
        refusal, answered = "", False
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                refusal = _post(port, token, {"request": request, "rule": rule})
            except (OSError, http.client.HTTPException) as error:
                refusal = str(error)
                continue
            answered = True
            break
        if refusal:
            log.error("%s could not start the pipeline %s: %s", rule, request["name"], refusal)
        return answered

    return start


def _post(port: int, token: str, body: Document) -> str:
    """What sagelocal says against it. Raises OSError when it is not there or fails."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)
    try:
        headers = {"Content-Type": "application/json", TOKEN_HEADER: token}
        connection.request("POST", STARTS, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status >= 500:
        raise OSError(f"{answer.status} {text[:500]}")
    return "" if answer.status == 200 else text[:500]
