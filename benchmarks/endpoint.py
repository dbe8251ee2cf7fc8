"""Requests a second and latency of the churn model's endpoint, here and behind MLServer, BentoML and LitServe.

    python benchmarks/endpoint.py [--seconds 8] [--rounds 2] [--workers 1] [--only here,bentoml]

One machine, one run, one after the other: each server is started on the first core, wrk asks it from the second one
over a fixed number of connections, a CSV row a request and 100 rows a request. All wrap the same functions of the
artifact's `code/inference.py` with the same number of workers; the peers do so in environments of their own, in the
project's cache folder, with the same numpy, pandas, scikit-learn and XGBoost, each with its own batching and without
(benchmarks/endpoint_servers/peers.py says how they are set up). Every answer is compared with the bare handler's. Here
a request is what a client of AWS sends, signature included, through sagelocal's API: without data capture and with
every request captured.

Beside it: the bare handler in a loop on that core; server CPU time a request, which says the same on a busy machine;
memory a worker; what the API adds to asking the model server's socket; and what an idle endpoint costs.

Needs wrk (Debian, Ubuntu, Homebrew: a package of that name) and two cores. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from endpoint_servers import peers
from endpoint_servers.bench import BATCH, LOAD_CORE, ROWS, SERVER_CORE, Bench, Target, cpu_seconds, memory, prepare
from endpoint_servers.here import beside, here

HEADLINE, CONNECTIONS = 16, (1, 16, 64)
SERVERS: dict[str, Callable[[Bench], AbstractContextManager[Target]]] = {
    "here": partial(here, False),
    "here-captured": partial(here, True),
    **peers.SERVERS,
}
WRK = Path(__file__).parent / "endpoint_servers" / "load.lua"


@dataclass(frozen=True)
class Load:
    """One run of wrk; latencies in ms, `cpu` the server's ms a request."""

    rate: float
    p50: float
    p99: float
    cpu: float
    errors: int


@dataclass
class Report:
    loads: dict[tuple[str, int, int], Load] = field(default_factory=dict)  # server, rows, connections: the best round
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)  # MiB: of a worker, of all processes
    errors: int = 0

    def add(self, server: str, rows: int, connections: int, load: Load) -> None:
        self.errors += load.errors
        key = server, rows, connections
        if key not in self.loads or load.rate > self.loads[key].rate:
            self.loads[key] = load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run of wrk")
    parser.add_argument("--rounds", type=int, default=2, help="of everything; the best one counts")
    parser.add_argument("--workers", type=int, default=1, help="processes with the model, of each server")
    parser.add_argument("--only", default=",".join(SERVERS), help="%(default)s")
    arguments = parser.parse_args()
    if not shutil.which("wrk") or (os.cpu_count() or 1) < 2:
        raise SystemExit("This needs two cores and wrk: apt install wrk")
    chosen = {name: SERVERS[name] for name in arguments.only.split(",")}
    with tempfile.TemporaryDirectory() as folder:
        bench = prepare(Path(folder), arguments.seconds, arguments.workers)
        found = ceiling(bench)
        report = Report()
        for number in range(arguments.rounds):
            for start in chosen.values():
                with start(bench) as target:
                    measure(bench, target, report, CONNECTIONS if number == 0 else (HEADLINE,))
        if "here" in chosen:
            found |= beside(bench)
    tell(report, found, arguments.workers)


def ceiling(bench: Bench) -> dict[str, float]:
    """Requests a second of the handler's functions alone on the server's core, one by one and in batches."""
    os.sched_setaffinity(0, {SERVER_CORE})
    found = {}
    for rows in ROWS:
        body = bench.body(rows)
        found[f"one by one, {rows}"] = _rate(bench.answer, body, bench.seconds / 2)
        found[f"in batches, {rows}"] = _rate(bench.answers, [body] * BATCH, bench.seconds / 2) * BATCH
        print(
            f"{'bare handler':20} {rows:4} rows: {found[f'one by one, {rows}']:7.0f} requests/s one by one, "
            f"{found[f'in batches, {rows}']:7.0f} in batches of {BATCH}"
        )
    os.sched_setaffinity(0, {LOAD_CORE})
    return found


