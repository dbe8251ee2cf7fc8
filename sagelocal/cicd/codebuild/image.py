"""What stands in for CodeBuild's curated images: this machine's system folders, git, and a Python of the build's own.

Any image of the name `aws/codebuild/…` is accepted and runs as this one; the log says which Python that is. Its
packages are those of the environment that sagelocal runs in, seen through one line of a .pth file: `pip install` finds
what is there and adds to the build's own folder only. .pth files of a folder that a .pth file names are not read, so
the clone that sagelocal itself is installed from stays unknown to the build.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codebuild.buildspec import BuildspecError

CURATED = re.compile(r"(public\.ecr\.aws/|aws/)codebuild/.+")
PYTHON = "/codebuild/python"  # inside
TEMPORARY = "/codebuild/tmp"  # TMPDIR: on disk, where a sandbox's /tmp is in memory
_PYTHONS = ("3.11", "3.12", "3.13")
_NOT_COPIED = re.compile(r"(python|activate|pydoc|Activate).*")
_HEAD = 1024  # bytes of a script that may name its Python


def check(environment: Mapping[str, object]) -> None:
    """Raises AwsError for a project's environment that does not run here."""
    kind, image = str(environment["type"]), str(environment["image"])
    if not kind.startswith(("LINUX_", "ARM_")):
        raise AwsError("InvalidInputException", f"The environment type {kind} does not run on sagelocal: Linux's do.")
    if not CURATED.fullmatch(image):
        raise AwsError(
            "InvalidInputException",
            f"The image {image} does not run on sagelocal, which has no container engine: it stands in for CodeBuild's "
            "own images, such as aws/codebuild/amazonlinux2023-x86_64-standard:5.0. Name one of these and install what "
            "more is needed in the phase install.",
        )


def runtimes(asked: Mapping[str, str]) -> list[str]:
    """Lines for the log on the `runtime-versions`. Raises BuildspecError for one that this machine has not."""
    said = []
    for name, version in asked.items():
        if name != "python":
            raise BuildspecError(f"Unknown runtime named '{name}'. This build image has the following runtimes: python")
        wanted = version.removesuffix(".x")
        if wanted not in (*_PYTHONS, "3", "latest"):
            raise BuildspecError(
                f"Unknown runtime version named '{version}' of python. "
                f"This build image has the following versions: {', '.join(_PYTHONS)}"
            )
        said.append(f"Selecting 'python' runtime version '{version}' based on manual selections...")
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        if wanted in _PYTHONS and wanted != here:
            said.append(f"sagelocal: this machine's Python is {here}, which stands in for {wanted}")
    return said


def check_users(names: Iterable[str]) -> None:
    """Raises BuildspecError for a `run-as` that this machine can't do."""
    for name in names:
        if name in ("", "root"):
            continue
        if os.geteuid() != 0:
            raise BuildspecError(f"run-as: {name} needs a sagelocal that runs as root: its sandboxes have root alone")
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise BuildspecError(f"run-as: there is no user {name} on this machine") from None


def environment() -> dict[str, str]:
    """Over the defaults of every sandbox."""
    path = f"{PYTHON}/bin:/root/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "TMPDIR": TEMPORARY}


def packages() -> list[str]:
    """The folders of this environment's packages."""
    paths = sysconfig.get_paths()
    return list(dict.fromkeys((paths["purelib"], paths["platlib"])))


def make(folder: Path) -> None:
    """Makes the Python of one build, to be shown at PYTHON; some 0.1 s."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "image.pth").write_text("".join(f"{path}\n" for path in packages()))
    ours = _editable_scripts()
    binaries = folder / "bin"
    for script in list(binaries.iterdir()):
        if not script.name.startswith("python"):
            script.unlink()  # `activate`, which names the folder out here
    for script in Path(sys.prefix, "bin").iterdir() if sys.prefix != sys.base_prefix else _base_scripts():
        target = binaries / script.name
        wanted = script.is_file() and not _NOT_COPIED.fullmatch(script.name) and script.name not in ours
        if wanted and not target.exists():
            _copy_script(script, target)


def _base_scripts() -> list[Path]:
    """Without a virtual environment: only what packages brought, as the system's commands are there anyway."""
    folder = Path(sysconfig.get_path("scripts"))
    names = {entry.name for each in metadata.distributions() for entry in each.entry_points}
    return [folder / name for name in names if (folder / name).is_file()]


def _editable_scripts() -> set[str]:
    """Of packages that are installed from a clone: the build's own checkout installs its own."""
    found = set()
    for each in metadata.distributions():
        if '"editable": true' in (each.read_text("direct_url.json") or ""):
            found |= {entry.name for entry in each.entry_points.select(group="console_scripts")}
    return found


def _copy_script(script: Path, target: Path) -> None:
    content = script.read_bytes()
    head = content[:_HEAD]
    if not head.startswith(b"#!"):
        os.symlink(os.path.realpath(script), target)  # noqa: PTH211 - a program, such as ruff
        return
    ours = re.compile(re.escape(os.fsencode(Path(sys.prefix, "bin"))) + rb"/python[0-9.]*")
    target.write_bytes(ours.sub(f"{PYTHON}/bin/python".encode(), head) + content[_HEAD:])
    target.chmod(0o755)
