"""SHAP values of 10,000 records of churn's model: `evaluation/explainability.py` and shap's own TreeExplainer.

    OMP_NUM_THREADS=1 python explanations.py customers.parquet folder [--rounds 7]

The model is trained here, by churn's own scripts and settings, into `folder`; 10,000 records are drawn from the 7,043
customers with replacement. Ours is all that `local_values` does, from the artifact's file and raw records to a value
for each raw feature. For shap the model is in memory and the records are encoded already: constructing the explainer
and asking it for the values is counted. The two take turns; the least wall time and the least CPU time of all rounds
count. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import shap

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "evaluation"))

import explainability  # noqa: E402

ROWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("customers", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    artifact, customers = train(arguments.customers, arguments.folder)
    records = customers.sample(ROWS, replace=True, random_state=0, ignore_index=True)
    pipeline = joblib.load(artifact / "model.joblib")
    encoded = pipeline[:-1].transform(records)
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    mine: Any = None
    expected: Any = None
    with warnings.catch_warnings(action="ignore"):
        for _ in range(arguments.rounds):
            mine = timed(ours, lambda: explainability.local_values(artifact, records))
            expected = timed(theirs, lambda: shap.TreeExplainer(pipeline[-1]).shap_values(encoded))
    raw = json.loads((artifact / "metadata.json").read_text())["raw"]
    whole = pd.DataFrame(expected, columns=encoded.columns)
    added = np.column_stack([whole[raw[name]].sum(axis=1) for name in mine])
    (wall, cpu), (their_wall, their_cpu) = (map(min, zip(*each, strict=True)) for each in (ours, theirs))
    found = {
        "seconds": wall, "cpu": cpu, "peer_seconds": their_wall, "peer_cpu": their_cpu,
        "difference": float(np.abs(mine.to_numpy() - added).max()), "trees": pipeline[-1].best_iteration + 1,
    }  # fmt: skip
    print(json.dumps(found))


def timed(taken: list[tuple[float, float]], work: Any) -> Any:
    """What the work returned; wall and CPU seconds are added to `taken`."""
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    taken.append((time.perf_counter() - start, time.process_time() - cpu))
    return result


def train(customers: Path, folder: Path) -> tuple[Path, pd.DataFrame]:
    """The artifact's folder, and the test split's and all other customers' features."""
    (folder / "raw").mkdir(parents=True)
    pd.read_parquet(customers).to_csv(folder / "raw" / "churn.csv", index=False)
    splits = ("train", "validation", "test")
    places = [each for name in ("raw", *splits, "baseline", "report") for each in (f"--{name}", str(folder / name))]
    run("processing/churn.py", *places)
    channels = ("--train", str(folder / "train"), "--validation", str(folder / "validation"))
    run("training/churn.py", *channels, "--model-dir", str(folder / "model"))
    frames = [pd.read_csv(folder / name / f"{name}.csv").drop(columns="Churn") for name in splits]
    return folder / "model", pd.concat(frames, ignore_index=True)


def run(script: str, *options: str) -> None:
    done = subprocess.run([sys.executable, str(ROOT / script), *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} failed: {done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
