"""What data capture and ground truth have stored on S3: which objects a window needs, and their contents.

Both are stored by UTC hour, `<prefix>/yyyy/mm/dd/hh/<file>`, so a listing starts at the window's first hour and stops
after its last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd
from json_lines import File

BATCH_BYTES = 64 * 2**20
CONNECTIONS = 8
HOUR = "%Y/%m/%d/%H"
YEAR = re.compile(r"\d{4}/")


@dataclass(frozen=True)
class Stored:
    key: str
    size: int
    modified: pd.Timestamp


def split(uri: str) -> tuple[str, str]:
    """Bucket and prefix, which ends in a slash or is empty. Raises ValueError for what is no S3 URI."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise ValueError(f"{uri!r} is no S3 URI: s3://<bucket>/<prefix> is expected")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def folders(s3: Any, bucket: str, prefix: str) -> list[str]:
    """Names of the folders right under a prefix, each with its slash."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [each["Prefix"].removeprefix(prefix) for page in pages for each in page.get("CommonPrefixes", [])]


def by_hour(s3: Any, bucket: str, prefix: str, start: pd.Timestamp, end: pd.Timestamp | None = None) -> list[Stored]:
    """Objects of the hours from that of `start` to that of `end`, an exclusive time; None: to the last there is."""
    first = f"{prefix}{start:{HOUR}}"
    last = "" if end is None else f"{prefix}{end - pd.Timedelta('1us'):{HOUR}}"
    found: list[Stored] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=first):
        for each in page.get("Contents", []):
            if last and each["Key"][: len(last)] > last:
                return found
            if each["Size"]:
                found.append(Stored(each["Key"], each["Size"], pd.Timestamp(each["LastModified"])))
    return found


def contents(s3: Any, bucket: str, objects: Sequence[Stored]) -> Iterator[list[File]]:
    """Names and contents, about 64 MB at a time; the next batch is fetched while the caller works on one."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:

        def fetch(keys: Sequence[str]) -> list[Any]:
            return [
                pool.submit(lambda key: (key, s3.get_object(Bucket=bucket, Key=key)["Body"].read()), key)
                for key in keys
            ]

        waiting: list[Any] = []
        for batch in _batches(objects):
            coming = fetch(batch)
            if waiting:
                yield [future.result() for future in waiting]
            waiting = coming
        if waiting:
            yield [future.result() for future in waiting]


def _batches(objects: Sequence[Stored]) -> Iterator[list[str]]:
    batch: list[str] = []
    held = 0
    for each in objects:
        batch.append(each.key)
        held += each.size
        if held > BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
