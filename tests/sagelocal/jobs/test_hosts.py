"""Jobs of several hosts: their network, their inputs, and what they leave."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sagelocal.app import SageLocal
from sagelocal.jobs.slots import Slots

namespaces = pytest.mark.namespaces
Process = Callable[..., dict[str, Any]]
Train = Callable[..., dict[str, Any]]
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


@namespaces
def test_isolated_hosts_reach_each_other_and_nothing_else(app: SageLocal, process: Process, got: Got) -> None:
    """API reference, EnableNetworkIsolation: no calls "except for calls between peers within a training cluster"."""
    script = TALK.replace("REACH", ISOLATED.replace("PORT", str(app.settings.ministack_port)))
    job = process(
        "isolated-pair",
        script,
        instances=2,
        NetworkConfig={"EnableNetworkIsolation": True},
        ProcessingOutputConfig=outputs(app, "isolated-pair/out"),
    )
    assert job["ProcessingJobStatus"] == "Completed", job
    assert got("isolated-pair/out/")["algo-1.json"] == b'["algo-2"]'


@namespaces
def test_a_host_that_fails_stops_the_others_and_gives_the_reason(app: SageLocal, train: Train, got: Got) -> None:
    script = """
import os, time
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    raise ValueError("no labels on algo-2")
time.sleep(60)
"""
    job = train("one-fails", script, instances=2)
    assert job["TrainingJobStatus"] == "Failed"
    assert "ValueError: no labels on algo-2" in job["FailureReason"]
    assert "See the log of algo-2 " in job["FailureReason"]
    assert job["TrainingTimeInSeconds"] < 30
    folder = app.settings.state / "logs/aws/sagemaker/TrainingJobs/one-fails"
    assert sorted(file.name.rpartition("-")[0] for file in folder.iterdir()) == ["algo-1", "algo-2"]
    assert got("models/one-fails/") == {}


@namespaces
def test_a_training_jobs_hosts_share_its_objects_and_merge_their_models(
    app: SageLocal, train: Train, put: Put, got: Got
) -> None:
    for number in range(5):
        put(f"shared/{number}.csv", str(number))
    script = """
import json, os, pathlib
me = os.environ["SM_CURRENT_HOST"]
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "same").mkdir()
(model / "same" / "name.txt").write_text(me)
names = sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"]))
(model / "same" / f"{me}.json").write_text(json.dumps(names))
os.symlink("/etc/passwd", model / "out")
os.symlink(f"same/{me}.json", model / f"in-{me}")
os.mkfifo(model / "fifo")
"""
    uri = f"s3://{app.settings.bucket}/shared/"
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "ShardedByS3Key"}}
    job = train("shares", script, instances=2, InputDataConfig=[{"ChannelName": "train", "DataSource": data}])
    assert job["TrainingJobStatus"] == "Completed", job
    with tarfile.open(fileobj=io.BytesIO(got("models/shares/output/")["model.tar.gz"])) as tar:
        names = tar.getnames()
        texts = {name: tar.extractfile(name).read() for name in names if tar.getmember(name).isfile()}  # type: ignore[union-attr]
        assert {(member.uid, member.uname) for member in tar} == {(0, "root")}
        assert tar.getmember("in-algo-2").linkname == "same/algo-2.json"
    assert sorted(names) == ["in-algo-1", "in-algo-2", "same", "same/algo-1.json", "same/algo-2.json", "same/name.txt"]
    assert texts["same/name.txt"] == b"algo-1"  # of files with one name the first host's
    shares = [json.loads(texts[f"same/algo-{number}.json"]) for number in (1, 2)]
    assert shares == [["0.csv", "2.csv", "4.csv"], ["1.csv", "3.csv"]]


@namespaces
def test_instance_groups(app: SageLocal, train: Train, put: Put, got: Got) -> None:
    script = """
