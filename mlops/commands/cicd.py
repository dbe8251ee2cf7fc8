"""`mlops cicd`: delivery for people (up, status, approve …) and inside builds (build, release, test)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, UseCase, Where, Yes, connect, known

cicd = typer.Typer(name="cicd", help="Delivery: from a git push to production.", no_args_is_help=True)


Project = Annotated[str, typer.Option("--project", help="ProjectName of the stacks: what their names begin with.")]
Pipeline = Annotated[
    str | None, typer.Argument(metavar="PIPELINE", help="Such as build or deploy; all of them if left out.")
]
Why = Annotated[str, typer.Option("--reason", help="Kept with the answer.")]
PROJECT = "mlops"


@cicd.command()
def up(
    project: Project = PROJECT,
    remote: Annotated[str, typer.Option("--remote", help="On the laptop: the name of the git remote.")] = "local",
    repository: Annotated[
        str,
        typer.Option("--repository", metavar="OWNER/NAME", help="On AWS: what is built; later calls keep it."),
    ] = "",
    connection: Annotated[
        str, typer.Option("--connection", metavar="ARN", help="On AWS: the CodeConnections connection to it.")
    ] = "",
    branch: Annotated[str, typer.Option("--branch", help="Pushes to it are built; main at first.")] = "",
    codecommit: Annotated[bool, typer.Option("--codecommit", help="On AWS: the repository is CodeCommit's.")] = False,
    email: Annotated[str, typer.Option("--email", help="On AWS: hears of approvals that wait and of failures.")] = "",
    first_build: Annotated[
        list[str] | None,
        typer.Option("--first-build", metavar="USE-CASE", help="Run by the first build; can be repeated; or all."),
    ] = None,
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Make or update the pipelines that a git push and an approval start; on the laptop, the git remote too."""
    from mlops import cicd as command

    source = command.Source(connection, repository, branch, email, codecommit)
    command.up(connect(target), project, source, remote, first_build=first_build or (), yes=yes)


@cicd.command()
def down(
    project: Project = PROJECT,
    remote: Annotated[str, typer.Option("--remote", help="On the laptop: the name of the git remote.")] = "local",
    everything: Annotated[
        bool, typer.Option("--everything", help="Roles, key and the buckets with all that is in them, too.")
    ] = False,
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Remove the pipelines. Endpoints and models stay, and without --everything data, key and roles."""
    from mlops import cicd as command

    command.down(connect(target), project, remote, everything=everything, yes=yes)


@cicd.command()
def status(project: Project = PROJECT, target: TargetOption = LAPTOP) -> None:
    """The pipelines with their actions, what waits for an approval, and why one failed."""
    from mlops import cicd_control as command

    command.status(connect(target), project)


@cicd.command()
def watch(pipeline: Pipeline = None, project: Project = PROJECT, target: TargetOption = LAPTOP) -> None:
    """Follow what runs until it ends or waits for an approval."""
    from mlops import cicd_control as command

    command.watch(connect(target), project, pipeline)


@cicd.command()
def approve(
    pipeline: Pipeline = None,
    reason: Why = "",
    project: Project = PROJECT,
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Answer the approval that a pipeline waits for: it goes on. Shows summary and comparison first."""
    from mlops import cicd_control as command

    command.answer(connect(target), project, pipeline, reason, approve=True, yes=yes)


@cicd.command()
def reject(
    pipeline: Pipeline = None,
    reason: Why = "",
    project: Project = PROJECT,
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Answer the approval that a pipeline waits for: it ends there. Shows summary and comparison first."""
    from mlops import cicd_control as command

    command.answer(connect(target), project, pipeline, reason, approve=False, yes=yes)


@cicd.command()
def start(
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="Such as build or deploy.")],
    variable: Annotated[
        list[str] | None,
        typer.Option("--variable", metavar="NAME=VALUE", help="A pipeline variable: ModelPackageArn=ARN."),
    ] = None,
    project: Project = PROJECT,
    target: TargetOption = LAPTOP,
) -> None:
    """Start a pipeline by hand, with the newest commit."""
    from mlops import cicd_control as command

    given = dict(each.partition("=")[::2] for each in variable or [])
    if wrong := [name for name, value in given.items() if not (name and value)]:
        raise typer.BadParameter(f"--variable {wrong[0]}: write it as Name=value.")
    command.start(connect(target), project, pipeline, given)


@cicd.command()
def stop(
    pipeline: Pipeline = None,
    abandon: Annotated[bool, typer.Option("--abandon", help="Don't wait for the action that runs.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the execution.")] = "",
    project: Project = PROJECT,
    target: TargetOption = LAPTOP,
) -> None:
    """Stop what runs: when its action has ended, or at once."""
    from mlops import cicd_control as command

    command.stop(connect(target), project, pipeline, reason, abandon=abandon)


@cicd.command()
def retry(
    pipeline: Pipeline = None,
    everything: Annotated[bool, typer.Option("--all", help="All of the stage's actions, not just the failed.")] = False,
    project: Project = PROJECT,
    target: TargetOption = LAPTOP,
) -> None:
    """Run the stage that failed again."""
    from mlops import cicd_control as command

    command.retry(connect(target), project, pipeline, everything=everything)


@cicd.command()
def logs(
    pipeline: Pipeline = None,
    stage: Annotated[str | None, typer.Option("--stage", help="Such as TestStaging; else the one that failed.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    project: Project = PROJECT,
    target: TargetOption = LAPTOP,
) -> None:
    """What a build printed: of the stage that failed, else the newest."""
    from mlops import cicd_control as command

    command.logs(connect(target), project, pipeline, stage, follow=follow)


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


@cicd.command()
def share(use_case: UseCase, target: TargetOption = LAPTOP) -> None:
    """Let the accounts of deploy/stages.yml make models of a use case's versions, by its group's resource policy."""
    known(use_case)
    from mlops import cicd_release

    cicd_release.share(connect(target), use_case)


@cicd.command("test")
def staging_test(
    stage: Annotated[str, typer.Option("--stage", help="A stage of deploy/stages.yml.")],
    package: Annotated[str, typer.Option("--package", metavar="ARN", help="The version that is in service there.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for results, report and variables.")] = Path("build/test"),
    target: TargetOption = Where.here,
) -> None:
    """In a build: ask a stage's endpoint what it should know, and compare the version with the one in production."""
    from mlops import cicd_test

    cicd_test.test(connect(target), stage, package, out)


def register(app: typer.Typer) -> None:
    app.add_typer(cicd)
