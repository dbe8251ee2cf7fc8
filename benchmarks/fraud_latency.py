"""From a card transaction to its score, end to end: milliseconds at 200 transactions a second on two cores.

    python benchmarks/fraud_latency.py [--rate 200] [--seconds 60] [--model DIR] [--runs steady,killed,poison]

A sagelocal of its own with all that `mlops stream up fraud` makes (streams, delivery into the lake with validation,
tables, feature groups), six weeks of history of 2,500 customers and 5,000 terminals in the Feature Store, an endpoint
with the trained ensemble, and `mlops score fraud`. A producer puts each transaction when it is due, with others that
are due within the same few milliseconds; the latency is from when it was due to when its score had arrived in the
stream of scores, by which time it is in the table, too. All of it shares the machine's cores: producer, streams, table,
Feature Store, endpoint, scorer.

Three runs: steady; with the scorer's process killed (SIGKILL) in the middle; with records that can't be scored in
between. After each: nothing lost, nothing scored twice, and each card's scores in its order.

Beside it the bare model: features and the ensemble's own handler in one process, without any stream.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fraud_stream import world
from fraud_stream.world import STAGE, USE_CASE

from data import fraud_stream as stream_data
from deploy import streams
from mlops import producer
from mlops.targets import Target
from processing import fraud_windows

TICK = 0.01  # seconds that the producer collects
WARM_SECONDS = 5.0
POISON = (b"", b"\xff\xfe{", b"[" * 4000, b'{"transaction_id": 1}', b'{"amount": -1e999}', b"null")


@dataclass(frozen=True)
class Run:
    name: str
    latencies: np.ndarray  # ms, of each transaction in the order in which they were due
    lost: int
    twice: int  # messages of the stream that had come before
    disordered: int
    rate: float
    cpu: dict[str, float]  # cores that each process was busy, by name

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.latencies, share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--model", type=Path, help="folder of a trained artifact; else one is trained")
    parser.add_argument("--runs", default="steady,killed,poison")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or world.train(Path(folder))
        bare = bare_model(model)
        with world.world(model) as target:
            say(f"{world.remember(target)} states of customers and terminals")
            runs = [measure(target, name, arguments.rate, arguments.seconds) for name in arguments.runs.split(",")]
    tell(runs, bare, arguments.rate)


def measure(target: Target, name: str, rate: float, seconds: float) -> Run:
    table = stream_data.events(round(rate * (seconds + WARM_SECONDS)), seed=len(name))
    table["transaction_id"] = producer.fresh_ids(len(table))
    events = table.drop(columns=list(stream_data.LABELS)).to_dict("records")
    warm = round(rate * WARM_SECONDS)
    with scorer(target) as process:
        produce(target, events[:warm], rate)
        before = cpu(target, process)
        middle = (lambda: kill(process)) if name == "killed" else lambda: None
        bad = POISON if name == "poison" else ()
        due = produce(target, events[warm:], rate, bad=bad, middle=middle)
        after = cpu(target, process)
        scored = finished(target, [each["transaction_id"] for each in events[warm:]])
    busy = {each: (after[each] - before.get(each, 0.0)) / seconds for each in after}
    if name == "killed":
        del busy["scorer"]  # what a killed process took is gone with it
    return judged(name, due, scored, len(due) / seconds, busy)


def produce(
    target: Target,
    events: Sequence[dict[str, Any]],
    rate: float,
    bad: Sequence[bytes] = (),
    middle: Callable[[], Any] = lambda: None,
) -> dict[int, float]:
    """When each transaction was due (epoch s), by id. `bad` records are strewn in between, `middle` is called there."""
    assert target.settings is not None
    kinesis, stream = target.settings.client("kinesis"), streams.transactions_stream(USE_CASE)
    start, due, sent, half = time.time() + TICK, dict[int, float](), 0, len(events) // 2
    strewn = {round(len(events) * (n + 1) / (len(bad) + 1)): each for n, each in enumerate(bad)}
    while sent < len(events):
        time.sleep(max(0.0, start + (sent + 1) / rate - time.time(), 0.0) or 0.0)
        now = time.time()
        ready = min(len(events), int((now - start) * rate) + 1)
        batch = events[sent:ready]
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entries = []
        for number, each in enumerate(batch, sent):
            due[each["transaction_id"]] = start + number / rate
            if number in strewn:
                entries.append({"Data": strewn[number] or b" ", "PartitionKey": "0"})
            data = json.dumps({**each, "transaction_time": stamp}, default=int).encode()
            entries.append({"Data": data, "PartitionKey": str(each["customer_id"])})
        if entries:
            kinesis.put_records(StreamName=stream, Records=entries)
        if sent < half <= ready:
            middle()
        sent = ready
        time.sleep(max(0.0, TICK - (time.time() - now)))
    return due


@contextmanager
def scorer(target: Target) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mlops.cli", "score", USE_CASE, "--stage", STAGE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ), cwd=world.ROOT)
    assert process.stdout is not None
    if "Scoring" not in process.stdout.readline():
        raise SystemExit("mlops score did not start")
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def kill(process: subprocess.Popen[str]) -> None:
    """The process that scores, not the one that starts it again."""
    children = psutil.Process(process.pid).children()
    (children[0] if children else psutil.Process(process.pid)).kill()


def finished(target: Target, ids: Sequence[int]) -> list[dict[str, Any]]:
    """The stream of scores when all of them are in it, or a while later."""
    deadline, wanted = time.time() + 30, set(ids)
    while True:
        found = [
            each for each in world.records(target, streams.scores_stream(USE_CASE)) if each["transaction_id"] in wanted
        ]
        if {each["transaction_id"] for each in found} == wanted or time.time() > deadline:
            return found
        time.sleep(1)


def judged(name: str, due: dict[int, float], scored: list[dict[str, Any]], rate: float, cpu: dict[str, float]) -> Run:
    first: dict[int, dict[str, Any]] = {}
    for each in scored:
        first.setdefault(each["transaction_id"], each)
    latencies = [(first[each]["arrived_at"] - moment) * 1e3 for each, moment in due.items() if each in first]
    cards: dict[int, list[int]] = defaultdict(list)
    for each in first.values():
        cards[each["customer_id"]].append(each["transaction_id"])
    disordered = sum(ids != sorted(ids) for ids in cards.values())
    run = Run(name, np.array(latencies), len(due) - len(first), len(scored) - len(first), disordered, rate, cpu)
    say(
        f"{name:8} {run.rate:5.0f}/s: p50 {run.percentile(50):6.1f} ms, p90 {run.percentile(90):6.1f} ms, "
        f"p99 {run.percentile(99):6.1f} ms, most {run.percentile(100):7.1f} ms; {run.lost} lost, {run.twice} told "
        f"twice, {run.disordered} cards out of order; cores: "
        + ", ".join(f"{each} {value:.2f}" for each, value in sorted(cpu.items()))
    )
    return run


def cpu(target: Target, process: subprocess.Popen[str]) -> dict[str, float]:
    """CPU seconds so far, by what a process is."""
    from sagelocal import server

    assert target.settings is not None
    daemon = psutil.Process(server.status(target.settings)["pid"])
    found: dict[str, float] = defaultdict(float)
    found["producer"] = sum(psutil.Process().cpu_times()[:2])
    for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found["scorer"] += sum(each.cpu_times()[:2])
    for each in [daemon, *daemon.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(each.cmdline())
            kind = "sagelocal" if each == daemon else "MiniStack" if "ministack_child" in line else "endpoint, Lambda"
            found[kind] += sum(each.cpu_times()[:2])
    return dict(found)


def bare_model(folder: Path) -> dict[str, float]:
    """ms a transaction, alone in this process: features of a customer's and a terminal's states, and the handler."""
    sys.path.insert(0, str(folder / "code"))
    spec = importlib.util.spec_from_file_location("inference", folder / "code" / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    handler = sys.modules["inference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(handler)
    model = handler.model_fn(str(folder))
    customers: dict[int, Any] = {}
    terminals: dict[int, Any] = {}
    taken = []
    for event in stream_data.events(1000).to_dict("records"):
        event["transaction_time"] = f"{event['transaction_time']:%Y-%m-%dT%H:%M:%SZ}"
        customer, terminal = event["customer_id"], event["terminal_id"]
        start = time.perf_counter()
        row, customers[customer], terminals[terminal] = fraud_windows.features(
            event, customers.get(customer), terminals.get(terminal)
        )
        body = json.dumps({"instances": [row]})
        prediction = handler.predict_fn(handler.input_fn(body, "application/json"), model)
        handler.output_fn(prediction, "application/json")
        taken.append((time.perf_counter() - start) * 1e3)
    found = {"p50": float(np.percentile(taken, 50)), "p99": float(np.percentile(taken, 99))}
    say(f"bare model: p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms a transaction")
    return found


def tell(runs: Sequence[Run], bare: dict[str, float], rate: float) -> None:
    first = runs[0]
    notes = [
        f"{each.name}: p50 {each.percentile(50):.1f} ms, p99 {each.percentile(99):.1f} ms, most "
        f"{each.percentile(100):.0f} ms, {each.lost} lost, {each.disordered} cards out of order, {each.twice} scores "
        "told twice"
        for each in runs
    ]
    result = {
        "name": "fraud_latency",
        "unit": "ms p99",
        "ours": round(first.percentile(99), 1),
        "peers": {"bare model in process, without a stream": round(bare["p99"], 1)},
        "note": f"from due to scored, {rate:.0f} transactions a second, {os.cpu_count()} cores for all of it; "
        + "; ".join(notes)
        + f"; bare model p50 {bare['p50']:.1f} ms",
    }
    print(json.dumps(result))


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
