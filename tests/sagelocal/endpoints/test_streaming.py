"""Streamed answers: frames that botocore reads back, from handlers that answer piece by piece."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError

from sagelocal.config import Settings
from sagelocal.endpoints import streaming
from tests.sagelocal.endpoints.test_endpoints import Account, failing, until

TELL = """
import os, time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    if body == "raise":
        raise ValueError("nothing to tell")
    return tell(body), accept

def tell(body):
    count, _, then = body.partition(" ")
    for number in range(int(count)):
        yield f"{number} ".encode()
        time.sleep(0.01)
    if then == "die":
        os._exit(3)
    if then == "flood":
        for number in range(200):
            yield b"x" * 1_000_000
            open("/tmp/written", "w").write(str(number))
"""


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    found = Account(laptop)
    found.deploy("teller", found.config("teller", found.echo("teller", TELL)))
    return found


def parts(answer: dict[str, Any]) -> list[bytes]:
    return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]


def test_frames_are_botocores() -> None:
    buffer = EventStreamBuffer()
    broken = streaming.exception("ModelStreamError", {"ErrorCode": "StreamBroken"})
    buffer.add_data(streaming.payload_part(b"one") + broken)
    first, second = list(buffer)
    assert (first.headers[":event-type"], first.payload) == ("PayloadPart", b"one")
    assert second.headers[":message-type"] == "exception"
    assert second.payload == b'{"ErrorCode": "StreamBroken"}'


@pytest.mark.namespaces
def test_an_answer_comes_piece_by_piece(account: Account) -> None:
    started = time.perf_counter()
    answer = account.runtime.invoke_endpoint_with_response_stream(
        EndpointName="teller", Body=b"50", ContentType="text/csv", Accept="text/plain", InferenceId="a"
    )
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain; charset=utf-8", "teller")
    first = next(iter(answer["Body"]))["PayloadPart"]["Bytes"]
    soon = time.perf_counter() - started
    rest = parts(answer)
    assert first + b"".join(rest) == b"".join(f"{number} ".encode() for number in range(50))
    assert len(rest) > 5, "not all at once"
    assert soon < time.perf_counter() - started, "the first part came before the last"


@pytest.mark.namespaces
def test_errors_before_and_within_an_answer(account: Account) -> None:
    stream = account.runtime.invoke_endpoint_with_response_stream
    refused = failing(stream, EndpointName="teller", Body=b"raise", ContentType="text/csv")
    assert (refused["Error"]["Code"], refused["OriginalStatusCode"]) == ("ModelError", 500)
    assert "nothing to tell" in refused["OriginalMessage"]
    unknown = failing(stream, EndpointName="nobody", Body=b"1")
    assert unknown["Error"]["Code"] == "ValidationError"
    component = failing(stream, EndpointName="teller", Body=b"1", InferenceComponentName="part")
    assert "InferenceComponentName" in component["Error"]["Message"]

    answer = stream(EndpointName="teller", Body=b"3 die", ContentType="text/csv")
    with pytest.raises(EventStreamError) as raised:
        parts(answer)
    assert raised.value.response["Error"]["Code"] == "ModelStreamError"
    until(lambda: account_says(account, b"2"))


def account_says(account: Account, body: bytes) -> bool:
    answer = account.runtime.invoke_endpoint_with_response_stream(
        EndpointName="teller", Body=body, ContentType="text/csv"
    )
    return b"".join(parts(answer)) == b"0 1 "


@pytest.mark.namespaces
def test_a_slow_reader_slows_the_container_and_fills_no_memory(account: Account) -> None:
    """The handler would write 200 MB: what nobody reads it can't get rid of; and a reader who leaves frees it."""
    answer = account.runtime.invoke_endpoint_with_response_stream(
        EndpointName="teller", Body=b"1 flood", ContentType="text/csv"
    )
    events = iter(answer["Body"])
    next(events)
    time.sleep(1.0)
    read = sum(len(next(events)["PayloadPart"]["Bytes"]) for _ in range(20))
    assert read < 3_000_000
    answer["Body"].close()
    until(lambda: account_says(account, b"2"))
