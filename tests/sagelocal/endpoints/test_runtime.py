"""InvokeEndpoint on the wire: its checks and limits, and peers that are slow, rude or many."""

from __future__ import annotations

import asyncio
import io
import json
import resource
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.api.runtime import Runtime, answers
from sagelocal.api.validation import validate
from sagelocal.config import Settings
from sagelocal.endpoints.invocation import PAYLOAD_LIMIT, Invocation

KEY, PORT = "LKIA0123456789ABCDEF", 4566
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=0"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
LEAVES = b"the caller leaves"  # in the place of a part of the body
SCRIPT = """
import time

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    if body == "large":
        return "x" * 20_000_000
    if body == "slow":
        time.sleep(0.5)
    return body
"""


class Endpoints:
    """Remembers what reaches it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    def serves(self, name: str) -> bool:
        return name == "churn"

    async def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        self.asked.append((name, dict(headers), body))
        if body == b"break":
            raise RuntimeError("a bug")
        if body == b"model":
            raise AwsError("ModelError", "Received server error", 424, OriginalStatusCode=500, OriginalMessage="x")
        return Invocation(200, {"Content-Type": "text/csv", "x-Amzn-Invoked-Production-Variant": "v"}, b"0.5")


class Wire:
    """`send` is a request to the ASGI application; its status, headers and body come back."""

    def __init__(self) -> None:
        self.endpoints = Endpoints()
        settings = SimpleNamespace(access_key=KEY, port=PORT)
        self.runtime = Runtime(cast(Any, SimpleNamespace(settings=settings, endpoints=self.endpoints)))
        self.received = 0

    def send(
        self, *parts: bytes, name: str = "churn", length: int | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        given = {"host": f"127.0.0.1:{PORT}", "authorization": SIGNED, **(headers or {})}
        if length is not None:
            given["content-length"] = str(length)
        lines = [(key.encode(), value.encode("latin-1")) for key, value in given.items()]
        scope = {"type": "http", "method": "POST", "path": f"/endpoints/{name}/invocations", "headers": lines}
        assert answers(scope)
        messages = iter(parts or (b"",))
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            part = next(messages)
            if part == LEAVES:
                return {"type": "http.disconnect"}
            self.received += len(part)
            return {"type": "http.request", "body": part, "more_body": part is not (parts or (b"",))[-1]}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.runtime(scope, receive, send))
        start, body = sent
        found = {key.decode(): value.decode() for key, value in start["headers"]}
        return start["status"], found, body["body"]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_what_a_container_and_a_caller_see(wire: Wire) -> None:
    headers = {"content-type": "text/csv", "x-amzn-sagemaker-inference-id": "i-1", "user-agent": "Boto3"}
    status, answered, body = wire.send(b"1,2", headers=headers)
    assert (status, body, answered["content-type"]) == (200, b"0.5", "text/csv")
    assert answered["x-amzn-invoked-production-variant"] == "v"
    assert len(answered["x-amzn-requestid"]) == 36
    asked = {"content-type": "text/csv", "x-amzn-sagemaker-inference-id": "i-1"}
    assert wire.endpoints.asked == [("churn", asked, b"1,2")]


@pytest.mark.parametrize(
    ("header", "value", "fits"),
    [
        ("x-amzn-sagemaker-inference-id", "x" * 64, True),
        ("x-amzn-sagemaker-inference-id", "x" * 65, False),
        ("x-amzn-sagemaker-inference-id", "", False),
        ("x-amzn-sagemaker-inference-id", " x", False),
        ("x-amzn-sagemaker-custom-attributes", "a" * 1024, True),
        ("x-amzn-sagemaker-custom-attributes", "a" * 1025, False),
        ("x-amzn-sagemaker-custom-attributes", "é", False),
        ("content-type", "c" * 1025, False),
        ("x-amzn-sagemaker-target-variant", "a-b", True),
        ("x-amzn-sagemaker-target-variant", "a_b", False),
        ("x-amzn-sagemaker-session-id", "NEW_SESSION", True),
    ],
)
def test_headers_are_held_to_their_shapes_in_validates_words(wire: Wire, header: str, value: str, fits: bool) -> None:
    status, answered, body = wire.send(b"1", headers={header: value})
    if fits:
        assert status == 200
        return
    member = wire.runtime._members[header.encode()].name
    with pytest.raises(AwsError) as raised:
        validate("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "churn", "Body": b"", member: value})
    assert (status, answered["x-amzn-errortype"]) == (400, "ValidationError")
    assert json.loads(body)["Message"] == raised.value.message
    assert not wire.endpoints.asked


def test_an_unknown_endpoints_name_is_checked_too(wire: Wire) -> None:
    status, _, body = wire.send(b"1", name="no_such_name")
    assert status == 400
    assert "'endpointName' failed to satisfy constraint" in json.loads(body)["Message"]


def test_a_body_over_the_limit_is_refused_before_it_comes(wire: Wire) -> None:
    status, answered, body = wire.send(b"x", length=PAYLOAD_LIMIT + 1)
    assert (status, answered["x-amzn-errortype"]) == (400, "ValidationError")
    assert f"less than or equal to {PAYLOAD_LIMIT}" in json.loads(body)["Message"]
    assert wire.received == 0
    part = b"x" * 10_000_000
    assert wire.send(*[part[: -number - 1] for number in range(9)])[0] == 400, "chunked: its length comes with it"
    assert wire.received < 40_000_000
    assert not wire.endpoints.asked
    assert wire.send(b"x", length=1)[0] == 200


@pytest.mark.parametrize("parts", [(LEAVES,), (b"half", LEAVES)])
def test_who_leaves_before_the_body_has_come_asks_no_model(wire: Wire, parts: tuple[bytes, ...]) -> None:
    assert wire.send(*parts, length=8)[0] == 400
    assert not wire.endpoints.asked


def test_errors_of_the_model_and_of_ours(wire: Wire) -> None:
    status, answered, body = wire.send(b"model")
    assert (status, answered["x-amzn-errortype"], json.loads(body)["OriginalStatusCode"]) == (424, "ModelError", 500)
    status, answered, body = wire.send(b"break")
    assert (status, answered["x-amzn-errortype"]) == (500, "InternalFailure")
    assert answered["x-amzn-requestid"] in json.loads(body)["Message"]


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil"}, {"host": "evil:4566"}, {"authorization": SIGNED.replace(KEY, "AKIAX")}]
)
def test_who_may_not_speak_to_us_is_refused(wire: Wire, headers: dict[str, str]) -> None:
    assert wire.send(b"1", headers=headers)[0] == 403
    assert not wire.endpoints.asked


@pytest.fixture(scope="module")
def echo(laptop: Settings) -> Settings:
    """A sagelocal with the endpoint `echo`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        archive.addfile(entry, io.BytesIO(SCRIPT.encode()))
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="echo.tar.gz", Body=packed.getvalue())
    client = laptop.client("sagemaker")
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    url = f"s3://{laptop.bucket}/echo.tar.gz"
    container = {"Image": SKLEARN, "ModelDataUrl": url, "Environment": variables}
    client.create_model(ModelName="echo", PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "echo", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName="echo", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="echo", EndpointConfigName="echo")
    client.get_waiter("endpoint_in_service").wait(EndpointName="echo", WaiterConfig={"Delay": 1})
    return laptop


