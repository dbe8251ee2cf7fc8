"""The registry's page on a real sagelocal: whose versions they are, how many, and what may be decided; in the end the
reviewer's journey in a browser, from the comparison to the approval and what that starts.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboard.registry import code, origin, versions
from sagelocal.config import Settings
from tests.dashboard.registry import made

Opens = Callable[..., Any]


@pytest.fixture(scope="session")
def registered(laptop: Settings) -> Settings:
    """churn: three whole versions. theirs: nothing but a package, a regression, and one whose files are gone."""
    made.bucket(laptop)
    for name in ("aa-theirs", "churn", "census"):
        made.group(laptop, name)
    made.full(laptop, "churn", "v1", 0.7)
    made.full(laptop, "churn", "v2", 0.55, center=5.0)
    made.full(laptop, "churn", "v3", 0.75)
    made.version(laptop, "aa-theirs")
    squares = {"regression_metrics": {"rmse": {"value": 4.9217, "standard_deviation": 2.1}}}
    report = {"ContentType": "application/json", "S3Uri": made.put(laptop, "theirs/evaluation.json", squares)}
    made.version(laptop, "aa-theirs", ModelMetrics={"ModelQuality": {"Statistics": report}})
    made.version(laptop, "aa-theirs", {"Evaluation": f"s3://{laptop.bucket}/gone.json", "AveragePrecision": "0.5"})
    return laptop


def texts(shown: Any) -> str:
    every = (*shown.markdown, *shown.info, *shown.success, *shown.error, *shown.warning, *shown.caption)
    return "\n".join(each.value.replace("\\", "") for each in every)


def button(shown: Any, label: str) -> Any:
    return next(each for each in shown.button if each.label == label)


def test_versions_of_use_cases_come_first_and_newest_first(registered: Settings, app_test: Opens) -> None:
    shown = app_test("registry", group="churn").run()
    assert shown.selectbox(key="registry-group").options[:3] == ["census", "churn", "aa-theirs"]
    table = shown.dataframe[0].value
    assert list(table["version"]) == [3, 2, 1]
    assert list(table["approval"]) == [["Waiting"]] * 3
    assert table["metrics"][1] == "AveragePrecision 0.5500 (≥ 0.6)"


def test_a_group_without_versions_says_what_to_run(registered: Settings, app_test: Opens) -> None:
    shown = app_test("registry", group="census").run()
    assert [each.value for each in shown.code] == ["mlops run census"]


def test_pages_go_on_where_the_one_before_ended(
    registered: Settings, app_test: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "PAGE", 2)
    shown = app_test("registry", group="aa-theirs").run()
    assert list(shown.dataframe[0].value["version"]) == [3, 2]
    button(shown, "Older").click()
    shown.run()
    assert list(shown.dataframe[0].value["version"]) == [1]
    assert [each.label for each in shown.button] == ["Newest"]


def test_a_version_of_other_people_is_shown_as_far_as_it_is_known(registered: Settings, app_test: Opens) -> None:
    shown = app_test("registry", group="aa-theirs", version="2", against="1").run()
    assert list(shown.table[0].value["Version 2"]) == [r"4\.9217"]
    assert "It starts nothing: no rule of this account listens." in texts(shown)

    shown = app_test("registry", group="aa-theirs", version="1", part="Code").run()
    assert "Nothing is known" not in texts(shown) and "It does not say which pipeline's execution" in texts(shown)

    shown = app_test("registry", group="aa-theirs", version="3").run()
    assert f"evaluation s3://{registered.bucket}/gone.json is gone" in texts(shown)


def test_a_version_that_is_not_there_is_said(registered: Settings, app_test: Opens) -> None:
    shown = app_test("registry", group="churn", version="77").run()
    assert [each.value for each in shown.warning] == ["The group churn has no version 77."]


def test_what_speaks_against_a_version_is_beside_its_decision(registered: Settings, app_test: Opens) -> None:
    shown = app_test("registry", argv=("--target", "aws"), group="churn", version="2").run()
    said = texts(shown)
    assert "It starts nothing: no rule of this account listens." in said  # asking so is no change
    assert [each.label for each in shown.button if each.disabled] == ["Approve …", "Reject …"]
    assert "It failed its gate: AveragePrecision is 0.55, and has to be 0.6 at least." in said
    assert "worse, their 95 % intervals are apart" in said


def test_a_rejection_needs_a_reason_and_keeps_it(registered: Settings, app_test: Opens) -> None:
    shown = app_test("registry", group="churn", version="2").run()
    button(shown, "Reject …").click()
    shown.run()
    answer(shown, "Reject")
    assert shown.error[-1].value == "A rejection needs a reason: whoever made the version reads it."
    sagemaker, arn = made.client(registered, "sagemaker"), registered_arn(registered, 2)
    assert sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "PendingManualApproval"

    shown.text_area(key="decision-reason").input("worse than\nwhat serves")
    answer(shown, "Reject")
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Rejected", "worse than what serves")
    assert "worse than what serves" in texts(shown)

    button(shown, "Change the reason …").click()
    shown.run()
    shown.text_area(key="decision-reason").input("much worse")
    button(shown, "Change the reason …").click()
    button(shown, "Keep version 2's reason").click()
    shown.run()
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Rejected", "much worse")


def answer(shown: Any, decision: str) -> None:
    """Confirms, with the button that opened the dialog held: an AppTest runs the whole page, which opens it anew."""
    button(shown, f"{decision} …").click()
    button(shown, f"{decision} version 2").click()
    shown.run()


def registered_arn(settings: Settings, version: int) -> str:
    return f"arn:aws:sagemaker:{settings.region}:{settings.account}:model-package/churn/{version}"


def test_the_source_of_two_versions_is_compared_file_by_file(
    registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin.account, "client", lambda service: made.client(registered, service))
    for folder, text in (("aaa", "a = 1\n"), ("bbb", "a = 2\n")):
        made.put(registered, f"code/training/churn/{folder}/churn.py", text.encode())
    made.put(registered, "code/training/churn/bbb/model.bin", b"\xff\xfe\x00")
    before, now = (origin.bundle(f"s3://{registered.bucket}/code/training/churn/{each}/") for each in ("aaa", "bbb"))
    found = code.differences(before, now)
    assert found["churn.py"].splitlines()[-2:] == ["-a = 1", "+a = 2"]
    assert found["model.bin"] == "No text, or too large to compare."
    with pytest.raises(LookupError, match="nothing at .*ccc/ any more"):
        origin.bundle(f"s3://{registered.bucket}/code/training/churn/ccc/")


RULE = {
    "source": ["aws.sagemaker"],
    "detail-type": ["SageMaker Model Package State Change"],
    "detail": {"ModelPackageGroupName": ["census", "churn"], "ModelApprovalStatus": ["Approved"]},
}


def action(name: str, category: str, provider: str, **more: Any) -> dict[str, Any]:
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "actions": [{"name": name, "actionTypeId": kind, **more}]}


@pytest.fixture(scope="session")
def delivered(registered: Settings) -> Settings:
    """With a deploy pipeline that an approval of churn starts, as the cicd stack has it."""
    laptop = registered
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("README.md", "")
    made.put(laptop, "source.zip", archive.getvalue())
    where = {"S3Bucket": laptop.bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
    source = action("Source", "Source", "S3", configuration=where, outputArtifacts=[{"name": "Source"}])
    pipeline = {
        "name": "release-approved",
        "roleArn": laptop.role_arn,
        "artifactStore": {"type": "S3", "location": laptop.bucket},
        "pipelineType": "V2",
        "variables": [{"name": "ModelPackageArn"}],
        "stages": [source, action("Approve", "Approval", "Manual")],
    }
    made.client(laptop, "codepipeline").create_pipeline(pipeline=pipeline)
    events = made.client(laptop, "events")
    events.put_rule(Name="mlops-model-approved", EventPattern=json.dumps(RULE))
    arn = f"arn:aws:codepipeline:{laptop.region}:{laptop.account}:release-approved"
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

    page.goto(f"{address}/registry?group=churn&version=3")
    expect(
        page.get_by_text("Version 3's average precision is 0.7500, that of version 2 0.5500: better")
    ).to_be_visible()
    expect(page.get_by_text("It starts release-approved: an approval by hand.")).to_be_visible()
    page.get_by_role("tab", name="Data").click()
    expect(page.get_by_text("1 of 2 features moved since version 2")).to_be_visible()
    page.get_by_role("button", name="Approve …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It starts release-approved: an approval by hand.")).to_be_visible()
    dialog.get_by_role("textbox", name="Reason").fill("better where it counts,\nand nothing else moved")
    shoot(page, "approve", full=False)
    dialog.get_by_role("button", name="Approve version 3").click()
    expect(page.get_by_text("better where it counts, and nothing else moved")).to_be_visible()
    expect(page.get_by_text("It is approved already")).to_be_visible()
    shoot(page, "approved")

    arn = registered_arn(delivered, 3)
    found = made.client(delivered, "sagemaker").describe_model_package(ModelPackageName=arn)
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["ApprovalDescription"] == "better where it counts, and nothing else moved"
    assert variables(delivered) == [{"name": "ModelPackageArn", "resolvedValue": found["ModelPackageArn"]}]


def variables(settings: Settings) -> list[dict[str, str]]:
    """Of the deploy pipeline's only execution, once the event has come."""
    client = made.client(settings, "codepipeline")
    for _ in range(100):
        if started := client.list_pipeline_executions(pipelineName="release-approved")["pipelineExecutionSummaries"]:
            identifier = started[0]["pipelineExecutionId"]
            found = client.get_pipeline_execution(pipelineName="release-approved", pipelineExecutionId=identifier)
            return list(found["pipelineExecution"]["variables"])
        time.sleep(0.1)
    raise AssertionError("The approval started nothing within 10 seconds.")
