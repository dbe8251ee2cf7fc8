"""The distributions installed beside sagelocal: what they are called, what they need, which files are theirs."""

from __future__ import annotations

import csv
import functools
import hashlib
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# The same modules under another name: what AWS's image calls xgboost is xgboost-cpu here (see setup.py).
SAME = {
    "xgboost-cpu": "xgboost",
    "opencv-python-headless": "opencv-python",
    "psycopg2-binary": "psycopg2",
    "tensorflow-cpu": "tensorflow",
}


@dataclass(frozen=True)
class Distribution:
    name: str  # normalised
    version: str
    requires: tuple[Requirement, ...]
    files: tuple[str, ...]  # relative to its site-packages; scripts begin with ".."
    info: str  # its .dist-info folder

    @property
    def names(self) -> set[str]:
        return {self.name, SAME.get(self.name, self.name)}

    @property
    def scripts(self) -> set[str]:
        """Names in the environment's bin folder."""
        return {file.rpartition("/")[2] for file in self.files if file.startswith("..") and "/bin/" in file}


@dataclass(frozen=True)
class Laptop:
    """`identity` changes with the Python, the platform and the installed distributions, and with nothing else."""

    identity: str
    folder: Path  # site-packages
    distributions: Mapping[str, Distribution]  # by normalised name

    def find(self, name: str) -> Distribution | None:
        """Under its own name or that of its like."""
        found = self.distributions.get(canonicalize_name(name))
        return found or self._same.get(canonicalize_name(name))

    @functools.cached_property
    def _same(self) -> dict[str, Distribution]:
        return {SAME[each.name]: each for each in self.distributions.values() if each.name in SAME}

    def with_dependencies(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that are installed, and what they need, as the names here."""
        found, waiting = set[str](), [(name, frozenset[str]()) for name in names]
        seen = set(waiting)
        while waiting:
            name, extras = waiting.pop()
            if distribution := self.find(name):
                found.add(distribution.name)
                more = {(each.name, frozenset(each.extras)) for each in needed(distribution, extras)} - seen
                seen |= more
                waiting.extend(more)
        return found

    def missing(self, wanted: Sequence[Requirement], seen: set[str], above: Mapping[str, str]) -> set[str] | None:
        """What has to be shown for `wanted` over what is seen already; None when only an installer can bring it.

        `above` holds the versions of packages in overlays, which come before this laptop's.
        """
        shown, waiting, done = set[str](), list(wanted), set[str]()
        while waiting:
            requirement = waiting.pop()
            if str(requirement) in done or not applies(requirement):
                continue
            done.add(str(requirement))
            if version := above.get(canonicalize_name(requirement.name)):
                if requirement.extras or not satisfies(version, requirement):
                    return None
                continue
            distribution = self.find(requirement.name)
            if requirement.url or not distribution or not satisfies(distribution.version, requirement):
                return None
            if distribution.name not in seen:
                shown.add(distribution.name)
            if distribution.name not in seen or requirement.extras:
                waiting.extend(needed(distribution, frozenset(requirement.extras)))
        return shown


def satisfies(version: str, requirement: Requirement) -> bool:
    return requirement.specifier.contains(version, prereleases=True)


def applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def needed(distribution: Distribution, extras: frozenset[str]) -> list[Requirement]:
    return [
        # Its marker held: without it the requirement can be looked at alone.
        Requirement(str(each).partition(";")[0])
        for each in distribution.requires
        if applies(each, extras)
    ]


_reading = threading.Lock()


def laptop() -> Laptop:
    """Read again only after something was installed or removed.

    One thread at a time: Python 3.11's ast.parse, which reads the markers of requirements, fails now and then in two.
    """
    folder = Path(sysconfig.get_path("purelib"))
    with _reading:
        return _read(folder, folder.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read(folder: Path, _changed: int) -> Laptop:
    found = {each.name: each for each in _distributions(folder)}
    facts = [sys.version, sysconfig.get_platform(), str(folder), *sorted(each.info for each in found.values())]
    return Laptop(hashlib.sha256("\n".join(facts).encode()).hexdigest()[:20], folder, found)


def _distributions(folder: Path) -> Iterator[Distribution]:
    for each in metadata.distributions(path=[str(folder)]):
        name, record = each.metadata["Name"], each.read_text("RECORD")
        files = _paths(record) if record else tuple(str(file) for file in each.files or [])
        if not name or not files:  # not installed by pip: what nobody owns is shown to every image
            continue
        tops = (file.partition("/")[0] for file in files)
        info = next((top for top in tops if top.endswith((".dist-info", ".egg-info"))), f"{name}-{each.version}")
        yield Distribution(
            canonicalize_name(name), each.version, tuple(_requirements(each.requires or [])), files, info
        )


def _paths(record: str) -> tuple[str, ...]:
    """The first column; `importlib.metadata.files` makes an object of each line, which takes a second for all."""
    plain = [line.partition(",")[0] for line in record.splitlines() if line and line[0] != '"']
    return (*plain, *(row[0] for row in csv.reader(line for line in record.splitlines() if line[:1] == '"')))


def _requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:  # metadata of before PEP 508
            continue
