"""What no client should send to an endpoint, and the error of AWS's that each gets.

Each case opens its own connections and leaves them behind as such a client would. Raises AssertionError.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Awaitable, Callable, Mapping

from endpoint_load import Answer, Plan, answer, request

MIB = 2**20
LIMIT = 25 * MIB
PATIENCE = 60  # s that any answer may take: a wedged server needs longer than a slow machine
FILL = "application/x-fill"  # the handler's own: answers with as many bytes as the body says

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Case = Callable[[Plan], Awaitable[None]]


async def malformed_bodies(plan: Plan) -> None:
    for body in ("", "one,two", "1,2\n", "\x00\xff", "{}" * 1000, "1," * 100_000):
        got = await ask(plan, body)
        assert (got.status, got.error) == (424, "ModelError"), (body[:20], got)
        assert b'"OriginalStatusCode": 500' in got.body, got


async def unknown_content_types(plan: Plan) -> None:
    """Whatever a function raises is 500 in this image."""
    for kind in ("application/x-npy", "text/csv; charset", "nonsense", "a" * 1024):
        got = await ask(plan, "1,2", {"Content-Type": kind})
        assert (got.status, got.error) == (424, "ModelError"), (kind[:20], got)
        assert b'"OriginalStatusCode": 500' in got.body, got
    got = await ask(plan, "1,2", {"Content-Type": "a" * 1025})
    assert (got.status, got.error) == (400, "ValidationError"), got


async def unknown_paths(plan: Plan) -> None:
    expected = {
        "/endpoints/nobody/invocations": "ValidationError",
        "/endpoints/!!/invocations": "ValidationError",
        "/endpoints//invocations": "ValidationError",
        f"{plan.path}/more": "UnsupportedOperationException",
        "/endpoints/": "UnsupportedOperationException",
    }
    for path, code in expected.items():
        got = await ask(plan, plan.body, path=path)
        assert (got.status, got.error) == (400, code), (path, got)


async def strangers(plan: Plan) -> None:
    expected = {
        ("Authorization", "none"): "MissingAuthenticationTokenException",
        ("Authorization", "AWS4-HMAC-SHA256 Credential=SOMEBODY/20261121"): "UnrecognizedClientException",
        ("Origin", "http://example.com"): "AccessDeniedException",
        ("Host", "example.com"): "AccessDeniedException",
    }
    for (name, value), code in expected.items():
        got = await ask(plan, plan.body, {name: value})
        assert (got.status, got.error) == (403, code), (name, got)


async def no_http(plan: Plan) -> None:
    """Answered with 400 at most, and the connection is closed."""
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, b"GET\r\n\r\n", b"\r\n" * 1000, b"A" * 200_000):
        reader, writer = await connect(plan)
        writer.write(noise)
        said = b""
        with contextlib.suppress(OSError):  # reset
            writer.write_eof()
            said = await asyncio.wait_for(reader.read(), PATIENCE)
        assert not said or said.startswith(b"HTTP/1.1 4"), said[:200]
        writer.close()


async def too_long(plan: Plan) -> None:
    """Refused by its Content-Length alone, before a byte of it was sent."""
    for length in (LIMIT + 1, 10**12):
        reader, writer = await connect(plan)
        writer.write(head(plan, f"Content-Length: {length}"))
        await refused_as_too_long(reader)
        writer.close()


async def lying_lengths(plan: Plan) -> None:
    """Less is sent than was promised, and no more; or more than was promised, which is no request."""
    for _ in range(20):
        _, writer = await connect(plan)
        writer.write(head(plan, "Content-Length: 1000") + b"1,2")
        writer.close()
    reader, writer = await connect(plan)
    writer.write(head(plan, f"Content-Length: {len(plan.body)}") + plan.body.encode() + b"and more" * 10)
    got = await asyncio.wait_for(answer(reader), PATIENCE)
    assert got.status in (200, 400), got
    writer.close()
    reader, writer = await connect(plan)
    writer.write(head(plan, "Content-Length: -5"))
    assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 400")
    writer.close()


async def endless_bodies(plan: Plan) -> None:
    """Chunks without end, several at once: refused as soon as the limit is reached."""

    async def one() -> None:
        reader, writer = await connect(plan)
        writer.write(head(plan, "Transfer-Encoding: chunked"))
        refusal = asyncio.create_task(refused_as_too_long(reader))
        chunk = b"100000\r\n" + b"1" * MIB + b"\r\n"
        try:
            while not refusal.done():
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass  # it hung up after its answer
        await refusal
        writer.close()

    await asyncio.gather(*(one() for _ in range(4)))


async def slow_writers(plan: Plan) -> None:
    """Headers and bodies that come a byte at a time hold up nobody."""

    async def drip(text: bytes) -> None:
        _, writer = await connect(plan)
        for byte in text:
            if writer.is_closing():  # half a request is none
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        writer.close()

    drips = [asyncio.create_task(drip(request(plan)[at : at + 100])) for at in (0, 40) for _ in range(50)]
    for _ in range(20):
        assert (await ask(plan, plan.body)).body == plan.expected.encode()
    await asyncio.gather(*drips)


async def slow_readers(plan: Plan) -> None:
    """Answers of 5 MiB that nobody fetches; then they are fetched after all."""
    large = 5 * MIB
    waiting = [await connect(plan) for _ in range(20)]
    for _, writer in waiting:
        writer.write(request(changed(plan, str(large), {"Content-Type": FILL})))
    for _ in range(20):
        assert (await ask(plan, plan.body)).body == plan.expected.encode()
    for reader, writer in waiting[:10]:
        got = await asyncio.wait_for(answer(reader), PATIENCE)
        assert (got.status, len(got.body)) == (200, large)
        writer.close()
    for _, writer in waiting[10:]:
        writer.transport.abort()


async def many_connections(plan: Plan, count: int = 1000) -> None:
    """All open at once, then all ask at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2 * count), hard), hard))
    connections = [await connect(plan) for _ in range(count)]
    for _, writer in connections:
        writer.write(request(plan))
    for reader, writer in connections:
        got = await asyncio.wait_for(answer(reader), PATIENCE)
        assert (got.status, got.body) == (200, plan.expected.encode()), got
        writer.close()


CASES: list[Case] = [
    malformed_bodies,
    unknown_content_types,
    unknown_paths,
    strangers,
    no_http,
    too_long,
    lying_lengths,
    endless_bodies,
    slow_writers,
    slow_readers,
    many_connections,
]


async def ask(plan: Plan, body: str, headers: Mapping[str, str] | None = None, path: str = "") -> Answer:
    reader, writer = await connect(plan)
    writer.write(request(changed(plan, body, headers or {}, path)))
    got = await asyncio.wait_for(answer(reader), PATIENCE)
    writer.close()
    return got


def changed(plan: Plan, body: str, headers: Mapping[str, str], path: str = "") -> Plan:
    return Plan(**{**vars(plan), "body": body, "headers": {**plan.headers, **headers}, "path": path or plan.path})


def head(plan: Plan, length: str) -> bytes:
    lines = [f"POST {plan.path} HTTP/1.1", *(f"{name}: {value}" for name, value in plan.headers.items())]
    return "\r\n".join([*lines, length, "", ""]).encode()


async def connect(plan: Plan) -> Connection:
    return await asyncio.open_connection("127.0.0.1", plan.port, limit=64 * MIB)


async def refused_as_too_long(reader: asyncio.StreamReader) -> None:
    got = await asyncio.wait_for(answer(reader), PATIENCE)
    assert (got.status, got.error) == (400, "ValidationError"), got
    assert b"Member must have length less than or equal to 26214400" in got.body, got
