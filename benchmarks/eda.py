"""How long a case study of a large table takes, and how its memory grows with the rows.

    python benchmarks/eda.py [--rows 250000,1000000] [--peer-rows 250000] [--columns 50] [--limit 900]
        [--environments FOLDER]

Makes a CSV of so many rows and columns (numbers of several distributions, categories, truths, times, identifiers and
texts, some with gaps), then runs the two scripts of the `eda` pipeline on it as they run in its jobs, each in its own
process limited to two cores: wall time and the kernel's peak of resident memory. Beside them, on tables of
`--peer-rows` (by default the smallest), ydata-profiling on the same file, with its defaults and as it is said to be for
large tables (`minimal=True`), each stopped after `--limit` seconds. It has an environment of its own, made at the first
run. The last line is the result as JSON: seconds at the largest size that the peers took, too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from data.archives import cache_folder

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 100_000
CORES = 2
REQUIREMENT = "ydata-profiling==4.18.4"
MODES = ("minimal", "default")
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


def measured(command: list[str], folder: Path, limit: float | None = None) -> dict[str, float]:
    """Seconds, seconds of the cores' time, and MiB at most of a process."""
    begun = time.perf_counter()
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:CORES]))
    whole = ["taskset", "-c", cores, sys.executable, "-c", WATCH, *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(whole, cwd=folder, text=True, start_new_session=True, stdout=pipe, stderr=pipe) as process:
        try:
            out, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its child, too
            raise
    if process.returncode:
        raise RuntimeError(f"{command[1]} failed: {errors[-2000:]}")
    busy, peak = out.split()[-2:]
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


def peer(python: Path, table: Path, folder: Path, mode: str, limit: float) -> dict[str, Any]:
    try:
        return measured([str(python), "-c", PEER, str(table), str(folder / "peer.html"), mode], folder, limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit:.0f} s"}
    except RuntimeError as error:
        return {"failed": str(error).strip().splitlines()[-1][:300]}


def environment(folder: Path) -> Path:
    """The Python of the peer's own environment."""
    python, done = folder / "bin" / "python", folder / f".installed-{REQUIREMENT}"
    if not done.exists():
        print(f"installing {REQUIREMENT} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
        done.touch()
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="250000,1000000")
    parser.add_argument("--peer-rows", help="sizes that the peers take, too; none: an empty text")
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a peer is stopped")
    parser.add_argument("--environments", type=Path, default=cache_folder() / "benchmarks", help="of the peers")
    args = parser.parse_args()
    sizes = [int(rows) for rows in args.rows.split(",")]
    beside = [min(sizes)] if args.peer_rows is None else [int(rows) for rows in args.peer_rows.split(",") if rows]
    python = environment(args.environments / "ydata") if beside else None
    found: dict[int, dict[str, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="mlops-eda-") as place:
        for rows in sizes:
            table = Path(place) / f"table-{rows}.csv"
            make(table, rows, args.columns)
            found[rows] = {"ours": ours(table, Path(place))}
            if python and rows in beside:
                for mode in MODES:
                    found[rows][f"ydata-profiling, {mode}"] = peer(python, table, Path(place), mode, args.limit)
            for name, each in found[rows].items():
                print(f"{rows:,} rows, {table.stat().st_size // 2**20} MiB: {name}: {json.dumps(each)}", flush=True)
            table.unlink()
    print(json.dumps(line(found, args.columns, args.limit)))


def line(found: dict[int, dict[str, dict[str, Any]]], columns: int, limit: float) -> dict[str, Any]:
    """Seconds at the largest size that was compared, or of ours alone; the rest as words."""
    rows = max(found, key=lambda size: (len(found[size]) > 1, size))
    own = [f"{size:,} rows: {each['ours']['seconds']} s, {each['ours']['mib']} MiB" for size, each in found.items()]
    values = {name: each.get("seconds") for name, each in found[rows].items()}
    return {
        "name": "eda",
        "unit": f"s for a case study of {rows:,} rows x {columns} columns on {CORES} cores",
        "ours": values.pop("ours"),
        "peers": values,
        "note": f"ours: {'; '.join(own)}. {REQUIREMENT}, stopped after {limit:.0f} s. All of it: {json.dumps(found)}",
    }


if __name__ == "__main__":
    main()
