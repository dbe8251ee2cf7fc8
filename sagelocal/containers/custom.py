"""Images of the user's own, declared in `images.toml` beside the clone's README (or where MLOPS_IMAGES says).

A table a repository name, as it stands in the image's URI:

    [churn-scorer]
    folder = "examples/own_container/program"  # what the Dockerfile copies; relative to images.toml
    path = "/opt/program"                      # where it copies that; in front of PATH, and the working directory
    entrypoint = []                            # ENTRYPOINT; `serve` or `train` is its last argument, as on AWS
    requirements = "requirements.txt"          # what it installs with pip; relative to `folder`
    environment = { MODEL_NAME = "churn" }     # ENV
    accept-bind-to-port = false                # the labels com.amazonaws.sagemaker.capabilities.…
    multi-models = false

Nothing builds or runs the Dockerfile: what it does beyond this (system packages, another Python …) is not there.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelocal import config
from sagelocal.api.errors import validation

PORT = 8080  # where a container listens unless SAGEMAKER_BIND_TO_PORT says otherwise
_KEYS = {
    "folder": str,
    "path": str,
    "entrypoint": list,
    "requirements": str,
    "environment": dict,
    "accept-bind-to-port": bool,
    "multi-models": bool,
}


@dataclass(frozen=True)
class Image:
    """One declared image. `folder` and `requirements` are paths of this machine, `path` is one inside."""

    repository: str
    folder: Path
    path: str
    entrypoint: tuple[str, ...]
    requirements: Path | None
    environment: Mapping[str, str]
    accept_bind_to_port: bool
    multi_models: bool

    def command(self, argument: str) -> list[str]:
        """What `docker run <image> serve` or `train` starts."""
        return [*self.entrypoint, argument]


def find(repository: str) -> Image | None:
    """Raises AwsError naming the file, the table and the key where a declaration is wrong."""
    file = config.images_file()
    try:
        changed = file.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(file, changed).get(repository)


def port(environment: Mapping[str, str]) -> int:
    """Where a container with these variables listens. Raises AwsError for what is no port."""
    given = environment.get("SAGEMAKER_BIND_TO_PORT") or str(PORT)
    if not given.isdecimal() or not 0 < int(given) < 2**16:
        raise validation(f"SAGEMAKER_BIND_TO_PORT is '{given}', which is no port: 1 to 65535.")
    return int(given)


@functools.lru_cache(maxsize=4)
def _read(file: Path, _changed: int) -> dict[str, Image]:
    try:
        document = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise validation(f"{file} is no TOML: {error}") from error
    return {name: _image(file, name, table) for name, table in document.items()}


def _image(file: Path, name: str, table: Any) -> Image:
    where = f"{file} [{name}]"
    if not isinstance(table, dict) or "folder" not in table:
        raise validation(f"{where} needs a folder: what the image's Dockerfile copies.")
    for key, value in table.items():
        if not isinstance(value, _KEYS.get(key, ())):
            raise validation(f"{where}: {key} = {value!r} is not understood. Known: {_known()}.")
    folder = (file.parent / table["folder"]).resolve()
    requirements = folder / table["requirements"] if table.get("requirements") else None
    for path in (folder, *([requirements] if requirements else [])):
        if not path.exists():
            raise validation(f"{where}: {path} does not exist.")
    return Image(
        repository=name,
        folder=folder,
        path=table.get("path", "/opt/program"),
        entrypoint=tuple(table.get("entrypoint", ())),
        requirements=requirements,
        environment=table.get("environment", {}),
        accept_bind_to_port=table.get("accept-bind-to-port", False),
        multi_models=table.get("multi-models", False),
    )


def _known() -> str:
    return ", ".join(f"{key} ({kind.__name__})" for key, kind in _KEYS.items())
