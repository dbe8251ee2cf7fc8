"""What the endpoint benchmark's servers serve, and how each is asked."""

from __future__ import annotations

import http.client
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import psutil

from data.archives import fetch

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, LOAD_CORE = 0, 1
ROWS = (1, 100)
BATCH = 32  # requests at most, wherever it can be set


@dataclass(frozen=True)
class Bench:
    """The trained model with the handler that its artifact carries, and records to ask about."""

    folder: Path  # the artifact is in its folder `model`
    seconds: float
    workers: int
    handler: ModuleType
    model: Any
    rows: list[str]  # CSV, one line each

    def body(self, rows: int) -> str:
        return "".join(self.rows[:rows])

    def answer(self, body: str) -> str:
        """The bare handler's."""
        data = self.handler.input_fn(body, "text/csv")
        return str(self.handler.output_fn(self.handler.predict_fn(data, self.model), "text/csv")[0])

    def answers(self, bodies: list[str]) -> list[str]:
        """Of requests that are answered together."""
        inputs = [self.handler.input_fn(body, "text/csv") for body in bodies]
        found = self.handler.predict_batch_fn(inputs, self.model)
        return [self.handler.output_fn(prediction, "text/csv")[0] for prediction in found]


@dataclass(frozen=True)
class Target:
    """A server that runs: where it is asked, how a CSV body is wrapped, and how it writes the answer's text."""

    name: str
    port: int
    path: str
    process: int  # the first of its processes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    wrap: Callable[[str], str] = str
    written: Callable[[str], str] = lambda answer: json.dumps(answer)[1:-1]

    def ask(self, body: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", self.path, self.wrap(body), dict(self.headers))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{self.name} answered {answer.status}: {text[:500]}")
        return text

    def processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.process)
        return [first, *first.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Of those that still run, with what children of theirs that ended had used."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory(target: Target, workers: int) -> tuple[float, float]:
    """MiB, a page that several share counted in parts: a worker's share of those that hold XGBoost, and all."""
    holding = total = 0.0
    for process in target.processes():
        try:
            proportional = process.memory_full_info().pss / 2**20
            maps = Path(f"/proc/{process.pid}/maps").read_text()
        except (psutil.NoSuchProcess, FileNotFoundError):
            continue
        total += proportional
        holding += proportional if "libxgboost" in maps else 0.0
    return holding / workers, total


def prepare(folder: Path, seconds: float, workers: int) -> Bench:
    """Trains the churn model as its job does, and loads the handler that the artifact carries."""
    splits = {name: folder / "data" / name for name in ("train", "validation", "test", "baseline", "report")}
    places = [part for name, path in splits.items() for part in (f"--{name}", str(path))]
    _run([sys.executable, str(ROOT / "processing" / "churn.py"), "--raw", str(fetch("churn").parent), *places])
    channels = ["--train", str(splits["train"]), "--validation", str(splits["validation"])]
    _run([sys.executable, str(ROOT / "training" / "churn.py"), *channels, "--model-dir", str(folder / "model")])
    test = pd.concat([pd.read_csv(path) for path in splits["test"].glob("*.csv")]).drop(columns="Churn")
    lines = test.head(max(ROWS)).to_csv(index=False, header=False).splitlines(keepends=True)
    spec = importlib.util.spec_from_file_location("inference", folder / "model" / "code" / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    handler = sys.modules["inference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(handler)
    return Bench(folder, seconds, workers, handler, handler.model_fn(str(folder / "model")), lines)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
