"""`mlops new`: the files of a new use case, after one that is there."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(new)


def new(
    use_case: Annotated[str, typer.Argument(metavar="NAME", help="Of the new use case: returns, or late_deliveries.")],
    like: Annotated[str, typer.Option("--like", metavar="USE_CASE", help="Whose files to begin with.")] = "churn",
) -> None:
    """Write a new use case's files and tests, like another's: they run and pass, and are yours to change."""
    from mlops import new as command

    command.new(use_case, like)
