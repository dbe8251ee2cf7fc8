"""AutoML in the same budget: ours, the hand-made pipelines, FLAML, TPOT, H2O and auto-sklearn called directly.

    python benchmarks/automl.py [--budget 300] [--tables churn,census,housing] [--only ours,flaml]
        [--environments FOLDER] [--hand-made FOLDER] [--limit 2]

For each table the use case's own pipeline runs first, whole, on a sagelocal of its own: its splits are everybody's
data, and its metric on the test split is the hand-made one. Both are kept in the folder `--hand-made`, and not made
again while they are there: `--only hand-made` makes them, at an hour when the machine need not be quiet. All others
learn from train and validation together, one CSV file, and are judged by the same function on the same test split;
nobody sees that split before. Houses' prices are learnt and judged as logarithms, as the use case judges them. Each
tool has its own defaults but for the budget, two cores, and the metric that it is to make best. Ours are the searches
of the pipeline's training jobs, run two at once with four fifths of the budget, and the ensemble with the rest; the
start of the jobs' containers is left out, Python's start and imports are not. What was learnt from a table is not in
the knowledge that its search begins with. Beside each metric stands by how much ours leads, with the 95 % interval of a
paired bootstrap over the test records: one that holds 0 is no difference that this test split can show.

Peers have environments of their own, made at the first run; one that does not install is said to be so. A tool that is
not done after `--limit` times the budget is stopped. One line of JSON ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "evaluation")]

from compared_models import paired_bootstrap  # noqa: E402

from data.archives import cache_folder  # noqa: E402
from sagelocal import config, server  # noqa: E402
from sagelocal.config import Settings  # noqa: E402

PEER = Path(__file__).parent / "automl_peers" / "tool.py"
TRAINING = ROOT / "training"
CORES = 2
START_SECONDS = 120  # that a peer may take on top, to import its libraries or start a server
REQUIREMENTS = {
    "flaml": ["flaml==2.7.0", "lightgbm", "xgboost-cpu==3.2.0", "scikit-learn<1.8", "pandas<3"],
    "tpot": ["tpot==1.1.0", "pandas<3", "setuptools<81"],
    "h2o": ["h2o==3.46.0.12", "pandas<3"],
    "autosklearn": ["auto-sklearn==0.15.0"],
}
# Use case -> its target, problem, and what each tool calls the metric that is made best.
TABLES = {
    "churn": ("Churn", "binary", "auc"),
    "census": ("loan", "binary", "auc"),
    "housing": ("Sale_Price", "regression", "rmse"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=300, help="seconds of each tool and table")
    parser.add_argument("--tables", default=",".join(TABLES), help="%(default)s")
    parser.add_argument("--only", default=",".join(["hand-made", "ours", *REQUIREMENTS]), help="%(default)s")
    parser.add_argument("--environments", type=Path, default=cache_folder() / "benchmarks", help="of the peers")
    parser.add_argument(
        "--hand-made", type=Path, default=cache_folder() / "benchmarks" / "hand-made", help="%(default)s"
    )
    parser.add_argument("--limit", type=float, default=2.0, help="a tool is stopped after so many budgets")
    arguments = parser.parse_args()
    tools = arguments.only.split(",")
    pythons = {name: python_of(name, arguments.environments) for name in tools if name in REQUIREMENTS}
    found: dict[str, dict[str, Any]] = {}
    for table in arguments.tables.split(","):
        with tempfile.TemporaryDirectory() as folder:
            hand_made(table, arguments.hand_made / table, Path(folder))
            shutil.copytree(arguments.hand_made / table, folder, dirs_exist_ok=True)
            found[table] = measure(table, tools, pythons, Path(folder), arguments.budget, arguments.limit)
    print(json.dumps(line(found, arguments.budget)))


def line(found: dict[str, dict[str, Any]], budget: float) -> dict[str, Any]:
    main_metric = {"churn": "roc_auc", "census": "roc_auc", "housing": "rmse_log"}
    values = {
        tool: {table: each[tool].get(main_metric[table]) for table, each in found.items() if tool in each}
        for tool in dict.fromkeys(name for each in found.values() for name in each)
    }
    return {
        "name": "automl",
        "unit": "ROC-AUC (churn, census), RMSE of log price (housing), on the test split",
        "ours": values.pop("ours", {}),
        "peers": values,
        "note": f"{budget:.0f} s each on {CORES} cores; all of it: {json.dumps(found)}",
    }


def measure(
    table: str, tools: Sequence[str], pythons: dict[str, str | None], folder: Path, budget: float, limit: float
) -> dict[str, Any]:
    target, problem, metric = TABLES[table]
    found: dict[str, Any] = {"hand-made": metrics(json.loads((folder / "evaluation.json").read_text()))}
    print(table, "hand-made", json.dumps(found["hand-made"]), flush=True)
    train, test = together(folder, target, problem)
    answers = {"hand-made": answers_of_hand_made(folder, problem)}
    for tool in tools:
        if tool == "hand-made":
            continue
        began, said = time.monotonic(), ""
        try:
            if tool == "ours":
                predicted = ours(train, test, folder, target, problem, metric, budget)
            else:
                predicted = peer(pythons[tool], tool, folder, target, problem, budget, limit)
            found[tool] = judge(test[target].to_numpy(), predicted, problem)
            answers[tool] = predicted
        except (RuntimeError, subprocess.SubprocessError) as error:
            said = str(error)[-300:]
            found[tool] = {"failed": said}
        found[tool]["seconds"] = round(time.monotonic() - began, 1)
        print(table, tool, json.dumps(found[tool]), flush=True)
    for tool in [each for each in answers if each != "ours"] if "ours" in answers else []:
        found[tool]["ours_leads_by"] = lead(test[target].to_numpy(), answers["ours"], answers[tool], problem)
        print(table, tool, json.dumps(found[tool]["ours_leads_by"]), flush=True)
    return found


def lead(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, problem: str) -> list[float]:
    """By how much the first metric of `judge` is better, and the interval's ends."""
    sign, name = (-1, "rmse_log") if problem == "regression" else (1, "roc_auc")
    found = paired_bootstrap(truth, ours, theirs, lambda known, said: sign * judge(known, said, problem, 9)[name])
    return [round(each, 4) for each in (found["difference"], *found["interval"])]


