"""`mlops lineage`: from an endpoint back to commit, data and approver."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the commands."""
