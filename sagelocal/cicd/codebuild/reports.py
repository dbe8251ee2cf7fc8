"""Reports: not made yet."""

from __future__ import annotations

from typing import Any


def collect(spec: Any, session: Any, log: Any) -> list[Any]:
    return []


def publish(app: Any, build: Any, found: Any, folder: Any, log: Any) -> list[str]:
    return []