def _rate(call: Callable[[Any], Any], argument: Any, seconds: float) -> float:
    call(argument)
    count, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds:
        call(argument)
        count += 1
    return count / taken


def measure(bench: Bench, target: Target, report: Report, counts: tuple[int, ...]) -> None:
    """Asks for many rows at once to see that nobody gets another's answer, warms up, then loads."""
    with ThreadPoolExecutor(HEADLINE) as pool:
        for body, text in zip(bench.rows, pool.map(target.ask, bench.rows), strict=True):
            if target.written(bench.answer(body)) not in text:
                raise SystemExit(f"{target.name} answered {text!r} to {body!r}")
    for rows in ROWS:
        load(bench, target, rows, HEADLINE, seconds=2)
        for connections in counts:
            found = load(bench, target, rows, connections, bench.seconds)
            report.add(target.name, rows, connections, found)
            print(
                f"{target.name:20} {rows:4} rows, {connections:3} connections: {found.rate:7.0f} requests/s, "
                f"p50 {found.p50:6.2f} ms, p99 {found.p99:7.2f} ms, server {found.cpu:6.3f} ms CPU a request, "
                f"{found.errors} errors",
                flush=True,
            )
    report.memory[target.name] = memory(target, bench.workers)


def load(bench: Bench, target: Target, rows: int, connections: int, seconds: float) -> Load:
    body = bench.body(rows)
    files = {
        "BODY": target.wrap(body),
        "EXPECTED": target.written(bench.answer(body)),
        "HEADERS": "\n".join(f"{name}: {value}" for name, value in target.headers.items()),
    }
    for name, text in files.items():
        (bench.folder / name).write_text(text)
    options = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(WRK)]
    used = cpu_seconds(target.processes())
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), "wrk", *options, f"http://127.0.0.1:{target.port}{target.path}"],
        env={**os.environ, **{name: str(bench.folder / name) for name in files}},
        capture_output=True,
        text=True,
        check=True,
    )
    used = cpu_seconds(target.processes()) - used
    counted = json.loads(done.stdout.splitlines()[-1])
    rate = counted["requests"] / counted["microseconds"] * 1e6
    cpu = used / max(counted["requests"], 1) * 1e3
    return Load(rate, counted["p50"] / 1e3, counted["p99"] / 1e3, cpu, counted["errors"])


def tell(report: Report, found: Mapping[str, float], workers: int) -> None:
    names = list(report.memory)
    for name in names:
        worker, whole = report.memory[name]
        print(f"{name:20} {worker:5.0f} MiB a worker, {whole:5.0f} MiB all its processes")
    notes = []
    for rows in ROWS:
        loads = {name: report.loads[name, rows, HEADLINE] for name in names}
        best = max(
            (name for name in names if not name.startswith("here")), key=lambda name: loads[name].rate, default=""
        )
        if best and "here" in loads:
            ratio, peer = loads["here"].rate / loads[best].rate, loads[best]
            notes.append(
                f"{rows} rows: {loads['here'].rate:.0f}/s, p99 {loads['here'].p99:.1f} ms, "
                f"{ratio:.2f} times the best peer's ({best}: {peer.rate:.0f}/s, p99 {peer.p99:.1f} ms), "
                f"captured {loads['here, captured'].rate if 'here, captured' in loads else 0:.0f}/s, "
                f"bare handler {found[f'one by one, {rows}']:.0f}/s, {found[f'in batches, {rows}']:.0f}/s in batches"
            )
    if "here" in names:
        notes.append(
            f"the API adds {found['layer']:.2f} ms to the model server; {report.memory['here'][0]:.0f} MiB a worker; "
            f"idle {found['idle']:.2f} % of a core"
        )
    result = {
        "name": "endpoint",
        "unit": "requests/s",
        "ours": round(report.loads["here", ROWS[0], HEADLINE].rate) if "here" in names else None,
        "peers": {
            name: round(report.loads[name, ROWS[0], HEADLINE].rate) for name in names if not name.startswith("here")
        },
        "note": f"one CSV row, {HEADLINE} connections, {workers} worker(s), {report.errors} errors; "
        + "; ".join(notes),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
