"""What every training script needs, whatever it trains: options, channels, the artifact's code, and failures that say
why.
"""

from __future__ import annotations

import argparse
import ast
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

Args = TypeVar("Args", bound=Any)  # a dataclass
HERE = Path(__file__).parent


def read_channel(folder: Path, label: str = "", texts: Sequence[str] = ()) -> pd.DataFrame:
    """All CSV files of a channel; columns of `texts` are text even if all their values are numbers.

    Raises ValueError when there are none, no rows, or no column of that label.
    """
    files = sorted(folder.rglob("*.csv"))
    if not files:
        raise ValueError(f"Channel {folder} holds no .csv file. Give it the output of the processing script.")
    table = pd.concat([pd.read_csv(path, dtype=dict.fromkeys(texts, object)) for path in files], ignore_index=True)
    if label and label not in table:
        raise ValueError(f"Channel {folder} needs a column {label}, and has {', '.join(table.columns)}.")
    if table.empty:
        raise ValueError(f"Channel {folder} has no rows. Give it the output of the processing script.")
    return table


def put_code(folder: Path, handler: str, *modules: str) -> None:
    """A handler as `inference.py`, further modules under their names, and what any of them imports from beside it.

    All are files of this script's own folder, of which a job brings those that some file names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / handler, folder / "inference.py")
    waiting, seen = [*modules, *imported(HERE / handler)], {handler}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            shutil.copyfile(HERE / name, folder / name)
            waiting += imported(HERE / name)


def imported(path: Path) -> list[str]:
    """Files beside `path` that it imports as top-level modules."""
    names = list[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return [f"{name}.py" for name in dict.fromkeys(names) if (path.parent / f"{name}.py").is_file()]


def parse(kind: type[Args], usage: str | None, argv: list[str] | None, **choices: Sequence[str]) -> Args:
    """Hyperparameters come as `--max_depth 6` from SageMaker, as `--max-depth 6` by hand; a string may be in quotes.

    `choices` are the values that an option may have.
    """
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(kind):
        flags = dict.fromkeys(["--" + field.name.replace("_", "-"), "--" + field.name])
        if len(field.name) == 1:  # as the images' own toolkit writes it, which runs a tuning job's trials
            flags["-" + field.name] = None
        convert = unquoted if isinstance(field.default, str) else type(field.default)
        parser.add_argument(*flags, dest=field.name, type=convert, default=field.default)  # type: ignore[arg-type]
    args = kind(**vars(parser.parse_args(argv)))
    for name, known in choices.items():
        if getattr(args, name) not in known:
            said = f"{', '.join(known[:-1])} or {known[-1]}"
            parser.error(f"argument --{name.replace('_', '-')}: {getattr(args, name)!r} is unknown. Use {said}.")
    return args


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def run(main: Callable[[], None]) -> None:
    """SageMaker makes the job's FailureReason of the first kilobyte of `failure`."""
    try:
        main()
    except Exception as error:
        folder = Path("/opt/ml/output")
        if folder.is_dir():
            (folder / "failure").write_text(f"{type(error).__name__}: {error}")
        raise