class Peer:
    """A bare connection to the runtime."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.socket = socket.create_connection(("127.0.0.1", settings.port), timeout=30)

    def head(self, length: int, name: str = "echo", framing: str = "") -> bytes:
        signed = SIGNED.replace(KEY, self._settings.access_key)
        framing = framing or f"Content-Length: {length}"
        lines = [f"POST /endpoints/{name}/invocations HTTP/1.1", f"Host: 127.0.0.1:{self._settings.port}"]
        lines += [f"Authorization: {signed}", "Content-Type: text/csv", "Accept: text/csv", framing]
        return "\r\n".join([*lines, "", ""]).encode()

    def ask(self, body: bytes) -> bytes:
        self.socket.sendall(self.head(len(body)) + body)
        return self.answer()

    def answer(self) -> bytes:
        """Status line, headers and body of one answer; empty when the other side closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (part := self.socket.recv(65536)):
                return data
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        while len(body) < size and (part := self.socket.recv(1 << 20)):
            body += part
        return head + b"\r\n\r\n" + body


@pytest.fixture
def peer(echo: Settings) -> Iterator[Callable[[], Peer]]:
    """Makes connections, and closes them afterwards."""
    made: list[Peer] = []

    def connect() -> Peer:
        made.append(Peer(echo))
        return made[-1]

    yield connect
    for one in made:
        one.socket.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    """A shell's usual limit of 1,024 is too low for what the test has open beside what pytest has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.namespaces
def test_a_thousand_connections_at_once(many_files: None, peer: Callable[[], Peer]) -> None:
    peers = [peer() for _ in range(1000)]
    for number, one in enumerate(peers):
        body = str(number).encode()
        one.socket.sendall(one.head(len(body)) + body)
    found = [one.answer() for one in peers]
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in found] == [str(number).encode() for number in range(1000)]


@pytest.mark.namespaces
def test_slow_readers_slow_writers_and_who_goes_away_hold_up_nobody(peer: Callable[[], Peer]) -> None:
    readers = [peer() for _ in range(4)]
    for one in readers:
        one.socket.sendall(one.head(5) + b"large")  # 20 MB, and nobody reads them
    for one in [peer() for _ in range(50)]:
        one.socket.sendall(one.head(1000)[:-3])  # and never the rest
    for number in range(20):
        gone = peer()
        gone.socket.sendall(gone.head(4) + (b"slow" if number == 0 else b"sl"))
        gone.socket.close()
    assert peer().ask(b"still here").endswith(b"still here")
    assert len(readers[0].answer()) > 20_000_000


@pytest.mark.namespaces
def test_malformed_requests_and_huge_bodies_get_answers(peer: Callable[[], Peer]) -> None:
    for sent in (b"nonsense\r\n\r\n", b"POST /endpoints/echo/invocations HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        malformed = peer()
        malformed.socket.sendall(sent)
        assert b" 400 " in malformed.answer().split(b"\r\n")[0]
    huge = peer()
    huge.socket.sendall(huge.head(10**12))
    assert b"ValidationError" in huge.answer(), "without waiting for a terabyte"
    chunked = peer()
    chunked.socket.sendall(chunked.head(0, framing="Transfer-Encoding: chunked") + b"3\r\n1,2\r\n0\r\n\r\n")
    assert chunked.answer().endswith(b"1,2")
    part = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    endless = threading.Thread(target=_send_until_refused, args=(chunked, part), daemon=True)
    endless.start()
    assert b"less than or equal to 26214400" in chunked.answer()
    endless.join(10)
    assert peer().ask(b"still here").endswith(b"still here")


def _send_until_refused(peer: Peer, part: bytes) -> None:
    try:
        peer.socket.sendall(peer.head(0, framing="Transfer-Encoding: chunked"))
        for _ in range(40):
            peer.socket.sendall(part)
            time.sleep(0.001)
    except OSError:
        pass
