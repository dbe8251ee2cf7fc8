"""`mlops invoke`: a question to an endpoint."""

from __future__ import annotations

from pathlib import Path

from deploy import names
from mlops import console
from mlops.targets import Target

TYPES = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonlines"}


def invoke(
    target: Target, use_case: str, stage: str, payload: str | None, file: Path | None, accept: str | None
) -> str:
    """The endpoint's answer. Without a payload it is asked about the first held-out record."""
    if payload is not None and file is not None:
        raise ValueError("Give either a payload or --file, not both.")
    name = names.endpoint_name(use_case, stage)
    if file is not None:
        kind = TYPES.get(file.suffix.lower())
        if kind is None:
            raise ValueError(f"{file}: the content type goes by the suffix, one of {', '.join(TYPES)}.")
        body: str | bytes = file.read_bytes()
    else:
        body = payload if payload is not None else _held_out(target, use_case)
        kind = "application/json" if body.lstrip().startswith(("{", "[")) else "text/csv"
    answer = ask(target, name, body, kind, accept)
    console.say(answer.rstrip("\n"))
    return answer


def ask(target: Target, name: str, body: str | bytes, kind: str, accept: str | None) -> str:
    runtime = target.client("sagemaker-runtime")
    response = runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind, Accept=accept or kind)
    return str(response["Body"].read().decode())


def _held_out(target: Target, use_case: str) -> str:
    from mlops import traffic

    line = traffic.lines(traffic.held_out(target, use_case).head(1))[0]
    console.note(f"asking about the first held-out record: {line}")
    return line
