"""A search's candidates, as AutoML's training jobs hand them on: configurations with answers for unseen rows."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import automl_families as families
import automl_task
import estimator_artifact
import numpy as np
import pandas as pd
from automl_blend import Blend
from automl_task import Task
from sklearn.ensemble import VotingClassifier, VotingRegressor
from threadpoolctl import threadpool_limits
from training_job import read_channel

REFIT = 1.5  # a fit to all rows takes so many times a fold's


@dataclass
class Candidate:
    family: str
    config: dict[str, Any]
    score: float  # better if higher
    seconds: float  # of a fold's fit
    predictions: np.ndarray  # of judged rows, the others NaN; shape (rows[, kinds])


def read(args: Any) -> tuple[Task, pd.DataFrame]:
    """The task, and the raw rows without the target. Raises ValueError for `auto` without a schema.json."""
    table = typed(read_channel(Path(args.train), args.target))
    problem = schema(args)["problem"] if args.problem == "auto" else args.problem
    task = automl_task.make(table, args.target, problem, args.metric, args.seed)
    return task, table.drop(columns=args.target)


def schema(args: Any) -> dict[str, Any]:
    """What the processing script understood of the table."""
    path = Path(args.train) / "schema.json"
    if not path.is_file():
        raise ValueError(f"There is no {path}: say --problem binary, multiclass or regression.")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """True and False are categories: a request may carry them as text."""
    flags = [name for name in table if pd.api.types.is_bool_dtype(table[name])]
    return table.astype(dict.fromkeys(flags, str))


def refit(found: Candidate, task: Task, threads: int = 1, copies: int = 1) -> Any:
    """The candidate's estimator, fitted to all rows; of a family that a seed matters to, the mean of so many."""
    if copies > 1 and found.family in families.SEEDED:
        seeds = [replace(task, seed=task.seed + number) for number in range(copies)]
        parts = [(str(each.seed), families.build(found.family, found.config, each, threads)) for each in seeds]
        model = VotingRegressor(parts) if task.classes is None else VotingClassifier(parts, voting="soft")
    else:
        model = families.build(found.family, found.config, task, threads)
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore")
        return model.fit(task.table, task.answers)


def save(folder: Path, model: Blend, rows: pd.DataFrame, task: Task, args: Any, **facts: Any) -> None:
    estimator_artifact.save(
        folder,
        model,
        rows,
        problem=task.problem,
        label=args.target,
        modules=["automl_blend.py"],
        blank=list(rows.columns),
        # A binary label is wrong either way at the same price: acting costs 1, and a miss 1 more than acting.
        threshold=0.5,
        costs={"action": 1.0, "miss": 2.0},
        optional=schema(args)["ignored"] if (Path(args.train) / "schema.json").is_file() else [],
        metric=task.metric,
        **facts,
    )


def keep(folder: Path, candidates: list[Candidate], tried: list[dict[str, Any]]) -> None:
    """What the ensemble needs of the candidates, and people of all that was tried."""
    told = [{name: value for name, value in vars(each).items() if name != "predictions"} for each in candidates]
    (folder / "candidates.json").write_text(json.dumps({"candidates": told, "tried": tried}, indent=1) + "\n")
    np.savez_compressed(folder / "candidates.npz", *(each.predictions.astype("float32") for each in candidates))


def kept(folder: Path) -> tuple[list[Candidate], list[dict[str, Any]]]:
    """What `keep` wrote: the candidates, best first, and all that was tried."""
    told = json.loads((folder / "candidates.json").read_text())
    with np.load(folder / "candidates.npz") as arrays:
        found = [
            Candidate(**each, predictions=arrays[f"arr_{number}"].astype("float64"))
            for number, each in enumerate(told["candidates"])
        ]
    return found, told["tried"]
