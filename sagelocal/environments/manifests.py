"""The packages that AWS's images are known to hold."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("manifests")
_VARIANTS = re.compile(r"-(arm64|graviton)$")  # the same packages, built for another processor


@dataclass(frozen=True)
class Manifest:
    """One image. Versions are empty where AWS's sources don't pin one."""

    image: str  # "scikit-learn 1.9-0"
    version: str
    named: Mapping[str, str]  # what its Dockerfile or requirements name: normalised name -> version
    dependencies: Mapping[str, str]  # what those bring along
    sources: tuple[str, ...]  # URLs

    @property
    def packages(self) -> dict[str, str]:
        return {**self.dependencies, **self.named}


def find(family: str, repository: str, version: str) -> Manifest | None:
    """The image's own manifest, else that of the nearest version; None where none of the repository is known."""
    folder = FOLDER / _VARIANTS.sub("", repository)
    known = [file.stem for file in folder.glob("*.toml")]
    return _read(folder / f"{nearest(version, known)}.toml", family) if known else None


def nearest(version: str, known: list[str]) -> str:
    """The newest that is no newer than `version`, else the oldest; without a version the newest. 2.10 is any 2.10.x."""
    ordered, wanted = sorted(known, key=_numbers), _numbers(version)
    older = [each for each in ordered if _numbers(each)[: len(wanted)] <= wanted] if version else ordered
    return older[-1] if older else ordered[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@functools.cache
def _read(file: Path, family: str) -> Manifest:
    document = tomllib.loads(file.read_text())
    return Manifest(
        image=f"{family} {file.stem}",
        version=file.stem,
        named=document["named"],
        dependencies=document["dependencies"],
        sources=tuple(document["sources"]),
    )