def answers_of_hand_made(folder: Path, problem: str) -> np.ndarray:
    """In the order of the test split."""
    table = pd.read_csv(folder / "predictions.csv")
    return np.log(table["prediction"].to_numpy()) if problem == "regression" else table["probability"].to_numpy()


def hand_made(table: str, folder: Path, workspace: Path) -> None:
    """The use case's pipeline, whole; leaves its splits and its evaluation in the folder, unless they are there."""
    if (folder / "evaluation.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    settings = config.load(workspace / "state")
    environ = {**os.environ, "MLOPS_STATE": str(settings.state), "PYTHONPATH": str(ROOT)}
    server.up(settings)
    try:
        began = time.monotonic()
        command = [sys.executable, "-m", "mlops.cli", "run", table]
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        took = time.monotonic() - began
        if ran.returncode:
            print(table, "hand-made", ran.stdout[-2000:], ran.stderr[-500:], flush=True)
        for split in ("train", "validation", "test"):
            fetch_split(settings, table, split, folder)
        (folder / "predictions.csv").write_bytes(find(settings, table, "predictions.csv", "/Evaluate/"))
        (folder / "evaluation.json").write_bytes(find(settings, table, "evaluation.json", "/Evaluate/"))
        print(f"{table}'s pipeline took {took:.0f} s", flush=True)
    finally:
        server.down(settings)
        shutil.rmtree(settings.state, ignore_errors=True)


def metrics(evaluation: dict[str, Any]) -> dict[str, Any]:
    group = next(evaluation[name] for name in evaluation if name.endswith("_metrics"))
    names = {"auc": "roc_auc", "average_precision": "average_precision", "rmse_log": "rmse_log", "r2_log": "r2_log"}
    return {ours: round(group[theirs]["value"], 4) for theirs, ours in names.items() if theirs in group}


def fetch_split(settings: Settings, table: str, split: str, folder: Path) -> None:
    with contextlib.suppress(LookupError):  # a use case that cross-validates has no validation
        (folder / f"{split}.csv").write_bytes(find(settings, table, f"{split}.csv", "/ProcessData/"))


def find(settings: Settings, table: str, name: str, step: str) -> bytes:
    """A file that a step left in the bucket. Raises LookupError when it isn't there."""
    s3 = settings.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=f"{table}/")
    for page in pages:
        for each in page.get("Contents", []):
            if step in each["Key"] and each["Key"].endswith(f"/{name}"):
                return bytes(s3.get_object(Bucket=settings.bucket, Key=each["Key"])["Body"].read())
    raise LookupError(f"{table} left no {name} of {step.strip('/')}.")


