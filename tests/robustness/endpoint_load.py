"""Load in a process of its own: python tests/robustness/endpoint_load.py '{"port": 1, "seconds": 5, ...}'

Prints one line of JSON. Without a rate each connection asks again as soon as it is answered; with one, requests leave
at their times, and an answer's time counts from when its request was due.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Plan:
    port: int
    path: str
    headers: dict[str, str]
    body: str
    expected: str
    seconds: float
    connections: int
    rate: float | None = None  # requests a second


@dataclass
class Outcome:
    sent: int = 0
    failed: dict[str, int] = field(default_factory=dict)  # "424 ModelError" to how many
    examples: list[str] = field(default_factory=list)
    rate: float = 0.0  # answered a second
    p50: float = 0.0  # ms
    p99: float = 0.0

    @property
    def failures(self) -> int:
        return sum(self.failed.values())


@dataclass(frozen=True)
class Answer:
    status: int
    error: str  # the AWS error code
    body: bytes


async def answer(reader: asyncio.StreamReader) -> Answer:
    """One response with a Content-Length. Raises asyncio.IncompleteReadError when the connection ends in it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    code = json.loads(body).get("__type", "") if headers.get("x-amzn-errortype") else ""
    return Answer(int(head[0].split()[1]), code, body)


def request(plan: Plan) -> bytes:
    lines = [f"POST {plan.path} HTTP/1.1", *(f"{name}: {value}" for name, value in plan.headers.items())]
    body = plan.body.encode()
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def run(plan: Plan) -> Outcome:
    outcome, taken, failed = Outcome(), [], Counter[str]()
    slots, start = itertools.count(), time.perf_counter()
    sent = request(plan)

    def miss(what: str, body: bytes = b"") -> None:
        failed[what] += 1
        if len(outcome.examples) < 20:
            outcome.examples.append(f"{what} after {time.perf_counter() - start:.1f} s: {body[:300]!r}")

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", plan.port)
        while (due := start + next(slots) / plan.rate if plan.rate else time.perf_counter()) < start + plan.seconds:
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            outcome.sent += 1
            try:
                writer.write(sent)
                got = await asyncio.wait_for(answer(reader), 120)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                miss(type(error).__name__)
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", plan.port)
                continue
            taken.append(time.perf_counter() - due)
            if got.status != 200 or got.body != plan.expected.encode():
                miss(f"{got.status} {got.error}".strip(), got.body)
        writer.close()

    await asyncio.gather(*(client() for _ in range(plan.connections)))
    outcome.failed, outcome.rate = dict(failed), len(taken) / (time.perf_counter() - start)
    if len(taken) > 1:
        cuts = statistics.quantiles(taken, n=100)
        outcome.p50, outcome.p99 = cuts[49] * 1e3, cuts[98] * 1e3
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(Plan(**json.loads(sys.argv[1])))))))
