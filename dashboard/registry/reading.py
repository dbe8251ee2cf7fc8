"""What is registered and what was measured of it: calls side by side, and JSON files of S3 that may be gone."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from dashboard import account, look
from mlops import storage

A = TypeVar("A")
R = TypeVar("R")
Document = Mapping[str, Any]

_AT_ONCE = 8
_LARGEST = 20_000_000  # bytes of a file that is read; a report's JSON has some thousands
_GONE = ("NoSuchKey", "404", "NoSuchBucket")


def together(function: Callable[[A], R], arguments: Iterable[A]) -> list[R]:
    """The function of each, in their order. Make clients before: boto3 makes them in one thread only."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, arguments))


@dataclass(frozen=True)
class Files:
    """JSON files by their addresses; those that cannot be read with the reason."""

    found: dict[str, Document]
    missing: dict[str, str]

    def of(self, uri: str) -> Document:
        """Empty for one that cannot be read."""
        return self.found.get(uri, {})


@account.kept
def files(uris: tuple[str, ...]) -> Files:
    """Reads what isn't "", each once."""
    s3 = account.client("s3")
    wanted = [each for each in dict.fromkeys(uris) if each]
    read = dict(zip(wanted, together(lambda uri: _read(s3, uri), wanted), strict=True))
    return Files(
        {uri: each for uri, each in read.items() if not isinstance(each, str)},
        {uri: each for uri, each in read.items() if isinstance(each, str)},
    )


def _read(s3: Any, uri: str) -> Document | str:
    bucket, key = storage.split(uri)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > _LARGEST:
            return f"has {answer['ContentLength'] // 1_000_000} MB, which is too much for a page"
        found = json.loads(answer["Body"].read())
    except ClientError as error:
        gone = error.response["Error"]["Code"] in _GONE
        return "is gone: pruned, or the bucket's life cycle took it" if gone else look.sentence(error)
    except ValueError:  # UnicodeDecodeError is one, too
        return "is no JSON"
    return found if isinstance(found, dict) else "is no JSON object"


@account.kept
def presigned(uris: tuple[str, ...]) -> dict[str, str]:
    """Links to those objects that are there, without signing in, for ten minutes."""
    s3 = account.client("s3")
    there = [uri for uri, found in zip(uris, together(lambda uri: _is_there(s3, uri), uris), strict=True) if found]
    made = {}
    for uri in there:
        bucket, key = storage.split(uri)
        # Jobs upload all files alike, as what a browser would only download.
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        query = {"Bucket": bucket, "Key": key, "ResponseContentType": kind}
        made[uri] = s3.generate_presigned_url("get_object", Params=query, ExpiresIn=600)
    return made


def _is_there(s3: Any, uri: str) -> bool:
    bucket, key = storage.split(uri)
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True
