"""The environments of a running sagelocal: views for sandboxes, and the socket where a job's `pip install` asks."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagelocal import containers, sandbox
from sagelocal.containers import custom
from sagelocal.environments import installs, manifests, views
from sagelocal.environments.laptop import Laptop, laptop
from sagelocal.environments.manifests import Manifest
from sagelocal.environments.overlays import Overlays
from sagelocal.environments.views import View

log = logging.getLogger(__name__)

_OVERLAYS = "/opt/sagelocal/overlays"  # inside
_SOCKET = "s"
_LONGEST = 16 * 2**20  # bytes of a request


@dataclass(frozen=True)
class Inside:
    """What a sandbox shows for an image (`Sandbox.binds`), and a line for the job's log, empty when all is alike.

    `environment` and `cwd` are those of a user's own image, below what the job or model sets.
    """

    binds: Mapping[str, Path]
    note: str
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None


class Environments:
    """`close` ends the installs under way."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "environments"
        self._hidden = sandbox.hidden_paths(state)
        self._views: dict[str, tuple[Laptop, View]] = {}
        self._images: dict[tuple[str, str], tuple[View, str]] = {}  # by URI and the laptop's identity
        self._lock = threading.Lock()
        self._overlays: Overlays | None = None
        self._listener: socket.socket | None = None

    def inside(self, image_uri: str, *, network: bool) -> Inside:
        """Raises AwsError where the image is of no known family, RuntimeError where its needs can't be installed."""
        installed = laptop()
        with self._lock:
            overlays = self._start()
            view, said = self._image(image_uri, installed)
        binds = _binds(view, installed, overlays.folder)
        own = containers.family(image_uri).custom
        variables: dict[str, str] = {}
        if own:
            variables, said = _own(own, overlays, installed, view, binds)
            binds[own.path] = own.folder
        if network:
            binds["/opt/sagelocal/pip"] = self.folder / "pip"
        return Inside(binds, said, variables, own.path if own else None)

    def _image(self, uri: str, installed: Laptop) -> tuple[View, str]:
        found = self._images.get((uri, installed.identity))
        if found and found[0].folder.is_dir():
            os.utime(found[0].folder)  # for `mlops prune`
            return found
        family = containers.family(uri)
        manifest = manifests.find(family.name, family.repository, family.version)
        if own := family.custom:
            manifest = Manifest(f"{own.repository} (your own)", family.version, {}, {}, ())
        name = manifest.image if manifest else f"{family.name} {family.version}".strip()
        view = views.view(self.folder / "views", installed, manifest, name)
        self._views[view.key] = (installed, view)
        said = note(manifest, family.version, installed) if manifest else ""
        self._images[uri, installed.identity] = view, said
        return view, said

    def close(self) -> None:
        with self._lock:
            if self._listener:
                self._listener.shutdown(socket.SHUT_RDWR)  # which wakes its thread; closing does not
                self._listener.close()
            if self._overlays:
                self._overlays.close()

    def _start(self) -> Overlays:
        """The first job's: a sagelocal that runs none needs neither thread nor folder."""
        if self._overlays is None:
            self._overlays = Overlays(self.folder, self._hidden)
            (self.folder / "started").touch()
            self._listener = _listen(self.folder / "pip")
            threading.Thread(target=self._accept, args=(self._listener,), name="pip installs", daemon=True).start()
        return self._overlays

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), name="pip install", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # An OSError: the job is gone, and its install was broken off.
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as stream:
            try:
                self._answer(json.loads(stream.readline(_LONGEST)), stream)
            except OSError:
                raise
            except Exception as error:
                log.exception("an install failed")
                _send(stream, {"said": f"ERROR: sagelocal could not install: {error}"})
                _send(stream, {"code": 1, "overlay": ""})

    def _answer(self, request: dict[str, Any], stream: io.BufferedRWPair) -> None:
        assert self._overlays
        installed, view = self._views[request["view"]]
        made = {folder.name for folder in self._overlays.folder.iterdir()}
        active = [key for key in request["active"] if key in made]
        try:
            install = installs.parse(request["arguments"], request["files"], request["environment"])
            if not install.requirements:
                raise installs.OwnPipError("nothing to install")
        except installs.OwnPipError:
            _send(stream, {"code": None, "overlay": ""})
            return
        binds = _binds(view, installed, self._overlays.folder)
        code, key = self._overlays.provide(
            install, installed, view, binds, active, lambda line: _send(stream, {"said": line})
        )
        _send(stream, {"code": code, "overlay": key})


def _own(
    image: custom.Image, overlays: Overlays, installed: Laptop, view: View, binds: Mapping[str, Path]
) -> tuple[dict[str, str], str]:
    """Variables of a user's own image, with an overlay of what its Dockerfile installs, and pip's words if it ran."""
    path = f"{image.path}:{sandbox.environment()['PATH']}"
    said: list[str] = []
    key = ""
    if image.requirements:
        text = image.requirements.read_text()
        try:
            install = installs.parse(["--quiet", "-r", image.requirements.name], {image.requirements.name: text}, {})
        except installs.OwnPipError as error:
            raise RuntimeError(f"{image.requirements} can't be installed outside its folder: {error}") from error
        code, key = overlays.provide(install, installed, view, binds, [], said.append)
        if code:
            raise RuntimeError(f"{image.requirements} can't be installed: {' '.join(said[-3:])}")
    if key:
        path = f"{image.path}:{_OVERLAYS}/{key}/bin:{sandbox.environment()['PATH']}"
    variables = {"PATH": path, "SAGELOCAL_OVERLAYS": key}
    return {**variables, **image.environment}, "\n".join(said)


def _send(stream: io.BufferedRWPair, answer: Mapping[str, Any]) -> None:
    stream.write(json.dumps(answer).encode() + b"\n")
    stream.flush()


def _binds(view: View, installed: Laptop, overlays: Path) -> dict[str, Path]:
    """The view in the place of this Python's own folders, which are shown elsewhere for its links to point to."""
    binds = {views.PACKAGES: installed.folder, _OVERLAYS: overlays}
    for site in {str(installed.folder), os.path.realpath(installed.folder)}:
        binds[site] = view.folder / "site"
    if sys.prefix != sys.base_prefix:
        for folder in {f"{sys.prefix}/bin", f"{os.path.realpath(sys.prefix)}/bin"}:
            binds[folder] = view.folder / "bin"
    return binds


def _listen(folder: Path) -> socket.socket:
    """By way of /proc, as a socket's path has 107 bytes and the state folder's may be longer."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"/proc/self/fd/{descriptor}/{_SOCKET}")
    finally:
        os.close(descriptor)
    listener.listen(64)
    return listener


def note(manifest: Manifest, version: str, installed: Laptop) -> str:
    """How this laptop differs from the image, as one line; only what the image names itself, and where AWS pins it."""
    said = []
    if version != manifest.version:
        said.append(f"version {version or 'latest'} is not known here, {manifest.version} stands in for it")
    found = {name: installed.find(name) for name, pinned in manifest.named.items() if pinned}
    other = [
        f"{name} {each.version} (AWS {manifest.named[name]})"
        for name, each in sorted(found.items())
        if each and each.version != manifest.named[name]
    ]
    if other:
        said.append(f"other versions on this laptop: {', '.join(other)}")
    return f"sagelocal: {manifest.image} image of AWS: {'; '.join(said)}" if said else ""
