"""Where a command works: the laptop's sagelocal, or an AWS account by the ordinary credential chain.

All that differs is set here, in this process's environment and therefore also in its children's, before any client or
SageMaker SDK session is made.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import boto3

    from sagelocal.config import Settings

LAPTOP, AWS, HERE = "laptop", "aws", "here"
_KEY_PREFIX = "LKIA"  # of every access key that sagelocal makes; AWS's start with AKIA or ASIA
_LAPTOP_ACCOUNT = "000000000000"
_DEFAULTS = "SAGEMAKER_USER_CONFIG_OVERRIDE"


@dataclass(frozen=True)
class Target:
    name: str  # LAPTOP, AWS or HERE
    account: str
    region: str
    session: boto3.Session
    settings: Settings | None = None  # of sagelocal; None on AWS

    @functools.cache  # noqa: B019  a process has one target
    def client(self, service: str) -> Any:
        """A boto3 client; on AWS with retries, as an account's rate limits are shared."""
        from botocore.config import Config

        # Nobody shares a laptop's: where it is down, a page says so at once.
        local = self.name == HERE and _is_loopback(os.environ.get("AWS_ENDPOINT_URL", ""))
        retries: Any = {"mode": "standard", "max_attempts": 2 if local else 5}
        # S3 refuses links that are signed by an older version to objects under a key of KMS.
        signature = "s3v4" if service == "s3" else None
        return self.session.client(service, config=Config(retries=retries, signature_version=signature))

    @functools.cached_property
    def place(self) -> Place:
        """Bucket, prefix and role. On AWS the SageMaker SDK's rules find them, which takes it two seconds to import.

        Raises LookupError with the remedy when there is no role.
        """
        if self.settings:
            return Place(self.settings.bucket, "", self.settings.role_arn)
        from pipelines.project import Project

        project = Project.from_environment(self.session)
        return Place(project.bucket, project.prefix, project.role)

    @property
    def poll(self) -> float:
        """Seconds between two looks at something that runs."""
        return 0.3 if self.settings else 2.0 if self.name == HERE else 5.0


@dataclass(frozen=True)
class Place:
    bucket: str
    prefix: str  # of keys in the bucket, may be empty
    role: str  # ARN

    def uri(self, *parts: str) -> str:
        return "s3://" + "/".join(part for part in (self.bucket, self.prefix.strip("/"), *parts) if part)


def connect(name: str) -> Target:
    """Prepares the process for a target; starts sagelocal for the laptop. On AWS, says account and region on stderr.

    Raises LookupError without credentials or region on AWS, RuntimeError when sagelocal does not start.
    """
    return {LAPTOP: laptop, AWS: aws, HERE: here}[name]()


def laptop() -> Target:
    from sagelocal import config, server

    settings = config.load()
    server.up(settings)
    enter_laptop(settings, os.environ)
    import boto3

    return Target(LAPTOP, settings.account, settings.region, boto3.Session(), settings)


def enter_laptop(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """The laptop's variables, and none of the user's own AWS settings: no profile, session token or endpoint of theirs
    may win over them.
    """
    for name in [name for name in environ if name.startswith(("AWS_", "SAGEMAKER_")) or name == "MLOPS_BUCKET"]:
        del environ[name]
    environ.update(shell_variables(settings, environ))
    # An empty file each: a broken one of the user's would keep boto3 from making any client.
    environ.update({"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull})
    environ["AWS_EC2_METADATA_DISABLED"] = "true"


def shell_variables(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """What `mlops env` exports: sagelocal's variables, with the user's own proxy exceptions kept."""
    variables = settings.shell_environment()
    for name in ("NO_PROXY", "no_proxy"):
        ours = variables[name].split(",")
        variables[name] = ",".join([*ours, *(host for host in _hosts(environ.get(name, "")) if host not in ours)])
    return variables


def unset_variables(environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """What takes the laptop out of an environment: names to unset, and variables to set to what they were.

    Only values that `mlops env` can have set count, so that a user's own keys, region or proxy exceptions stay.
    """
    from sagelocal.sts_proxy import access

    names = [name for name in environ if name.startswith("AWS_ENDPOINT_URL") and _is_loopback(environ[name])]
    proxies, restored = access.unset(environ)
    names += proxies
    if environ.get("AWS_ACCESS_KEY_ID", "").startswith(_KEY_PREFIX):
        names += [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if name in environ]
        region = _laptop_region(environ)
        regions = ("AWS_REGION", "AWS_DEFAULT_REGION")
        names += [name for name in regions if name in environ and region in (None, environ[name])]
    if Path(environ.get(_DEFAULTS, "")).name == "sagemaker-defaults.yaml":
        names += [name for name in (_DEFAULTS, "SAGEMAKER_VALIDATE_ROLE") if name in environ]
    for name in ("NO_PROXY", "no_proxy") if names else ():
        hosts = _hosts(environ.get(name, ""))
        if hosts[:2] == ["127.0.0.1", "localhost"]:
            rest = ",".join(hosts[2:])
            if rest:
                restored[name] = rest
            else:
                names.append(name)
    return names, restored


def here() -> Target:
    """Wherever this process's own AWS variables lead, changed in nothing: in a build, whose service has set them."""
    import boto3

    session = boto3.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    return Target(HERE, account, session.region_name, session)


def aws() -> Target:
    names, restored = unset_variables(os.environ)
    for name in names:
        del os.environ[name]
    os.environ.update(restored)
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.Session()
    if not session.region_name:
        raise LookupError("No AWS region: set AWS_REGION, or `region` in ~/.aws/config.")
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise LookupError(f"No usable AWS credentials ({error}): run `aws configure` or `aws sso login`.") from error
    if account == _LAPTOP_ACCOUNT:
        raise LookupError("These credentials lead to a laptop, not to AWS: check `endpoint_url` in ~/.aws/config.")
    from mlops.console import note

    note(f"AWS account {account}, region {session.region_name}")
    return Target(AWS, account, session.region_name, session)


def _laptop_region(environ: Mapping[str, str]) -> str | None:
    """The region of the state folder whose variables are set; None when it cannot be told."""
    try:
        return str(json.loads(Path(environ[_DEFAULTS]).with_name("settings.json").read_text())["region"])
    except (KeyError, OSError, ValueError):
        return None


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _hosts(text: str) -> list[str]:
    return [host.strip() for host in text.split(",") if host.strip()]
