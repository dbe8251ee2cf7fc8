"""What a step costs over its bare script: 20 no-op steps in a row and 20 in parallel, here, in Metaflow and in ZenML.

    python benchmarks/orchestration.py [--steps 20] [--repeat 3]

All in one run on one machine, alternately, each as its own users start it: here a pipeline of Processing steps in a
sagelocal of its own, Metaflow's local runtime, ZenML's local orchestrator (which runs the steps of a pipeline one after
the other, in one process). As many steps at once as there are cores. The peers are installed into environments of
their own under build/peers. The last line is JSON: seconds a step over the bare script, in a row, the best of the
repetitions.
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
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from step_overhead import BARE, SCRIPT, definition

from sagelocal import config, server
from sagelocal.config import Settings

PEERS = Path("build/peers")
METAFLOW, ZENML = "metaflow==2.19.39", "zenml[local]==0.98.0"
CORES = os.cpu_count() or 1
Measure = Callable[[bool], float]  # in parallel? -> seconds for all steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    steps = arguments.steps
    metaflow, zenml = environment("metaflow", METAFLOW), environment("zenml", ZENML)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = config.load(folder / "state")
        server.up(settings)
        try:
            found = best(
                {
                    "bare script": bare(folder, steps),
                    "here": here(settings, steps),
                    "Metaflow": run_metaflow(metaflow, folder, steps),
                    "ZenML": run_zenml(zenml, folder, steps),
                },
                arguments.repeat,
            )
        finally:
            server.down(settings)
    report(found, steps)


def best(measures: Mapping[str, Measure], repeat: int) -> dict[tuple[str, bool], float]:
    found: dict[tuple[str, bool], float] = {}
    for _ in range(repeat):
        for parallel in (False, True):
            for name, measure in measures.items():
                seconds = measure(parallel)
                found[name, parallel] = min(seconds, found.get((name, parallel), seconds))
    return found


def report(found: Mapping[tuple[str, bool], float], steps: int) -> None:
    def over(name: str, parallel: bool) -> float:
        return round((found[name, parallel] - found["bare script", parallel]) / steps, 3)

    names = ("here", "Metaflow", "ZenML")
    for name in ("bare script", *names):
        rows = [f"{found[name, way] / steps:.3f}" for way in (False, True)]
        print(f"{name:12} seconds a step: in a row {rows[0]}, in parallel {rows[1]}")
    beside = ", ".join(f"{name} {over(name, True)}" for name in names)
    result = {
        "name": "orchestration",
        "unit": "s a step over the bare script",
        "ours": over("here", False),
        "peers": {name: over(name, False) for name in names[1:]},
        "note": f"{steps} no-op steps in a row; in parallel on {CORES} cores: {beside}. {METAFLOW}, {ZENML}",
    }
    print(json.dumps(result))


def environment(name: str, requirement: str) -> Path:
    """The Python of a peer's own environment, made at the first run."""
    folder = PEERS / name
    done = folder / f".installed-{requirement}"
    python = (folder / "bin" / "python").absolute()
    if not done.exists():
        print(f"installing {requirement} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", requirement], check=True)
        done.touch()
    return python


def bare(folder: Path, steps: int) -> Measure:
    script = folder / "noop.py"
    script.write_text(BARE)

    def run(number: int) -> None:
        subprocess.run([sys.executable, str(script)], check=True, cwd=folder)

    def measure(parallel: bool) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(CORES if parallel else 1) as pool:
            list(pool.map(run, range(steps)))
        return time.perf_counter() - start

    return measure


