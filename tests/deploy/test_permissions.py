"""Least privilege, both ways: what the loop calls is allowed to the role it runs under, and what is allowed is called,
or has a reason.

The calls are recorded by a botocore hook while the loop's tests run (tests/permissions/iam_recorder.py) and kept in
recorded.json; what AWS's services call by themselves follows from templates and pipelines (iam_implied.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import iam_implied as implied
import iam_policies as policies
import iam_recorder
import iam_requests as requests
import pytest
import yaml
from iam_policies import Request
from iam_templates import ACCOUNT, REGION, Stack

from deploy import streams

FOLDER = Path(requests.__file__).parent
CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/c1"
ROLES = iam_recorder.ROLES | {"codepipeline": "CodePipelineRole", "events": "EventsRole"}
SOURCES = {
    "CodeConnections": {"ConnectionArn": CONNECTION},
    "CodeCommit": {"CodeCommitRepository": "churn-model"},
}


def baseline(source: str) -> Stack:
    return Stack("baseline", SOURCES[source] | {"StageAccountIds": requests.STAGE_ACCOUNT})


def delivery(source: str, stack: Stack) -> Stack:
    repository = {"FullRepositoryId": "churn-model" if source == "CodeCommit" else "acme/churn-model"}
    return Stack("cicd", stack.outputs() | {"SourceProvider": source, "ConnectionArn": CONNECTION} | repository)


def recorded() -> dict[str, list[Request]]:
    found = json.loads((FOLDER / "recorded.json").read_text(encoding="utf-8"))
    return {
        actor: [
            Request(action, each["resource"], each.get("context", {})) for action, rows in made.items() for each in rows
        ]
        for actor, made in found.items()
    }


def asked(source: str, stack: Stack) -> dict[str, list[Request]]:
    """All requests by who makes them."""
    cicd, outputs, made = delivery(source, stack), stack.outputs(), recorded()
    return {
        "build": [*made["build"], *implied.codebuild(cicd, outputs["BuildRoleArn"])],
        "release": [*made["release"], *implied.codebuild(cicd, outputs["ReleaseRoleArn"])],
        "test": [*made.get("test", []), *implied.codebuild(cicd, outputs["TestRoleArn"])],
        "execution": [*made["execution"], *implied.execution()],
        "codepipeline": list(implied.codepipeline(cicd)),
        "events": list(implied.events(cicd)),
        "function": made["function"],
    }


def allowed(stack: Stack) -> dict[str, list[dict]]:
    """Statements by who they are for. Functions' roles are made by deployments, within the boundary."""
    boundary = stack.properties("Boundary")["PolicyDocument"]["Statement"]
    return {actor: policies.statements(stack, role) for actor, role in ROLES.items()} | {"function": boundary}


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_called_is_allowed(source):
    stack = baseline(source)
    statements = allowed(stack)
    denied = {
        f"{actor}: {each.action} on {each.resource} {dict(each.context) or ''}".rstrip()
        for actor, requested in asked(source, stack).items()
        for each in requested
        if not policies.allows(statements[actor], each)
    }
    assert not denied, "\n".join(sorted(denied))


def test_what_is_allowed_is_called_or_has_a_reason():
    reasons = yaml.safe_load((FOLDER / "unused.yml").read_text(encoding="utf-8")) or {}
    unused: dict[str, set[str]] = {}
    for source in SOURCES:
        stack = baseline(source)
        called = {actor: {each.action for each in made} for actor, made in asked(source, stack).items()}
        for actor, statements in allowed(stack).items():
            unused.setdefault(actor, set()).update({a for a, _ in policies.actions(statements)} - called[actor])
    found = {actor: sorted(each) for actor, each in unused.items() if each}
    assert {actor: sorted(each) for actor, each in reasons.items()} == found
    assert all(len(reason) > 10 for each in reasons.values() for reason in each.values())


def test_a_job_that_collects_scores_may_do_that_and_no_more_by_the_lakes_policy():
    """It runs under the baseline's role, to which the lake's stack adds what is the lake's."""
    assert "RetrainingPolicy" not in Stack("lake").resources
    lake = Stack("lake", {"JobRole": requests.EXECUTION})
    policy = lake.properties("RetrainingPolicy")
    assert policy["Roles"] == [requests.EXECUTION]
    statements = policy["PolicyDocument"]["Statement"]
    scores = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{streams.scores_table('fraud')}"
    key = lake.outputs()["KeyArn"]
    by_table = {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"}
    called = [
        Request("dynamodb:Query", f"{scores}/index/{streams.BY_DAY}", {}),  # processing/fraud_recent.py
        Request("kms:Decrypt", key, by_table),  # DynamoDB, on behalf of who asks
    ]
    assert all(policies.allows(statements, each) for each in called)
    assert {action for action, _ in policies.actions(statements)} == {each.action for each in called}
    others = [
        Request("dynamodb:Query", f"{scores}/index/{streams.ALERTS_BY_DAY}", {}),
        Request("dynamodb:Query", scores, {}),
        Request("kms:Decrypt", key, {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}),
    ]
    assert not any(policies.allows(statements, each) for each in others)


def test_every_step_of_the_pipelines_says_what_it_calls():
    assert implied.steps() - set(implied.STEPS) == set()


@pytest.mark.parametrize(
    "name", ["baseline", "cicd", "lake", "monitoring", "network", "project-launch", "project", "streaming"]
)
def test_no_wildcard_actions_and_resources_only_where_there_are_none(name):
    """Of identity policies; a key's own policy, and what a bucket denies, are about that key or bucket alone."""
    stack = Stack(name, SOURCES["CodeConnections"] | {"GitHubRepository": "acme/churn", "ToolingAccountId": ACCOUNT})
    for logical_id in [*stack.of("AWS::IAM::ManagedPolicy"), *stack.of("AWS::IAM::Role")]:
        properties = stack.properties(logical_id)
        documents = [each["PolicyDocument"] for each in properties.get("Policies", [])]
        documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        for action, statement in policies.actions(each for one in documents for each in one["Statement"]):
            assert "*" not in action, f"{logical_id}: {action}"
            if statement["Resource"] in ("*", ["*"]):
                known = [row[1] for rows in requests.table().values() for each in rows.values() for row in each
                         if row[0] == action]  # fmt: skip
                assert known == ["*"] * len(known), f"{logical_id}: {action} knows resources"


def test_a_denial_and_another_use_case_are_refused():
    """The evaluation can say no."""
    statements = allowed(baseline("CodeConnections"))
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
    describe = Request("sagemaker:DescribeEndpoint", f"{arn}:endpoint/churn-staging", {})
    assert policies.allows(statements["test"], describe)
    assert not policies.allows(statements["test"], Request(describe.action, f"{arn}:endpoint/returns-staging", {}))
    assert not policies.allows(statements["test"], Request("sagemaker:DeleteEndpoint", describe.resource, {}))
    role = Request("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/churn-staging-retraining-{REGION}", {})
    assert not policies.allows(statements["release"], role)
    assert policies.allows(
        statements["release"], Request(role.action, role.resource, {"iam:PermissionsBoundary": requests.BOUNDARY})
    )
    passed = Request("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{requests.EXECUTION}", {})
    assert not policies.allows(statements["build"], passed)
    strict = policies.statements(Stack("baseline", {"RequireVpc": "yes"}), "ExecutionRole")
    train = Request("sagemaker:CreateTrainingJob", f"{arn}:training-job/pipelines-a-b-c", {})
    assert not policies.allows(strict, train)
    assert policies.allows(strict, Request(train.action, train.resource, {"sagemaker:VpcSubnets": "subnet-1"}))
