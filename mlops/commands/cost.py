"""`mlops cost`: what a run and a month of a stage cost."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the commands."""
