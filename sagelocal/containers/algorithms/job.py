"""A training job as a built-in algorithm's container sees it: the files of /opt/ml, and the lines it logs."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from .errors import UserError

BASE = Path("/opt/ml")
PORT = 10000  # and the next one: the hosts of a job have a network of their own


@dataclass(frozen=True)
class Channel:
    """One input channel. `content_type` is without parameters and in lower case, "" when the request has none."""

    name: str
    folder: Path
    mode: str  # File, FastFile or Pipe
    distribution: str  # FullyReplicated or ShardedByS3Key
    content_type: str = ""
    parameters: dict[str, str] = field(default_factory=dict)  # label_size=1 …

    def files(self) -> list[Path]:
        """Data files at any depth, by path; none of them hidden."""
        found = sorted(each for each in self.folder.rglob("*") if each.is_file())
        return [each for each in found if not each.name.startswith((".", "_"))]

    @contextmanager
    def streams(self) -> Iterator[Iterator[BinaryIO]]:
        """The channel's bytes: each file, or the first epoch's pipe."""
        opened: list[BinaryIO] = []

        def each() -> Iterator[BinaryIO]:
            paths = [Path(f"{self.folder}_0")] if self.mode == "Pipe" else self.files()
            for path in paths:
                opened.append(path.open("rb"))
                yield opened[-1]

        try:
            yield each()
        finally:
            for stream in opened:
                stream.close()


@dataclass(frozen=True)
class Job:
    """`family` as the image is called, `version` as its tag says (1, 3.2-0)."""

    family: str
    version: str
    hyperparameters: dict[str, str]
    channels: dict[str, Channel]
    hosts: list[str]
    host: str
    checkpoints: Path | None
    model: Path
    output: Path

    @property
    def master(self) -> bool:
        return self.host == self.hosts[0]


def read(family: str, version: str, base: Path = BASE) -> Job:
    """The job that the files of `base` describe."""
    config = base / "input" / "config"
    hyperparameters, inputs, resources = (
        json.loads((config / f"{name}.json").read_text())
        for name in ("hyperparameters", "inputdataconfig", "resourceconfig")
    )
    checkpoint = config / "checkpointconfig.json"
    return Job(
        family=family,
        version=version,
        hyperparameters=hyperparameters,
        channels={name: _channel(name, given, base) for name, given in inputs.items()},
        hosts=sorted(resources["hosts"]),
        host=resources["current_host"],
        checkpoints=Path(json.loads(checkpoint.read_text())["LocalPath"]) if checkpoint.exists() else None,
        model=base / "model",
        output=base / "output" / "data",
    )


def _channel(name: str, given: dict[str, Any], base: Path) -> Channel:
    content_type, parameters = media_type(given.get("ContentType") or "")
    return Channel(
        name,
        base / "input" / "data" / name,
        given["TrainingInputMode"],
        given["S3DistributionType"],
        content_type,
        parameters,
    )


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """`text/csv; label_size=1` as ("text/csv", {"label_size": "1"}), all in lower case."""
    kind, *rest = (part.strip() for part in header.lower().split(";"))
    pairs = (part.partition("=") for part in rest if part)
    return kind, {name.strip(): value.strip() for name, _, value in pairs}


def numbers(version: str) -> tuple[int, ...]:
    """The first two of an image's version: (1, 2) of 1.2-2."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def log(message: str) -> None:
    """A line as AWS's own algorithms print it."""
    stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
    print(f"[{stamp} INFO {os.getpid()}] {message}", flush=True)


def quality(job: Job, what: str, value: float, kind: str = "score", where: str = "") -> None:
    """The line that the published expressions of AWS's metrics look for; `where` is `epoch=3, ` or empty."""
    log(f"#quality_metric: host={job.host}, {where}{what} <{kind}>={value!r}")


def scored(job: Job, name: str, value: float, kind: str = "score") -> None:
    """The two lines of a metric of the test channel."""
    log(f"#test_score ({job.host}) : ({name!r}, {value!r})")
    quality(job, f"test {name}", value, kind)


def progress(job: Job, done: int, total: int, records: int, seconds: float) -> None:
    """After each epoch: how much of the job is done, and how fast."""
    log(f"#progress_metric: host={job.host}, completed {100.0 * done / total} % of epochs")
    log(f"#throughput_metric: host={job.host}, train throughput={records / max(seconds, 1e-9)} records/second")


def require(job: Job, channels: dict[str, bool]) -> None:
    """Raises UserError for a missing required channel (True) or one that the algorithm does not have."""
    for name, required in channels.items():
        if required and name not in job.channels:
            raise UserError(f"Missing required channel: {name}")
    for name in job.channels:
        if name not in channels:
            raise UserError(f"Extraneous channel found: {name}")


def flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
