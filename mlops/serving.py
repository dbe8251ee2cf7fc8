"""`mlops invoke`: a question to an endpoint."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import names, state
from mlops import console, storage
from mlops.targets import Target

TYPES = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonlines"}
_INLINE = 128_000  # bytes that InvokeEndpointAsync takes in Body


@dataclass(frozen=True)
class Question:
    body: bytes
    content_type: str = "text/csv"
    accept: str = "text/csv"
    variant: str | None = None
    model: str | None = None  # of a multi-model endpoint: its archive's key below the prefix


def invoke(
    target: Target,
    use_case: str,
    stage: str,
    payload: str | None,
    file: Path | None,
    *,
    accept: str | None = None,
    variant: str | None = None,
    model: str | None = None,
) -> str:
    """The endpoint's answer. Without a payload it is asked about the first held-out record.

    Raises LookupError when there is no such endpoint, ClientError as it answers, RuntimeError for a failed asynchronous
    invocation.
    """
    name = names.endpoint_name(use_case, stage)
    endpoint = state.endpoint(target.client("sagemaker"), name)
    body, kind = _body(target, use_case, payload, file)
    question = Question(body, kind, accept or kind, variant, model)
    answer = (ask_later if "AsyncInferenceConfig" in endpoint else ask)(target, name, question)
    console.say(answer.rstrip("\n"))
    return answer


def _body(target: Target, use_case: str, payload: str | None, file: Path | None) -> tuple[bytes, str]:
    """With its content type."""
    if payload is not None and file is not None:
        raise ValueError("Give either a payload or --file, not both.")
    if file is not None:
        kind = TYPES.get(file.suffix.lower())
        if kind is None:
            raise ValueError(f"{file}: the content type goes by the suffix, one of {', '.join(TYPES)}.")
        return file.read_bytes(), kind
    text = payload if payload is not None else _held_out(target, use_case)
    return text.encode(), "application/json" if text.lstrip().startswith(("{", "[")) else "text/csv"


def ask(target: Target, name: str, question: Question) -> str:
    chosen = {"TargetVariant": question.variant, "TargetModel": question.model}
    response = target.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name,
        Body=question.body,
        ContentType=question.content_type,
        Accept=question.accept,
        **{member: value for member, value in chosen.items() if value},
    )
    return str(response["Body"].read().decode())


def ask_later(target: Target, name: str, question: Question) -> str:
    """Waits for the answer, or the failure, of an asynchronous endpoint: one of them comes, after its
    RequestTTLSeconds at the latest.
    """
    if question.variant or question.model:
        raise ValueError(f"Endpoint {name} is asynchronous: it has one variant with one model, so name neither.")
    response = target.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName=name, ContentType=question.content_type, Accept=question.accept, **_input(target, name, question)
    )
    answer, failure = response["OutputLocation"], response.get("FailureLocation")
    console.note(f"the answer will be {answer}")
    s3 = target.client("s3")
    while True:
        if (found := _object(s3, answer)) is not None:
            return found
        if failure and (found := _object(s3, failure)) is not None:
            raise RuntimeError(f"{failure}: {found}")
        time.sleep(target.poll)


def _input(target: Target, name: str, question: Question) -> dict[str, Any]:
    if len(question.body) <= _INLINE:
        return {"Body": question.body}
    folder = names.asynchronous_uri(target.place.bucket, target.place.prefix, name)
    bucket, key = storage.split(uri := f"{folder}/questions/{secrets.token_hex(8)}")
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=question.body, ContentType=question.content_type)
    return {"InputLocation": uri}


def _object(s3: Any, uri: str) -> str | None:
    bucket, key = storage.split(uri)
    found = state.find(s3.get_object, Bucket=bucket, Key=key)
    return None if found is None else str(found["Body"].read().decode())


def _held_out(target: Target, use_case: str) -> str:
    from mlops import traffic

    line = traffic.lines(traffic.held_out(target, use_case).head(1))[0]
    console.note(f"asking about the first held-out record: {line}")
    return line
