"""Phases: which follows which, their record, and the events that they become."""

from __future__ import annotations

import pytest

from sagelocal.cicd.codebuild import events, transitions


@pytest.mark.parametrize(
    ("phase", "succeeded", "on_failure", "following"),
    [
        ("INSTALL", True, "", "PRE_BUILD"),
        ("PRE_BUILD", True, "ABORT", "BUILD"),
        ("POST_BUILD", True, "", "UPLOAD_ARTIFACTS"),
        ("INSTALL", False, "", "FINALIZING"),
        ("PRE_BUILD", False, "", "FINALIZING"),
        ("BUILD", False, "", "POST_BUILD"),
        ("BUILD", False, "RETRY", "POST_BUILD"),
        ("POST_BUILD", False, "", "UPLOAD_ARTIFACTS"),
        ("INSTALL", False, "CONTINUE", "PRE_BUILD"),
        ("BUILD", False, "ABORT", "UPLOAD_ARTIFACTS"),
        ("INSTALL", False, "ABORT", "FINALIZING"),
    ],
)
def test_which_phase_follows(phase, succeeded, on_failure, following):
    assert transitions.after(phase, succeeded, on_failure) == following


def build():
    return {
        "id": "p:1",
        "arn": "arn:aws:codebuild:us-east-1:000000000000:build/p:1",
        "buildStatus": "IN_PROGRESS",
        "buildComplete": False,
        "buildNumber": 3,
        "projectName": "p",
        "initiator": "codepipeline/x",
        "startTime": 1504282349.0,
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "source": {"type": "CODEPIPELINE"},
        "artifacts": {"location": ""},
        "logs": {"groupName": "/aws/codebuild/p", "streamName": "1", "deepLink": "https://x"},
        "environment": {
            "image": "aws/codebuild/standard:7.0",
            "privilegedMode": False,
            "computeType": "BUILD_GENERAL1_SMALL",
            "type": "LINUX_CONTAINER",
            "environmentVariables": [{"name": "A", "value": "1", "type": "PLAINTEXT"}],
        },
        "phases": [],
    }


def test_a_record_and_its_events():
    one = build()
    transitions.enter(one, "BUILD", 1504282350.0)
    before = {**one, "phases": [dict(phase) for phase in one["phases"]]}
    context = {"statusCode": "COMMAND_EXECUTION_ERROR", "message": "Error while executing command: a. Reason: …"}
    transitions.leave(one, "FAILED", 1504282352.4, [context])
    assert one["phases"][0]["durationInSeconds"] == 2

    ((kind, resources, detail),) = events.phase_changes(before, one)
    assert (kind, resources) == ("CodeBuild Build Phase Change", [one["arn"]])
    assert (detail["completed-phase"], detail["completed-phase-status"]) == ("BUILD", "FAILED")
    assert detail["completed-phase-start"] == "Sep 1, 2017 4:12:30 PM"
    assert detail["completed-phase-context"] == (
        "[COMMAND_EXECUTION_ERROR: Error while executing command: a. Reason: …]"
    )
    assert events.phase_changes(one, one) == []

    transitions.complete(one, "FAILED", 1504282353.0)
    assert (one["currentPhase"], one["buildStatus"], one["endTime"]) == ("COMPLETED", "FAILED", 1504282353.0)
    assert "phaseStatus" not in one["phases"][-1], "AWS gives the last entry none"
    kind, _, detail = events.state_change(before, one)
    assert (kind, detail["build-status"], detail["build-id"]) == ("CodeBuild Build State Change", "FAILED", one["arn"])
    more = detail["additional-information"]
    assert (more["initiator"], more["build-number"], more["build-complete"]) == ("codepipeline/x", 3, True)
    assert more["logs"]["group-name"] == "/aws/codebuild/p"
    assert [phase["phase-type"] for phase in more["phases"]] == ["BUILD", "COMPLETED"]
