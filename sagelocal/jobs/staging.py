"""One attempt's folders on the host: `<state>/jobs/<kind>/<name>/<attempt>/<host>` becomes that host's /opt/ml."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

OPT_ML = "/opt/ml"


def begin(app: SageLocal, kind: str, name: str) -> Path:
    """A new attempt's empty folder; what an interrupted attempt left is removed."""
    remove(app.settings.state / "jobs" / kind / name)
    attempt = app.store.get(kind, name).get("_attempt", 0) + 1
    app.store.update(kind, name, {"_attempt": attempt})
    folder = app.settings.state / "jobs" / kind / name / str(attempt)
    folder.mkdir(parents=True)
    return folder


def remove(folder: Path) -> None:
    """Also what a job made unreadable."""
    readable(folder)
    shutil.rmtree(folder, ignore_errors=True)


def readable(folder: Path) -> None:
    """The platform is root on AWS and reads what a job left; without root we own the files, and allow ourselves."""
    if os.geteuid() == 0:
        return
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent) / name
            mode = path.lstat().st_mode
            wanted = 0o700 if stat.S_ISDIR(mode) else 0o400
            if not stat.S_ISLNK(mode) and mode & wanted != wanted:
                path.chmod(stat.S_IMODE(mode) | wanted)


def host_path(opt_ml: Path, inside: str) -> Path:
    """The host's path of a path under /opt/ml."""
    return opt_ml / os.path.relpath(os.path.normpath(inside), OPT_ML)


def result_folder(opt_ml: Path, inside: str) -> Path | None:
    """Like `host_path` after the job ran; None where the job removed it or put a link that leads out of its /opt/ml."""
    path = host_path(opt_ml, inside)
    real = path.resolve()
    return path if path.is_dir() and real.is_relative_to(opt_ml.resolve()) else None


def hosts(count: int) -> list[str]:
    """In AWS's order, which sorts names as text: algo-1, algo-10, algo-2 …"""
    return sorted(f"algo-{number}" for number in range(1, count + 1))


def write_json(file: Path, document: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
