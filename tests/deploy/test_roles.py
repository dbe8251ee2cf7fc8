"""Roles that deployments make stay within the boundary of the baseline stack, where one is named."""

from __future__ import annotations

import dataclasses

from deploy import roles
from deploy.resources import ROLE
from deploy.wanted import Place

PLACE = Place("aws", "123456789012", "eu-west-1", "arn:aws:iam::123456789012:role/execution", "bucket")
BOUNDED = dataclasses.replace(PLACE, boundary="mlops-boundary")
BOUNDARY = "arn:aws:iam::123456789012:policy/mlops-boundary-eu-west-1"


def wanted(place: Place):
    return roles.role("churn-retraining", "lambda", "retraining", [], [], place).request


def described(boundary: str = ""):
    """GetRole's answer, with the inline policy as `Role.find` adds it."""
    limit = {"PermissionsBoundary": {"PermissionsBoundaryArn": boundary}} if boundary else {}
    return {**wanted(PLACE), **limit}


def test_a_role_is_made_within_the_boundary():
    assert "PermissionsBoundary" not in wanted(PLACE)
    create = ROLE.put(wanted(BOUNDED), None)[0]
    assert (create.operation, create.request["PermissionsBoundary"]) == ("create_role", BOUNDARY)


def test_a_role_of_before_gets_the_boundary_before_its_policy():
    assert ROLE.differences(wanted(BOUNDED), described()) == ("the limit of what it may do",)
    calls = ROLE.put(wanted(BOUNDED), described())
    assert [each.operation for each in calls][1:] == ["put_role_permissions_boundary", "put_role_policy"]
    assert calls[1].request == {"RoleName": "churn-retraining-eu-west-1", "PermissionsBoundary": BOUNDARY}


def test_a_role_that_has_it_is_left_alone():
    assert ROLE.differences(wanted(BOUNDED), described(BOUNDARY)) == ()
    assert ROLE.differences(wanted(PLACE), described(BOUNDARY)) == ()
