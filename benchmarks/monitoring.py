"""Statistics and drift of a table of 1 M rows and 30 columns, here and by Evidently, whylogs and NannyML; TreeSHAP.

    python benchmarks/monitoring.py [--rows 1000000] [--rounds 2] [--only ours,whylogs] [--limit 1800]

Each tool runs in a process of its own, the peers in environments of their own in the project's cache folder, one after
the other. All do the same: read two Parquet files (pandas writes them, Snappy), describe every column of both, and
compare every column's distribution. The baseline is described within the time, as Evidently's report takes both tables
and keeps nothing; what the comparison alone takes, with a kept baseline, is shown too. Settings are each tool's own
defaults, but that NannyML, which has no statistics of a table by default, is asked for its averages, medians, standard
deviations and missing values, and takes a whole table for a chunk.

Memory is the peak of the process above what it had with everything imported, against the current table's size as Arrow
has it. SHAP: 10,000 rows of an XGBoost model of 30 features, `evaluation/explainability.py`'s way against shap's own
TreeExplainer. Two lines of JSON end it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.archives import cache_folder

ROOT = Path(__file__).parents[1]

TOOL = Path(__file__).parent / "monitoring_peers" / "tool.py"
REQUIREMENTS = {
    "evidently": ["evidently==0.7.23", "pandas==2.3.3", "pyarrow==25.0.1"],
    "whylogs": ["whylogs[viz]==1.6.4", "pandas==2.3.3", "pyarrow==25.0.1", "setuptools<81"],
    "nannyml": ["nannyml==0.13.1", "pandas<3", "pyarrow==25.0.1", "statsmodels>=0.14"],
}
CATEGORIES = (2, 3, 3, 4, 5, 6, 8, 12, 30, 200, 900)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2, help="of everything; the fastest one counts")
    parser.add_argument("--only", default=",".join(["ours", *REQUIREMENTS]), help="%(default)s")
    parser.add_argument("--limit", type=float, default=1800, help="seconds after which a peer is stopped")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = write_tables(Path(folder), arguments.rows)
        print(f"{arguments.rows:,} rows, 30 columns, {size / 2**20:.0f} MiB as Arrow", flush=True)
        best: dict[str, dict[str, Any]] = {}
        for _ in range(arguments.rounds):
            for tool in arguments.only.split(","):
                found = measure(tool, Path(folder), arguments.limit)
                if tool not in best or found["seconds"] < best[tool]["seconds"]:
                    best[tool] = found
    explained = shap_seconds(10_000)
    tell(best, size)
    print(json.dumps(explained))


def write_tables(folder: Path, rows: int) -> int:
    """baseline.parquet and current.parquet, of one population. Returns the bytes of one as Arrow."""
    import pyarrow as pa

    size = 0
    for seed, name in enumerate(("baseline", "current")):
        frame = table(seed, rows)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        size = pa.Table.from_pandas(frame, preserve_index=False).nbytes
    return size


def table(seed: int, rows: int) -> pd.DataFrame:
    """30 columns: counts, amounts, scores, some with gaps, a flag, and categories of 2 to 900 values."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"count_{place}": random.poisson(3 + 20 * place, rows) for place in range(4)}
    columns |= {f"amount_{place}": random.gamma(2 + place, 20, rows).round(2) for place in range(4)}
    columns |= {f"score_{place}": random.normal(0, 1, rows) for place in range(8)}
    for place in range(2):
        gaps = random.random(rows) < 0.05
        columns[f"sparse_{place}"] = np.where(gaps, np.nan, random.exponential(5, rows))
    columns["flag"] = random.random(rows) < 0.3
    for place, count in enumerate(CATEGORIES):
        shares = np.arange(count, 0, -1) / np.arange(count, 0, -1).sum()
        names = np.array([f"value {each}" for each in range(count)], dtype=object)
        columns[f"category_{place}"] = names[random.choice(count, rows, p=shares)]
    return pd.DataFrame(columns)


def measure(tool: str, folder: Path, limit: float) -> dict[str, Any]:
    """What the tool printed; `limit` seconds and `stopped` where it took longer."""
    python = sys.executable if tool == "ours" else str(environment(tool))
    files = [str(folder / f"{name}.parquet") for name in ("baseline", "current")]
    quiet = {"EVALUATION": str(ROOT / "evaluation"), "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    try:
        done = subprocess.run(
            [python, str(TOOL), tool, *files], env=os.environ | quiet, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        print(f"{tool:10} stopped after {limit:g} s", flush=True)
        return {"seconds": limit, "stopped": True}
    if done.returncode:
        raise SystemExit(f"{tool} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        f"{tool:10} {found['seconds']:7.2f} s ({found['seconds'] - found['baseline']:.2f} s with a kept baseline, "
        f"CPU {found['cpu']:.1f} s), {found['columns']} columns compared, peak {found['memory'] / 2**20:.0f} MiB",
        flush=True,
    )
    return found


def environment(tool: str) -> Path:
    """The Python with a peer, made at the first run."""
    folder = cache_folder() / "benchmarks" / tool
    done = folder / "installed.json"
    if not done.exists() or json.loads(done.read_text()) != REQUIREMENTS[tool]:
        print(f"installing {' '.join(REQUIREMENTS[tool])} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *REQUIREMENTS[tool]]
        subprocess.run(command, check=True)
        done.write_text(json.dumps(REQUIREMENTS[tool]))
    return folder / "bin" / "python"


def tell(best: dict[str, dict[str, Any]], size: int) -> None:
    """The table's line of JSON."""
    ours = best.get("ours", {})
    peers = {tool: round(found["seconds"], 2) for tool, found in best.items() if tool != "ours"}
    stopped = [tool for tool, found in best.items() if found.get("stopped")]
    note = (
        f"two Parquet tables described and compared; peak memory {ours.get('memory', 0) / size:.2f} times the data's; "
        f"{'stopped at its limit: ' + ', '.join(stopped) if stopped else 'all ran to their end'}"
    )
    seconds = round(ours["seconds"], 2) if ours else None
    line = {"name": "data-quality-1m-x-30", "unit": "s", "ours": seconds, "peers": peers, "note": note}
    print(json.dumps(line))


def shap_seconds(rows: int) -> dict[str, Any]:
    """XGBoost's own contributions, which an artifact's `explain_fn` returns, against shap's TreeExplainer."""
    import shap
    import xgboost

    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 30)).astype(np.float32)
    labels = (features[:, :3].sum(axis=1) + random.normal(size=rows) > 0).astype(int)
    model = xgboost.XGBClassifier(n_estimators=200, max_depth=6).fit(features, labels)
    explainer = shap.TreeExplainer(model)
    booster = model.get_booster()
    ours, values = _fastest(lambda: booster.predict(xgboost.DMatrix(features), pred_contribs=True)[:, :-1])
    theirs, expected = _fastest(lambda: explainer.shap_values(features))
    note = f"TreeSHAP of {rows:,} rows x 30, 200 trees; largest difference {np.abs(values - expected).max():.1e}"
    peers = {"shap TreeExplainer": round(theirs, 3)}
    return {"name": "tree-shap-10000", "unit": "s", "ours": round(ours, 3), "peers": peers, "note": note}


def _fastest(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - start)
    return min(taken), result


if __name__ == "__main__":
    main()
