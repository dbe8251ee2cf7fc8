"""python <this folder> FAMILY VERSION: the `train` command of a built-in algorithm's image."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

# Run by its path, this folder's parent is not on sys.path, and the modules import each other as a package.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from algorithms import NAMES, job, shards  # noqa: E402
from algorithms.errors import UserError  # noqa: E402


def main() -> None:
    family, version = sys.argv[1:3]
    try:
        algorithm = importlib.import_module(f"algorithms.{NAMES[family]}")
        given = job.read(family, version)
        # XGBoost's hosts train together; of the other algorithms the first host has all data.
        described = given if family == "xgboost" else shards.gathered(given)
        if described is not None:
            algorithm.train(described)
    except Exception as error:  # whatever it is: the job has to say it
        traceback.print_exc()
        _fail(family, error)


def _fail(family: str, error: Exception) -> None:
    """XGBoost's image reports through its toolkit; AWS's own algorithms tell a user's fault by exit code 2."""
    user = isinstance(error, UserError)
    if family == "xgboost":
        kind = f"sagemaker_algorithm_toolkit.exceptions.{type(error).__name__}" if user else type(error).__name__
        text, code = f"framework error: {kind}: {error}", 1
    elif user:
        text, code = f"ClientError: {error}", 2
    else:
        text, code = f"InternalServerError: {type(error).__name__}: {error}", 3
    print(text, file=sys.stderr)
    job.flush()
    (job.BASE / "output" / "failure").write_text(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
