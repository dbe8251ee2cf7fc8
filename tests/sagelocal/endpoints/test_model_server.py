"""The model server's processes and the daemon's client to them, without a sandbox around them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from sagelocal import containers
from sagelocal.endpoints.client import Address, Client
from sagelocal.endpoints.connection import Reply, UnansweredError

T = TypeVar("T")
SCRIPT = """
import json, os, pathlib, sys, time

def model_fn(model_dir):
    if pathlib.Path(model_dir, "broken").exists():
        raise RuntimeError("the weights are missing")
    return "model"

def input_fn(body, content_type):
    if body == "unreadable":
        raise ValueError("cannot read this")
    return body

def predict_fn(data, model):
    if data.startswith("sleep"):
        time.sleep(float(data.split()[1]))
    if data == "die":
        os._exit(3)
    return [data, os.getpid(), 1]

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""
BATCHED = (
    SCRIPT
    + """
def predict_batch_fn(inputs, model):
    if "together" in inputs:
        raise RuntimeError("not together")
    return [ValueError("not this one") if data == "alone" else [data, os.getpid(), len(inputs)] for data in inputs]
"""
)
STREAMED = """
def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    def parts():
        yield "first "
        yield body
        if body == "break":
            raise ValueError("in the middle")
    return parts(), "text/plain"
"""


