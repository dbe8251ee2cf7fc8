"""What commands print: results on stdout, everything about how it goes on stderr."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Rich is only imported by commands that draw
    from rich.console import Console
    from rich.table import Table

_WIDE = 240
_COLOURS = {
    **dict.fromkeys(("Succeeded", "Completed", "InService", "Approved", "ok"), "green"),
    **dict.fromkeys(("Failed", "Rejected", "Stopped", "missing"), "red"),
    **dict.fromkeys(("Executing", "InProgress", "Creating", "Updating", "Stopping", "Deleting"), "cyan"),
    **dict.fromkeys(("PendingManualApproval", "CompletedWithViolations", "optional"), "yellow"),
}


@functools.cache
def stdout() -> Console:
    from rich.console import Console

    # In a pipe or a file nothing is folded: whoever reads it there searches for whole paths and names.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(highlight=False, soft_wrap=True, width=width)


@functools.cache
def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A result, as it is: paths and URIs with brackets in them are no markup."""
    stdout().print(text, markup=False)


def note(text: str) -> None:
    stderr().print(text, markup=False, style="dim")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> Table:
    """Cells are text as it is, or something Rich can draw; statuses get their colour."""
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for number, heading in enumerate(headings):
        drawn.add_column(heading, overflow="fold", no_wrap=number == 0)  # the first names the row: it is copied
    for row in rows:
        drawn.add_row(*(cell(value) for value in row))
    return drawn


def cell(value: Any) -> Any:
    from rich.text import Text

    if value is None or isinstance(value, str):
        return Text(value or "", style=_COLOURS.get((value or "").split(" ")[0], ""))
    return value if hasattr(value, "__rich_console__") else Text(str(value))


def command() -> str:
    """How the user calls this program from where they are: `mlops`, or `.venv/bin/mlops` while that isn't in PATH."""
    own = Path(sys.argv[0])
    if shutil.which("mlops") or own.name != "mlops":
        return "mlops"
    return os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own)


def show(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    stdout().print(table(headings, rows, title=title))


def duration(start: datetime | None, end: datetime | None = None) -> str:
    if start is None:
        return ""
    seconds = ((end or datetime.now(UTC)) - start).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def ago(moment: datetime | None) -> str:
    if moment is None:
        return ""
    span = _span((datetime.now(UTC) - moment).total_seconds())
    return f"{span} ago" if span else "just now"


def until(moment: datetime) -> str:
    span = _span((moment - datetime.now(UTC)).total_seconds())
    return f"in {span}" if span else "within a minute"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return ""
