"""Options that several commands have, and what they begin with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlops.targets import Target


class Where(StrEnum):
    laptop = "laptop"
    aws = "aws"
    here = "here"  # in a build: as its variables say


def _dashed(use_case: str) -> str:
    """As AWS names it, where it was given as its files are named."""
    return use_case.replace("_", "-")


UseCase = Annotated[
    str, typer.Argument(metavar="USE_CASE", help="What `mlops list` lists, such as churn.", callback=_dashed)
]
TargetOption = Annotated[Where, typer.Option("--target", help="Where to work; in a build here, as its variables say.")]
# Commands on a user's own file, whose target is a column, take the place by another name.
ColumnOption = Annotated[
    str, typer.Option("--target", metavar="COLUMN", help="The column to explain or predict; where to work is --on.")
]
OnOption = Annotated[Where, typer.Option("--on", help="Where to work: --target names a column here.")]
TableFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="A CSV or Parquet file.")
]
Stage = Annotated[str, typer.Option("--stage", help="The endpoint is <use case>-<stage>.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask; without a terminal nothing is asked.")]
Version = Annotated[int | None, typer.Option("--version", min=1, help="The newest if none is named.")]
Execution = Annotated[str | None, typer.Option("--execution", help="Id or ARN; the newest if none is named.")]
Reports = Annotated[Path, typer.Option("--reports", help="Folder for downloaded HTML reports.")]
Reason = Annotated[str, typer.Option("--reason", help="Kept with the version as its ApprovalDescription.")]
AllowChanges = Annotated[
    bool, typer.Option("--allow-changes", help="On AWS, where pages only read without it; on a laptop they may anyway.")
]
Count = Annotated[int, typer.Option("--count", min=1, help="Requests, one record each.")]
LAPTOP = Where.laptop
COUNT = 300  # with fewer the monitor sees only larger changes (docs/data-quality.md)
REPORTS = Path("reports")


def connect(target: Where) -> Target:
    from mlops import targets

    return targets.connect(target.value)


def known(use_case: str) -> str:
    from mlops import use_cases

    return use_cases.check(use_case)


def known_model(use_case: str) -> str:
    """As `known`, for what only a use case with a model has."""
    from mlops import use_cases

    return use_cases.check_model(use_case)
