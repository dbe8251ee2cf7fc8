"""How long a case study of a large table takes, and how its memory grows with the rows.

    python benchmarks/eda.py [--rows 250000,1000000] [--columns 50] [--peer PYTHON]

Makes a CSV of so many rows and columns (numbers of several distributions, categories, truths, times, identifiers and
texts, some with gaps), then runs the two scripts of the `eda` pipeline on it as they run in its jobs, each in its own
process limited to two cores: wall time and the kernel's peak of resident memory. Beside them, where --peer names a
Python that has it, ydata-profiling on the same file, with its defaults and as it is said to be for large tables
(`minimal=True`). The last line is the result as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 100_000
CORES = 2
PEER = """
import sys
import pandas as pd
from ydata_profiling import ProfileReport
table = pd.read_csv(sys.argv[1])
ProfileReport(table, minimal=sys.argv[3] == "minimal", progress_bar=False).to_file(sys.argv[2])
"""
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
LIMIT_SECONDS = 1800
WORDS = ["red", "house", "stands", "near", "old", "river", "where", "people", "fish", "and", "children", "play", "long"]


def chunk(rows: int, columns: int, seed: int, start: int) -> pd.DataFrame:
    """Of ten columns six are numbers, and one each a category, a truth, a time and, by turns, a text or identifier."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=rows)
    made: dict[str, Any] = {"target": (hidden + random.normal(size=rows) > 0.8).astype(int)}
    for place in range(columns - 1):
        turn, name = place % 10, f"c{place:02d}"
        noise = random.normal(size=rows)
        if turn < 2:
            made[name] = np.round(hidden * (place % 7) / 4 + noise, 4)
        elif turn < 4:
            made[name] = np.round(np.exp(noise), 3)
        elif turn == 4:
            made[name] = random.poisson(3, rows)
        elif turn == 5:
            made[name] = np.where(random.random(rows) < 0.1, np.nan, np.round(noise * 50, 2))
        elif turn == 6:
            made[name] = random.choice([f"kind {each}" for each in range(5 + place)], rows)
        elif turn == 7:
            made[name] = random.random(rows) < 0.3
        elif turn == 8:
            made[name] = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 10**8, rows), unit="s")
        elif place % 20 < 10:
            made[name] = [f"id-{start + each}-{place}" for each in range(rows)]
        else:
            words = random.choice(WORDS, (rows, 6))
            made[name] = [" ".join(each) for each in words]
    return pd.DataFrame(made)


def make(path: Path, rows: int, columns: int) -> None:
    with path.open("wb") as file:
        for place, start in enumerate(range(0, rows, CHUNK)):
            part = pa.Table.from_pandas(chunk(min(CHUNK, rows - start), columns, place, start), preserve_index=False)
            csv.write_csv(part, file, csv.WriteOptions(include_header=start == 0))


def measured(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds, seconds of the cores' time, and MiB at most of a process."""
    begun = time.perf_counter()
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:CORES]))
    whole = ["taskset", "-c", cores, sys.executable, "-c", WATCH, *command]
    ran = subprocess.run(whole, cwd=folder, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    if ran.returncode:
        raise RuntimeError(f"{command[1]} failed: {ran.stderr[-2000:]}")
    busy, peak = ran.stdout.split()[-2:]
    seconds = round(time.perf_counter() - begun, 1)
    return {"seconds": seconds, "core_seconds": round(float(busy), 1), "mib": int(peak) // 1024}


def ours(table: Path, folder: Path) -> dict[str, Any]:
    clean, report = folder / "clean", folder / "report"
    scripts = str(ROOT / "processing/eda.py"), str(ROOT / "evaluation/case_study.py")
    made = ["--table", f"{clean}/table", "--quality", f"{clean}/quality", "--target", "target"]
    first = measured([sys.executable, scripts[0], "--raw", str(table), *made], folder)
    second = measured([sys.executable, scripts[1], "--output", str(report), *made], folder)
    study = json.loads((report / "case_study.json").read_text())
    sizes = {name: round((report / name).stat().st_size / 2**20, 1) for name in ("report.html", "report.pdf")}
    parts = sorted(study["seconds"].items(), key=lambda pair: -pair[1])[:6]
    broken = [each["title"] for each in study["sections"] if each["id"].startswith("not-done")]
    whole = {name: round(first[name] + second[name], 1) for name in ("seconds", "core_seconds")}
    whole["mib"] = max(first["mib"], second["mib"])
    return whole | {"clean": first, "study": second, "slowest": dict(parts), "mib_of_files": sizes, "broken": broken}


def peer(python: str, table: Path, folder: Path, mode: str) -> dict[str, Any]:
    try:
        return measured([python, "-c", PEER, str(table), str(folder / "peer.html"), mode], folder)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {"failed": str(error).strip().splitlines()[-1][:300]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="250000,1000000")
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--peer", default="", help="a Python with ydata-profiling")
    args = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "eda", "columns": args.columns, "cores": CORES, "rows": {}}
    with tempfile.TemporaryDirectory(prefix="mlops-eda-") as place:
        for rows in map(int, args.rows.split(",")):
            table = Path(place) / f"table-{rows}.csv"
            make(table, rows, args.columns)
            found: dict[str, Any] = {"csv_mib": table.stat().st_size // 2**20, "ours": ours(table, Path(place))}
            print(f"{rows:,} rows: {found['ours']['seconds']} s, {found['ours']['mib']} MiB", flush=True)
            if args.peer:
                for mode in ("minimal", "default"):
                    found[f"ydata_profiling_{mode}"] = peer(args.peer, table, Path(place), mode)
                    print(f"ydata-profiling, {mode}: {found[f'ydata_profiling_{mode}']}", flush=True)
            result["rows"][str(rows)] = found
            table.unlink()
    result["peak_of_this_process_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
