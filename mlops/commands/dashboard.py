"""`mlops dashboard`: the pages over all of it."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, AllowChanges, TargetOption, connect


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(dashboard)


def dashboard(
    allow_changes: AllowChanges = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="8501, or any other that is free.")] = 0,
    target: TargetOption = LAPTOP,
) -> None:
    """Pipelines, registry, endpoints, monitors, experiments, delivery and the use cases' own pages, in a browser."""
    from mlops import dashboard as command

    command.show(connect(target), port=port, allow_changes=allow_changes)
