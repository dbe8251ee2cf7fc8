"""Data capture: sampled requests and responses as AWS's JSON Lines on S3.

A record is in a spool file before the caller has the answer, so a kill loses none that was acknowledged; a thread
uploads the files a second after the first record. A file is named like its object, so an upload repeated after a kill
replaces itself.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import shutil
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from sagelocal.jobs.checks import s3_uri

log = logging.getLogger(__name__)

_INTERVAL = 1.0  # s between a record and its upload; AWS delivers within minutes
_RETRY = 30.0  # s at most until what S3 did not take is tried again
_DESTINATION = "destination"
_OPEN_AT_MOST = 64 * 1024 * 1024  # bytes of one object


class Recorder:
    """Writes the records of one variant. `config` is a DataCaptureConfig that enables capture."""

    def __init__(self, config: dict[str, Any], folder: Path, endpoint: str, variant: str) -> None:
        prefix = f"{config['DestinationS3Uri'].rstrip('/')}/{endpoint}/{variant}"
        self._share = config["InitialSamplingPercentage"] / 100
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        self._input = bool(modes & {"Input", "InputAndOutput"})
        self._output = bool(modes & {"Output", "InputAndOutput"})
        types = config.get("CaptureContentTypeHeader") or {}
        self._csv = set(types.get("CsvContentTypes", []))
        self._json = set(types.get("JsonContentTypes", []))
        self.folder = folder / uuid.uuid4().hex  # its own: two fleets of one endpoint may record at once
        self.folder.mkdir(parents=True)
        (self.folder / _DESTINATION).write_text(prefix)
        self.written = threading.Event()  # the uploader's, once that has it
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._hour = ""
        self._full = False

    def sampled(self) -> bool:
        return random.random() < self._share

    def record(self, headers: Mapping[str, str], body: bytes, content_type: str, answer: bytes) -> None:
        """Appends one record; `headers` are the request's, `content_type` and `answer` the response's.

        Where the disk is full it captures no more, as AWS does, and requests are answered all the same.
        """
        now = datetime.now(UTC)
        data: dict[str, Any] = {}
        if self._input:
            data["endpointInput"] = self._encoded(headers.get("content-type", "application/json"), "INPUT", body)
        if self._output:
            data["endpointOutput"] = self._encoded(content_type, "OUTPUT", answer)
        line = {"captureData": data, "eventMetadata": _metadata(headers, now), "eventVersion": "0"}
        try:
            self._append(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n", now)
        except OSError as error:
            if not self._full:
                log.error("data capture in %s: a record was not written: %s", self.folder, error)
            self._full = True
            return
        self._full = False
        if not self.written.is_set():
            self.written.set()

    def _encoded(self, content_type: str, mode: str, body: bytes) -> dict[str, str]:
        """An unlisted type is stored as BASE64; so is a body that is not the text its type promises."""
        plain = content_type.partition(";")[0].strip()
        names = {content_type, plain}
        kind = "CSV" if names & self._csv else "JSON" if names & self._json else "BASE64"
        try:
            data = body.decode() if kind != "BASE64" else base64.b64encode(body).decode()
        except UnicodeDecodeError:
            kind, data = "BASE64", base64.b64encode(body).decode()
        return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": kind}

    def _append(self, line: bytes, now: datetime) -> None:
        with self._lock:
            hour = now.strftime("%Y/%m/%d/%H")
            if self._file and (hour != self._hour or self._file.tell() > _OPEN_AT_MOST):
                self._seal()
            if self._file is None:
                name = f"{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
                self._file = (self.folder / name).open("ab", buffering=0)
                self._hour = hour
            try:
                self._file.write(line)
            except OSError:
                self._seal()  # what it holds of this line must not join the next
                raise

    def ready(self) -> list[Path]:
        """Closes the open file and gives all there are: none will be written to again."""
        with self._lock:
            self._seal()
            return sorted(self.folder.glob("*.jsonl"))

    def _seal(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


class Uploader:
    """The background thread that brings spool files to S3, those first that a kill left below `<root>/*/capture/`."""

    def __init__(self, s3: Any, root: Path) -> None:
        self._s3 = s3
        self._recorders: set[Recorder] = set()
        self._leftovers = sorted(root.glob("*/capture/*/"))
        self._lock = threading.Lock()  # one upload round at a time
        self._written = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="capture", daemon=True)
        self._thread.start()

    def add(self, recorder: Recorder) -> None:
        recorder.written = self._written
        with self._lock:
            self._recorders.add(recorder)

    def retire(self, recorder: Recorder) -> None:
        """After its last record: its folder goes once S3 has everything."""
        recorder.ready()
        with self._lock:
            self._recorders.discard(recorder)
            self._leftovers.append(recorder.folder)
        self.flush_quietly()

    def forget(self, folder: Path) -> None:
        """What a deleted endpoint recorded and S3 refuses is dropped; while S3 does not answer, it stays."""
        with self._lock:
            for leftover in [one for one in self._leftovers if one.parent == folder]:
                error = self._send(sorted(leftover.glob("*.jsonl")))
                if error is None or (isinstance(error, ClientError) and _status(error) < 500):
                    shutil.rmtree(leftover, ignore_errors=True)
                    self._leftovers.remove(leftover)

    def flush(self) -> None:
        """All that was recorded is on S3 when this returns. Raises what S3 raises; nothing is lost by that.

        A destination that S3 refuses does not hold back the others.
        """
        errors = []
        with self._lock:
            for folder in list(self._leftovers):
                if error := self._send(sorted(folder.glob("*.jsonl"))):
                    errors.append(error)
                else:
                    shutil.rmtree(folder, ignore_errors=True)
                    self._leftovers.remove(folder)
            errors += [error for recorder in self._recorders if (error := self._send(recorder.ready()))]
        if errors:
            raise errors[0]

    def _send(self, files: list[Path]) -> Exception | None:
        """Uploads the files of one folder up to the first that S3 does not take."""
        try:
            for file in files:
                _upload(self._s3, file)
        except Exception as error:
            return error
        return None

    def flush_quietly(self) -> bool:
        """Whether all of it is on S3."""
        try:
            self.flush()
        except Exception as error:
            log.warning("captured data stays in its spool files until S3 takes it: %s", error)
            return False
        return True

    def close(self) -> None:
        self._closing.set()
        self._written.set()
        self._thread.join()
        self.flush_quietly()

    def _loop(self) -> None:
        pause = None if self.flush_quietly() else _INTERVAL
        while not self._closing.is_set():
            self._written.wait(pause)
            self._closing.wait(_INTERVAL)
            self._written.clear()  # first: what is recorded from here on wakes it again
            pause = None if self.flush_quietly() else min(_RETRY, 2 * (pause or _INTERVAL))


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _upload(s3: Any, file: Path) -> None:
    bucket, prefix = s3_uri((file.parent / _DESTINATION).read_text())
    year, month, day, hour, rest = file.name.split("-", 4)
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]  # a record cut off by a kill was never acknowledged
    if whole:
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{year}/{month}/{day}/{hour}/{rest}", Body=whole)
    file.unlink()


def _metadata(headers: Mapping[str, str], now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {"eventId": str(uuid.uuid4())}
    if inference := headers.get("x-amzn-sagemaker-inference-id"):
        found["inferenceId"] = inference
    if attributes := headers.get("x-amzn-sagemaker-custom-attributes"):
        found["customAttributes"] = [attributes]
    found["inferenceTime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found
