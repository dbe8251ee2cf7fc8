"""`mlops changed`: which use cases commits touch, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, connect


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(changed)


def changed(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="REV", help="A commit; else the last one that was built with success."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With every changed file, as JSON.")] = False,
    tests: Annotated[
        bool, typer.Option("--tests", help="Only the arguments for pytest with which a build tests the change.")
    ] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Which use cases' pipelines the commits since a revision touch, and by which files."""
    from mlops import changed as command

    found = command.find(since) if since else command.built(connect(target))
    if tests:
        print(*command.pytest_arguments(found))
    else:
        command.changed(found, as_json=as_json)
