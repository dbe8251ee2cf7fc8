"""`mlops score`: scores a stream of events."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.commands.endpoints import Broker
from mlops.options import LAPTOP, Stage, TargetOption, UseCase, connect, known_model


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(score)


def score(
    use_case: UseCase,
    stage: Stage = "production",
    pause: Annotated[
        float | None,
        typer.Option("--pause", min=0, help="Seconds between two reads of a shard; AWS allows five reads a second."),
    ] = None,
    source: Annotated[Broker, typer.Option("--source", help="Where the stream is.")] = Broker.kinesis,
    brokers: Annotated[
        str, typer.Option("--brokers", metavar="HOST:PORT", help="With --source kafka.")
    ] = "127.0.0.1:9092",
    target: TargetOption = LAPTOP,
) -> None:
    """Score a stream's events as they come, until Ctrl-C: results, alerts and states, and none twice."""
    known_model(use_case)
    from mlops import scoring

    scoring.work(connect(target), use_case, stage, pause, brokers if source is Broker.kafka else "")
