"""What `pip install` added once, kept for all who ask for the same: a folder `site`, a folder `bin` and a list."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from sagelocal import sandbox
from sagelocal.environments import views
from sagelocal.environments.installs import Install
from sagelocal.environments.laptop import Laptop
from sagelocal.environments.views import View
from sagelocal.sandbox import Process, Sandbox

_OUT = "/opt/sagelocal/new"  # where the builder's pip installs to
_CONFIG = "/opt/sagelocal/pip.conf"
_LIST = "overlay.json"
# How this user's own pip reaches its indexes; a job's pip gets none of it.
_NETWORK = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_LIMIT = 20 * 2**30  # bytes; the overlays longest unused go at the next start of sagelocal

Say = Callable[[str], None]


class Overlays:
    """One of it makes and keeps the overlays of a state folder."""

    def __init__(self, root: Path, hidden: Sequence[Path]) -> None:
        self.folder = root / "overlays"
        self._hidden = hidden
        self._cache = root / "pip-cache"
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._running: set[Process] = set()
        self._closed = False
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in (*root.glob("*/.*"), *root.glob("scratch-*")):  # by a kill
            shutil.rmtree(left, ignore_errors=True)
        trim(self.folder, _LIMIT)

    def close(self) -> None:
        self._closed = True
        for process in list(self._running):
            process.kill()

    def provide(
        self, install: Install, laptop: Laptop, view: View, binds: Mapping[str, Path], active: Sequence[str], say: Say
    ) -> tuple[int, str]:
        """pip's exit status, and the key of the overlay that the install adds; none where nothing was missing.

        `active` are the keys of the overlays that the job has already, the first one first. `say` gets pip's output,
        line by line, and may raise to break the install off.
        """
        above = {name: version for key in active for name, version in self._distributions(key).items()}
        key = install.key([view.key, *active])
        with self._locks[key]:
            if not (self.folder / key).is_dir():
                wanted = install.wanted()
                missing = None if wanted is None else laptop.missing(wanted, set(view.shown), above)
                if missing is not None:
                    self._reveal(key, laptop, view, missing)
                elif code := self._build(key, install, binds, active, say):
                    return code, ""
            os.utime(self.folder / key)
        added = self._distributions(key)
        if not install.quiet:
            say(f"{_summary(added)} (sagelocal keeps this under {key})")
        return 0, key if added else ""

    def _distributions(self, key: str) -> dict[str, str]:
        """Name -> version of what an overlay holds."""
        listed: dict[str, str] = json.loads((self.folder / key / _LIST).read_text())
        return listed

    def _reveal(self, key: str, laptop: Laptop, view: View, missing: set[str]) -> None:
        """Links to this laptop's own packages, which are what is asked for."""
        with views.building(self.folder / key) as folder:
            views.link(laptop, set(view.shown) | missing, folder / "site", only=missing)
            views.scripts(laptop, missing, folder / "bin", only=missing)
            _write_list(folder, {name: laptop.distributions[name].version for name in missing})

    def _build(self, key: str, install: Install, binds: Mapping[str, Path], active: Sequence[str], say: Say) -> int:
        """pip's exit status, from a sandbox that sees the view and the overlays so far, and nothing of the job."""
        self._cache.mkdir(exist_ok=True)
        configuration = pip_configuration()
        with tempfile.TemporaryDirectory(
            prefix="scratch-", dir=self.folder.parent, ignore_cleanup_errors=True
        ) as scratch:
            out, asked = Path(scratch, "out"), Path(scratch, "asked")
            out.mkdir()
            asked.mkdir()
            (asked / "requirements.txt").write_text("\n".join(install.requirements))
            (asked / "constraints.txt").write_text("\n".join(install.constraints))
            (asked / "overlays").write_text("".join(f"{each}\n" for each in active))
            box = Sandbox(
                opt_ml=asked,
                environment={**pip_environment(), **({"PIP_CONFIG_FILE": _CONFIG} if configuration else {})},
                hidden=self._hidden,
                binds={**binds, **({_CONFIG: configuration} if configuration else {})},
                writable={_OUT: out, "/root/.cache/pip": self._cache},
            )
            code = self._pip(box, install, say)
            if code == 0:
                self._keep(key, out)
        return code

    def _pip(self, box: Sandbox, install: Install, say: Say) -> int:
        upgrade = ["--upgrade"] if install.upgrade else []
        quiet = ["--quiet"] if install.quiet else []
        pip = [
            *("python", "-m", "pip", "install", "--prefix", _OUT, "--no-warn-script-location", *quiet, *upgrade),
            *("-r", "/opt/ml/requirements.txt", "-c", "/opt/ml/constraints.txt", *install.options),
        ]
        command = f"mkdir -p /root/.local && cp /opt/ml/overlays /root/.local/overlays && exec {shlex.join(pip)}"
        process = sandbox.start(["/bin/sh", "-c", command], box, subprocess.PIPE)
        self._running.add(process)
        try:
            if self._closed:
                process.kill()
            assert process.output
            with process.output as output:
                for line in output:
                    say(line.decode(errors="replace").rstrip("\n"))
            return process.wait() or 0
        finally:
            process.kill()
            process.wait()
            self._running.discard(process)

    def _keep(self, key: str, out: Path) -> None:
        with views.building(self.folder / key) as folder:
            inside = Path(sysconfig.get_path("purelib")).name  # site-packages, or Debian's dist-packages
            found = [path for path in out.rglob(inside) if path.is_dir()][:1]
            for made, name in [(found, "site"), ([out / "bin"], "bin")]:
                if made and made[0].is_dir():
                    made[0].rename(folder / name)
                else:
                    (folder / name).mkdir()
            installed = metadata.distributions(path=[str(folder / "site")])
            _write_list(folder, {canonicalize_name(each.metadata["Name"]): each.version for each in installed})


def _write_list(folder: Path, distributions: Mapping[str, str]) -> None:
    (folder / _LIST).write_text(json.dumps(dict(distributions)))


def _summary(added: Mapping[str, str]) -> str:
    if not added:
        return "Requirement already satisfied: all"
    return "Installed " + " ".join(f"{name}-{version}" for name, version in sorted(added.items()))


def pip_environment() -> dict[str, str]:
    """How this user's own pip reaches its indexes, as variables."""
    ours = {name: value for name, value in os.environ.items() if name.lower() in _NETWORK or name in _NETWORK}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    for name in ("PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_CACHE_DIR"):
        pip.pop(name, None)
    return {**ours, **pip}


def pip_configuration() -> Path | None:
    """The pip.conf of this environment, or the user's: of several, the one that pip gives most weight."""
    configured = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    places = [Path(sys.prefix, "pip.conf"), Path(configured, "pip", "pip.conf"), Path.home() / ".pip" / "pip.conf"]
    if named := os.environ.get("PIP_CONFIG_FILE"):  # os.devnull: no configuration at all
        places = [Path(named)]
    return next((place for place in places if place.is_file()), None)


def trim(folder: Path, limit: int) -> None:
    """Removes the overlays longest unused until `limit` bytes hold the rest. Only when nothing runs."""
    kept = 0
    for overlay in sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True):
        kept += sum(file.lstat().st_size for file in overlay.rglob("*"))
        if kept > limit:
            shutil.rmtree(overlay, ignore_errors=True)
