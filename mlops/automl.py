"""`mlops automl`: the best model that a budget finds for a user's own table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mlops import console, executions, run, storage
from mlops.demo import registered_version
from mlops.eda import slug, upload
from mlops.targets import AWS, Target

METRICS = {"binary": "auc", "multiclass": "mlogloss", "regression": "rmse"}
LOSSES = ("logloss", "mlogloss", "rmse", "mse", "mae")
# Of the budget; the rest is for the evaluation, whose refits for curves get as much time as the ensemble's.
SEARCH, ENSEMBLE = 0.7, 0.15
LEAST = 10  # seconds
UNITS = {"s": 1, "m": 60, "h": 3600}
FILES = ("leaderboard.html", "leaderboard.pdf", "report.html", "evaluation.json")
SHOWN = 10


def search(
    target: Target,
    table: Path,
    column: str,
    budget: str,
    metric: str,
    problem: str,
    reports: Path,
    more: dict[str, str],
) -> Path:
    """The folder with the reports. `more` are parameters of the pipeline besides.

    Raises ValueError for a budget that is none, LookupError for a column that the table lacks, Failure when the
    pipeline fails.
    """
    seconds = parse_budget(budget)
    problem = problem or problem_of(table, column)
    metric = metric or METRICS[problem]
    console.note(f"{column} is a {problem} problem; what is made best is {metric}, within {budget}.")
    raw = upload(target, table, "automl")
    parameters = {
        "InputDataUrl": raw,
        "Target": column,
        "Problem": problem,
        "Metric": metric,
        "ObjectiveType": "Minimize" if metric in LOSSES else "Maximize",
        "SearchSeconds": str(round(seconds * SEARCH)),
        "EnsembleSeconds": str(round(seconds * ENSEMBLE)),
        "ParallelSearches": str(side_by_side(target)),
        # The version before may be of another table: there is nothing to compare with.
        "SkipCheck": "true",
        "RegisterNewBaseline": "true",
        **more,
    }
    execution = run.run(target, "automl", parameters, detach=False, raw=raw)
    made = executions.output(target.client("sagemaker"), execution, "Evaluate", "evaluation")
    folder = reports / f"automl-{slug(table.stem)}"
    paths = [storage.download(target.client("s3"), f"{made}/{name}", folder / name) for name in FILES]
    show(executions.evaluation(target, made)["automl"])
    version = registered_version(target.client("sagemaker"), "automl", execution)
    console.say(f"Version {version} of automl waits for a decision: mlops approve automl, then mlops deploy automl")
    for path in paths[:3]:
        console.say(str(path))
    return folder


def parse_budget(text: str) -> int:
    """Seconds of `90s`, `5m` or `1h`."""
    match = re.fullmatch(r"(\d+)([smh])", text.strip())
    if not match or int(match[1]) * UNITS[match[2]] < LEAST:
        raise ValueError(f"--budget {text}: write it as 90s, 5m or 1h, and at least {LEAST}s.")
    return int(match[1]) * UNITS[match[2]]


def problem_of(table: Path, column: str) -> str:
    """By the target's values. Raises LookupError naming the columns where there is no such one."""
    import pandas as pd

    from processing import automl_target

    names = columns(table)
    if column not in names:
        raise LookupError(f"{table} has no column {column!r}. It has: {', '.join(names[:30])}.")
    if table.suffix == ".parquet":
        values = pd.read_parquet(table, columns=[column])[column].astype("string")
    else:
        values = pd.read_csv(table, usecols=[column], dtype="string", keep_default_na=False)[column]
    written = values.str.strip().replace("", pd.NA).dropna()
    return automl_target.problem_of(written.rename(column))


def columns(table: Path) -> list[str]:
    import pandas as pd
    from pyarrow import parquet

    if table.suffix == ".parquet":
        return list(parquet.read_schema(table).names)
    try:
        return [str(name) for name in pd.read_csv(table, nrows=0).columns]
    except pd.errors.EmptyDataError:
        raise ValueError(f"{table} has no rows, not even a header.") from None


def side_by_side(target: Target) -> int:
    """Trials that run at once: on AWS all, each on an instance of its own, on a laptop one a core."""
    from pipelines.automl import FAMILIES

    return len(FAMILIES) if target.name == AWS else min(len(FAMILIES), os.cpu_count() or 1)


def show(found: dict[str, Any]) -> None:
    rows = [
        (
            number,
            each["name"].replace("_", " "),
            f"{each['score']:.4f}",
            f"{each['weight']:.0%}" if each.get("weight") else "",
            "registered" if each.get("chosen") else "",
        )
        for number, each in enumerate(found["leaderboard"][:SHOWN], 1)
    ]
    console.show(("", "model", f"cross-validated {found['metric']}", "weight", ""), rows, title="leaderboard")
