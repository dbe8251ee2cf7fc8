"""Small objects of the bucket: the reports and tables that jobs leave there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LARGEST = 100_000_000  # bytes of a report, and of a table that a page shows


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI; a key may hold `#` and `?`, which mean nothing on S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def read(s3: Any, uri: str, at_most: int | None = None) -> bytes:
    """Raises LookupError for what has more than `at_most` bytes."""
    found: bytes = _body(s3, uri).read(at_most and at_most + 1)
    if at_most and len(found) > at_most:
        raise LookupError(f"{uri} has more than {at_most // 1_000_000} MB, which is too much to be read at once.")
    return found


def _body(s3: Any, uri: str) -> Any:
    bucket, key = split(uri)
    return s3.get_object(Bucket=bucket, Key=key)["Body"]


def read_json(s3: Any, uri: str) -> Any:
    """Raises LookupError for what is too large to be a report."""
    return json.loads(read(s3, uri, LARGEST))


def objects(s3: Any, uri: str) -> Iterator[dict[str, Any]]:
    """ListObjectsV2's entries under a prefix."""
    bucket, key = split(uri)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        yield from page.get("Contents", [])


def download(s3: Any, uri: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_body(s3, uri).read())
    return target
