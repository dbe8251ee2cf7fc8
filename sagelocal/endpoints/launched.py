"""What is started for a container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelocal import sandbox
from sagelocal.endpoints.client import Address

MODEL = "/opt/ml/model"
MODELS = "/opt/ml/models"  # each in a folder of its own, in multi-model mode


def model_folder(plan: dict[str, Any], opt_ml: Path) -> str:
    """Where the container of a planned variant finds its files; there is a folder to mount on in `opt_ml` then."""
    folder = MODELS if plan["Container"].get("Mode") == "MultiModel" else MODEL
    (opt_ml / Path(folder).name).mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Launch:
    """A command, the sandbox that it runs in, and where it answers; `ended` is called when it has ended."""

    command: list[str]
    sandbox: sandbox.Sandbox
    address: Address
    cwd: str = "/"
    ended: Callable[[], None] = lambda: None
