"""The post-receive hook of a local repository: `python -m sagelocal.cicd.hook NAME`, references on standard input.

git has taken the push when this runs, whatever it says. Tells sagelocal to look, then shows what that started.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import sys
from typing import Any

from sagelocal import config
from sagelocal.cicd import progress
from sagelocal.config import LOOPBACK, Settings
from sagelocal.ministack_gate import TOKEN_HEADER

Document = dict[str, Any]
PUSHES = "/_sagelocal/pushes"
_REQUEST_SECONDS = 60.0
_TARGETS = {"codepipeline": "CodePipeline_20150709", "codebuild": "CodeBuild_20161006"}


def main() -> int:
    settings, name = config.load(), sys.argv[1]
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a path may be no UTF-8
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    moved = [line.rstrip("\n").split(" ", 2) for line in sys.stdin]
    references = [reference for _, after, reference in moved if set(after) != {"0"}]  # zeros: it was deleted
    try:
        found = notify(settings, name, references)
    except (OSError, http.client.HTTPException) as error:
        _write(f"The push is kept, but sagelocal does not answer ({error}).")
        _write("`mlops up` starts it, and it then starts what this push triggers.")
        return 0
    try:
        started = _say(found) if references else []
        if started and not _asked("nowait"):
            _write("Ctrl-C ends this view, not the pipeline.")
            progress.follow(functools.partial(_call, settings), started, _write)
    except (OSError, http.client.HTTPException) as error:
        _write(f"sagelocal does not answer any more ({error}); `mlops up` starts it, and the pipelines go on.")
    except KeyboardInterrupt:
        pass
    return 0


def _say(found: Document) -> list[Document]:
    """Writes what a push started and what not; those that started."""
    for one in found["ignored"]:
        _write(f"[{one['pipelineName']}] not started: {one['why']}.")
    for one in found["started"]:
        _write(f"[{one['pipelineName']}] " + one.get("error", f"execution {one.get('pipelineExecutionId')} started"))
    if not found["started"] and not found["ignored"]:
        _write("No pipeline is started by pushes to this repository; `mlops cicd up` loads the template's.")
    return [one for one in found["started"] if "pipelineExecutionId" in one]


def _asked(option: str) -> bool:
    """Whether `git push -o OPTION` was said."""
    count = int(os.environ.get("GIT_PUSH_OPTION_COUNT", "0"))
    return option in [os.environ.get(f"GIT_PUSH_OPTION_{number}") for number in range(count)]


def _write(text: str) -> None:
    print(text, flush=True)


def notify(settings: Settings, name: str, references: list[str]) -> Document:
    """Has sagelocal look at its repositories: {"started": [...], "ignored": [...]}. Raises OSError."""
    headers = {TOKEN_HEADER: settings.internal_token, "Content-Type": "application/json"}
    return _post(settings, PUSHES, {"repository": name, "references": references}, headers)


def _call(settings: Settings, service: str, operation: str, request: Document) -> Document:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"{_TARGETS[service]}.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={settings.access_key}/20260101/-/{service}/aws4_request",
    }
    return _post(settings, "/", request, headers)


def _post(settings: Settings, path: str, request: Document, headers: dict[str, str]) -> Document:
    connection = http.client.HTTPConnection(LOOPBACK, settings.port, timeout=_REQUEST_SECONDS)
    try:
        connection.request("POST", path, json.dumps(request), headers)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"{answer.status} {body[:500]}")
    return dict(json.loads(body))


if __name__ == "__main__":
    sys.exit(main())
