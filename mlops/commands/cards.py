"""`mlops card`: model cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.options import LAPTOP, REPORTS, TargetOption, UseCase, Version, connect, known_model


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(card)


def card(
    use_case: UseCase,
    version: Version = None,
    output: Annotated[Path, typer.Option("--output", help="Folder for the JSON and the PDF.")] = REPORTS,
    target: TargetOption = LAPTOP,
) -> None:
    """Make or update the model card of a registered version, and download it as JSON and PDF."""
    known_model(use_case)
    from mlops import cards as command

    command.card(connect(target), use_case, version, output)
