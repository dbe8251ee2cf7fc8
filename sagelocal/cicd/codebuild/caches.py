"""A project's cache: not kept yet."""

from __future__ import annotations

from typing import Any


def restore(app: Any, build: Any, spec: Any, session: Any, log: Any) -> None:
    return None


def pack(build: Any, spec: Any, session: Any, log: Any) -> Any:
    return None


def save(app: Any, build: Any, cached: Any, log: Any) -> None:
    return None
