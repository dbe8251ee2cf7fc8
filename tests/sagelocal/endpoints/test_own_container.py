"""Containers of the user's own: what they see, how they are reached, and what their declaration must say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal import containers
from sagelocal.api.errors import AwsError
from sagelocal.config import Settings
from sagelocal.containers import custom
from tests.sagelocal.endpoints.test_endpoints import Account, failing, until

REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
SERVE = """#!/usr/bin/env python
import http.server, importlib.util, json, os, pathlib, signal, sys, urllib.error, urllib.request

MODEL = pathlib.Path("/opt/ml/model/word.txt")

def status(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return 0

def facts():
    interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
    return {
        "arguments": sys.argv[1:], "cwd": os.getcwd(), "word": MODEL.read_text(), "interfaces": interfaces,
        "port": os.environ.get("SAGEMAKER_BIND_TO_PORT"), "level": os.environ.get("LEVEL"),
        "tag": os.environ.get("TAG"), "s3": status(os.environ["AWS_ENDPOINT_URL"]),
        "packages": [name for name in ("numpy", "starlette", "sagelocal", "boto3") if importlib.util.find_spec(name)],
    }

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        known = {"/ping": {}, "/execution-parameters": {"MaxPayloadInMB": 3}}
        self.send(200 if self.path in known else 404, known.get(self.path))
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if body == "die":
            os._exit(3)
        if body.startswith("at ") and body.endswith(os.environ["SAGEMAKER_BIND_TO_PORT"]):
            return self.send(200, None, b"facts")
        if body == "facts":
            return self.send(200, facts())
        if body == "bad":
            return self.send(418, "a teapot")
        if body.isdigit():
            return self.send(200, None, ("x" * int(body)).encode())
        self.send(200, None, f"{MODEL.read_text()}:{body}".encode())
    def send(self, status, answer, body=None):
        body = json.dumps(answer).encode() if body is None else body
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept") or "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "from=the container")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

def stop(*_):
    print("told to stop", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
Server(("0.0.0.0", int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))), Handler).serve_forever()
"""
MANY = """#!/usr/bin/env python
import http.server, json, os, pathlib

loaded = {}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        self.send(200, json.dumps({"models": [{"modelName": name} for name in loaded]}))
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/models":
            asked = json.loads(body)
            loaded[asked["model_name"]] = pathlib.Path(asked["url"], "word.txt").read_text()
            return self.send(200, "{}")
        name = self.path.split("/")[2]
        self.send(200, f"{loaded[name]}:{body}") if name in loaded else self.send(404, "")
    def send(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *_): pass

assert os.environ["SAGEMAKER_MULTI_MODEL"] == "true"
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
DECLARED = """
[many]
folder = "many"
multi-models = true
[mine]
folder = "mine"
environment = { LEVEL = "image", TAG = "image" }
accept-bind-to-port = true
[plain]
folder = "mine"
entrypoint = ["python", "serve"]
[impossible]
folder = "mine"
requirements = "impossible.txt"
"""


@pytest.fixture(scope="module")
def account(laptop: Settings, images: Path) -> Account:
    """With the images `mine`, `plain`, `many` and `impossible`."""
    for name, program in (("mine", SERVE), ("many", MANY)):
        (images / name).mkdir()
        (images / name / "serve").write_text(program)
        (images / name / "serve").chmod(0o755)
    (images / "mine" / "impossible.txt").write_text("--no-index\nno-such-package-here==1\n")
    (images / "images.toml").write_text(DECLARED)
    return Account(laptop)


def model(account: Account, name: str, image: str = "mine", **more: Any) -> str:
    url = account.artifact(f"{name}.tar.gz", word_txt=name)
    container = {"Image": f"{REGISTRY}/{image}:1", "ModelDataUrl": url, "Environment": {"TAG": "model"}}
    account.sagemaker.create_model(ModelName=name, PrimaryContainer=container, **more)
    return name


