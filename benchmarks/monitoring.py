"""Statistics and drift of a table of 1 M rows and 30 columns, here and by Evidently, whylogs and NannyML; TreeSHAP.

    python benchmarks/monitoring.py [--rows 1000000] [--rounds 3] [--only ours,whylogs] [--limit 240]

Each tool runs in a process of its own, the peers in environments of their own in the project's cache folder (made at
the first run, which takes minutes more), one after the other. All do the same: read two Parquet files (pandas writes
them, Snappy), describe every column of both, and compare every column's distribution. All of that is counted, imports
are not. The baseline is described within the time by everyone, as Evidently's report takes both tables and keeps
nothing; what the comparison alone takes, with a kept baseline, is shown too, and what loading the data frames takes.
Settings are each tool's own defaults, but that NannyML, which has no statistics of a table by default, is asked for
its averages, medians, standard deviations and missing values, and takes a whole table for a chunk. No column is an
identifier with a value of its own in each row.

Ours runs `--rounds` times and the fastest counts; a peer runs once, and again only where it is done within 30 s. One
that is not done after `--limit` seconds, imports included, is stopped and counts as that, and the note says so. CPU
seconds are of all threads, so that a busy machine can be told from a slow tool. Memory is the process' peak above what
it had with everything imported, against the size of the current table alone as Arrow has it, the strictest measure.

SHAP: see monitoring_peers/explanations.py. One line of JSON ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.archives import cache_folder, fetch

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "monitoring_peers"
REQUIREMENTS = {
    "evidently": ["evidently==0.7.23", "pandas==2.3.3", "pyarrow==25.0.1"],
    "whylogs": ["whylogs[viz]==1.6.4", "pandas==2.3.3", "pyarrow==25.0.1", "setuptools<81"],
    "nannyml": ["nannyml==0.13.1", "pandas<3", "pyarrow==25.0.1", "statsmodels>=0.14"],
}
QUICK = 30  # seconds; a peer that takes longer runs once
CATEGORIES = (2, 3, 3, 4, 5, 6, 8, 12, 30, 200, 900)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="of ours and of quick peers; the fastest one counts")
    parser.add_argument("--only", default=",".join(["ours", *REQUIREMENTS]), help="%(default)s")
    parser.add_argument("--limit", type=float, default=240, help="seconds after which a tool's process is stopped")
    arguments = parser.parse_args()
    tools = arguments.only.split(",")
    for tool in tools:
        python_of(tool)
    with tempfile.TemporaryDirectory() as folder:
        size = write_tables(Path(folder), arguments.rows)
        print(f"{arguments.rows:,} rows, 30 columns, {size / 2**20:.0f} MiB as Arrow", flush=True)
        best = {tool: fastest(tool, Path(folder), arguments.limit, arguments.rounds) for tool in tools}
        explained = explanations(Path(folder) / "churn")
    print(json.dumps(result(arguments.rows, best, size, explained)))


def fastest(tool: str, folder: Path, limit: float, rounds: int) -> dict[str, Any]:
    found = [measure(tool, folder, limit)]
    while len(found) < rounds and (tool == "ours" or found[0]["seconds"] < QUICK):
        found.append(measure(tool, folder, limit))
    return min(found, key=lambda each: each["seconds"])


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
    """What the tool printed; `limit` seconds, `stopped` and the CPU seconds until then where it took longer."""
    files = [str(folder / f"{name}.parquet") for name in ("baseline", "current")]
    quiet = {"EVALUATION": str(ROOT / "evaluation"), "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    command = [python_of(tool), str(PEERS / "tool.py"), tool, *files]
    before = sum(os.times()[2:4])
    try:
        done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        cpu = sum(os.times()[2:4]) - before
        print(f"{tool:10} stopped after {limit:g} s, CPU {cpu:.1f} s until then", flush=True)
        return {"seconds": limit, "stopped": True, "cpu": cpu}
    if done.returncode:
        raise SystemExit(f"{tool} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    read = f"{found['read']:.2f} s of it loading" if found["read"] else "read as it goes"
    print(
        f"{tool:10} {found['seconds']:7.2f} s ({read}; {found['seconds'] - found['baseline']:.2f} s with a kept "
        f"baseline), CPU {found['cpu']:.1f} s, {found['columns']} columns compared, "
        f"peak {found['memory'] / 2**20:.0f} MiB",
        flush=True,
    )
    return found


def python_of(tool: str) -> str:
    """The Python with a tool; a peer's environment is made at the first run."""
    if tool == "ours":
        return sys.executable
    folder = cache_folder() / "benchmarks" / tool
    done = folder / "installed.json"
    if not done.exists() or json.loads(done.read_text()) != REQUIREMENTS[tool]:
        print(f"installing {' '.join(REQUIREMENTS[tool])} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *REQUIREMENTS[tool]]
        subprocess.run(command, check=True)
        done.write_text(json.dumps(REQUIREMENTS[tool]))
    return str(folder / "bin" / "python")


def explanations(folder: Path) -> dict[str, Any]:
    """What explanations.py printed, on one thread."""
    command = [sys.executable, str(PEERS / "explanations.py"), str(fetch("churn")), str(folder)]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"explanations.py failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        f"SHAP, 10,000 records, {found['trees']} trees: local_values {found['seconds']:.3f} s "
        f"(CPU {found['cpu']:.3f}), shap.TreeExplainer {found['peer_seconds']:.3f} s (CPU {found['peer_cpu']:.3f}), "
        f"largest difference {found['difference']:.1e}",
        flush=True,
    )
    return found


def result(rows: int, best: dict[str, dict[str, Any]], size: int, shap: dict[str, Any]) -> dict[str, Any]:
    ours = best.get("ours", {})
    notes = [
        f"statistics and drift of {rows:,} rows x 30 columns, two Parquet tables read, described and compared",
        f"peak memory {ours.get('memory', 0) / size:.2f} times one table as Arrow ({size / 2**20:.0f} MiB)",
        "CPU s: " + ", ".join(f"{tool} {found['cpu']:.1f}" for tool, found in best.items() if "cpu" in found),
        *(f"{tool} more than {found['seconds']:g} s, stopped" for tool, found in best.items() if "stopped" in found),
        f"TreeSHAP of 10,000 records {shap['seconds']:.3f} s against {shap['peer_seconds']:.3f} s by "
        f"shap.TreeExplainer, {shap['seconds'] / shap['peer_seconds']:.2f} times "
        f"(CPU {shap['cpu'] / shap['peer_cpu']:.2f} times), one thread",
    ]
    return {
        "name": "monitoring",
        "unit": "s",
        "ours": round(ours["seconds"], 2) if ours else None,
        "peers": {tool: round(found["seconds"], 2) for tool, found in best.items() if tool != "ours"},
        "note": "; ".join(notes),
    }


if __name__ == "__main__":
    main()
