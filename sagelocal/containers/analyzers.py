"""Images with an entrypoint of their own for Processing jobs: they run the project's `evaluation/` scripts.

That is sagelocal's one import across the folders, and it is none: the folder is bound into the sandbox, and
`inside/monitor.py` runs the script there by path like a user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from sagelocal.containers import clarify, family, model_monitor

_EVALUATION = Path(__file__).resolve().parents[2] / "evaluation"
_PROGRAM = Path(__file__).resolve().parent / "inside"
_BINDS = {"/opt/sagelocal/evaluation": _EVALUATION, "/opt/sagelocal/monitor": _PROGRAM}
_ANALYZERS = {each.NAME: each for each in (model_monitor, clarify)}


def find(image_uri: str) -> ModuleType | None:
    """The module of an analyzer's image, None for every other. Raises AwsError for an unknown image."""
    return _ANALYZERS.get(family(image_uri).name)


def command(image_uri: str, environment: Mapping[str, str]) -> list[str]:
    """What such an image runs, with `binds` in its sandbox."""
    analyzer = find(image_uri)
    return ["python3", "/opt/sagelocal/monitor/monitor.py", analyzer.script(environment)] if analyzer else []


def binds(image_uri: str) -> dict[str, Path]:
    return dict(_BINDS) if find(image_uri) else {}