def together(folder: Path, target: str, problem: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and validation as one table, and test; a price as its logarithm. Both are in all.csv and judged.csv."""
    parts = [
        pd.read_csv(folder / f"{name}.csv") for name in ("train", "validation") if (folder / f"{name}.csv").exists()
    ]
    tables = [pd.concat(parts, ignore_index=True), pd.read_csv(folder / "test.csv")]
    if problem == "regression":
        tables = [each.assign(**{target: np.log(each[target])}) for each in tables]
    for name, each in zip(("all", "judged"), tables, strict=True):
        (folder / name).mkdir(exist_ok=True)
        each.to_csv(folder / name / f"{name}.csv", index=False)
    return tables[0], tables[1]


def judge(truth: np.ndarray, predicted: np.ndarray, problem: str, digits: int = 4) -> dict[str, Any]:
    if problem == "regression":
        error = float(np.sqrt(np.mean((truth - predicted) ** 2)))
        return {"rmse_log": round(error, digits), "r2_log": round(float(r2_score(truth, predicted)), digits)}
    return {
        "roc_auc": round(float(roc_auc_score(truth, predicted)), digits),
        "average_precision": round(float(average_precision_score(truth, predicted)), digits),
    }


def ours(
    train: pd.DataFrame, test: pd.DataFrame, folder: Path, target: str, problem: str, metric: str, budget: float
) -> np.ndarray:
    """Raises RuntimeError with the end of a job's log when one fails."""
    del train
    families = subprocess.run(
        [sys.executable, "-c", "import automl_families; print(','.join(automl_families.FAMILIES))"],
        cwd=TRAINING,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    common = ["--train", str(folder / "all"), "--target", target, "--problem", problem, "--metric", metric]
    search = [*common, "--seconds", str(0.8 * budget), "--parallel", str(CORES)]

    def trial(family: str) -> None:
        script("automl.py", *search, "--family", family, "--model-dir", str(folder / "trials" / family))

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(trial, families.split(",")))
    trials = ["--trials", str(folder / "trials"), "--model-dir", str(folder / "model")]
    print(script("automl_ensemble.py", *common, *trials, "--seconds", str(0.2 * budget)), flush=True)
    sys.path.insert(0, str(TRAINING))
    import joblib

    model = joblib.load(folder / "model" / "model.joblib")
    rows = test.drop(columns=target)
    return np.asarray(model.predict(rows) if problem == "regression" else model.predict_proba(rows)[:, 1])


def script(name: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, str(TRAINING / name), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr[-500:]}")
    return ran.stdout


def peer(
    python: str | None, tool: str, folder: Path, target: str, problem: str, budget: float, limit: float
) -> np.ndarray:
    if python is None:
        raise RuntimeError("does not install here")
    out = folder / f"{tool}.csv"
    asked = [str(folder / "all" / "all.csv"), str(folder / "judged" / "judged.csv"), target, problem, str(budget)]
    command = [python, str(PEER), tool, *asked, str(CORES), str(out)]
    told = folder / f"{tool}.log"
    with (
        told.open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True) as ran,
    ):
        try:
            status = ran.wait(timeout=limit * budget + START_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"was not done after {limit * budget + START_SECONDS:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):  # workers that it leaves behind would slow down the next tool
                os.killpg(ran.pid, signal.SIGKILL)
    if status:
        raise RuntimeError(told.read_text()[-500:])
    return pd.read_csv(out)["predicted"].to_numpy()


def python_of(tool: str, folder: Path) -> str | None:
    """The Python with a peer, made at the first run; None where it does not install."""
    place, python = folder / tool, folder / tool / "bin" / "python"
    done = place / "installed.json"
    if done.exists() and json.loads(done.read_text())["requirements"] == REQUIREMENTS[tool]:
        return str(python) if json.loads(done.read_text())["works"] else None
    print(f"installing {' '.join(REQUIREMENTS[tool])} into {place}", flush=True)
    venv.create(place, with_pip=True, clear=True)
    ran = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[tool]], capture_output=True, text=True
    )
    if ran.returncode:
        print(f"{tool} does not install: {ran.stderr.strip()[-300:]}", flush=True)
    done.write_text(json.dumps({"requirements": REQUIREMENTS[tool], "works": ran.returncode == 0}))
    return str(python) if ran.returncode == 0 else None


if __name__ == "__main__":
    main()
