"""Starts, stops and takes up executions of pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


class Delivery:
    def __init__(self, app: SageLocal) -> None:
        self._app = app

    def resume(self) -> None:
        """Goes on with every execution that was in progress when the process ended, and looks for pushes since."""

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next resume() goes on."""