@pytest.mark.namespaces
def test_a_container_sees_its_model_its_variables_and_s3_and_no_package_of_the_laptop(account: Account) -> None:
    endpoint = account.deploy("free", account.config("free", model(account, "free")))
    assert endpoint["EndpointStatus"] == "InService"
    facts = json.loads(account.ask("free", "facts"))
    assert facts == {
        "arguments": [],
        "cwd": "/opt/program",
        "word": "free",
        "interfaces": ["lo"],
        "port": None,
        "level": "image",
        "tag": "model",
        "s3": facts["s3"],
        "packages": [],
    }
    assert facts["s3"], "MiniStack answers, whatever it says to nobody in particular"
    answer = account.runtime.invoke_endpoint(EndpointName="free", Body=b"1\n2", ContentType="text/csv", Accept="a/b")
    assert (answer["Body"].read(), answer["ContentType"]) == (b"free:1\n2", "a/b")
    assert answer["CustomAttributes"] == "from=the container"
    assert len(account.ask("free", "3000000")) == 3_000_000
    refused = failing(account.runtime.invoke_endpoint, EndpointName="free", Body=b"bad", ContentType="text/csv")
    assert (refused["OriginalStatusCode"], refused["OriginalMessage"]) == (418, '"a teapot"')


@pytest.mark.namespaces
def test_isolated_it_reaches_nothing_and_is_reached_and_started_again_when_it_dies(account: Account) -> None:
    account.deploy("alone", account.config("alone", model(account, "alone", EnableNetworkIsolation=True)))
    facts = json.loads(account.ask("alone", "facts"))
    assert (facts["s3"], facts["interfaces"]) == (0, ["lo"])
    failing(account.runtime.invoke_endpoint, EndpointName="alone", Body=b"die", ContentType="text/csv")
    assert account.ask("alone", "again") == "alone:again"


@pytest.mark.namespaces
def test_it_is_asked_to_stop_before_it_is_killed(account: Account) -> None:
    account.deploy("short", account.config("short", model(account, "short", "plain")))
    assert json.loads(account.ask("short", "facts"))["arguments"] == ["serve"]
    account.sagemaker.delete_endpoint(EndpointName="short")
    folder = account.settings.state / "logs" / "aws" / "sagemaker" / "Endpoints" / "short"
    until(lambda: any("told to stop" in file.read_text() for file in folder.rglob("*") if file.is_file()))


