"""AutoML's trial: one family of models, searched for as long as it gets, over raw records with a target.

    python training/automl.py --train DIR --model-dir DIR --target COLUMN --problem binary --family linear --seconds 30

A tuning job runs this once a family, side by side. Each looks through preprocessing and hyperparameters by itself,
beginning with what did well on similar tables; `automl_ensemble.py` then blends the best of all. The artifact serves
the family's best model; beside it, `candidates.json` and `candidates.npz` say what the best ones are, and what they
answer for rows that they have not learnt from.

Prints the objective as XGBoost's image reads it, `[0]<tab>validation-auc:0.84`, and one line a finished candidate.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import automl_families as families
import automl_knowledge as knowledge
import automl_task
import pandas as pd
import psutil
from automl_blend import Blend, answers
from automl_candidates import keep, read, refit, save
from automl_search import Search
from automl_task import Task
from sklearn.dummy import DummyClassifier, DummyRegressor
from training_job import parse as parse_args
from training_job import run


@dataclass
class Args:
    train: str = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    """folder with CSV files: raw columns and the target"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the artifact goes"""
    target: str = "target"
    """the column to predict"""
    problem: str = "auto"
    """binary, multiclass or regression; auto: what the processing script made of the table"""
    metric: str = ""
    """what is made best: auc, aucpr, logloss, mlogloss, accuracy, f1_macro, rmse, mae or r2; else the problem's"""
    family: str = "boosted_trees"
    """which models: a name of automl_families.SPACES"""
    families: str = ",".join(families.FAMILIES)
    """those that share the time, with commas between"""
    seconds: float = 120.0
    """budget of the whole search, of which this family gets its share of all machines' time"""
    parallel: int = 2
    """searches that run side by side"""
    most: int = 500
    """configurations to try"""
    threads: int = 1
    """threads; more where a search has an instance to itself"""
    seed: int = 0
    """of folds and sampling"""


def main(args: Args) -> None:
    # Python's start and the imports count: a budget is the user's time.
    began = time.monotonic() - (time.time() - psutil.Process().create_time())
    task, rows = read(args)
    lenders = knowledge.nearest(task, [*rows.columns, args.target], knowledge.read())
    beside = [*dict.fromkeys([*args.families.split(","), args.family])]
    seconds = knowledge.allotted(beside, lenders, args.seconds * args.parallel).get(args.family, 0.0)
    seconds = min(args.seconds, seconds)
    if not seconds:
        leave_out(task, rows, args, [], "other families make more of so little time")
        return
    print(f"{args.family}: {seconds:.0f} s, beginning with what did well on {', '.join(named(lenders)) or 'no table'}")
    needed = args.family in knowledge.ranked(beside, lenders)[: knowledge.FEWEST]
    search = Search(task, args.family, began + seconds, args.seed, args.threads, args.most, needed)
    lent = knowledge.starts(args.family, lenders)
    first = [families.cheapest(args.family), *lent[: len(lenders)], families.DEFAULTS[args.family]]
    search.run([*first, *lent[len(lenders) :]])
    if not search.candidates:
        leave_out(task, rows, args, search.tried, f"nothing of it is learnt in {seconds:.0f} s")
        return
    best = search.candidates[0]
    for each in search.candidates:
        print(f"candidate {args.metric or task.metric}={task.shown(each.score):.6f} {json.dumps(each.config)}")
    model = Blend(task.tidy, [refit(best, task, args.threads)], [1.0], task.classes)
    save(Path(args.model_dir), model, rows, task, args)
    keep(Path(args.model_dir), search.candidates, search.tried)
    print(
        f"{len(search.tried)} configurations, {sum(each['state'] == 'complete' for each in search.tried)} of them whole"
    )
    print(f"[0]\tvalidation-{task.metric}:{task.shown(best.score):.6f}", flush=True)


def leave_out(task: Task, rows: pd.DataFrame, args: Args, tried: list[dict[str, Any]], why: str) -> None:
    """An artifact without candidates, that serves what is known without any record; its score is the objective."""
    made = DummyRegressor() if task.classes is None else DummyClassifier()
    made.fit(task.table, task.answers)
    save(Path(args.model_dir), Blend(task.tidy, [made], [1.0], task.classes), rows, task, args)
    keep(Path(args.model_dir), [], tried)
    print(f"{args.family} is left out: {why}")
    score = task.score(answers(made, task.table, task.kinds), task.judged)
    print(f"[0]\tvalidation-{task.metric}:{task.shown(score):.6f}", flush=True)


def named(lenders: list[knowledge.Entry]) -> list[str]:
    return [str(each["table"]) for each in lenders]


def parse(argv: list[str] | None = None) -> Args:
    return parse_args(Args, __doc__, argv, problem=(*automl_task.METRICS, "auto"), family=families.FAMILIES)


if __name__ == "__main__":
    run(lambda: main(parse()))
