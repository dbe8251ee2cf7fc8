"""Many models behind one endpoint: loaded when they are asked for, unloaded when there is no room."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.config import Settings
from sagelocal.endpoints.multi_model import Models
from tests.sagelocal.endpoints.test_endpoints import ENVIRONMENT, SKLEARN, Account, failing, until

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker"

# At most two models fit: each holds one of two locks as long as its process lives, as others hold memory.
SCRIPT = """
import fcntl, os

ROOMS = []

def model_fn(model_dir):
    word = open(os.path.join(model_dir, "word.txt")).read()
    if word == "broken":
        raise ValueError("the weights are missing")
    for number in range(2):
        room = open(f"/tmp/room-{number}", "w")
        try:
            fcntl.flock(room, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        ROOMS.append(room)
        with open("/tmp/loads", "a") as loads:
            loads.write(word + " ")
        return word
    raise MemoryError

def transform_fn(model, body, content_type, accept):
    text = body.decode() if isinstance(body, bytes) else body
    if text == "loads":
        return open("/tmp/loads").read(), "text/csv"
    if text == "die":
        os._exit(3)
    return f"{model} {text} {os.getpid()}", "text/csv"
"""


# Nothing but the contract: what AWS's guide asks of a container in multi-model mode.
OWN = """#!/usr/bin/env python
import http.server, json, os, pathlib
LOADED = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.send(200 if self.path in ("/ping", "/models") or name in LOADED else 404, b"")
    def do_DELETE(self):
        self.send(200 if LOADED.pop(self.path.rpartition("/")[2], None) else 404, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/models":
            asked = json.loads(body)
            if len(LOADED) == 1:
                return self.send(507, b"no room")
            LOADED[asked["model_name"]] = pathlib.Path(asked["url"], "word.txt").read_text()
            return self.send(200, b"")
        name = self.path.split("/")[2]
        if name not in LOADED:
            return self.send(404, b"not loaded")
        if body == b"die":
            os._exit(3)
        target = self.headers["X-Amzn-SageMaker-Target-Model"]
        said = [LOADED[name], target, os.environ["SAGEMAKER_MULTI_MODEL"], os.path.exists("/opt/ml/model/word.txt")]
        self.send(200, json.dumps(said).encode())
    def send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def account(laptop: Settings, images: Path) -> Account:
    """With two images of the user's own, of which `mine` can serve several models."""
    (images / "several").mkdir()
    (images / "several" / "serve").write_text(OWN)
    (images / "several" / "serve").chmod(0o755)
    (images / "images.toml").write_text('[mine]\nfolder = "several"\nmulti-models = true\n[one]\nfolder = "several"\n')
    return Account(laptop)


def source(account: Account) -> str:
    """The script of a scikit-learn container is its own, one for all models."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("inference.py")
        entry.size = len(SCRIPT)
        packed.addfile(entry, io.BytesIO(SCRIPT.encode()))
    account.s3.put_object(Bucket=account.settings.bucket, Key="multi/sourcedir.tar.gz", Body=buffer.getvalue())
    return f"s3://{account.settings.bucket}/multi/sourcedir.tar.gz"


def create(account: Account, name: str, **config: Any) -> str:
    for word in ("a", "b", "c", "broken"):
        account.artifact(f"{name}/models/{word}.tar.gz", word_txt=word)
    account.s3.put_object(Bucket=account.settings.bucket, Key=f"{name}/models/no.tar.gz", Body=b"no archive")
    environment = {**ENVIRONMENT, "SAGEMAKER_SUBMIT_DIRECTORY": source(account)}
    container = {
        "Image": SKLEARN,
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{account.settings.bucket}/{name}/models/",
        "Environment": environment,
    }
    account.sagemaker.create_model(ModelName=name, PrimaryContainer={**container, **config})
    endpoint = account.deploy(name, account.config(name, name))
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    return name


@pytest.fixture(scope="module")
def many(account: Account) -> str:
    return create(account, "many")


def word(account: Account, endpoint: str, model: str) -> str:
    return account.ask(endpoint, "x", TargetModel=f"{model}.tar.gz").split()[0]


@pytest.mark.namespaces
def test_models_are_loaded_once_and_unloaded_when_memory_is_short(account: Account, many: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: account.ask(many, "x", TargetModel="a.tar.gz"), range(8)))
    assert len(set(said)) == 1, "one process has loaded the model, however many asked at once"
    assert [word(account, many, model) for model in ("b", "a", "c")] == ["b", "a", "c"]
    loads = account.ask(many, "loads", TargetModel="c.tar.gz").split()
    assert loads == ["a", "b", "c"]
    assert word(account, many, "a") == "a"
    assert word(account, many, "b") == "b", "the least recently used had made room"
    assert account.ask(many, "loads", TargetModel="b.tar.gz").split() == [*loads, "b"]


@pytest.mark.namespaces
def test_a_replaced_artifact_is_served_as_it_was(account: Account, many: str) -> None:
    assert word(account, many, "a") == "a"
    account.artifact("many/models/a.tar.gz", word_txt="replaced")
    assert [word(account, many, model) for model in ("b", "c", "a")] == ["b", "c", "a"], "its files stay"


@pytest.mark.namespaces
def test_what_cannot_be_loaded_is_said_in_awss_words(account: Account, many: str) -> None:
    def refused(**request: Any) -> dict[str, Any]:
        return failing(account.runtime.invoke_endpoint, EndpointName=many, Body=b"1", **request)

    absent = refused(TargetModel="absent.tar.gz")["Error"]
    assert absent["Code"] == "ValidationError"
    key = f"bucket: {account.settings.bucket}, key: many/models/absent.tar.gz"
    assert absent["Message"].startswith(f"Failed to download model data({key}). Please ensure that there is an object")
    assert "Failed to extract model data archive" in refused(TargetModel="no.tar.gz")["Error"]["Message"]
    assert refused()["Error"]["Message"].endswith("is missing a target model header.")
    broken = refused(TargetModel="broken.tar.gz")
    assert (broken["Error"]["Code"], broken["OriginalStatusCode"]) == ("ModelError", 500)
    assert "the weights are missing" in broken["OriginalMessage"]
    assert word(account, many, "c") == "c"


@pytest.mark.namespaces
def test_a_models_process_that_dies_is_started_again(account: Account, many: str) -> None:
    died = failing(account.runtime.invoke_endpoint, EndpointName=many, Body=b"die", TargetModel="c.tar.gz")
    assert died["Error"]["Code"] == "ModelError"
    assert word(account, many, "c") == "c"


@pytest.mark.namespaces
def test_loading_is_measured(account: Account, many: str) -> None:
    word(account, many, "a")
    wanted = {"ModelLoadingWaitTime", "ModelDownloadingTime", "ModelLoadingTime", "ModelCacheHit", "LoadedModelCount"}

    def measured() -> set[str]:
        listed = account.settings.client("cloudwatch").list_metrics()["Metrics"]
        here = {"Name": "EndpointName", "Value": many}
        return {metric["MetricName"] for metric in listed if here in metric["Dimensions"]}

    until(lambda: measured() >= wanted)


@pytest.mark.namespaces
def test_without_a_cache_a_model_goes_when_it_has_answered(account: Account) -> None:
    create(account, "once", MultiModelConfig={"ModelCacheSetting": "Disabled"})
    assert word(account, "once", "a") == "a"
    account.artifact("once/models/a.tar.gz", word_txt="new")
    until(lambda: word(account, "once", "a") == "new")


@pytest.mark.namespaces
def test_pytorch_models_bring_their_own_scripts_and_a_pipeline_may_hold_them(account: Account) -> None:
    script = "def model_fn(d): return {!r}\ndef transform_fn(model, body, kind, accept): return model + body.decode()\n"
    for name in ("one", "two"):
        account.artifact(f"torch/models/sub/{name}.tar.gz", code__inference_py=script.format(name))
    first = "def model_fn(d): return ''\ndef transform_fn(m, body, kind, accept): return body + '!', 'text/csv'\n"
    containers = [
        {
            "Image": SKLEARN,
            "ModelDataUrl": account.artifact("x.tar.gz", code__inference_py=first),
            "Environment": ENVIRONMENT,
        },
        {"Image": PYTORCH, "ModelDataUrl": f"s3://{account.settings.bucket}/torch/models", "Mode": "MultiModel"},
    ]
    account.sagemaker.create_model(ModelName="torch", Containers=containers)
    endpoint = account.deploy("torch", account.config("torch", "torch"))
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    said = [
        account.ask("torch", "x", TargetModel=f"sub/{name}.tar.gz", Accept="text/csv") for name in ("one", "two", "one")
    ]
    assert said == ["onex!", "twox!", "onex!"]


@pytest.mark.namespaces
def test_a_container_of_ones_own_follows_the_contract(account: Account) -> None:
    for name in ("a", "b"):
        account.artifact(f"own/{name}.tar.gz", word_txt=name)
    registry = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    container = {"Mode": "MultiModel", "ModelDataUrl": f"s3://{account.settings.bucket}/own/"}
    unlabelled = {"Image": f"{registry}/one:1", **container}
    error = failing(account.sagemaker.create_model, ModelName="own", PrimaryContainer=unlabelled)["Error"]
    assert "does not contain required com.amazonaws.sagemaker.capabilities.multi-models=true" in error["Message"]
    account.sagemaker.create_model(ModelName="own", PrimaryContainer={"Image": f"{registry}/mine:1", **container})
    endpoint = account.deploy("own", account.config("own", "own"))
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")

    def ask(model: str) -> list[Any]:
        return list(json.loads(account.ask("own", "x", TargetModel=model)))

    for model in ("a", "b", "a"):  # there is room for one: each takes the place of the other
        assert ask(f"{model}.tar.gz") == [model, f"{model}.tar.gz", "true", False]
    failing(account.runtime.invoke_endpoint, EndpointName="own", Body=b"die", TargetModel="a.tar.gz")
    assert ask("a.tar.gz")[0] == "a", "the container was started again, without its models"


class Container:
    """In the place of a model server: it says 200, uses memory, and notes what it was asked."""

    container = "primary"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.loaded = 0
        self.delay = 0.0

    @property
    def process(self) -> Container:
        return self

    def memory(self) -> int:
        return 30 * self.loaded

    @asynccontextmanager
    async def exchange(self, method: str, path: str, *_: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(self.delay)
        self.asked.append(method)
        self.loaded += {"POST": 1, "DELETE": -1}.get(method, 0)

        class Response:
            status, headers = 200, dict[str, str]()

            async def read(self) -> bytes:
                return b""

        yield Response()


class Archive:
    """In the place of S3: every object is an archive with one file."""

    def download_fileobj(self, bucket: str, key: str, file: Any) -> None:
        with tarfile.open(fileobj=file, mode="w:gz") as packed:
            packed.addfile(tarfile.TarInfo("word.txt"), io.BytesIO())


class Meter:
    def record(self, *_: Any, **more: Any) -> None: ...


def models(container: Container, folder: Path, cache: str = "Enabled") -> Any:
    class App:
        s3 = Archive()

    described = {"Prefix": "s3://bucket/models/", "Cache": cache}
    return Models(App(), container, described, folder, 100, Meter())  # type: ignore[arg-type]


def test_the_least_recently_used_make_room_before_memory_is_full(tmp_path: Path) -> None:
    container = Container()
    kept = models(container, tmp_path)

    async def use(*targets: str) -> None:
        for target in targets:
            async with kept.invoking(target, 10):
                pass

    async def run() -> None:
        await use("a", "b", "a")
        async with kept.invoking("c", 10):  # 90 of 100 bytes
            assert container.asked == ["POST", "POST", "POST"]
            await use("d")
            assert list(kept._loaded) == ["a", "c", "d"], "b made room: a was used after it, c is in use"
        await use("e")
        assert list(kept._loaded) == ["c", "d", "e"]

    asyncio.run(run())
    assert len(list(tmp_path.iterdir())) == 5, "their files stay"


def test_who_waits_too_long_is_told_so_and_loading_goes_on(tmp_path: Path) -> None:
    container = Container()
    container.delay = 0.2
    kept = models(container, tmp_path)

    async def run() -> None:
        with pytest.raises(AwsError) as raised:
            async with kept.invoking("a", 0.05):
                pass
        assert (raised.value.code, raised.value.status) == ("ModelNotReadyException", 429)
        async with kept.invoking("a", 10):
            pass
        assert container.asked == ["POST"]

    asyncio.run(run())


def test_without_a_cache_unloading_and_loading_again_do_not_meet(tmp_path: Path) -> None:
    container = Container()
    kept = models(container, tmp_path, "Disabled")

    async def run() -> None:
        for _ in range(20):
            async with kept.invoking("a", 10), kept.invoking("a", 10):
                assert len(list(tmp_path.glob("*/model/word.txt"))) == 1  # noqa: ASYNC240
        await asyncio.wait(kept._unloading.values())

    asyncio.run(run())
    assert container.asked == ["POST", "DELETE"] * 20
    assert not list(tmp_path.iterdir())
