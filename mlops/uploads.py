"""What a deployment writes to the bucket, noted until somebody has agreed to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mlops import storage


class Reading:
    """An S3 client that reads, and notes what it is to write."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.uploads: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **request: Any) -> None:
        self.uploads.append(request)


def document(s3: Reading, folder: str, name: str, content: Mapping[str, Any]) -> str:
    """URI of a JSON file that is to be written under its content's hash."""
    return file(s3, folder, name, json.dumps(content, indent=1).encode())


def file(s3: Reading, folder: str, name: str, body: bytes) -> str:
    """Likewise of any file."""
    target = f"{folder}/{hashlib.sha256(body).hexdigest()[:16]}/{name}"
    bucket, key = storage.split(target)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return target
