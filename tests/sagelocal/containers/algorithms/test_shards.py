"""Several hosts of one job: two names of this machine stand for them."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelocal.containers.algorithms import shards, tabular
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Channel, Job

HOSTS = ["127.0.0.1", "localhost"]


def host(tmp_path: Path, name: str, distribution: str, mode: str = "File") -> Job:
    folder = tmp_path / name / "input" / "data" / "train"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(f"{len(name)},1\n")
    channel = Channel("train", folder, mode, distribution, "text/csv", {"label_size": "0"})
    return Job("kmeans", "1", {}, {"train": channel}, HOSTS, name, None, folder.parents[2] / "model", folder)


def test_the_first_host_gets_the_others_shards(tmp_path: Path) -> None:
    first, second = (host(tmp_path, name, "ShardedByS3Key") for name in HOSTS)
    sent: list[Any] = []
    sending = threading.Thread(target=lambda: sent.append(shards.gathered(second)))
    sending.start()
    merged = shards.gathered(first)
    sending.join()
    assert sent == [None] and merged is not None
    loaded = tabular.load(merged, "train", 2, labels=False)
    assert loaded is not None
    np.testing.assert_array_equal(np.sort(loaded[0], axis=0), [[9, 1], [9, 1]])


def test_replicated_channels_need_no_exchange(tmp_path: Path) -> None:
    first, second = (host(tmp_path, name, "FullyReplicated") for name in HOSTS)
    assert shards.gathered(first) is first and shards.gathered(second) is None


def test_one_host_and_pipes(tmp_path: Path) -> None:
    piped = host(tmp_path, HOSTS[0], "ShardedByS3Key", "Pipe")
    alone = dataclasses.replace(piped, hosts=HOSTS[:1])
    assert shards.gathered(alone) is alone
    with pytest.raises(UserError, match="Pipe input on several instances"):
        shards.gathered(piped)
