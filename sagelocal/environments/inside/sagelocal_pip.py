"""`pip install` and `pip uninstall` of a job, as far as they need no pip; runs in the job, without sagelocal.

An install is asked of sagelocal, which has the answer kept or makes it; what it leaves to the job's own pip, and all
where the job has no network, is left to that.
"""

# pathlib would be a third of the time that this takes.
# ruff: noqa: PTH103, PTH108, PTH110, PTH112, PTH113, PTH118, PTH120, PTH123, PTH208, PTH211

from __future__ import annotations

import json
import os
import re
import socket
import sys

from sagelocal_site import ACTIVE, OVERLAYS, OWN, SITE, active

SOCKET = "/opt/sagelocal/pip/s"  # absent in a job without network
_FILE = ("-r", "--requirement", "-c", "--constraint")
_NESTED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)", re.MULTILINE)
_DEFAULTS = ("PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_INPUT", "PIP_ROOT_USER_ACTION", "PIP_PREFIX")


def run(arguments: list[str]) -> int | None:
    """The exit status; None when pip itself has to run."""
    command = next((each for each in arguments if not each.startswith("-")), "")
    if command not in ("install", "uninstall"):
        return None
    arguments.remove(command)
    return _install(arguments) if command == "install" else _uninstall(arguments)


def _uninstall(arguments: list[str]) -> int | None:
    """What is not there needs no pip to say so: FrameworkProcessor's script removes `typing` each time."""
    names = [each for each in arguments if not each.startswith("-")]
    if not names or any(each in _FILE for each in arguments) or any(_installed(name) for name in names):
        return None
    for name in names:
        print(f"WARNING: Skipping {name} as it is not installed.", file=sys.stderr)
    return 0


def _installed(name: str) -> bool:
    wanted = re.sub(r"[-_.]+", "_", name).lower()
    names = (name for folder in sys.path if os.path.isdir(folder) for name in os.listdir(folder))
    infos = (name.partition("-")[0] for name in names if name.endswith((".dist-info", ".egg-info")))
    return any(re.sub(r"[-_.]+", "_", info).lower() == wanted for info in infos)


def _install(arguments: list[str]) -> int | None:
    if os.path.isdir(OWN) or not os.path.exists(SOCKET):
        return None
    with open(f"{SITE}/sagelocal_image.json") as file:
        view = json.load(file)["view"]
    request = {
        "arguments": arguments,
        "files": _files(arguments),
        "view": view,
        "active": active(),
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith("PIP_") and name not in _DEFAULTS
        },
    }
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(SOCKET)
            connection.sendall(json.dumps(request).encode() + b"\n")
            return _follow(connection)
    except OSError:
        return None


def _files(arguments: list[str]) -> dict[str, str]:
    """The requirement and constraint files named, and those named in them, as far as they can be read."""
    waiting = [
        value.lstrip("=")
        for number, each in enumerate(arguments)
        for option in _FILE
        if each.startswith(option)
        for value in [each[len(option) :] or "".join(arguments[number + 1 : number + 2])]
    ]
    files: dict[str, str] = {}
    while waiting:
        path = os.path.normpath(waiting.pop())
        if path not in files and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                files[path] = file.read()
            waiting += [os.path.join(os.path.dirname(path), nested) for nested in _NESTED.findall(files[path])]
    return files


def _follow(connection: socket.socket) -> int | None:
    with connection.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            answer = json.loads(line)
            if "said" in answer:
                print(answer["said"], flush=True)
                continue
            if answer["code"] == 0 and answer["overlay"]:
                _activate(answer["overlay"])
            code: int | None = answer["code"]
            return code
    return None


def _activate(key: str) -> None:
    os.makedirs("/root/.local/bin", exist_ok=True)
    scripts = f"{OVERLAYS}/{key}/bin"
    for name in os.listdir(scripts):
        link = f"/root/.local/bin/{name}"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(f"{scripts}/{name}", link)
    if key not in active():
        with open(ACTIVE, "a") as file:
            file.write(f"{key}\n")
