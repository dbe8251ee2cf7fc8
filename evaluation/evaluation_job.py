"""What every script that judges a model needs, whatever the problem: options, a split's tables, the files it leaves."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import analysis_report
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Args = TypeVar("Args", bound=Any)  # a dataclass


def parse(kind: type[Args], usage: str | None, argv: list[str] | None) -> Args:
    """A field `miss_cost` is the option `--miss-cost`, of its default's type."""
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(kind):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), default=field.default)  # type: ignore[arg-type]
    return kind(**vars(parser.parse_args(argv)))


def read(folder: Path, columns: Sequence[str] = (), texts: Sequence[str] = ()) -> pd.DataFrame:
    """All CSV files of a split; columns of `texts` are text even if all their values are numbers.

    Raises ValueError for a folder without a table, or a table without one of the `columns`.
    """
    files = sorted(folder.rglob("*.csv"))
    if not files:
        raise ValueError(f"{folder} holds no .csv file. Give it a split as the processing script wrote it.")
    table = pd.concat([pd.read_csv(path, dtype=dict.fromkeys(texts, str)) for path in files], ignore_index=True)
    if missing := [name for name in columns if name not in table]:
        raise ValueError(
            f"{folder} needs a column {', '.join(map(repr, missing))}, and has {', '.join(map(str, table.columns))}."
        )
    return table


def write(
    evaluation: Mapping[str, Any], report: analysis_report.Report, drawn: Mapping[str, Figure], folder: Path
) -> None:
    """`evaluation.json`, the pictures by their file stems, `report.html` and `report.pdf`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=130)  # as it is: a tight box would be drawn twice
    analysis_report.write(report, folder)
