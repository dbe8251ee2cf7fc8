"""What is started for a container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sagelocal import sandbox
from sagelocal.endpoints.client import Address


@dataclass(frozen=True)
class Launch:
    """A command, the sandbox that it runs in, and where it answers; `ended` is called when it has ended."""

    command: list[str]
    sandbox: sandbox.Sandbox
    address: Address
    cwd: str = "/"
    ended: Callable[[], None] = lambda: None
