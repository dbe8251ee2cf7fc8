"""Streams of events: `mlops stream`, and `mlops sql` over what they leave in the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, UseCase, Yes, connect

stream = typer.Typer(
    name="stream", help="A use case's stream of events: streams, lake, tables, alarms.", no_args_is_help=True
)


@stream.command()
def up(
    use_case: UseCase,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="Of deploy/cloudformation/streaming.yml; kept later."),
    ] = None,
    email: Annotated[str, typer.Option("--email", help="On AWS: hears of alerts and alarms.")] = "",
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Make or update the streams, their delivery into the lake, the tables over it and the alarms."""
    from mlops import streaming as command

    given = dict(_pair(each) for each in parameter or [])
    if email:
        given["NotificationEmail"] = email
    command.up(connect(target), command.check(use_case), given, yes=yes)


@stream.command()
def down(
    use_case: UseCase,
    everything: Annotated[
        bool, typer.Option("--everything", help="The lake with all that is in it, the scores and the key, too.")
    ] = False,
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Remove the streams. Without --everything the lake, the scores and their key stay."""
    from mlops import streaming as command

    command.down(connect(target), command.check(use_case), everything=everything, yes=yes)


@stream.command()
def status(use_case: UseCase, target: TargetOption = LAPTOP) -> None:
    """Streams, deliveries, how far readers are, what was refused, and alarms."""
    from mlops import streaming as command

    command.status(connect(target), command.check(use_case))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--parameter {text}: NAME=VALUE is wanted.")
    return name, value


def sql(
    query: Annotated[str, typer.Argument(metavar="SELECT", help='Such as "SELECT count(*) FROM transactions".')],
    use_case: Annotated[
        str, typer.Option("--use-case", help="Whose database and workgroup; the first with a stream if none is named.")
    ] = "",
    rows: Annotated[int, typer.Option("--rows", min=1, help="Of the answer; the rest stays in its file.")] = 100,
    target: TargetOption = LAPTOP,
) -> None:
    """Ask Athena about what streams left in the lake, and print the answer as a table."""
    from mlops import sql as command
    from mlops import streaming

    chosen = streaming.check(use_case.replace("_", "-")) if use_case else streaming.use_cases()[0]
    command.ask(connect(target), chosen, query, rows)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(stream)
    app.command()(sql)
