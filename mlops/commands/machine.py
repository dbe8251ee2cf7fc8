"""This machine's sagelocal: `mlops up`, `down`, `env`, `doctor`, `prune`, `interrupt`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, Where, connect


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (interrupt, up, down, env, doctor, prune):
        app.command()(command)


def interrupt(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A managed spot training job that runs.")],
    target: TargetOption = LAPTOP,
) -> None:
    """Take a managed spot training job's instances back, as AWS may at any time: it starts again."""
    from mlops import interrupt as command

    command.interrupt(connect(target), job)


def up(
    time_scale: Annotated[
        float | None,
        typer.Option(
            "--time-scale",
            min=1,
            help="How many times shorter bake times, cool-downs and other waits become, from this start on; 1 ends it.",
        ),
    ] = None,
) -> None:
    """Start sagelocal; every command for the laptop does so too."""
    from mlops import laptop

    laptop.up(time_scale)


def down() -> None:
    """Stop sagelocal and what it runs. Its state stays."""
    from mlops import laptop

    laptop.down()


def env(
    unset: Annotated[bool, typer.Option("--unset", help="Take them out of the shell again.")] = False,
    sts_proxy: Annotated[
        bool, typer.Option("--sts-proxy", help="Also an HTTPS proxy, for what the SDKs ask AWS's own STS address.")
    ] = False,
) -> None:
    """The variables with which aws, boto3 and the SageMaker SDK work on sagelocal: eval "$(mlops env)"."""
    from mlops import laptop

    laptop.env(unset=unset, sts_proxy=sts_proxy)


def doctor(target: TargetOption = LAPTOP) -> None:
    """What is missing on this machine, or in the account; changes nothing."""
    from mlops import doctor as command

    command.report(command.machine() if target is Where.laptop else command.account(connect(target)))


def prune(
    days: Annotated[int, typer.Option("--days", help="Keep what is younger.")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Remove finished jobs' staging, old logs, and objects that nothing refers to any more, from this laptop."""
    from mlops import prune as command

    command.prune(connect(target), days, dry_run=dry_run)
