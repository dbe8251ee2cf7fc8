"""Runs inside a build's sandbox: packs the files that patterns name, or unpacks a cache.

A link that the build has made means there what it means to the build, and nothing outside its sandbox is reached.
Arguments: a JSON file {"pack": [...]} or {"unpack": archive}, and where to write what was found, also as JSON.
"""

from __future__ import annotations

import json
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]
_INNER = re.compile(r"(?<=[^/*])\*{2,}|\*{2,}(?=[^/*])|\*{3,}")  # `**` beside other characters is as `*`


def main(spec: Path, out: Path) -> None:
    asked = json.loads(spec.read_text())
    found = [pack(each) for each in asked.get("pack", [])]
    if "unpack" in asked:
        found = [unpack(Path(asked["unpack"]))]
    out.write_text(json.dumps(found))


def pack(asked: Document) -> Document:
    """{"bases", "skipped" patterns, "count"} of one archive; `problem` where there is nothing to pack."""
    bases = [path for path in sorted(_glob(asked["base"] or ".")) if path.is_dir()]
    if not bases:
        return {"problem": "base", "skipped": [], "count": 0}
    chosen: dict[str, Path] = {}
    skipped = []
    for pattern in asked["files"]:
        matched = dict(_matches(bases, pattern, bool(asked.get("tar"))))
        if not matched:
            skipped.append(pattern)
        chosen |= matched
    for pattern in asked["exclude"]:
        for name, _ in _matches(bases, pattern, False):
            chosen.pop(name, None)
    if not chosen:
        return {"problem": "files", "skipped": skipped, "count": 0}
    if asked.get("tar"):
        _tar(list(chosen.values()), Path(asked["out"]))
    else:
        names = {(path.name if asked["discard"] else name): path for name, path in chosen.items()}
        _zip(names, Path(asked["out"]), asked["symlinks"])
    return {"skipped": skipped, "count": len(chosen)}


def _matches(bases: list[Path], pattern: str, folders: bool) -> Iterator[tuple[str, Path]]:
    """Names in the archive -> files. `folders`: a folder stands for all in it."""
    pattern = f"{pattern}/*" if pattern.endswith("**") else pattern
    for base in bases:
        for path in sorted(_glob(pattern, base)):
            if path.is_dir() and not path.is_symlink():
                if folders:
                    yield from ((str(each), each) for each in path.rglob("*") if not each.is_dir())
            elif path.is_file() or path.is_symlink():
                yield (str(path) if folders else _name(path, base)), path


def _name(path: Path, base: Path) -> str:
    return str(path.relative_to(base) if path.is_relative_to(base) else path).lstrip("/")


def _glob(pattern: str, base: Path = Path()) -> Iterator[Path]:
    """With hidden files; `**` crosses no links, which may lead round in circles or to all of the machine."""
    root = Path("/") if pattern.startswith("/") else base
    parts = [part for part in _INNER.sub("*", pattern).split("/") if part not in ("", ".")]
    return root.glob("/".join(parts)) if parts else iter([root])


def _zip(files: dict[str, Path], out: Path, symlinks: bool) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name, path in sorted(files.items()):
            if path.is_symlink() and symlinks:
                entry = zipfile.ZipInfo(name)
                entry.create_system = 3
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(entry, str(path.readlink()))
            elif path.is_file():
                archive.write(path, name)


def _tar(files: list[Path], out: Path) -> None:
    """Relative to the working folder, which is the source's, or absolute: as the patterns were."""
    with tarfile.open(out, "w:gz", compresslevel=1) as archive:
        for path in files:
            member = archive.gettarinfo(path)
            member.name = str(path)  # gettarinfo drops the slash at the front
            if member.isreg():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)


def unpack(archive: Path) -> Document:
    """Each file to where it was; what can't be written there is counted in `skipped`."""
    count, skipped = 0, []
    with tarfile.open(archive) as packed:
        packed.extraction_filter = lambda member, path: member  # absolute names are meant
        for member in packed:
            try:
                packed.extract(member, ".", numeric_owner=True)
                count += 1
            except OSError:
                skipped.append(member.name)
    return {"skipped": skipped, "count": count}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
