"""`mlops cost`: what a run and a month of a stage cost."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, TargetOption, UseCase, connect, known


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(cost)


def cost(
    use_case: UseCase,
    stage: Annotated[str, typer.Option("--stage", help="Or what only its name begins with, such as prod.")] = (
        "production"
    ),
    requests: Annotated[int, typer.Option("--requests", min=0, help="Assumed requests a month.")] = 100_000,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, help="Assumed for one request, where its time is billed.")
    ] = 0.1,
    start_up: Annotated[
        float | None,
        typer.Option("--start-up", min=0, help="Seconds added to each measured job; else 120 for those of a laptop."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All numbers, as JSON.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """What a run of the pipeline and a month of a stage cost on AWS, by the list prices in deploy/prices.toml."""
    known(use_case)
    from deploy.cost import Traffic
    from mlops import cost as command

    traffic = Traffic(requests=requests, seconds=seconds)
    command.show(connect(target), use_case, stage, traffic, start_up, as_json=as_json)