import json, os
resources = json.load(open("/opt/ml/input/config/resourceconfig.json"))
shown = [resources["current_instance_type"], resources["current_group_name"], os.environ["SM_CHANNELS"]]
open(f"/opt/ml/model/{resources['current_host']}", "w").write(json.dumps([*shown, resources["instance_groups"]]))
"""
    uri = put("grouped/a.csv", "1")
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, "InstanceGroupNames": ["data"]}}
    groups = [
        {"InstanceGroupName": "data", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "fit", "InstanceType": "ml.m5.large", "InstanceCount": 1},
    ]
    job = train(
        "groups",
        script,
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 5},
        InputDataConfig=[{"ChannelName": "train", "DataSource": data}],
    )
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["ResourceConfig"]["InstanceGroups"] == groups
    with tarfile.open(fileobj=io.BytesIO(got("models/groups/output/")["model.tar.gz"])) as tar:
        shown = [json.loads(tar.extractfile(f"algo-{number}").read()) for number in (1, 2)]  # type: ignore[union-attr]
    told = [
        {"instance_group_name": "data", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]},
        {"instance_group_name": "fit", "instance_type": "ml.m5.large", "hosts": ["algo-2"]},
    ]
    assert shown == [["ml.c5.xlarge", "data", '["train"]', told], ["ml.m5.large", "fit", "[]", told]]


@namespaces
def test_a_checkpoint_goes_when_no_host_has_it_any_more(app: SageLocal, train: Train, put: Put, got: Got) -> None:
    put("ckpt/both", "1")
    put("ckpt/one", "1")
    script = """
import os
os.remove("/data/checkpoints/both")
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    os.remove("/data/checkpoints/one")
open(f"/data/checkpoints/{os.environ['SM_CURRENT_HOST']}", "w").write("new")
"""
    place = {"S3Uri": f"s3://{app.settings.bucket}/ckpt", "LocalPath": "/data/checkpoints"}
    job = train("checkpoints-of-two", script, instances=2, CheckpointConfig=place)
    assert job["TrainingJobStatus"] == "Completed", job
    assert sorted(got("ckpt/")) == ["algo-1", "algo-2", "one"]


@namespaces
def test_hosts_reach_the_world_by_a_proxy(app: SageLocal, process: Process) -> None:
    """127.0.0.5 of this machine stands for the world: inside, that address is the job's own."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"world")

        def log_message(self, *_: Any) -> None:
            pass

    script = """
import http.client, os, urllib.request
assert urllib.request.urlopen("http://127.0.0.5:PORT/x").read() == b"world"
host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").split(":")
tunnel = http.client.HTTPConnection(host, int(port))
tunnel.set_tunnel("127.0.0.5", PORT)
tunnel.request("GET", "/")
assert tunnel.getresponse().read() == b"world"
"""
    with ThreadingHTTPServer(("127.0.0.5", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        job = process("proxied", script.replace("PORT", str(server.server_port)), instances=2)
        server.shutdown()
        thread.join()
    assert job["ProcessingJobStatus"] == "Completed", job


def test_slots_are_taken_all_at_once_and_in_order() -> None:
    slots = Slots(2)
    order: list[str] = []

    def job(name: str, hosts: int) -> threading.Thread:
        def work() -> None:
            with slots.hold(hosts):
                order.append(name)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    with slots.hold(1):
        big = job("big", 100)  # more hosts than slots: it takes them all, alone
        while slots.waiting < 1:
            time.sleep(0.001)
        small = job("small", 1)  # a slot is free, but whoever came first goes first
        while slots.waiting < 2:
            time.sleep(0.001)
        assert order == []
    big.join(5)
    small.join(5)
    assert order == ["big", "small"]


def test_waiting_for_slots_can_be_given_up() -> None:
    slots = Slots(1)

    def closing() -> bool:
        raise KeyboardInterrupt

    with slots.hold(1), pytest.raises(KeyboardInterrupt), slots.hold(1, closing):
        pytest.fail("there was no slot")
    with slots.hold(1):
        with slots.hold(1, lambda: True):
            assert slots.waiting == 0
        with pytest.raises(KeyboardInterrupt), slots.hold(1, closing):
            pytest.fail("there was no slot")
    with slots.hold(1):
        assert slots.waiting == 0