@pytest.mark.namespaces
def test_a_transform_job_takes_its_execution_parameters(account: Account) -> None:
    model(account, "batch")
    s3, bucket = account.s3, account.settings.bucket
    s3.put_object(Bucket=bucket, Key="batch/in/a.csv", Body=b"1\n2\n")
    account.sagemaker.create_transform_job(
        TransformJobName="batch",
        ModelName="batch",
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/batch/in/"}},
            "ContentType": "text/csv",
        },
        TransformOutput={"S3OutputPath": f"s3://{bucket}/batch/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )

    def done() -> Any:
        found = account.sagemaker.describe_transform_job(TransformJobName="batch")
        return found if found["TransformJobStatus"] != "InProgress" else None

    assert until(done)["TransformJobStatus"] == "Completed"
    assert s3.get_object(Bucket=bucket, Key="batch/out/a.csv.out")["Body"].read() == b"batch:1\n2\n"


def pipeline(account: Account, name: str, *images: str) -> dict[str, Any]:
    """An endpoint of several containers, one after the other; each says the model's name."""
    url = account.artifact(f"{name}.tar.gz", word_txt=name)
    listed = [{"Image": f"{REGISTRY}/{image}:1", "ModelDataUrl": url} for image in images]
    account.sagemaker.create_model(ModelName=name, Containers=listed)
    return account.deploy(name, account.config(name, name))


@pytest.mark.namespaces
def test_in_a_pipeline_each_container_is_told_a_port(account: Account) -> None:
    assert pipeline(account, "two", "mine", "mine")["EndpointStatus"] == "InService"
    assert account.ask("two", "x") == "two:two:x"
    # What the first one knows goes through the second one as it is, but for the model's name in front of it.
    first = json.loads(account.ask("two", "facts").removeprefix("two:"))["port"]
    second = json.loads(account.ask("two", f"at {first}"))["port"]
    assert int(first) < int(second)
    with pytest.raises(ClientError, match="accept-bind-to-port=true"):
        pipeline(account, "unlabelled", "mine", "plain")


@pytest.mark.namespaces
def test_a_processing_job_starts_in_its_folder_with_its_variables(account: Account) -> None:
    facts = "[os.getcwd(), os.environ['LEVEL'], os.environ['TAG']]"
    looks = f"import os; assert {facts} == ['/opt/program', 'image', 'job']"
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    account.sagemaker.create_processing_job(
        ProcessingJobName="looks",
        AppSpecification={"ImageUri": f"{REGISTRY}/mine:1", "ContainerEntrypoint": ["python", "-c", looks]},
        ProcessingResources={"ClusterConfig": cluster},
        Environment={"TAG": "job"},
        RoleArn=account.settings.role_arn,
    )

    def done() -> Any:
        found = account.sagemaker.describe_processing_job(ProcessingJobName="looks")
        return found if found["ProcessingJobStatus"] != "InProgress" else None

    found = until(done)
    assert found["ProcessingJobStatus"] == "Completed", found


@pytest.mark.namespaces
def test_in_multi_model_mode_it_loads_what_is_asked_for(account: Account) -> None:
    for word in ("red", "blue"):
        account.artifact(f"many/{word}.tar.gz", word_txt=word)
    prefix = f"s3://{account.settings.bucket}/many/"
    container = {"Image": f"{REGISTRY}/many:1", "ModelDataUrl": prefix, "Mode": "MultiModel"}
    account.sagemaker.create_model(ModelName="many", PrimaryContainer=container)
    account.deploy("many", account.config("many", "many"))
    assert account.ask("many", "x", TargetModel="red.tar.gz") == "red:x"
    assert account.ask("many", "y", TargetModel="blue.tar.gz") == "blue:y"
    with pytest.raises(ClientError, match="multi-models=true"):
        account.sagemaker.create_model(ModelName="few", PrimaryContainer={**container, "Image": f"{REGISTRY}/mine:1"})


@pytest.mark.namespaces
def test_what_cannot_be_installed_is_the_reason_of_the_failure(account: Account) -> None:
    failed = account.deploy("impossible", account.config("impossible", model(account, "impossible", "impossible")))
    assert failed["EndpointStatus"] == "Failed"
    assert "impossible.txt can't be installed" in failed["FailureReason"]
    assert "no-such-package-here" in failed["FailureReason"]


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_IMAGES", str(tmp_path / "images.toml"))
    return tmp_path / "images.toml"


def test_an_unknown_image_says_where_to_declare_it(declared: Path) -> None:
    with pytest.raises(AwsError, match=rf"declare its repository mine in {declared}"):
        containers.family(f"{REGISTRY}/mine:1")
    (declared.parent / "mine").mkdir()
    declared.write_text('[mine]\nfolder = "mine"\n')
    family = containers.family(f"{REGISTRY}/mine:2026-11")
    assert (family.name, family.version, family.runs_scripts) == ("custom", "2026-11", True)
    assert family.custom and family.custom.command("train") == ["train"]
    assert containers.family(f"{REGISTRY}/sagemaker-xgboost:3.2-0").custom is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mine", "is no TOML"),
        ("[mine]\n", r"\[mine\] needs a folder"),
        ('[mine]\nfolder = "gone"\n', "gone does not exist"),
        ('[mine]\nfolder = "."\nrequirements = "r.txt"\n', r"r\.txt does not exist"),
        (
            '[mine]\nfolder = "."\nentrypoint = "python"\n',
            r"entrypoint = 'python' is not understood.*entrypoint \(list",
        ),
        ('[mine]\nfolder = "."\nport = 80\n', "port = 80 is not understood"),
    ],
)
def test_a_wrong_declaration_is_named(text: str, said: str, declared: Path) -> None:
    declared.write_text(text)
    with pytest.raises(AwsError, match=said):
        custom.find("mine")
