"""Runs at the start of every Python of a job, from a .pth file of its site-packages, without sagelocal.

Puts what `pip install` added before the image's packages on sys.path, now and as soon as an import follows an install
by another process; ends the error of a missing package with a sentence; and hands `pip install` over to sagelocal.
"""

# Every Python of a job runs this: nothing is imported that the interpreter has not imported yet.
# ruff: noqa: PTH112, PTH113, PTH116, PTH119, PTH120, PTH123, PTH208

from __future__ import annotations

import os
import sys

SITE = os.path.dirname(__file__)
OVERLAYS = "/opt/sagelocal/overlays"
LOCAL = "/root/.local"  # the PIP_PREFIX of a job
ACTIVE = f"{LOCAL}/overlays"  # this job's overlays, one key a line, the last one first on sys.path
OWN = f"{LOCAL}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"  # what its own pip installed
_IMPORTING = "_find_and_load_unlocked"  # importlib's caller of a finder for an import; find_spec has another


class Paths:
    """The first finder: finds nothing, but keeps sys.path up to date."""

    def __init__(self) -> None:
        self._seen: tuple[int, bool] = (-1, False)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if path is None:
            self.refresh()

    def refresh(self) -> None:
        try:
            size = os.stat(ACTIVE).st_size
        except OSError:
            size = 0
        seen = (size, os.path.isdir(OWN))
        if seen == self._seen:
            return
        self._seen = seen
        before = [OWN] if seen[1] else []
        before += [f"{OVERLAYS}/{key}/site" for key in reversed(active())]
        new = [folder for folder in before if folder not in sys.path]
        sys.path[:] = [folder for folder in sys.path if folder not in before]
        at = sys.path.index(SITE) if SITE in sys.path else len(sys.path)
        sys.path[at:at] = before
        for folder in new:
            sys.path_importer_cache.pop(folder, None)  # it may have been looked at when it was not there
            _run_pth_files(folder)


def active() -> list[str]:
    """The overlay of a user's own image, then what this job installed."""
    keys = os.environ.get("SAGELOCAL_OVERLAYS", "").split()
    try:
        with open(ACTIVE) as file:
            return keys + file.read().split()
    except OSError:
        return keys


def _run_pth_files(folder: str) -> None:
    names = sorted(name for name in os.listdir(folder) if name.endswith(".pth"))
    if names:
        import site

        for name in names:
            site.addpackage(folder, name, set(sys.path))


class Hint:
    """The last finder: raises the error itself where it has something to add, and only for an import."""

    def __init__(self) -> None:
        self._image: dict | None = None

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if sys._getframe(2).f_code.co_name != _IMPORTING:
            return
        if self._image is None:
            import json

            with open(f"{SITE}/sagelocal_image.json") as file:
                self._image = json.load(file)
        if said := self._say(name):
            raise ModuleNotFoundError(f"No module named {name!r}. {said}", name=name)

    def _say(self, module: str) -> str:
        assert self._image
        image = self._image["image"]
        if distribution := self._image["hidden"].get(module):
            return f"This laptop has it, AWS's {image} image does not: add {distribution} to requirements.txt."
        distribution = module.lower().replace("_", "-")
        if (version := self._image["absent"].get(distribution)) is None:
            return ""
        there = f" ({distribution} {version})" if version else ""
        return f"AWS's {image} image has it{there}, this laptop does not: pip install {distribution} beside sagelocal."


def pip_arguments() -> list[str] | None:
    """The arguments of the `pip` that this process is about to become: `python -m pip …`, or a script named pip."""
    arguments = sys.orig_argv[1:]
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option.startswith("-m") or (len(option) > 2 and option[1] != "-" and option.endswith("m")):
            module = option[2:] if option.startswith("-m") and option != "-m" else (arguments or [""]).pop(0)
            return arguments if module == "pip" else None
        if option in ("-X", "-W"):
            arguments = arguments[1:]
        elif option == "-c":
            return None
    script = os.path.basename(arguments[0]) if arguments else ""
    is_pip = script.startswith("pip") and (script[3:].replace(".", "") or "3").isdigit()  # pip, pip3, pip3.11
    return arguments[1:] if is_pip else None


def start() -> None:
    paths = Paths()
    paths.refresh()
    sys.meta_path.insert(0, paths)  # type: ignore[arg-type]
    sys.meta_path.append(Hint())  # type: ignore[arg-type]
    arguments = pip_arguments()
    if arguments:
        import sagelocal_pip

        code = sagelocal_pip.run(arguments)
        if code is not None:
            sys.stdout.flush()
            os._exit(code)  # nothing of pip has been imported yet
        # pip removes what its own environment has in another version. It cannot here: its environment is what it adds.
        if os.path.isfile(f"{sys.prefix}/pip.conf"):
            os.environ.setdefault("PIP_CONFIG_FILE", f"{sys.prefix}/pip.conf")
        sys.prefix = LOCAL


start()
