"""What the Processing scripts of data quality, model quality and bias have in common as jobs of the platform."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

MESSAGE_LIMIT = 1024  # characters of an ExitMessage


def options(fields: Iterable[dataclasses.Field[Any]], usage: str | None, argv: list[str] | None) -> dict[str, Any]:
    """A value for each field: from the command line (`--data-source`), the environment (`data_source`), its default."""
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields:
        default = os.environ.get(field.name) or field.default
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=default)
    return vars(parser.parse_args(argv))


def verdict(violations: Sequence[object]) -> str:
    """A comparison's summary, in Model Monitor's words."""
    if violations:
        return f"CompletedWithViolations: Job completed successfully with {len(violations)} violations."
    return "Completed: Job completed successfully with no violations."


def finish(summary: str, job_output: str) -> None:
    """Prints the summary and makes it the job's ExitMessage; by hand there is no /opt/ml to leave it in."""
    _leave(summary, job_output)
    print(summary)


def perform(work: Callable[[], str], job_output: str) -> None:
    """Finishes with the summary that `work` gives; an error of its input becomes the ExitMessage and is raised on."""
    try:
        finish(work(), job_output)
    except ValueError as error:
        _leave(str(error), job_output)
        raise


def _leave(message: str, job_output: str) -> None:
    folder = Path(job_output)
    if folder.parent.is_dir():
        folder.mkdir(exist_ok=True)
        (folder / "message").write_text(message[:MESSAGE_LIMIT], encoding="utf-8")


def start(kind: Any, usage: str | None, run: Callable[[Any], str]) -> None:
    """Performs `run` with the options of the dataclass `kind`. A stop ends it in order: what it made goes, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = kind(**options(dataclasses.fields(kind), usage, None))
    perform(lambda: run(args), args.job_output)
