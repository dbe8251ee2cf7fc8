"""IAM roles that AWS's services take, each with one inline policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deploy import names
from deploy.resources import ROLE, Request, Resource
from deploy.wanted import Place

Statement = Mapping[str, Any]


def name(base: str, place: Place) -> str:
    """A role is the account's in all regions, and an endpoint of one name may stand in several of them."""
    return f"{base}-{place.region}"


def arn(base: str, place: Place) -> str:
    return f"arn:{place.partition}:iam::{place.account}:role/{name(base, place)}"


def boundary(place: Place) -> str:
    """ARN of the policy that says the most that roles made here may do (deploy/cloudformation/baseline.yml)."""
    return f"arn:{place.partition}:iam::{place.account}:policy/{name(place.boundary, place)}"


def allow(actions: str | Sequence[str], *arns: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions if isinstance(actions, str) else list(actions), "Resource": list(arns)}


def role(
    base: str,
    service: str,
    what: str,
    statements: Sequence[Statement],
    tags: list[dict[str, str]],
    place: Place,
    condition: Mapping[str, Any] | None = None,
) -> Resource:
    """One that `<service>.amazonaws.com` may take, under a condition of its trust."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        **({"Condition": condition} if condition else {}),
    }
    request: Request = {
        "RoleName": name(base, place),
        "Description": f"{names.MADE}{what}",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "Policy": {"Version": "2012-10-17", "Statement": list(statements)},
        "Tags": tags,
        **({"PermissionsBoundary": boundary(place)} if place.boundary else {}),
    }
    return Resource(ROLE, name(base, place), request)