def here(settings: Settings, steps: int) -> Measure:
    """From StartPipelineExecution to the end, as a client sees it."""
    settings.client("s3").put_object(Bucket=settings.bucket, Key="bench/noop.py", Body=SCRIPT)
    sagemaker = settings.client("sagemaker")
    for name, parallel in (("row", False), ("parallel", True)):
        listed = [step | {"DependsOn": []} if parallel else step for step in definition(settings, steps)]
        document = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": listed}
        sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps(document),
            ClientRequestToken=f"{name:b<40}",
            RoleArn=settings.role_arn,
        )

    def measure(parallel: bool) -> float:
        start = time.perf_counter()
        token = f"{time.time_ns():s<40}".replace(".", "s")
        answer = sagemaker.start_pipeline_execution(
            PipelineName="parallel" if parallel else "row", ClientRequestToken=token
        )
        _until_succeeded(sagemaker, answer["PipelineExecutionArn"])
        return time.perf_counter() - start

    return measure


def _until_succeeded(sagemaker: Any, arn: str) -> None:
    while True:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        if status == "Succeeded":
            return
        if status != "Executing":
            raise SystemExit(f"{arn} ended {status}")
        time.sleep(0.02)


def run_metaflow(python: Path, folder: Path, steps: int) -> Measure:
    """`start` and `end`, which a flow has to have, are two of the steps in a row; in parallel they come on top."""
    middle = "".join(
        f"    @step\n    def s{number}(self):\n        open('done', 'w').write('done')\n"
        f"        self.next(self.{f's{number + 1}' if number < steps - 2 else 'end'})\n"
        for number in range(1, steps - 1)
    )
    head = "from metaflow import FlowSpec, step\n\nclass {}(FlowSpec):\n    @step\n    def start(self):\n"
    tail = "    @step\n    def end(self):\n        pass\n\nif __name__ == '__main__':\n    {}()\n"
    (folder / "row.py").write_text(head.format("Row") + "        self.next(self.s1)\n" + middle + tail.format("Row"))
    (folder / "wide.py").write_text(
        head.format("Wide") + f"        self.items = list(range({steps}))\n"
        "        self.next(self.work, foreach='items')\n    @step\n    def work(self):\n"
        "        open('done', 'w').write('done')\n        self.next(self.join)\n    @step\n"
        "    def join(self, inputs):\n        self.next(self.end)\n" + tail.format("Wide")
    )
    variables = os.environ | {"METAFLOW_HOME": str(folder / "metaflow"), "METAFLOW_USER": "bench", "USERNAME": "bench"}
    command = ["--quiet", "run", "--max-workers", str(CORES)]
    return _timed(python, folder, {False: ["row.py", *command], True: ["wide.py", *command]}, variables)


def run_zenml(python: Path, folder: Path, steps: int) -> Measure:
    """Only the run is timed, not the import of the library; the script prints its seconds."""
    source = (
        "import sys, time\nfrom zenml import pipeline, step\n\n@step(enable_cache=False)\n"
        "def work(previous: int) -> int:\n"
        "    open('done', 'w').write('done')\n    return 0\n\n@pipeline(enable_cache=False)\ndef row():\n"
        f"    value = 0\n    for _ in range({steps}):\n        value = work(value)\n\n@pipeline(enable_cache=False)\n"
        f"def wide():\n    for _ in range({steps}):\n        work(0)\n\nif __name__ == '__main__':\n"
        "    start = time.perf_counter()\n    {'row': row, 'wide': wide}[sys.argv[1]]()\n"
        "    print('seconds', time.perf_counter() - start)\n"
    )
    (folder / "zen.py").write_text(source)
    variables = os.environ | {
        "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "AUTO_OPEN_DASHBOARD": "false",
    }
    return _timed(python, folder, {False: ["zen.py", "row"], True: ["zen.py", "wide"]}, variables)


def _timed(python: Path, folder: Path, commands: Mapping[bool, list[str]], variables: Mapping[str, str]) -> Measure:
    def measure(parallel: bool) -> float:
        start = time.perf_counter()
        command = [str(python), *commands[parallel]]
        done = subprocess.run(command, cwd=folder, env=dict(variables), capture_output=True, text=True, check=False)
        elapsed = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        own = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("seconds ")]
        return float(own[-1]) if own else elapsed

    measure(False)  # the first run makes the peer's own database
    return measure


if __name__ == "__main__":
    main()
