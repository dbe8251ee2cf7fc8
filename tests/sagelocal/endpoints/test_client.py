"""The daemon's client against servers that speak HTTP in ways of their own, as a container of somebody's may."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sagelocal.endpoints.client import Address, Client
from sagelocal.endpoints.connection import Reply, UnansweredError

Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Container:
    """Answers /ping with `pings` in turn (the last one for ever), and a request's body by `answer`."""

    def __init__(self, answer: Answer, pings: tuple[int, ...] = (200,), headers: str = "") -> None:
        self._answer, self._pings, self._headers = answer, list(pings), headers
        self.connections = 0
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                    if head.startswith(b"get /ping"):
                        status = self._pings.pop(0) if len(self._pings) > 1 else self._pings[0]
                        writer.write(f"HTTP/1.1 {status} x\r\n{self._headers}content-length: 0\r\n\r\n".encode())
                    else:
                        self.bodies.append(body)
                        await self._answer(body, reader, writer)
        finally:  # also when it is cancelled: a socket left to the collector fails some later test
            writer.close()


def run(
    container: Container, path: Path, work: Callable[[Client], Awaitable[object]], kept_alive: bool = False
) -> list[bool]:
    """Runs `work` with a client of the container; gives what the client told of whether anybody listens."""
    told: list[bool] = []

    async def whole() -> None:
        server = await asyncio.start_unix_server(container.serve, path)
        client = Client(Address([path], kept_alive, 0 if kept_alive else 8), told.append, lambda: "nobody there", 1.0)
        try:
            await work(client)
        finally:
            client.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(whole())
    return told


async def ask(client: Client, body: bytes = b"x", seconds: float = 5.0) -> Reply:
    return await client.request("/invocations", {}, body, seconds)


async def sized(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Name: Value\r\n\r\n%b" % (len(body), body))


def test_connections_are_used_again_and_header_names_are_lower_case(tmp_path: Path) -> None:
    container = Container(sized)

    async def work(client: Client) -> None:
        for number in range(5):
            reply = await ask(client, b"%d" % number)
            assert (reply.status, reply.body, reply.headers["x-name"]) == (200, b"%d" % number, "Value")

    assert run(container, tmp_path / "s", work) == [True]
    assert container.connections == 1


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nto the end", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nto the end", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nto \r\n7;x=y\r\nthe end\r\n0\r\n\r\n", False),
    ],
)
def test_ways_to_frame_an_answer(tmp_path: Path, sent: bytes, closes: bool) -> None:
    async def answer(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        if closes:
            writer.close()

    async def work(client: Client) -> None:
        for _ in range(2):
            assert (await ask(client)).body == b"to the end"

    run(Container(answer), tmp_path / "s", work)


def test_a_second_answer_to_one_request_is_nobodys(tmp_path: Path) -> None:
    async def answer(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await sized(body, reader, writer)
        await sized(b"nobody asked", reader, writer)
        if body == b"later":
            await asyncio.sleep(0.05)
            await sized(b"nobody asked", reader, writer)

    async def work(client: Client) -> None:
        for body in (b"0", b"1", b"later", b"2", b"3"):
            assert (await ask(client, body)).body == body
            await asyncio.sleep(0.1 if body == b"later" else 0)

    run(Container(answer), tmp_path / "s", work)


def test_endless_headers_end_their_request_alone(tmp_path: Path) -> None:
    async def answer(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if body == b"good":
            return await sized(body, reader, writer)
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            writer.write(b"h" * 2**20)
            await writer.drain()

    async def work(client: Client) -> None:
        with pytest.raises(UnansweredError, match="more than 1048576 bytes of headers"):
            await ask(client)
        assert (await ask(client, b"good")).body == b"good"

    run(Container(answer), tmp_path / "s", work)


def test_a_stream_that_was_slowed_down_leaves_a_connection_of_use(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        body = b"x" * (2**20 + 1)  # the reader pauses at the last byte
        async with client.exchange("POST", "/invocations", {}, body, 5.0) as response:
            await asyncio.sleep(0.2)
            assert await response.read() == body
        assert (await ask(client, b"next")).body == b"next"

    container = Container(sized)
    run(container, tmp_path / "s", work)
    assert container.connections == 1


def test_a_container_has_no_say_in_how_many_requests_it_gets(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        assert (await ask(client)).body == b"x"

    run(Container(sized, headers="x-batch-limit: lots\r\n"), tmp_path / "s", work)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"nonsense\r\n\r\n"])
def test_what_breaks_off_is_not_sent_again(tmp_path: Path, sent: bytes) -> None:
    async def answer(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    container = Container(answer)

    async def work(client: Client) -> None:
        with pytest.raises(UnansweredError):
            await ask(client)

    run(container, tmp_path / "s", work)
    assert container.bodies == [b"x"]


def test_a_container_that_is_not_ready_is_pinged_until_it_is(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        assert (await ask(client)).status == 200

    assert run(Container(sized, pings=(503, 503, 200)), tmp_path / "s", work) == [True]


def test_a_container_that_never_is_ready_fails_requests_with_the_reason(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        with pytest.raises(UnansweredError, match="nobody there"):
            await ask(client)

    assert run(Container(sized, pings=(503,)), tmp_path / "s", work) == []


def test_a_worker_gets_as_many_requests_as_it_says_and_the_others_wait(tmp_path: Path) -> None:
    most, now = 0, 0

    async def slowly(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        await sized(body, reader, writer)

    async def work(client: Client) -> None:
        replies = await asyncio.gather(*(ask(client, b"%d" % number) for number in range(12)))
        assert [reply.body for reply in replies] == [b"%d" % number for number in range(12)]

    run(Container(slowly, headers="x-batch-limit: 4\r\n"), tmp_path / "s", work, kept_alive=True)
    assert most == 4
    most = 0
    run(Container(slowly), tmp_path / "t", work, kept_alive=True)
    assert most == 1, "where answers take long, none waits behind another in a worker"


def test_a_streams_slow_reader_slows_the_container(tmp_path: Path) -> None:
    written = 0

    async def endless(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 100_000)
            written += 100_000
            await writer.drain()

    async def work(client: Client) -> None:
        async with client.exchange("POST", "/invocations", {}, b"x", 5.0) as response:
            parts = response.iter_any()
            await anext(parts)
            await asyncio.sleep(0.2)
            assert written < 10_000_000
            for _ in range(100):
                await anext(parts)

    run(Container(endless), tmp_path / "s", work)
