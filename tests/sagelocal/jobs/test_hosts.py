"""Jobs of several hosts: their network, their inputs, and what they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagelocal.app import SageLocal
from sagelocal.jobs.slots import Slots

namespaces = pytest.mark.namespaces
Process = Callable[..., dict[str, Any]]
Put = Callable[[str, str | bytes], str]
Got = Callable[[str], dict[str, bytes]]

TALK = """
import json, os, socket, sys, time
config = json.load(open("/opt/ml/config/resourceconfig.json"))
me, hosts = config["current_host"], config["hosts"]
heard = []
if me == "algo-1":
    with socket.create_server(("0.0.0.0", 7777)) as server:  # every address, as torchrun's rendezvous does
        for _ in hosts[1:]:
            connection, _address = server.accept()
            heard.append(connection.recv(100).decode())
            connection.sendall(b"welcome")
else:
    for _ in range(200):
        try:
            connection = socket.create_connection(("algo-1", 7777))
            break
        except OSError:
            time.sleep(0.05)
    connection.sendall(me.encode())
    heard.append(connection.recv(100).decode())
REACH
json.dump(sorted(heard), open(f"/opt/ml/processing/out/{me}.json", "w"))
"""
REACH = """
import boto3
assert boto3.client("s3").list_buckets()["Buckets"]
"""
ISOLATED = """
try:
    socket.create_connection(("127.0.0.1", PORT), timeout=2)
except OSError:
    pass
else:
    raise SystemExit("a job without network reached its platform")
"""


def outputs(app: SageLocal, prefix: str) -> dict[str, Any]:
    target = {"S3Uri": f"s3://{app.settings.bucket}/{prefix}", "LocalPath": "/opt/ml/processing/out"}
    return {"Outputs": [{"OutputName": "out", "S3Output": {**target, "S3UploadMode": "EndOfJob"}}]}


@namespaces
def test_hosts_of_two_jobs_talk_over_the_same_port_at_once(app: SageLocal, process: Process, got: Got) -> None:
    slots = app.jobs.slots
    app.jobs.slots = Slots(4)
    try:
        for name in ("talk-a", "talk-b"):
            process(
                name,
                TALK.replace("REACH", REACH),
                wait=False,
                instances=2,
                ProcessingOutputConfig=outputs(app, f"{name}/out"),
            )
        for name in ("talk-a", "talk-b"):
            job = app.store.wait("ProcessingJob", name, lambda job: job["ProcessingJobStatus"] != "InProgress", 60)
            assert job["ProcessingJobStatus"] == "Completed", job
            assert got(f"{name}/out/") == {"algo-1.json": b'["algo-2"]', "algo-2.json": b'["welcome"]'}
    finally:
        app.jobs.slots = slots
