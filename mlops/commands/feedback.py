"""What comes back to a use case with a stream: `mlops performance`, `retrain`, `challenger`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from mlops.options import LAPTOP, REPORTS, Reports, Stage, TargetOption, UseCase, connect

Days = Annotated[int, typer.Option("--days", min=1, help="Of transactions, up to the last one.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (performance, retrain, challenger):
        app.command()(command)


def performance(
    use_case: UseCase,
    days: Days = 30,
    top: Annotated[int, typer.Option("--top", min=0, help="Cards looked at a day; 0: 100 of 9,200 transactions.")] = 0,
    reports: Reports = REPORTS,
    target: TargetOption = LAPTOP,
) -> None:
    """How good a stream's alerts were by day, as far as labels say: a table, a page, a picture, CloudWatch metrics."""
    from mlops import fraud_performance, streaming

    streaming.check(use_case)
    fraud_performance.show(connect(target), use_case, days, top, None, reports)


def retrain(
    use_case: UseCase,
    days: Days = 135,
    history: Annotated[
        str, typer.Option("--history", metavar="URI", help="A parquet table of transactions before those scored.")
    ] = "",
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A pipeline parameter.")
    ] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Then put the version beside the one in service.")] = False,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """The pipeline on scored transactions whose truth is known; a candidate has to beat the model in service."""
    from mlops import fraud_challenger, streaming

    streaming.check(use_case)
    given = dict(_pair(each) for each in param or [])
    where = connect(target)
    folder, _ = fraud_challenger.recent(where, use_case, days, datetime.now(UTC), history)
    version, _ = fraud_challenger.retrain(where, use_case, stage, folder, given)
    if shadow:
        fraud_challenger.shadow(where, use_case, stage, version)


def challenger(
    use_case: UseCase,
    since: Annotated[str, typer.Option("--since", help="Of requests: ISO 8601 or 15m, 2h, 7d.")] = "14d",
    until: Annotated[str | None, typer.Option("--until", help="Likewise; else now.")] = None,
    shadow: Annotated[
        int,
        typer.Option("--shadow", min=1, metavar="VERSION", help="Only puts this version beside the one in service."),
    ] = 0,
    promote: Annotated[
        bool, typer.Option("--promote", help="Put it in service if it was better; if not, reject it.")
    ] = False,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """The version in shadow against the one in service, on the same labelled transactions."""
    from mlops import fraud_challenger, monitoring, streaming

    streaming.check(use_case)
    where, now = connect(target), datetime.now(UTC)
    if shadow and promote:
        raise ValueError("--shadow and --promote: a version that comes in shadow now has answered nothing yet.")
    if shadow:
        fraud_challenger.shadow(where, use_case, stage, shadow)
        return
    start, end = monitoring.moment(since), monitoring.moment(until) if until else now + timedelta(seconds=1)
    days = (now - start).days + 8  # a transaction may be a week older than its request
    verdict = fraud_challenger.compare(where, use_case, stage, start, end, now, days)
    if promote:
        fraud_challenger.promote(where, use_case, stage, verdict)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--param {text}: write it as Name=value.")
    return name, value
