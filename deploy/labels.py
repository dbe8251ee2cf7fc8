"""Ground truth: what became of requests, uploaded as Model Monitor reads it.

SageMaker developer guide, "Ingest ground truth labels and merge them with predictions": JSON Lines under
`<prefix>/yyyy/mm/dd/hh/`, the UTC hour being that of the upload. A label's id is the request's InferenceId, or the
event id of its capture where the caller gave none. Labels of requests that are not captured, or not yet, do no harm.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

Labels = Mapping[str, str | Sequence[str]]  # by request id; a sequence for a request of several records
PER_OBJECT = 200_000  # labels: about 30 MB


def upload(s3: Any, prefix: str, labels: Labels, now: datetime | None = None) -> list[str]:
    """URIs of the new objects below `prefix`, an S3 URI. Raises ClientError when the bucket refuses."""
    where = urlsplit(prefix)
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    every, made = lines(labels), list[str]()
    while body := "".join(islice(every, PER_OBJECT)):
        name = f"{moment:%Y/%m/%d/%H/%M-%S}-{len(made):04d}-{secrets.token_hex(4)}.jsonl"
        key = "/".join(part for part in (where.path.strip("/"), name) if part)
        s3.put_object(Bucket=where.netloc, Key=key, Body=body.encode(), ContentType="application/jsonlines")
        made.append(f"s3://{where.netloc}/{key}")
    return made


def lines(labels: Labels) -> Iterator[str]:
    """A JSON line each."""
    for request, label in labels.items():
        content = {"data": label if isinstance(label, str) else "\n".join(label), "encoding": "CSV"}
        record = {"groundTruthData": content, "eventMetadata": {"eventId": request}, "eventVersion": "0"}
        yield json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n"


def by_request(ids: Iterable[str], labels: Iterable[str]) -> Labels:
    """Labels in the order of their rows: the rows of one id are the records of one request."""
    found: dict[str, list[str]] = {}
    for request, label in zip(ids, labels, strict=True):
        found.setdefault(request, []).append(label)
    return {request: each[0] if len(each) == 1 else each for request, each in found.items()}