class Server:
    """A model server of a script, and a client to it in the loop of `ask`."""

    def __init__(self, folder: Path, script: str, workers: int = 1, **environment: str) -> None:
        (folder / "inference.py").write_text(script)
        (folder / "model_server").symlink_to(Path(containers.__file__).parent / "serving")
        given = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": str(folder), **environment}
        start = f"import model_server.handler as h; h.Handler.__init__.__defaults__ = ({str(folder)!r},); "
        start += "import sys, model_server.__main__ as m; "
        start += f"sys.argv = ['', 'scikit-learn', {str(folder / 's')!r}, '1.4-2', '{workers}']; m.main()"
        self.log = folder / "log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start],
                env={**given, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.paths = [folder / f"s{number}" for number in range(workers)]

    def run(self, work: Callable[[Client], Awaitable[T]], patience: float = 20.0) -> T:
        async def whole() -> T:
            client = Client(Address(self.paths, kept_alive=True, depth=0), lambda _: None, lambda: "gone", patience)
            try:
                return await work(client)
            finally:
                client.close()

        return asyncio.run(whole())

    def ask(self, *bodies: str, seconds: float = 20.0) -> list[Reply | BaseException]:
        """The answers to requests sent at once."""

        async def work(client: Client) -> list[Reply | BaseException]:
            asked = [ask(client, body, seconds) for body in bodies]
            return await asyncio.gather(*asked, return_exceptions=True)

        return self.run(work)


async def ask(client: Client, body: str, seconds: float = 20.0) -> Reply:
    return await client.request("/invocations", {"content-type": "text/csv"}, body.encode(), seconds)


def answer(reply: Reply | BaseException) -> list[object]:
    """What `predict_fn` gave: data, process, size of the batch."""
    assert isinstance(reply, Reply), reply
    assert reply.status == 200, reply.body
    return list(json.loads(reply.body))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(script: str, workers: int = 1, **environment: str) -> Server:
        started.append(Server(tmp_path, script, workers, **environment))
        return started[-1]

    yield start
    for server in started:
        server.process.terminate()
        server.process.wait(10)


def test_workers_share_the_requests_and_a_dead_one_is_started_again(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT, 2)
    both = {answer(reply)[1] for reply in server.ask("sleep 1.5", "sleep 1.5")}
    assert len(both) == 2
    for worker in both:
        os.kill(int(str(worker)), signal.SIGKILL)
    found = {answer(reply)[1] for reply in server.ask("sleep 1.5", "sleep 1.5")}
    assert len(found) == 2
    assert not found & both
    assert server.log.read_text().count("was ended by SIGKILL. It is started again.") == 2


def test_only_the_request_that_a_killed_worker_had_read_fails(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT)

    async def work(client: Client) -> list[Reply | BaseException]:
        worker = answer(await ask(client, "who"))[1]
        asked = [asyncio.create_task(ask(client, body)) for body in ["sleep 5", *map(str, range(20))]]
        await asyncio.sleep(0.3)
        os.kill(int(str(worker)), signal.SIGKILL)
        return await asyncio.gather(*asked, return_exceptions=True)

    first, *others = server.run(work)
    assert isinstance(first, UnansweredError)
    assert [answer(reply)[0] for reply in others] == [*map(str, range(20))]


def test_what_waits_while_the_worker_is_busy_is_answered_together(serve: Callable[..., Server]) -> None:
    server = serve(BATCHED)

    async def work(client: Client) -> list[Reply | BaseException]:
        first = asyncio.create_task(ask(client, "sleep 0.4"))
        await asyncio.sleep(0.1)
        bodies = ["alone", "unreadable", *map(str, range(8))]
        return await asyncio.gather(first, *(ask(client, body) for body in bodies), return_exceptions=True)

    server.ask("warm", "up")
    first, alone, unreadable, *others = server.run(work)
    assert answer(first)[0] == "sleep 0.4"
    assert [answer(reply)[0] for reply in others] == [*map(str, range(8))], server.log.read_text()
    assert max(int(str(answer(reply)[2])) for reply in others) == 9, "the unreadable one is not in it"
    for reply, said in ((alone, b"not this one"), (unreadable, b"cannot read this")):
        assert isinstance(reply, Reply)
        assert (reply.status, said in reply.body) == (500, True)


def test_a_batch_that_raises_is_answered_one_by_one(serve: Callable[..., Server]) -> None:
    server = serve(BATCHED)
    replies = server.ask("sleep 0.2", *["together"] * 3, "x")
    assert [answer(reply)[0] for reply in replies] == ["sleep 0.2", *["together"] * 3, "x"]


def test_a_worker_that_hangs_is_ended_and_started_again(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT, SAGEMAKER_MODEL_SERVER_TIMEOUT="0.5")
    hung, next_one = server.ask("sleep 30", "next")
    assert isinstance(hung, UnansweredError)
    assert answer(next_one)[0] == "next"
    assert "did not answer a request within 0.5 s and was ended" in server.log.read_text()


def test_a_request_whose_time_is_over_fails_alone(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT)
    server.ask("warm up")
    late, waiting = server.ask("sleep 1", "sleep 0", seconds=0.4)
    assert isinstance(late, TimeoutError)
    assert isinstance(waiting, TimeoutError)
    assert answer(server.ask("x")[0])[0] == "x"


def test_sigterm_lets_it_finish_what_it_has(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT)

    async def work(client: Client) -> Reply:
        await ask(client, "warm up")
        asked = asyncio.create_task(ask(client, "sleep 0.5"))
        await asyncio.sleep(0.2)
        server.process.terminate()
        return await asked

    assert answer(server.run(work))[0] == "sleep 0.5"
    assert server.process.wait(5) == 0


def test_a_model_that_never_loads_says_so_once_and_ends(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    server = serve(SCRIPT, 2)
    assert server.process.wait(20) == 1
    lines = server.log.read_text().splitlines()
    assert lines[-1] == "RuntimeError: the weights are missing"
    assert sum(line == lines[-1] for line in lines) == 1


def test_who_waits_for_a_server_that_does_not_come_back_is_told_why(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT)
    server.ask("warm up")
    server.process.terminate()
    server.process.wait()

    async def work(client: Client) -> Reply:
        return await ask(client, "x")

    with pytest.raises(UnansweredError, match="gone"):
        server.run(work, patience=0.3)


def test_an_iterator_is_streamed_and_one_that_raises_breaks_off(serve: Callable[..., Server]) -> None:
    server = serve(STREAMED)

    async def stream(client: Client, body: bytes) -> list[bytes]:
        found: list[bytes] = []
        async with client.exchange("POST", "/invocations", {}, body, 20.0) as response:
            assert response.status == 200
            async for chunk in response.iter_any():
                found.append(chunk)
        return found

    assert b"".join(server.run(lambda client: stream(client, b"second"))) == b"first second"
    with pytest.raises(UnansweredError):
        server.run(lambda client: stream(client, b"break"))
    assert b"".join(server.run(lambda client: stream(client, b"again"))) == b"first again"


def test_chunked_and_large_bodies_arrive_whole(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(SCRIPT)
    large = "x" * 3_000_000
    (tmp_path / "large").write_text(large)

    async def parts() -> object:
        for start in range(0, len(large), 70_000):
            yield large[start : start + 70_000].encode()

    async def work(client: Client) -> list[bytes]:
        found = []
        for body in (large.encode(), tmp_path / "large", parts()):
            async with client.exchange("POST", "/invocations", {"content-type": "text/csv"}, body, 20.0) as response:  # type: ignore[arg-type]
                found.append(json.loads(await response.read())[0])
        return found

    assert server.run(work) == [large] * 3


def test_pipelined_and_malformed_requests(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT)
    server.ask("warm up")
    request = b"POST /invocations HTTP/1.1\r\ncontent-type: text/csv\r\ncontent-length: %d\r\n\r\n%b"
    assert _raw(server, b"".join(request % (1, digit) for digit in (b"1", b"2", b"3"))).count(b"200 OK") == 3
    assert b"404" in _raw(server, b"GET /elsewhere HTTP/1.1\r\n\r\n")
    for broken in (
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"\0" * 100_000,
        request[:20],
    ):
        assert _raw(server, broken) == b""
    assert answer(server.ask("still there")[0])[0] == "still there"


def _raw(server: Server, sent: bytes) -> bytes:
    """All that comes back after these bytes and the end of the sending side, or within half a second."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(0.5)
        peer.connect(str(server.paths[0]))
        with contextlib.suppress(BrokenPipeError):
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while part := peer.recv(65536):
                found += part
        return found


def test_idle_workers_use_no_time(serve: Callable[..., Server]) -> None:
    server = serve(SCRIPT, 2)
    pids = {answer(reply)[1] for reply in server.ask("sleep 1.5", "sleep 1.5")}
    time.sleep(0.2)  # they see that the connections were closed
    before = [_switches(pid) for pid in (*pids, server.process.pid)]
    time.sleep(0.5)
    assert [_switches(pid) for pid in (*pids, server.process.pid)] == before, "nothing wakes them"


def _switches(pid: object) -> str:
    return next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("voluntary"))
