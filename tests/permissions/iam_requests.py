"""What IAM is asked for a client's call, by the table of actions.yml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from iam_policies import Request
from iam_templates import ACCOUNT, REGION

BUCKET = f"mlops-data-{ACCOUNT}-{REGION}"
EXECUTION = f"mlops-execution-{REGION}"
STAGE_ACCOUNT = "444455556666"
STAGE = f"arn:aws:iam::{STAGE_ACCOUNT}:role/mlops-stage-{REGION}"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/mlops-boundary-{REGION}"
KEY = "arn:aws:AWS::KMS::Key/Key"  # as iam_templates.py calls it
_FOLDER = Path(__file__).parent


class Unknown(LookupError):
    """A call that the table doesn't have."""


@cache
def table() -> dict[str, dict[str, list[list[Any]]]]:
    return dict(yaml.safe_load((_FOLDER / "actions.yml").read_text(encoding="utf-8")))


def of(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Request]:
    """Accounts, regions and buckets of the tests stand for the stack's. Raises Unknown."""
    try:
        rows = table()[service][operation]
    except KeyError:
        raise Unknown(
            f"tests/permissions/actions.yml lacks {service}.{operation}: which actions is it to IAM?"
        ) from None
    members = {"key": KEY, "execution": EXECUTION, "stage": STAGE, "PermissionsBoundary": BOUNDARY, **params}
    if service == "s3":
        members |= {"Bucket": BUCKET, "Key": params.get("Key", "")}
    for action, resource, *more in rows:
        needed, context = [*more, None, None][:2]
        if needed is None or _has(params, needed.split(".")):
            filled = {key: _filled(str(each), members) for key, each in (context or {}).items()}
            yield Request(action, _arn(action, _filled(resource, members)), filled)


def _has(value: Any, path: list[str]) -> bool:
    for each in path:
        if isinstance(value, list):
            value = value[int(each)] if int(each) < len(value) else None
        else:
            value = (value or {}).get(each)
    return bool(value)


def _filled(text: str, members: Mapping[str, Any]) -> str:
    return text.format_map(members) if "{" in text else text


def _arn(action: str, resource: str) -> str:
    if resource == "*":
        return resource
    if resource in (KEY, STAGE):
        return resource
    if resource.startswith("arn:"):
        return re.sub(r"^(arn:aws:[\w-]+):[\w-]*:\d*:", lambda m: f"{m[1]}:{_where(m[1].split(':')[2])}:", resource)
    name = action.split(":")[0]
    return f"arn:aws:{name}:{_where(name, resource)}:{resource}"


def _where(service: str, resource: str = "") -> str:
    """Region and account as a service's ARNs have them."""
    if service == "s3":
        return ":"
    if service == "iam" or resource.startswith("dashboard/"):
        return f":{ACCOUNT}"
    return f"{REGION}:{ACCOUNT}"
