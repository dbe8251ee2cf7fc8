"""`mlops cicd`: delivery for people (up, status, approve …) and inside builds (build, release, test)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.options import TargetOption, Where, connect

cicd = typer.Typer(name="cicd", help="Delivery: from a git push to production.", no_args_is_help=True)


@cicd.command()
def build(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="REV", help="A commit; else the last one that was built with success."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every use case, whatever changed.")] = False,
    out: Annotated[
        Path, typer.Option("--out", file_okay=False, help="Folder for variables, summaries and reports.")
    ] = Path("build/pipelines"),
    target: TargetOption = Where.here,
) -> None:
    """In a build: run the pipelines of the use cases that the commits touch, and wait for them."""
    if everything and since:
        raise typer.BadParameter("--all runs every use case, so --since says nothing.")
    from mlops import cicd_build

    cicd_build.build(connect(target), since, out, everything=everything)


@cicd.command()
def release(
    stage: Annotated[str, typer.Option("--stage", help="A stage of deploy/stages.yml.")],
    package: Annotated[str, typer.Option("--package", metavar="ARN", help="The approved model package.")],
    target: TargetOption = Where.here,
) -> None:
    """In a build: put a version in service as its stage declares, wait through its strategy, say why it went back."""
    from mlops import cicd_release

    cicd_release.release(connect(target), stage, package)


def register(app: typer.Typer) -> None:
    app.add_typer(cicd)
