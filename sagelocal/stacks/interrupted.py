"""A stack operation that a kill ended: MiniStack forgets all that it made but buckets, which are folders on disk.

Which buckets there were is written down when an operation begins, and the note goes when its end is on disk.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sagelocal.config import Settings

_NOTE = "sagelocal_stacks"  # beside MiniStack's own state files


def begin() -> None:
    """In MiniStack's process."""
    from ministack.core import persistence
    from ministack.services import s3

    persistence.save_state(_NOTE, {"buckets": sorted(s3._buckets)})


def end() -> None:
    """In MiniStack's process."""
    from ministack.core import persistence

    persistence.save_state(_NOTE, {})


def undo(settings: Settings) -> None:
    """After MiniStack's start: removes the empty buckets of an interrupted operation, so that it can be repeated."""
    file = settings.state / "ministack" / f"{_NOTE}.json"
    try:
        note: dict[str, Any] = json.loads(file.read_text())["payload"]
    except FileNotFoundError:
        return
    if "buckets" in note:
        s3 = settings.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            if bucket["Name"] not in note["buckets"]:
                _remove(s3, bucket["Name"])
    file.unlink()


def _remove(s3: Any, bucket: str) -> None:
    try:
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketNotEmpty":
            raise
