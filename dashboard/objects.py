"""Objects of S3 as pages read them: JSON files that may be gone, and links to what a browser opens itself."""

from __future__ import annotations

import json
import mimetypes
from typing import Any

from botocore.exceptions import ClientError

from dashboard import account, look
from mlops import storage

Document = dict[str, Any]
GONE = ("NoSuchKey", "NoSuchBucket", "404")
_HIDDEN = ("AccessDenied", "403")
_LARGEST = 20_000_000  # bytes of a file that is read; a report's JSON has some thousands
_LINK_SECONDS = 600


def read(s3: Any, uri: str) -> Document | str:
    """A JSON object's content or, in words that go on from its address, why it can't be read."""
    bucket, key = storage.split(uri)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > _LARGEST:
            return f"has {look.size(answer['ContentLength'])}, which is too much for a page"
        found = json.loads(answer["Body"].read())
    except ClientError as error:
        gone = error.response["Error"]["Code"] in GONE
        return "is gone: pruned, or the bucket's life cycle took it" if gone else look.sentence(error)
    except ValueError:  # UnicodeDecodeError is one, too
        return "is no JSON"
    return found if isinstance(found, dict) else "is no JSON object"


def document(s3: Any, uri: str) -> Document:
    """A JSON object's content; empty where it is gone, hidden or something else, or where there is no URI."""
    if not uri:
        return {}
    try:
        found = storage.read_json(s3, uri)
    except ValueError:
        return {}
    except ClientError as error:
        if error.response["Error"]["Code"] in (*GONE, *_HIDDEN):
            return {}
        raise
    return found if isinstance(found, dict) else {}


@account.kept
def links(uris: tuple[str, ...]) -> dict[str, str]:
    """By URI, for those objects that are there: presigned, so that a browser opens it without signing in."""
    s3 = account.client("s3")
    there = account.together(lambda uri: _is_there(s3, uri), uris)
    return {uri: _presigned(s3, uri) for uri, found in zip(uris, there, strict=True) if found}


def _presigned(s3: Any, uri: str) -> str:
    bucket, key = storage.split(uri)
    # Jobs upload all files alike, as what a browser would only download.
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    query = {"Bucket": bucket, "Key": key, "ResponseContentType": kind}
    return str(s3.generate_presigned_url("get_object", Params=query, ExpiresIn=_LINK_SECONDS))


def _is_there(s3: Any, uri: str) -> bool:
    bucket, key = storage.split(uri)
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True
