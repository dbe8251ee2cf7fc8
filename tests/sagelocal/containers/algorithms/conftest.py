"""A training job of a built-in algorithm in this process: the files of /opt/ml in a folder of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelocal.containers.algorithms import NAMES, job, recordio
from sagelocal.containers.algorithms.job import Job

CSV = "text/csv"
RECORDIO = "application/x-recordio-protobuf"


@pytest.fixture
def described(tmp_path: Path) -> Callable[..., Job]:
    """`described(family, hyperparameters, train=("text/csv", b"…"), …)`: a job with one file a channel."""

    def describe(
        family: str, hyperparameters: dict[str, Any], *, version: str = "1", distribution: str = "", **channels: Any
    ) -> Job:
        config = tmp_path / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        for place in ("model", "output/data"):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
        inputs = {}
        for name, (content_type, body) in channels.items():
            folder = tmp_path / "input" / "data" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "part-0").write_bytes(body)
            inputs[name] = {
                "TrainingInputMode": "File",
                "S3DistributionType": distribution if name == "train" and distribution else "FullyReplicated",
                **({"ContentType": content_type} if content_type else {}),
            }
        texts = {name: str(value) for name, value in hyperparameters.items()}
        (config / "hyperparameters.json").write_text(json.dumps(texts))
        (config / "inputdataconfig.json").write_text(json.dumps(inputs))
        (config / "resourceconfig.json").write_text(json.dumps({"hosts": ["algo-1"], "current_host": "algo-1"}))
        return job.read(family, version, tmp_path)

    return describe


@pytest.fixture
def train(described: Callable[..., Job]) -> Callable[..., Job]:
    """Runs the job of `described` and returns it."""

    def run(family: str, hyperparameters: dict[str, Any], **more: Any) -> Job:
        described_job = described(family, hyperparameters, **more)
        import_module(f"sagelocal.containers.algorithms.{NAMES[family]}").train(described_job)
        return described_job

    return run


def rows(features: Any, labels: Any = None) -> tuple[str, bytes]:
    """A channel of recordio-protobuf."""
    return RECORDIO, recordio.write(features, labels)


def table(data: np.ndarray, label_size: int | None = None) -> tuple[str, bytes]:
    """A channel of CSV."""
    lines = "\n".join(",".join(f"{value:.9g}" for value in row) for row in data)
    return CSV if label_size is None else f"{CSV};label_size={label_size}", f"{lines}\n".encode()
