"""`mlops automl`: a model for any table."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mlops.options import LAPTOP, REPORTS, ColumnOption, OnOption, Reports, TableFile, connect


class Problem(StrEnum):
    binary = "binary"
    multiclass = "multiclass"
    regression = "regression"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(automl)


def automl(
    file: TableFile,
    column: ColumnOption,
    budget: Annotated[
        str, typer.Option("--budget", metavar="TIME", help="For search and ensemble: 90s, 5m, 1h.")
    ] = "5m",
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="What is made best: auc, aucpr, logloss, mlogloss, accuracy, f1_macro, rmse, mae or r2; else the "
            "problem's usual one.",
        ),
    ] = "",
    problem: Annotated[Problem | None, typer.Option("--problem", help="Else as the target looks.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the pipeline.")
    ] = None,
    reports: Reports = REPORTS,
    on: OnOption = LAPTOP,
) -> None:
    """The best model that a budget finds for your own table: searched, blended, judged and registered."""
    from mlops import automl as command

    more = dict(each.partition("=")[::2] for each in param or [])
    command.search(connect(on), file, column, budget, metric, problem.value if problem else "", reports, more)
