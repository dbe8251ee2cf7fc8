"""What a shell needs to use the proxy, and what takes it out of the shell again."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sagelocal.config import LOOPBACK, Settings
from sagelocal.sts_proxy import certificates

USER = "sagelocal"
_FOLDER = "sts-proxy"
_PROXIES = ("HTTPS_PROXY", "https_proxy")
_BUNDLE = "AWS_CA_BUNDLE"


@dataclass(frozen=True)
class Access:
    """The proxy's port and password: other users of this machine reach the port, but shall not go out by it."""

    port: int
    password: str


def folder(settings: Settings) -> Path:
    return settings.state / _FOLDER


def wanted(settings: Settings) -> bool:
    """Whether `mlops env --sts-proxy` was ever asked for."""
    return (folder(settings) / "access.json").exists()


def prepare(settings: Settings) -> Access:
    """The kept access; the first call makes it and the certificates."""
    home = folder(settings)
    file = home / "access.json"
    if not file.exists():
        home.mkdir(mode=0o700, exist_ok=True)
        certificates.make(home / "certificate.pem", home / "key.pem", home / "authority.pem")
        with socket.create_server((LOOPBACK, 0)) as probe:
            made = Access(probe.getsockname()[1], secrets.token_hex(16))
        draft = file.with_suffix(".tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            json.dump(asdict(made), opened)
        draft.replace(file)
    return Access(**json.loads(file.read_text()))


def variables(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """What `mlops env --sts-proxy` adds. Raises ValueError where the shell has an HTTPS proxy of its own."""
    access = prepare(settings)
    for name in _PROXIES:
        if (given := environ.get(name, "")) and not _is_ours(given):
            raise ValueError(
                f"{name} is {given} already, and the STS proxy passes nothing on to another one: leave --sts-proxy out "
                "and give the SDK's calls a role and a bucket (docs/getting-started.md)."
            )
    home = folder(settings)
    trusted = environ.get(_BUNDLE, "")
    if Path(trusted).parent.name == _FOLDER:
        trusted = certificates.trusted_before(Path(trusted))
    certificates.write_bundle(home / "authority.pem", home / "ca-bundle.pem", trusted)
    address = f"http://{USER}:{access.password}@{LOOPBACK}:{access.port}"
    return {**dict.fromkeys(_PROXIES, address), _BUNDLE: str(home / "ca-bundle.pem")}


def unset(environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Names to unset, and variables to set to what they were, of what `variables` put in."""
    names = [name for name in _PROXIES if _is_ours(environ.get(name, ""))]
    bundle = Path(environ.get(_BUNDLE, ""))
    if bundle.parent.name != _FOLDER:
        return names, {}
    before = certificates.trusted_before(bundle)
    return (names, {_BUNDLE: before}) if before else ([*names, _BUNDLE], {})


def _is_ours(address: str) -> bool:
    parts = urlsplit(address)
    return parts.username == USER and parts.hostname == LOOPBACK
