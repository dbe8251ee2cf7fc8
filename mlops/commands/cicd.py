"""`mlops cicd`: delivery for people (up, status, approve …) and inside builds (build, release, test)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, Where, Yes, connect

cicd = typer.Typer(name="cicd", help="Delivery: from a git push to production.", no_args_is_help=True)


Project = Annotated[str, typer.Option("--project", help="ProjectName of the stacks: what their names begin with.")]
PROJECT = "mlops"


@cicd.command()
def up(
    project: Project = PROJECT,
    remote: Annotated[str, typer.Option("--remote", help="On the laptop: the name of the git remote.")] = "local",
    repository: Annotated[
        str,
        typer.Option("--repository", metavar="OWNER/NAME", help="On AWS: what a push goes to; kept by later calls."),
    ] = "",
    connection: Annotated[
        str, typer.Option("--connection", metavar="ARN", help="On AWS: the CodeConnections connection to it; kept too.")
    ] = "",
    branch: Annotated[str, typer.Option("--branch", help="Pushes to it are built; main at first.")] = "",
    email: Annotated[str, typer.Option("--email", help="On AWS: hears of approvals that wait and of failures.")] = "",
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Make or update the pipelines that a git push and an approval start; on the laptop, the git remote too."""
    from mlops import cicd as command

    command.up(connect(target), project, command.Source(connection, repository, branch, email), remote, yes=yes)


@cicd.command()
def down(
    project: Project = PROJECT,
    remote: Annotated[str, typer.Option("--remote", help="On the laptop: the name of the git remote.")] = "local",
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Remove them. Endpoints, models and data stay."""
    from mlops import cicd as command

    command.down(connect(target), project, remote, yes=yes)


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
