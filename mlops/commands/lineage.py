"""`mlops lineage`: from an endpoint back to commit, data and approver."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, connect


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(lineage)


def lineage(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Such as churn-production.")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """From an endpoint back to commit, data versions, execution, model package and approver."""
    from mlops import lineage as command

    command.show(connect(target), endpoint, as_json=as_json)
