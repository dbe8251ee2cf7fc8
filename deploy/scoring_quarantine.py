"""Records that can't be scored, kept in the lake's quarantine with the reason: an object for each, by its position.

The object's key is the same each time, so a record that is read again is quarantined once.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import streams
from deploy.scoring_states import written
from deploy.sources import Record

_THERE = ("PreconditionFailed", "ConditionalRequestConflict")  # S3's words for a key that is taken, or being taken


@dataclass(frozen=True, slots=True)
class Refusal:
    record: Record
    reason: str  # a code
    text: str


@dataclass(frozen=True)
class Quarantine:
    s3: Any
    bucket: str
    use_case: str
    pool: Executor

    def put(self, refusals: Sequence[Refusal]) -> int:
        """How many of them are new. Raises ClientError."""
        return sum(self.pool.map(self._put, refusals))

    def _put(self, refusal: Refusal) -> bool:
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=key(self.use_case, refusal),
                Body=json.dumps(line(refusal)).encode() + b"\n",
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _THERE:
                raise
            return False
        return True


def key(use_case: str, refusal: Refusal) -> str:
    prefix = streams.lake_prefix(use_case, streams.QUARANTINE)
    position = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(refusal.record.position))
    return f"{prefix}date={refusal.record.arrived_at:%Y-%m-%d}/reason={refusal.reason}/scorer-{position}.json"


def line(refusal: Refusal) -> dict[str, str]:
    """As the quarantine's table has it, and as the validation on the way in writes it."""
    record = refusal.record
    try:
        text, encoding = record.data.decode(), "text"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(record.data).decode(), "base64"
    return {
        "problem": refusal.text,
        "record": text,
        "encoding": encoding,
        "arrived_at": written(record.arrived_at),
        "partition_key": record.key,
        "shard": record.position.part,
        "sequence_number": record.position.number,
    }
