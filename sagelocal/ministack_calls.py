"""EventBridge Scheduler's universal targets, for SageMaker's operations: runs inside MiniStack's process.

MiniStack 1.5 only warns that it knows no such target. Here `arn:aws:scheduler:::aws-sdk:sagemaker:<operation>` calls
sagelocal with the target's Input. As on AWS a call that is refused is tried again, for as long as the target's
RetryPolicy says; a refusal that no waiting changes, such as of a resource that is gone, ends it at once here. What
has not been taken yet is on disk, and tried again after a kill: as on AWS, a target is called at least once.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sagelocal.ministack_triggers import post

log = logging.getLogger(__name__)
Document = dict[str, Any]
Call = Callable[[str, str, Mapping[str, Any]], None]  # operation, input, retry policy
_SAVED = "sagelocal_calls"  # what is still to be called, beside MiniStack's own state files
_PREFIX = "arn:aws:scheduler:::aws-sdk:sagemaker:"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between two attempts
_ATTEMPTS, _SECONDS = 185, 86400  # EventBridge Scheduler's defaults of a RetryPolicy, and the most that one may say
_PASSING = ("in-progress", "in progress", "is busy")  # what sagelocal says of a resource that is just being changed


def install(call: Call) -> None:
    from ministack.services import eventbridge

    invoke, pending = eventbridge._invoke_target, _Pending(call)

    def invoke_target(target: Document, event: Document, rule: Document, view: Any = None) -> None:
        arn = str(target.get("Arn", ""))
        if not arn.startswith(_PREFIX):
            invoke(target, event, rule, view)
            return
        pending.add(operation(arn), str(target.get("Input") or "{}"), target.get("RetryPolicy") or {})

    eventbridge._invoke_target = invoke_target
    pending.resume()


class _Pending:
    """Calls that were not taken yet, kept on disk; each in a thread of its own."""

    def __init__(self, call: Call) -> None:
        from ministack.core import persistence

        self._call = call
        self._all: dict[str, list[Any]] = persistence.load_state(_SAVED) or {}
        self._lock = threading.Lock()

    def add(self, name: str, given: str, policy: Mapping[str, Any]) -> None:
        key = uuid.uuid4().hex
        with self._lock:
            self._all[key] = [name, given, dict(policy)]
            self._save()
        self._start(key)

    def resume(self) -> None:
        for key in list(self._all):
            self._start(key)

    def _start(self, key: str) -> None:
        threading.Thread(target=self._run, args=(key,), name="universal-target", daemon=True).start()

    def _run(self, key: str) -> None:
        self._call(*self._all[key])
        with self._lock:
            del self._all[key]
            self._save()

    def _save(self) -> None:
        from ministack.core import persistence

        persistence.save_state(_SAVED, self._all)


def operation(arn: str) -> str:
    """`DeleteEndpoint` for `arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint`."""
    name = arn.removeprefix(_PREFIX)
    return name[:1].upper() + name[1:]


def caller(port: int, access_key: str, pause: float = _FIRST_PAUSE) -> Call:
    """Calls sagelocal's API on `port`; `pause` is the first one between two attempts, in seconds."""

    def call(name: str, given: str, policy: Mapping[str, Any]) -> None:
        attempts = int(policy.get("MaximumRetryAttempts", _ATTEMPTS))
        deadline = time.monotonic() + int(policy.get("MaximumEventAgeInSeconds", _SECONDS))
        wait = pause
        for _ in range(attempts + 1):
            refusal, passing = _attempt(port, access_key, name, given)
            if not refusal:
                return
            if not passing or time.monotonic() + wait > deadline:
                break
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_PAUSE)
        log.error("a schedule could not call %s with %s: %s", name, given, refusal)

    return call


def _attempt(port: int, access_key: str, name: str, given: str) -> tuple[str, bool]:
    """What was said against it, and whether that passes."""
    try:
        request = json.loads(given)
    except ValueError as error:
        return f"its Input is no JSON: {error}", False
    try:
        refusal = post(port, access_key, name, request)
    except (OSError, http.client.HTTPException) as error:
        return str(error), True
    return refusal, any(words in refusal.lower() for words in _PASSING)
