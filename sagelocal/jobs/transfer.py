"""S3 to folder and back, as the platform moves a job's inputs and outputs."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

_LARGE = 16 * 2**20  # from here on boto3's transfer manager sends parts in parallel
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
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise TransferError(f'"{uri}" is no S3 URI: write s3://<bucket>/<key>.')
    return bucket, key.lstrip("/")


def objects(s3: Any, uri: str, data_type: str = "S3Prefix") -> list[Object]:
    """What an S3Prefix or ManifestFile input names, sorted by key; of an AugmentedManifestFile the manifest itself.

    Raises TransferError when that is nothing.
    """
    try:
        if data_type == "AugmentedManifestFile":
            found = [_object(s3, uri)]
        else:
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
    """Raises TransferError for keys that can't be files under `folder`, and for two that would be the same file."""
    keys: dict[PurePosixPath, str] = {}
    for item in items:
        path = PurePosixPath(item.path)
        if not item.path or path.is_absolute() or ".." in path.parts or "\0" in item.path:
            raise TransferError(f'The key "{item.key}" of bucket "{item.bucket}" would lie outside its folder.')
        if keys.setdefault(path, item.key) != item.key:
            raise TransferError(
                f'The keys "{keys[path]}" and "{item.key}" of bucket "{item.bucket}" would be one file, {path}.'
            )
    folder.mkdir(parents=True, exist_ok=True)
    _all(lambda item: _get(s3, item, folder / item.path), items)


def upload(
    s3: Any,
    folder: Path,
    uri: str,
    changed: Callable[[Path], bool] = lambda path: True,
    *,
    root: Path | None = None,
) -> list[str]:
    """Uploads the regular files under `folder`, no links, to keys under `uri`; returns their relative paths.

    What a job that still runs puts in a file's place is sent only if it lies under `root`, by default the folder.
    """
    bucket, prefix = split_uri(uri)
    root = (root or folder).resolve()
    files = [path for path in walk(folder) if changed(path)]
    names = [path.relative_to(folder).as_posix() for path in files]
    _all(lambda pair: _put(s3, pair[0], bucket, _join(prefix, pair[1]), root), list(zip(files, names, strict=True)))
    return names


def put_file(s3: Any, file: Path, uri: str) -> None:
    bucket, key = split_uri(uri)
    _put(s3, file, bucket, key, file.parent.resolve())


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
    `root` is the job's own folder: what a link leads out of it to is never uploaded. `twins` are the folders of other
    hosts with the same URI: what one of them still has is not deleted.
    """

    def __init__(
        self,
        s3: Any,
        folder: Path,
        uri: str,
        *,
        root: Path,
        deletions: bool = False,
        twins: Sequence[Path] = (),
    ) -> None:
        self._twins = twins
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

        def changed(path: Path) -> bool:
            return path in now and now[path] != self._seen.get(path)

        upload(self._s3, self._folder, self._uri, changed, root=self._root)
        if self._deletions:
            self._delete(self._seen.keys() - now.keys())
        self._seen = now

    def _delete(self, paths: Iterable[Path]) -> None:
        bucket, prefix = split_uri(self._uri)
        for path in paths:
            if any((twin / path.relative_to(self._folder)).exists() for twin in self._twins):
                continue
            key = _join(prefix, path.relative_to(self._folder).as_posix())
            try:
                self._s3.delete_object(Bucket=bucket, Key=key)
            except (BotoCoreError, ClientError) as error:
                raise TransferError(f'Failed to delete "s3://{bucket}/{key}": {error}') from error


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


def _object(s3: Any, uri: str) -> Object:
    bucket, key = split_uri(uri)
    return Object(bucket, key, key.rpartition("/")[2], s3.head_object(Bucket=bucket, Key=key)["ContentLength"])


def _manifest(s3: Any, uri: str) -> list[Object]:
    bucket, key = split_uri(uri)
    try:
        first, *names = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        bucket, prefix = split_uri(first["prefix"])
        return [Object(bucket, prefix + name, name.lstrip("/")) for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TransferError(
            f'The manifest "{uri}" is not of the form [{{"prefix": "s3://bucket/path/"}}, "relative/key", …]: {error}'
        ) from error


def _nothing(uri: str, detail: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        f"and that objects exist under that S3 prefix.{detail}"
    )


def _get(s3: Any, item: Object, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One stream: MiniStack reads a whole object for each range of it that boto3's transfer manager asks for.
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
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
            raise
        raise TransferError(f'"s3://{item.bucket}/{item.key}" can\'t be a file: {error.strerror}.') from error


def _put(s3: Any, path: Path, bucket: str, key: str, root: Path) -> None:
    try:
        body = _open(path, root)
        if body is None:
            return
        with body:
            if os.fstat(body.fileno()).st_size >= _LARGE:
                s3.upload_fileobj(body, bucket, key)
            else:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
    except Exception as error:
        # boto3's transfer manager wraps a refused part in an exception class of its own.
        raise TransferError(f'Failed to upload "{path.name}" to "s3://{bucket}/{key}": {error}') from error


def _open(path: Path, root: Path) -> BinaryIO | None:
    """None for what a running job removed, or swapped for a link or a fifo, after it was listed.

    The descriptor is what counts: a folder on the way may have become a link, too.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return None
        raise
    opened = os.fdopen(descriptor, "rb")
    inside = Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(root)
    if inside and stat.S_ISREG(os.fstat(descriptor).st_mode):
        return opened
    opened.close()
    return None


def _join(prefix: str, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}" if prefix else name


def _all(do: Callable[[Any], None], items: Sequence[Any]) -> None:
    if len(items) == 1:
        return do(items[0])
    tasks: list[Future[None]] = [_pool.submit(do, item) for item in items]
    wait(tasks, return_when=FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    wait(tasks)  # the caller may now remove the folder: nothing must still write into it
    for task in tasks:
        if not task.cancelled():
            task.result()
    return None
