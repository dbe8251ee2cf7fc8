"""An endpoint under load, kills and abuse: no request fails but those in a killed worker's hands, and none is wedged.

python tests/robustness/endpoints.py [--seconds 600]

Starts a sagelocal of its own with one endpoint of two workers, and a load from another process:

- its capacity, then 80 % of it for so many seconds: not one request may fail;
- the same for half as long while a worker is killed (-9) every 20 s: under 0.1 % of the requests fail, each with AWS's
  ModelError;
- what endpoint_abuse.py lists: each gets AWS's error, and an ordinary request is answered afterwards.

The memory of the daemon and its model servers must not grow by more than 300 MiB over all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import endpoint_abuse
import psutil
from endpoint_load import Outcome, Plan

from sagelocal import config, server
from sagelocal.config import Settings

ENDPOINT = "robust"
CONNECTIONS = 16
SHARE = 0.8  # of the capacity
KILL_EVERY = 20.0  # s
MAY_FAIL = 0.001  # of the requests, while workers are killed
GROWTH = 300  # MiB
HANDLER = f"""
import time

def model_fn(model_dir):
    return len(model_dir)

def input_fn(body, content_type):
    if content_type == "{endpoint_abuse.FILL}":
        return "x" * int(body)
    if content_type != "text/csv":
        raise ValueError(content_type)
    values = [float(value) for value in body.split(",")]
    if "\\n" in body:
        raise ValueError("one record a request")
    return values

def predict_fn(data, model):
    return predict_batch_fn([data], model)[0]

def predict_batch_fn(inputs, model):
    time.sleep(0.002)  # so that a killed worker has requests in its hands
    return [data if isinstance(data, str) else str(sum(data)) for data in inputs]

def output_fn(prediction, accept):
    return prediction, "text/csv"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder) / "state")
        server.up(settings)
        try:
            plan = deploy(settings)
            everything(settings, plan, seconds)
        finally:
            server.down(settings)


def everything(settings: Settings, plan: Plan, seconds: float, may_fail: float = MAY_FAIL) -> None:
    """Raises AssertionError."""
    before = memory(settings)
    capacity = loaded(replace(plan, seconds=min(10, seconds))).rate
    plan = replace(plan, rate=capacity * SHARE)
    steady(plan, seconds, capacity)
    kills = killing(settings, plan, max(seconds / 2, 2.5 * KILL_EVERY), may_fail)
    for case in endpoint_abuse.CASES:
        abused(plan, case)
    grown = memory(settings) - before
    assert grown < GROWTH, f"memory grew by {grown:.0f} MiB"
    print(f"{kills} workers killed, {len(endpoint_abuse.CASES)} kinds of abuse, {grown:.0f} MiB more memory at the end")


def deploy(settings: Settings) -> Plan:
    """An endpoint of two workers, and what to ask it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(HANDLER)
        archive.addfile(member, io.BytesIO(HANDLER.encode()))
    settings.client("s3").put_object(Bucket=settings.bucket, Key=f"{ENDPOINT}/model.tar.gz", Body=packed.getvalue())
    sagemaker = settings.client("sagemaker")
    sagemaker.create_model(
        ModelName=ENDPOINT,
        ExecutionRoleArn=settings.role_arn,
        PrimaryContainer={
            "Image": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3",
            "ModelDataUrl": f"s3://{settings.bucket}/{ENDPOINT}/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
            },
        },
    )
    variant = {"VariantName": "v", "ModelName": ENDPOINT, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=ENDPOINT, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1})
    headers = {
        "Host": f"127.0.0.1:{settings.port}",
        "Content-Type": "text/csv",
        "Accept": "text/csv",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={settings.access_key}/20261121/{settings.region}/sagemaker/x",
    }
    path = f"/endpoints/{ENDPOINT}/invocations"
    return Plan(settings.port, path, headers, "1,2,3.5", "6.5", seconds=5, connections=CONNECTIONS)


def loaded(plan: Plan) -> Outcome:
    """The load of a plan, from a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("endpoint_load.py")), json.dumps(asdict(plan))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Outcome(**json.loads(done.stdout))


def steady(plan: Plan, seconds: float, capacity: float) -> None:
    outcome = loaded(replace(plan, seconds=seconds))
    print(
        f"{outcome.sent} requests at {outcome.rate:.0f} of {capacity:.0f} a second: {outcome.failures} failed, "
        f"p50 {outcome.p50:.1f} ms, p99 {outcome.p99:.1f} ms",
        flush=True,
    )
    assert not outcome.failures, (outcome.failed, outcome.examples)


def killing(settings: Settings, plan: Plan, seconds: float, may_fail: float) -> int:
    """How many workers were killed meanwhile."""
    over, killed = threading.Event(), 0

    def kill() -> None:
        nonlocal killed
        while not over.wait(KILL_EVERY):
            found = workers(settings)
            found[killed % len(found)].kill()
            killed += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcome = loaded(replace(plan, seconds=seconds))
    finally:
        over.set()
        killer.join()
    print(f"{outcome.sent} requests, {killed} kills: failed {outcome.failed}, p99 {outcome.p99:.1f} ms", flush=True)
    assert killed, "no worker was killed: this shows nothing"
    assert set(outcome.failed) <= {"424 ModelError"}, (outcome.failed, outcome.examples)
    assert outcome.failures < may_fail * outcome.sent, (outcome.failed, outcome.examples)
    return killed


def abused(plan: Plan, case: endpoint_abuse.Case) -> None:
    """One case, and an ordinary request after it."""
    started = time.monotonic()
    asyncio.run(case(plan))
    got = asyncio.run(endpoint_abuse.ask(plan, plan.body))
    assert (got.status, got.body) == (200, plan.expected.encode()), (case.__name__, got)
    print(f"{case.__name__}: {time.monotonic() - started:.1f} s", flush=True)


def workers(settings: Settings) -> list[psutil.Process]:
    """The processes at the ends of the model server's tree: those that answer requests."""
    tree = [one for one in psutil.Process(server.status(settings)["pid"]).children(recursive=True) if one.is_running()]
    found = [one for one in tree if "model_server" in " ".join(one.cmdline()) and not one.children()]
    assert found, [one.cmdline() for one in tree]
    return sorted(found, key=lambda one: one.pid)


def memory(settings: Settings) -> float:
    """MiB of the daemon and all that it runs, shared pages counted in parts."""
    first = psutil.Process(server.status(settings)["pid"])
    total = 0
    for one in [first, *first.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


if __name__ == "__main__":
    main()
