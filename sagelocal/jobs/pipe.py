"""Pipe input mode: a channel's data streams through FIFOs, `<channel>_<epoch>`, and is never on disk.

Source: the developer guide's "How Amazon SageMaker Provides Training Information" and API shape Channel. The FIFO of
the next epoch is made before the present one ends; a FIFO that was read is removed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import stat
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.jobs.transfer import Object, TransferError, shard, split_uri

_POLL = 0.02  # seconds between looks whether somebody opened the FIFO
_CHUNK = 2**20
_RECORDIO_MAGIC = 0xCED7230A
_RECORDIO_LIMIT = 2**29  # bytes; the length of a record has 29 bits
_GZIP = 16 + zlib.MAX_WBITS


class StreamError(TransferError):
    """What went wrong while the job ran."""


@dataclass(frozen=True)
class Source:
    """What one channel gives to one host in each epoch."""

    s3: Any
    channel: Mapping[str, Any]  # as in CreateTrainingJob's InputDataConfig
    items: Sequence[Object]  # of an AugmentedManifestFile: the manifest alone
    host: int
    hosts: int

    def epoch(self, number: int) -> Iterator[bytes]:
        """The bytes of epoch `number`, in chunks. Raises StreamError."""
        try:
            for record in self._records(number):
                yield from self._framed(record)
        except (ClientError, BotoCoreError, TransferError, zlib.error) as error:
            uri = self.channel["DataSource"]["S3DataSource"]["S3Uri"]
            raise StreamError(f'Failed to stream "{uri}": {error}') from error

    def _records(self, number: int) -> Iterator[Iterable[bytes]]:
        source = self.channel["DataSource"]["S3DataSource"]
        if source["S3DataType"] == "AugmentedManifestFile":
            for line in self._share(self._lines(number)):
                for name in source["AttributeNames"]:
                    yield self._attribute(line, name)
        else:
            yield from (self._content(item) for item in self.objects(number))

    def objects(self, number: int) -> Iterator[Object]:
        """This host's objects in the order of epoch `number`."""
        return self._share(self._shuffled(self.items, number))

    def _lines(self, number: int) -> Iterable[bytes]:
        item = self.items[0]
        lines = self.s3.get_object(Bucket=item.bucket, Key=item.key)["Body"].iter_lines(_CHUNK)
        given = (line for line in lines if line.strip())
        return self._shuffled(list(given), number) if self.channel.get("ShuffleConfig") else given

    def _shuffled(self, items: Sequence[Any], number: int) -> Sequence[Any]:
        """Another order each epoch, the same on every host (which therefore shard it alike)."""
        if not self.channel.get("ShuffleConfig"):
            return items
        return random.Random(f"{self.channel['ShuffleConfig']['Seed']}/{number}").sample(list(items), len(items))

    def _share(self, items: Iterable[Any]) -> Iterator[Any]:
        source = self.channel["DataSource"]["S3DataSource"]
        if source.get("S3DataDistributionType") != "ShardedByS3Key":
            return iter(items)
        if isinstance(items, Sequence):
            return iter(shard(items, self.host, self.hosts))
        return (item for index, item in enumerate(items) if index % self.hosts == self.host)

    def _content(self, item: Object) -> Iterable[bytes]:
        body = self.s3.get_object(Bucket=item.bucket, Key=item.key)["Body"].iter_chunks(_CHUNK)
        return _unzipped(body) if self.channel.get("CompressionType") == "Gzip" else body

    def _attribute(self, line: bytes, name: str) -> Iterable[bytes]:
        """A text as it is, what a `-ref` names from S3, and all else as JSON."""
        try:
            value = json.loads(line)[name]
        except (ValueError, KeyError, TypeError) as error:
            said = line[:200].decode(errors="replace")
            raise StreamError(
                f"A line of the augmented manifest is no JSON object with {name}: {said} ({error!r})"
            ) from error
        if name.endswith("-ref"):
            return self._content(Object(*split_uri(str(value)), path=""))
        return [(value if isinstance(value, str) else json.dumps(value)).encode()]

    def _framed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        if self.channel.get("RecordWrapperType") != "RecordIO":
            yield from chunks
            return
        data = bytearray()
        for chunk in chunks:
            data += chunk
            if len(data) >= _RECORDIO_LIMIT:
                raise StreamError(f"An object is larger than a RecordIO record can be, {_RECORDIO_LIMIT} bytes.")
        yield recordio(bytes(data))


def recordio(data: bytes) -> bytes:
    """One RecordIO record (the format's own description: dmlc/recordio): magic, length, data, padding to 4 bytes."""
    return struct.pack("<II", _RECORDIO_MAGIC, len(data)) + data + bytes(-len(data) % 4)


def _unzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Also of several gzip members one after the other. Raises zlib.error."""
    inflate = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        while chunk:
            yield inflate.decompress(chunk)
            chunk = inflate.unused_data
            if inflate.eof:
                inflate = zlib.decompressobj(_GZIP)


@contextmanager
def piping(feeds: Iterable[tuple[Path, str, Source]], failed: Callable[[Exception], None]) -> Iterator[None]:
    """Streams (folder, channel, source) each through its FIFOs, until the block ends; `failed` hears of an error."""
    done = threading.Event()
    threads = []
    for folder, channel, source in feeds:
        pipe = _Pipe(folder, channel, source, done, failed)
        threads.append(threading.Thread(target=pipe.run, name=f"pipe {channel}", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


class _Pipe:
    """The FIFOs of one channel on one host. The job may put anything in a FIFO's place: only a FIFO is written to."""

    def __init__(
        self,
        folder: Path,
        channel: str,
        source: Source,
        done: threading.Event,
        failed: Callable[[Exception], None],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._channel, self._source, self._done, self._failed = channel, source, done, failed
        self._make(0)

    def run(self) -> None:
        try:
            number = 0
            while (writer := self._opened(number)) is not None:
                try:
                    with contextlib.suppress(BrokenPipeError):  # the reader had enough of this epoch, or ended
                        for chunk in self._source.epoch(number):
                            _write(writer, chunk)
                finally:
                    self._make(number + 1)  # before the reader sees the end: it looks for the next one then
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._name(number), dir_fd=self._folder)
                    os.close(writer)
                number += 1
        except Exception as error:  # whatever it is, the job has to end
            self._failed(error)
        finally:
            os.close(self._folder)

    def _name(self, number: int) -> str:
        return f"{self._channel}_{number}"

    def _make(self, number: int) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._name(number), 0o666, dir_fd=self._folder)

    def _opened(self, number: int) -> int | None:
        """A descriptor to write to once a reader is there; None when the job has ended."""
        while not self._done.wait(_POLL):
            try:
                writer = os.open(self._name(number), os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=self._folder)
            except OSError as error:
                if error.errno in (errno.ENXIO, errno.ENOENT, errno.ELOOP, errno.EISDIR):
                    continue
                raise
            if stat.S_ISFIFO(os.fstat(writer).st_mode):
                os.set_blocking(writer, True)
                return writer
            os.close(writer)
        return None


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
