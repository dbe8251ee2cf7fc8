"""Where sagelocal lives: its state folder, ports, account and key. Read in one place, once."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import socket
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

LOOPBACK = "127.0.0.1"
_FIRST_PORTS = (4610, 4611)  # preferred, so that addresses look the same on most machines; else any free ones
OURS = (
    "sagemaker",
    "sagemaker-runtime",
    "sagemaker-metrics",
    "sagemaker-featurestore-runtime",
    "application-autoscaling",
    "codebuild",
    "codepipeline",
)
SESSION, PRINCIPAL = "laptop", "AROASAGELOCALLAPTOP00"  # the role's session that the key stands for, the role's id
LAMBDA_SECONDS = 600  # how long a Lambda function's answer is waited for: the limit of a pipeline's Lambda step
_client_lock = threading.Lock()  # creating boto3 clients is not thread-safe, using them is


@dataclass(frozen=True)
class Settings:
    """What every part of sagelocal needs to know of this machine and state folder; memory is in bytes.

    `time_scale` divides what AWS only waits for: bake times and intervals of deployments, cool-downs, the pauses before
    a step is tried again, the time between a monitor's executions. Requests and answers keep AWS's values.
    """

    state: Path
    account: str
    region: str
    access_key: str
    secret_key: str
    port: int
    ministack_port: int
    internal_token: str
    cpus: int
    memory: int
    time_scale: float = 1.0

    def shortened(self, seconds: float) -> float:
        """How long a wait takes here that takes `seconds` on AWS."""
        return seconds / self.time_scale

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ministack_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ministack_port}"

    @property
    def bucket(self) -> str:
        """The SageMaker SDK's own name for an account's default bucket."""
        return f"sagemaker-{self.region}-{self.account}"

    @property
    def role_arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role/sagelocal-execution"

    @property
    def caller(self) -> dict[str, Any]:
        """The UserContext of whoever holds the key: STS answers the same (sagelocal.ministack_gate)."""
        session = f"arn:aws:sts::{self.account}:assumed-role/{self.role_arn.rsplit('/', 1)[1]}/{SESSION}"
        return {"IamIdentity": {"Arn": session, "PrincipalId": f"{PRINCIPAL}:{SESSION}"}}

    @property
    def defaults_file(self) -> Path:
        return self.state / "sagemaker-defaults.yaml"

    def aws_environment(self) -> dict[str, str]:
        """The variables with which plain boto3 and the aws CLI work on this laptop."""
        return {
            "AWS_ENDPOINT_URL": self.ministack_url,
            "AWS_ENDPOINT_URL_SAGEMAKER": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_METRICS": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME": self.url,
            "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": self.url,
            "AWS_ENDPOINT_URL_CODEBUILD": self.url,
            "AWS_ENDPOINT_URL_CODEPIPELINE": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            # A company proxy must not be asked for the loopback address.
            "NO_PROXY": f"{LOOPBACK},localhost",
            "no_proxy": f"{LOOPBACK},localhost",
        }

    def shell_environment(self) -> dict[str, str]:
        """All that differs between a laptop and AWS: the variables above and two for the SageMaker SDK."""
        return {
            **self.aws_environment(),
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(self.defaults_file),
            "SAGEMAKER_VALIDATE_ROLE": "false",
        }

    def client(self, service: str) -> Any:
        """A boto3 client for this laptop, whatever credentials the user's own shell has."""
        return _client(self, service)


@functools.cache
def _client(settings: Settings, service: str) -> Any:
    from botocore.config import Config

    waiting: dict[str, Any] = {"retries": {"mode": "standard"}}
    if service == "lambda":  # its Invoke is no call to repeat behind the caller's back
        waiting = {"retries": {"total_max_attempts": 1}, "read_timeout": LAMBDA_SECONDS}
    with _client_lock:
        return _session().client(
            service,
            endpoint_url=settings.url if service in OURS else settings.ministack_url,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            config=Config(proxies={}, max_pool_connections=32, **waiting),
        )


@functools.cache
def _session() -> Any:
    """One for all clients: each session of its own reads AWS's partition and endpoint data again (0.05 s a client)."""
    import boto3

    return boto3.session.Session()


def default_state() -> Path:
    """`$MLOPS_STATE`, else `.sagelocal/` in the clone (in the current folder when installed without one)."""
    if chosen := os.environ.get("MLOPS_STATE"):
        return Path(chosen).expanduser().absolute()
    return _clone_state()


def images_file() -> Path:
    """Where images of the user's own are declared: `$MLOPS_IMAGES`, else images.toml in the clone."""
    if chosen := os.environ.get("MLOPS_IMAGES"):
        return Path(chosen).expanduser().absolute()
    return _clone() / "images.toml"


def _clone_state() -> Path:
    return _clone() / ".sagelocal"


def _clone() -> Path:
    clone = Path(__file__).absolute().parents[1]
    return clone if (clone / "setup.py").exists() else Path.cwd()


def load(state: Path | None = None) -> Settings:
    """The settings of a state folder; the first call for a folder makes it, its ports and its key."""
    state = (state or default_state()).absolute()
    file = state / "settings.json"
    if not file.exists():
        _first_start(state, file)
    kept = json.loads(file.read_text())
    return Settings(state=state, cpus=len(os.sched_getaffinity(0)), memory=psutil.virtual_memory().total, **kept)


def keep_time_scale(settings: Settings, scale: float) -> Settings:
    """Holds from sagelocal's next start on. Raises ValueError for a scale below 1."""
    if not 1 <= scale < float("inf"):
        raise ValueError(f"The time scale {scale:g} must be a number from 1: it says how much shorter waits become.")
    file = settings.state / "settings.json"
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(json.loads(file.read_text()) | {"time_scale": scale}, indent=1))
    draft.replace(file)
    return replace(settings, time_scale=scale)


def _first_start(state: Path, file: Path) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A folder of someone's own choosing (a test's, a second clone's) leaves the well-known ports to the clone's.
    port, ministack_port = _free_ports(_FIRST_PORTS if state == _clone_state() else ())
    kept = {
        "account": "000000000000",
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        "access_key": "LKIA" + secrets.token_hex(8).upper(),
        "secret_key": secrets.token_urlsafe(30),
        "port": port,
        "ministack_port": ministack_port,
        "internal_token": secrets.token_urlsafe(30),
    }
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(kept, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    try:
        # A link never replaces, unlike a rename: of two first starts one wins, and the other too reads that one's key.
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()


def _free_ports(preferred_ports: tuple[int, ...]) -> tuple[int, int]:
    found: list[int] = []
    for preferred in (*preferred_ports, 0, 0, 0, 0):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, preferred))
            except OSError:
                continue
            found.append(probe.getsockname()[1])
        if len(set(found)) == 2:
            break
    first, second = sorted(set(found))[:2]
    return first, second
