"""Puts a data set into the data bucket under its content hash.

SageMaker's step cache compares URIs and never looks at content, so the URI must change exactly when the content does.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from data.archives import fetch

if TYPE_CHECKING:
    from pathlib import Path


def key(name: str, path: Path) -> str:
    """`data/<use case>/<first 16 hex digits of the content's SHA-256>/<file name>`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"data/{name}/{digest[:16]}/{path.name}"


def upload(s3: Any, bucket: str, name: str) -> str:
    """The data set's `s3://` URI; sends the file only when the bucket lacks it. `s3` is a boto3 client.

    Raises LookupError and ArchiveError as `fetch` does, ClientError when the bucket refuses.
    """
    return upload_file(s3, bucket, name, fetch(name))


def upload_file(s3: Any, bucket: str, name: str, path: Path) -> str:
    """The same of a file that somebody has: `name` is the use case that it is for."""
    where = key(name, path)
    if not exists(s3, bucket, where):
        s3.upload_file(str(path), bucket, where)
    return f"s3://{bucket}/{where}"


def exists(s3: Any, bucket: str, where: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=where)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True
