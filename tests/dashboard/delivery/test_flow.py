"""What an execution, its trigger and its texts say, from small dicts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.delivery import flow
from mlops.cicd_pipelines import Action

BEGAN = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)
DECLARED: list[dict[str, Any]] = [
    {"name": name, "actions": [{"name": name, "actionTypeId": {"category": kind, "provider": kind}}]}
    for name, kind in (("Source", "Source"), ("Build", "Build"), ("Approve", "Approval"))
]


def run(stage: str, status: str, **more: Any) -> Action:
    given: dict[str, Any] = {
        "pipeline": "p",
        "execution": "e1",
        "stage": stage,
        "name": stage,
        "category": stage,
        "status": status,
        "started": BEGAN,
        "ended": BEGAN + timedelta(seconds=5),
        "configuration": {},
        "summary": "",
        "error": "",
        "build": "",
        "by": "",
        "identity": f"{stage}-1",
        "provider": "",
        "external": "",
        "variables": {},
        "artifacts": {},
    }
    return Action(**{**given, **more})


def test_stages_of_the_execution_that_is_there_now() -> None:
    state: list[dict[str, Any]] = [
        {"stageName": "Source", "latestExecution": {"pipelineExecutionId": "e1", "status": "Succeeded"}},
        {"stageName": "Build", "latestExecution": {"pipelineExecutionId": "e1", "status": "Failed"}},
        {
            "stageName": "Approve",
            "latestExecution": {"pipelineExecutionId": "e0", "status": "InProgress"},
            "inboundTransitionState": {"enabled": False, "disabledReason": "freeze"},
            "inboundExecutions": [{"pipelineExecutionId": "e1"}],
        },
    ]
    retried = [run("Build", "Failed", identity="b2"), run("Build", "Failed", identity="b1"), run("Source", "Succeeded")]
    source, build, approve = flow.stages(DECLARED, retried, state, "e1")
    assert (source.status, source.disabled, source.waiting) == ("Succeeded", None, False)
    assert [each.identity for each in build.steps[0].runs] == ["b2", "b1"]
    assert (approve.status, approve.disabled, approve.waiting) == ("", "freeze", True)
    assert (approve.other, approve.other_status) == ("e0", "InProgress")


def test_stages_of_an_old_execution_come_from_its_actions() -> None:
    state: list[dict[str, Any]] = [
        {"stageName": each["name"], "latestExecution": {"pipelineExecutionId": "e9", "status": "Succeeded"}}
        for each in DECLARED
    ]
    found = flow.stages(DECLARED, [run("Build", "Abandoned"), run("Source", "Succeeded")], state, "e1")
    assert [each.status for each in found] == ["Succeeded", "Abandoned", ""]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], ""),
        (["", ""], ""),
        (["Succeeded", "Succeeded"], "Succeeded"),
        (["Succeeded", ""], "Stopped"),
        (["Succeeded", "InProgress"], "InProgress"),
        (["Failed", "Succeeded"], "Failed"),
    ],
)
def test_a_stages_status_by_its_actions(statuses: list[str], status: str) -> None:
    assert flow.derived(statuses) == status


@pytest.mark.parametrize(
    ("kind", "detail", "said"),
    [
        ("WebhookV2", json.dumps({"reference": "refs/heads/main"}), "push to main"),
        ("WebhookV2", "no json", "push"),
        ("WebhookV2", "[]", "push"),
        ("CloudWatchEvent", "arn:aws:events:us-east-1:1:rule/mlops-model-approved", "rule mlops-model-approved"),
        ("StartPipelineExecution", "arn:aws:iam::1:user/me", "by hand (me)"),
        ("ManualRollback", "", "rollback to 0a1b2c3d"),
        ("NewSinceThen", "x", "NewSinceThen"),
    ],
)
def test_what_started_it(kind: str, detail: str, said: str) -> None:
    target = {"rollbackTargetPipelineExecutionId": "0a1b2c3d-4e5f"}
    execution = {"trigger": {"triggerType": kind, "triggerDetail": detail}, "rollbackMetadata": target}
    assert flow.trigger(execution) == said


def test_a_commit_with_its_author_where_the_source_tells_it() -> None:
    told = {"CommitId": "a" * 40, "CommitMessage": "Change\n\nwhy", "AuthorDisplayName": "Dev", "BranchName": "main"}
    found = flow.commit([run("Source", "Succeeded", variables=told)], {})
    assert found is not None
    assert (found.name, found.author, found.message, found.branch) == (
        "commit aaaaaaaa",
        "Dev",
        "Change\n\nwhy",
        "main",
    )


def test_a_commit_of_a_connection_wraps_its_message() -> None:
    wrapped = json.dumps({"ProviderType": "GitHub", "CommitMessage": "Change"})
    found = flow.commit([], {"sourceRevisions": [{"revisionId": "b" * 40, "revisionSummary": wrapped}]})
    assert found is not None
    assert (found.message, found.author) == ("Change", "")
    assert flow.commit([], {}) is None


def test_an_object_of_s3_is_no_commit() -> None:
    found = flow.commit([], {"sourceRevisions": [{"revisionId": "0a1b2c3d-4", "revisionSummary": "version"}]})
    assert found is not None
    assert found.name == "revision 0a1b2c3d"


def test_arns_in_a_text_become_names() -> None:
    place = "arn:aws:sagemaker:us-east-1:000000000000"
    text = f"{place}:model-package/churn/5,{place}:model-package/churn/5,{place}:pipeline/churn/execution/nt9knpwb9gf7"
    assert flow.packages(text) == [("churn", "5")]
    assert flow.executions(text) == [("churn", "nt9knpwb9gf7")]
    assert flow.about({"variables": [{"name": "ModelPackageArn", "resolvedValue": text}]}) == [("churn", "5")]


def test_what_follows_a_stage() -> None:
    assert (flow.following(DECLARED, "Build") or {})["name"] == "Approve"
    assert flow.following(DECLARED, "Approve") is None
    assert flow.following(DECLARED, "gone") is None
