"""Many models behind one endpoint: loaded when they are asked for, unloaded when there is no room."""

from __future__ import annotations

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagelocal.config import Settings
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


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
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
