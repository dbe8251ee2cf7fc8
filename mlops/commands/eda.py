"""`mlops eda`: a case study of any table."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.options import LAPTOP, REPORTS, ColumnOption, OnOption, Reports, TableFile, connect


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(eda)


def eda(
    file: TableFile,
    column: ColumnOption = "",
    order: Annotated[
        str, typer.Option("--order", metavar="COLUMN", help="In whose order the rows belong, such as a time.")
    ] = "",
    title: Annotated[str, typer.Option("--title", help="Of the report; else the file's name.")] = "",
    show: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    reports: Reports = REPORTS,
    on: OnOption = LAPTOP,
) -> None:
    """A case study of your own table: what is in it, what is wrong with it, and what it says. HTML and PDF."""
    from mlops import eda as command

    command.study(connect(on), file, column, order, title, reports, open_it=show)
