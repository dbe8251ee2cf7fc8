"""Which AWS calls the loop makes, and as whom: what CodeBuild's roles, jobs and functions would have to be allowed.

A botocore hook sees every call of the test process. Who makes it is the outermost of the files below on its stack: a
release asks the registry with the same functions as a build.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_KEPT = 4  # resources of an action; more tell nothing new
# Who acts where; a folder stands for all its files but those that are named.
ACTORS = {
    "mlops/cicd_build.py": "build",
    "mlops/cicd_release.py": "release",
    "mlops/deployment.py": "release",
    "deploy/apply.py": "release",
    "deploy/resources.py": "release",
    "deploy/state.py": "release",
    "mlops/cicd_test.py": "test",
    "mlops/cicd_comparison.py": "test",
    "deploy/staging_tests.py": "test",
    "deploy/lambda/": "function",
    "processing/": "execution",
    "training/": "execution",
    "evaluation/abtest": "person",  # no job: mlops/abtest.py starts it
    "evaluation/": "execution",
    # A person's commands go on with the person's own permissions.
    "mlops/cli.py": "",
    "mlops/commands/": "",
    "dashboard/": "person",
    "mlops/": "person",
}

ROLES = {"build": "BuildRole", "release": "ReleaseRole", "test": "TestRole", "execution": "ExecutionRole"}


@dataclass(frozen=True)
class Call:
    actor: str
    service: str  # botocore's
    operation: str
    params: Mapping[str, Any]


CALLS: list[Call] = []


def record(folder: Path) -> None:
    """Adds to `recorded.json` what was not there: run the tests of the loop with MLOPS_RECORD_CALLS=1."""
    import iam_requests as table

    file = folder / "recorded.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    for call in CALLS:
        for each in table.of(call.service, call.operation, call.params):
            entry = {"resource": _named(each.resource), **({"context": dict(each.context)} if each.context else {})}
            kept = found.setdefault(call.actor, {}).setdefault(each.action, [])
            if entry not in kept and len(kept) < _KEPT:
                kept.append(entry)
    ordered = {actor: {action: found[actor][action] for action in sorted(found[actor])} for actor in sorted(found)}
    file.write_text(json.dumps(ordered, indent=1) + "\n")


def refused() -> list[str]:
    """Of the recorded calls, those that no statement of their role allows, whatever the resource: tests name theirs
    freely. Forgets the calls. Raises `iam_requests.Unknown` for a call that isn't in the table.
    """
    import iam_requests as table

    calls = CALLS[:]
    CALLS.clear()  # before anything is raised: the next test is not to hear of it too
    made = {(call.actor, each.action) for call in calls for each in table.of(call.service, call.operation, call.params)}
    return sorted(f"{actor} calls {action}" for actor, action in made if action not in _allowed()[actor])


@functools.cache
def _allowed() -> dict[str, set[str]]:
    from iam_policies import actions, statements
    from iam_templates import Stack

    stack = Stack("baseline", {"StageAccountIds": "444455556666"})
    found = {actor: statements(stack, role) for actor, role in ROLES.items()}
    found["function"] = stack.properties("Boundary")["PolicyDocument"]["Statement"]
    return {actor: {action for action, _ in actions(every)} for actor, every in found.items()}


def _named(resource: str) -> str:
    """Without what a test adds to a use case's name, so that it has a pipeline of its own."""
    return re.sub(r"(pipeline|model-package-group|model-package)/([a-z]+)-[0-9a-f]{8}\b", r"\1/\2", resource)


def attach(session: Any) -> None:
    """For `botocore.register_initializer`: every session made from then on is watched."""
    session.register("provide-client-params", _record)


def _record(params: Mapping[str, Any], model: Any, **_: Any) -> None:
    if actor := _actor():
        CALLS.append(Call(actor, model.service_model.service_name, model.name, dict(params)))


def _actor() -> str | None:
    found = None
    for number, file in enumerate(each for each in _files() if each != "tests/permissions/iam_recorder.py"):
        if file.startswith("sagelocal/") or (number == 0 and file.startswith("tests/")):
            return None  # what stands in for AWS, and what a test sees to, is asked as itself
        found = next((who for where, who in ACTORS.items() if file.startswith(where)), None) or found
    return found if found != "person" else None


def _files() -> Iterator[str]:
    """Of the stack, the innermost first, as paths in the project."""
    frame = sys._getframe(1)
    root = f"{ROOT}/"
    while frame:
        name = frame.f_code.co_filename
        if name.startswith(root):
            yield name.removeprefix(root)
        frame = frame.f_back  # type: ignore[assignment]
