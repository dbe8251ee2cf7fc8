"""S3 to folder and back, as the platform moves a job's inputs and outputs."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

_LARGE = 16 * 2**20  # from here on boto3's transfer manager fetches parts in parallel
_pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="s3")


class TransferError(Exception):
    """What AWS would call a ClientError of the job: the message names the URI and the remedy."""


@dataclass(frozen=True)
class Object:
    bucket: str
    key: str
    path: str  # relative to the folder it is downloaded into
    size: int = 0


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key (or key prefix). Raises TransferError."""
    parts = urlsplit(uri.replace("#", "%23").replace("?", "%3F"))
    if parts.scheme != "s3" or not parts.netloc:
        raise TransferError(f'"{uri}" is no S3 URI: write s3://<bucket>/<key>.')
    return parts.netloc, uri[len("s3://") + len(parts.netloc) :].lstrip("/")


def objects(s3: Any, uri: str, data_type: str = "S3Prefix") -> list[Object]:
    """What an S3Prefix or ManifestFile input names, sorted by key. Raises TransferError when that is nothing."""
    try:
        found = _manifest(s3, uri) if data_type == "ManifestFile" else list(_prefix(s3, uri))
    except ClientError as error:
        raise TransferError(
            _nothing(uri, f" Error message from S3: {error.response['Error'].get('Message')}")
        ) from error
    if not found:
        raise TransferError(_nothing(uri, ""))
    return sorted(found, key=lambda item: item.key)


def shard(items: Sequence[Object], host: int, hosts: int) -> list[Object]:
    """ShardedByS3Key: object i goes to host i modulo `hosts` (AWS does not document which; each gets about a share)."""
    return list(items[host::hosts])


def download(s3: Any, items: Sequence[Object], folder: Path) -> None:
    """Raises TransferError for keys that can't be files under `folder`."""
    for item in items:
        if ".." in PurePosixPath(item.path).parts or "\0" in item.path:
            raise TransferError(f'The key "{item.key}" of bucket "{item.bucket}" would lie outside its folder.')
    folder.mkdir(parents=True, exist_ok=True)
    _all(lambda item: _get(s3, item, folder / item.path), items)


def upload(s3: Any, folder: Path, uri: str, changed: Callable[[Path], bool] = lambda path: True) -> list[str]:
    """Uploads the regular files under `folder`, no links, to keys under `uri`; returns their relative paths."""
    bucket, prefix = split_uri(uri)
    files = [path for path in walk(folder) if changed(path)]
    names = [path.relative_to(folder).as_posix() for path in files]
    _all(lambda pair: _put(s3, pair[0], bucket, _join(prefix, pair[1])), list(zip(files, names, strict=True)))
    return names


def put_file(s3: Any, file: Path, uri: str) -> None:
    bucket, key = split_uri(uri)
    _put(s3, file, bucket, key)


def walk(folder: Path) -> Iterator[Path]:
    """Regular files below `folder`, links (to files or folders) left out, in a stable order."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
            except FileNotFoundError:  # a running job removed it meanwhile
                continue


class Mirror:
    """A folder kept in step with S3 while a job runs: Continuous outputs and checkpoints.

    `sync` uploads what is new or changed since the last one; with `deletions` it removes objects whose file is gone.
    `root` is the job's own folder: what a link leads out of it to is never uploaded.
    """

    def __init__(self, s3: Any, folder: Path, uri: str, *, root: Path, deletions: bool = False) -> None:
        self._s3, self._folder, self._uri, self._deletions = s3, folder, uri, deletions
        self._root = root.resolve()
        self._seen: dict[Path, tuple[int, int]] = {}

    def restore(self) -> None:
        """Downloads what the prefix holds; an empty prefix is fine (a first attempt has no checkpoints)."""
        folder_uri = self._uri.rstrip("/") + "/"
        try:
            found = list(_prefix(self._s3, folder_uri))
        except ClientError as error:
            raise TransferError(_nothing(self._uri, f" {error}")) from error
        download(self._s3, found, self._folder)
        self._seen = {path: mark for path in walk(self._folder) if (mark := _mark(path))}

    def sync(self) -> None:
        if not self._folder.resolve().is_relative_to(self._root):
            return
        now = {path: mark for path in walk(self._folder) if (mark := _mark(path))}
        upload(self._s3, self._folder, self._uri, lambda path: path in now and now[path] != self._seen.get(path))
        if self._deletions:
            bucket, prefix = split_uri(self._uri)
            for path in self._seen.keys() - now.keys():
                self._s3.delete_object(Bucket=bucket, Key=_join(prefix, path.relative_to(self._folder).as_posix()))
        self._seen = now


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def _prefix(s3: Any, uri: str) -> Iterator[Object]:
    """Keys that begin with the prefix: paths are relative to it when it is a folder, else to the folder it lies in."""
    bucket, prefix = split_uri(uri)
    parent = prefix.rpartition("/")[0]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            key = item["Key"]
            if key.endswith("/"):  # a console's folder marker
                continue
            inside = key.startswith(prefix.rstrip("/") + "/") or not prefix
            path = key[len(prefix) :] if inside else key[len(parent) :]
            yield Object(bucket, key, path.lstrip("/"), item["Size"])


def _manifest(s3: Any, uri: str) -> list[Object]:
    bucket, key = split_uri(uri)
    try:
        first, *names = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        bucket, prefix = split_uri(first["prefix"])
    except (ValueError, KeyError, TypeError) as error:
        raise TransferError(
            f'The manifest "{uri}" is not of the form [{{"prefix": "s3://bucket/path/"}}, "relative/key", …]: {error}'
        ) from error
    return [Object(bucket, prefix + name, name.lstrip("/")) for name in names]


def _nothing(uri: str, detail: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        f"and that objects exist under that S3 prefix.{detail}"
    )


def _get(s3: Any, item: Object, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if item.size >= _LARGE:
            s3.download_file(item.bucket, item.key, str(path))
            return
        body = s3.get_object(Bucket=item.bucket, Key=item.key)["Body"]
        with path.open("wb") as out:
            for chunk in body.iter_chunks(2**20):
                out.write(chunk)
    except ClientError as error:
        raise TransferError(f'Failed to download "s3://{item.bucket}/{item.key}": {error}') from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise TransferError(
            f'"s3://{item.bucket}/{item.key}" has the name of a folder of other objects: no folder can hold both.'
        ) from error


def _put(s3: Any, path: Path, bucket: str, key: str) -> None:
    try:
        if path.stat().st_size >= _LARGE:
            s3.upload_file(str(path), bucket, key)
            return
        with path.open("rb") as body:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    except FileNotFoundError:  # a running job removed it meanwhile
        return
    except Exception as error:
        # boto3's transfer manager wraps a refused part in an exception class of its own.
        raise TransferError(f'Failed to upload "{path.name}" to "s3://{bucket}/{key}": {error}') from error


def _join(prefix: str, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}" if prefix else name


def _all(do: Callable[[Any], None], items: Sequence[Any]) -> None:
    if len(items) == 1:
        return do(items[0])
    tasks: list[Future[None]] = [_pool.submit(do, item) for item in items]
    for task in tasks:
        task.result()
    return None
