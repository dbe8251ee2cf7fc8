"""The reviewer's journey in a browser: from the list to the comparison to the approval, and what that starts."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelocal.config import Settings
from tests.dashboard.registry import made

RULE = {
    "source": ["aws.sagemaker"],
    "detail-type": ["SageMaker Model Package State Change"],
    "detail": {"ModelPackageGroupName": ["census", "churn"], "ModelApprovalStatus": ["Approved"]},
}


def action(name: str, category: str, provider: str, **more: Any) -> dict[str, Any]:
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "actions": [{"name": name, "actionTypeId": kind, **more}]}


@pytest.fixture(scope="module")
def delivered(laptop: Settings) -> Settings:
    """Two versions of churn, and a deploy pipeline that an approval starts, as the cicd stack has it."""
    made.bucket(laptop)
    made.group(laptop, "churn")
    made.full(laptop, "churn", "v1", 0.62)
    made.full(laptop, "churn", "v2", 0.7, center=5.0)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("README.md", "")
    made.put(laptop, "source.zip", archive.getvalue())
    where = {"S3Bucket": laptop.bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
    source = action("Source", "Source", "S3", configuration=where, outputArtifacts=[{"name": "Source"}])
    pipeline = {
        "name": "mlops-deploy",
        "roleArn": laptop.role_arn,
        "artifactStore": {"type": "S3", "location": laptop.bucket},
        "pipelineType": "V2",
        "variables": [{"name": "ModelPackageArn"}],
        "stages": [source, action("Approve", "Approval", "Manual")],
    }
    made.client(laptop, "codepipeline").create_pipeline(pipeline=pipeline)
    events = made.client(laptop, "events")
    events.put_rule(Name="mlops-model-approved", EventPattern=json.dumps(RULE))
    arn = f"arn:aws:codepipeline:{laptop.region}:{laptop.account}:mlops-deploy"
    template = {
        "InputPathsMap": {"package": "$.detail.ModelPackageArn"},
        "InputTemplate": '{"variables": [{"name": "ModelPackageArn", "value": <package>}]}',
    }
    target = {"Id": "deploy", "Arn": arn, "RoleArn": laptop.role_arn, "InputTransformer": template}
    events.put_targets(Rule="mlops-model-approved", Targets=[target])
    return laptop


def test_compare_and_approve(delivered: Settings, address: str, page: Any, shoot: Callable[..., Path]) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)  # a machine that is busy with other tests

    page.goto(f"{address}/registry?group=churn&version=2")
    expect(
        page.get_by_text("Version 2's average precision is 0.7000, that of version 1 0.6200: better")
    ).to_be_visible()
    expect(page.get_by_text("It starts mlops-deploy: an approval by hand.")).to_be_visible()
    page.get_by_role("tab", name="Data").click()
    expect(page.get_by_text("1 of 2 features moved since version 1")).to_be_visible()
    page.get_by_role("button", name="Approve …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It starts mlops-deploy: an approval by hand.")).to_be_visible()
    dialog.get_by_role("textbox", name="Reason").fill("better where it counts,\nand nothing else moved")
    shoot(page, "approve", full=False)
    dialog.get_by_role("button", name="Approve version 2").click()
    expect(page.get_by_text("better where it counts, and nothing else moved")).to_be_visible()
    expect(page.get_by_text("It is approved already")).to_be_visible()
    shoot(page, "approved")

    found = made.client(delivered, "sagemaker").describe_model_package(
        ModelPackageName=f"arn:aws:sagemaker:{delivered.region}:{delivered.account}:model-package/churn/2"
    )
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["ApprovalDescription"] == "better where it counts, and nothing else moved"
    assert variables(delivered) == [{"name": "ModelPackageArn", "resolvedValue": found["ModelPackageArn"]}]


def variables(settings: Settings) -> list[dict[str, str]]:
    """Of the deploy pipeline's only execution, once the event has come."""
    client = made.client(settings, "codepipeline")
    for _ in range(100):
        if started := client.list_pipeline_executions(pipelineName="mlops-deploy")["pipelineExecutionSummaries"]:
            identifier = started[0]["pipelineExecutionId"]
            found = client.get_pipeline_execution(pipelineName="mlops-deploy", pipelineExecutionId=identifier)
            return list(found["pipelineExecution"]["variables"])
        time.sleep(0.1)
    raise AssertionError("The approval started nothing within 10 seconds.")
