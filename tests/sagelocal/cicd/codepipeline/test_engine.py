"""Executions through stages: order, modes, variables, approvals, failures and what follows them."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION
from sagelocal.store import Closed
from tests.sagelocal.cicd.codepipeline.conftest import approval, build, source, stage

App = Any  # conftest's Laptop
CloneOf = Any  # conftest's Clone
TWO = (stage("Build", build("Build")), stage("Deploy", build("Deploy")))


def test_a_commit_goes_through_build_and_approval_with_its_variables(app: App, clone: CloneOf) -> None:
    app.builds.outcomes["build"] = {"exportedEnvironmentVariables": [{"name": "SUMMARY", "value": 'say "yes"'}]}
    given = json.dumps([{"name": "WHAT", "value": "#{variables.What}: #{Src.CommitMessage}", "type": "PLAINTEXT"}])
    texts = {
        "NotificationArn": "arn:t",
        "CustomData": "#{Build.SUMMARY}",
        "ExternalEntityLink": "http://x/#{Src.CommitId}",
    }
    app.pipeline(
        stage(
            "Build", build("Build", configuration={"EnvironmentVariables": given}, outputArtifacts=[{"name": "Out"}])
        ),
        stage("Approve", approval(configuration=texts)),
        variables=[{"name": "What", "defaultValue": "none"}],
    )
    head = clone.commit("b.py", message='a "quoted"\nmessage')
    clone.push()
    execution = app.begin(variables=[{"name": "What", "value": "churn"}])
    app.answer(execution)
    app.becomes(execution, "Succeeded")

    (order,) = app.builds.orders
    assert order.variables == [{"name": "WHAT", "value": 'churn: a "quoted"\nmessage', "type": "PLAINTEXT"}]
    assert (order.inputs[0].name, order.inputs[0].commit, order.primary) == ("Code", head, "Code")
    assert order.inputs[0].s3 in app.s3.content
    assert order.outputs["Out"].startswith("s3://artifacts/p/Out/")
    asked = app.details(execution, "Approve")
    assert asked["input"]["resolvedConfiguration"]["CustomData"] == 'say "yes"'
    assert asked["output"]["executionResult"]["externalExecutionSummary"] == "seen"
    built = app.details(execution, "Build")
    assert built["output"]["outputVariables"] == {"SUMMARY": 'say "yes"'}
    assert built["output"]["executionResult"]["externalExecutionId"] == "build:0"
    (told,) = app.topics.told
    assert told["approval"]["customData"] == 'say "yes"'
    assert told["approval"]["externalEntityLink"] == f"http://x/{head}"
    (summary,) = app.ask("ListPipelineExecutions", pipelineName="p")["pipelineExecutionSummaries"]
    assert summary["sourceRevisions"][0]["revisionId"] == head
    assert summary["trigger"]["triggerType"] == "StartPipelineExecution"


def test_a_repository_is_cloned_when_its_artifact_is_a_reference(app: App, clone: CloneOf) -> None:
    declaration = [stage("Source", source(OutputArtifactFormat="CODEBUILD_CLONE_REF")), stage("Build", build())]
    app.pipeline(stages=declaration)
    app.becomes(app.begin(), "Succeeded")
    given = app.builds.orders[0].inputs[0]
    assert (given.s3, given.repository) == ("", "local/r")


def test_a_failed_build_is_told_with_its_phase_and_its_last_words(app: App, clone: CloneOf) -> None:
    context = {"statusCode": "COMMAND_EXECUTION_ERROR", "message": "Error while executing command: make test."}
    phases = [
        {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"},
        {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [context]},
    ]
    app.builds.outcomes["build"] = {"buildStatus": "FAILED", "phases": phases}
    app.builds.log = (
        "[Container] 1 Running command make test\nAverage precision 0.4 is below 0.6\n\n"
        "[Container] 2 Command did not exit successfully make test exit status 2\n[Container] 3 Phase complete: BUILD\n"
    )
    app.pipeline(*TWO)
    execution = app.begin()
    app.becomes(execution, "Failed")
    result = app.details(execution, "Build")["output"]["executionResult"]
    assert result["errorDetails"]["code"] == "JobFailed"
    first, *words = result["errorDetails"]["message"].split("\n")
    assert first == result["externalExecutionSummary"]
    assert "Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: make test." in first
    assert words == ["Average precision 0.4 is below 0.6"]
    assert len(app.builds.orders) == 1
    states = {one["stageName"]: one for one in app.ask("GetPipelineState", name="p")["stageStates"]}
    assert states["Build"]["latestExecution"]["status"] == "Failed"
    assert "latestExecution" not in states["Deploy"]


def test_one_run_order_runs_together_and_a_failure_waits_for_the_others(app: App, clone: CloneOf) -> None:
    app.builds.held = {"a", "b"}
    app.pipeline(stage("Build", build("a"), build("b"), build("c", runOrder=2)))
    execution = app.begin()
    first, second = app.built(execution, "a"), app.built(execution, "b")
    app.builds.finish(first, buildStatus="FAILED")
    app.action(execution, "a", "Failed")
    assert app.status(execution) == "InProgress"
    app.builds.finish(second)
    app.becomes(execution, "Failed")
    assert {order.project for order in app.builds.orders} == {"a", "b"}


def test_later_executions_overtake_those_that_wait(app: App, clone: CloneOf) -> None:
    app.builds.held = {"deploy"}
    app.pipeline(*TWO)
    first = app.begin()
    build_of_first = app.built(first, "Deploy")
    second = app.begin()
    app.action(second, "Build", "Succeeded")
    third = app.begin()
    app.becomes(second, "Superseded")
    app.action(third, "Build", "Succeeded")
    state = app.ask("GetPipelineState", name="p")["stageStates"][2]
    assert state["latestExecution"]["pipelineExecutionId"] == first
    assert state["inboundExecution"]["pipelineExecutionId"] == third
    app.builds.finish(build_of_first)
    app.builds.finish(app.built(third, "Deploy"))
    app.becomes(first, "Succeeded")
    app.becomes(third, "Succeeded")


def test_queued_executions_go_one_after_another(app: App, clone: CloneOf) -> None:
    app.builds.held = {"deploy"}
    app.pipeline(*TWO, executionMode="QUEUED")
    executions = [app.begin() for _ in range(3)]
    for execution in executions:
        app.action(execution, "Build", "Succeeded")  # so each is at the door of the stage
    for number, execution in enumerate(executions):
        build = app.built(execution, "Deploy")
        in_stage = [one for one in executions if "Deploy" in app.store.get(EXECUTION, one)["_stages"]]
        assert in_stage == executions[: number + 1]
        app.builds.finish(build)
        app.becomes(execution, "Succeeded")


def test_parallel_executions_do_not_wait_and_are_approved_by_their_own_id(app: App, clone: CloneOf) -> None:
    app.pipeline(stage("Approve", approval()), executionMode="PARALLEL")
    first, second = app.begin(), app.begin()
    app.action(first, "Approve")
    app.action(second, "Approve")
    shown = app.ask("GetPipelineState", name="p")["stageStates"][1]["actionStates"][0]["latestExecution"]
    assert "token" not in shown
    token = app.details(first, "Approve")["output"]["executionResult"]["externalExecutionId"]
    app.answer(first, token=token)
    app.becomes(first, "Succeeded")
    assert app.status(second) == "InProgress"


@pytest.mark.parametrize(("status", "ends"), [("Approved", "Succeeded"), ("Rejected", "Failed")])
def test_an_approval_is_answered_once_with_its_own_token(app: App, clone: CloneOf, status: str, ends: str) -> None:
    app.pipeline(stage("Approve", approval()))
    execution = app.begin()
    token = app.action(execution, "Approve")["_token"]
    with pytest.raises(AwsError, match="InvalidApprovalTokenException"):
        app.answer(execution, token="00000000-0000-0000-0000-000000000000")
    app.answer(execution, status)
    app.becomes(execution, ends)
    again = {"pipelineName": "p", "stageName": "Approve", "actionName": "Approve", "token": token}
    with pytest.raises(AwsError, match="ApprovalAlreadyCompletedException"):
        app.ask("PutApprovalResult", result={"status": "Approved", "summary": ""}, **again)
    if status == "Rejected":
        error = app.details(execution, "Approve")["output"]["executionResult"]["errorDetails"]
        assert error["message"].endswith("sagelocal-execution: seen")


def test_an_approval_that_nobody_answers_in_time_fails(
    app: App, clone: CloneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagelocal.cicd.codepipeline.actions.approval.time", SimpleNamespace(time=lambda: 9e9))
    app.pipeline(stage("Approve", approval(timeoutInMinutes=5)))
    execution = app.begin()
    app.becomes(execution, "Failed")
    assert "timed out" in app.details(execution, "Approve")["output"]["executionResult"]["errorDetails"]["message"]


def test_an_answer_counts_until_the_approval_expires_and_none_is_taken_after(app: App, clone: CloneOf) -> None:
    app.pipeline(stage("Approve", approval(timeoutInMinutes=5, configuration={"NotificationArn": "arn:t"})))
    late, last = app.begin(), app.begin()
    waiting = app.action(late, "Approve")["actionExecutionId"]
    app.store.wait(ACTION, waiting, lambda one: one.get("_notified"), timeout=10)  # else it sees the new time
    app.store.update(ACTION, waiting, {"_expires": app.now()})
    with pytest.raises(AwsError, match="the request has expired"):
        app.answer(late)
    app.ask("StopPipelineExecution", pipelineName="p", pipelineExecutionId=late, abandon=True)
    work = app.action(last, "Approve")
    app.answer(last)
    app.becomes(last, "Succeeded")
    assert work["_expires"] == work["startTime"] + 300


def test_stopping_lets_what_runs_end_and_starts_nothing_more(app: App, clone: CloneOf) -> None:
    app.builds.held = {"build"}
    app.pipeline(*TWO)
    execution = app.begin()
    running = app.built(execution, "Build")
    stop = {"pipelineName": "p", "pipelineExecutionId": execution}
    app.ask("StopPipelineExecution", **stop, reason="wrong branch")
    assert app.status(execution) == "Stopping"
    with pytest.raises(AwsError, match="DuplicatedStopRequestException"):
        app.ask("StopPipelineExecution", **stop)
    app.builds.finish(running)
    app.becomes(execution, "Stopped")
    with pytest.raises(AwsError, match="PipelineExecutionNotStoppableException"):
        app.ask("StopPipelineExecution", **stop)
    (summary,) = app.ask("ListPipelineExecutions", pipelineName="p")["pipelineExecutionSummaries"]
    assert summary["stopTrigger"] == {"reason": "wrong branch"}
    assert [order.project for order in app.builds.orders] == ["build"]


def test_abandoning_ends_at_once(app: App, clone: CloneOf) -> None:
    app.builds.held = {"build"}
    app.pipeline(*TWO)
    execution = app.begin()
    running = app.built(execution, "Build")
    app.ask("StopPipelineExecution", pipelineName="p", pipelineExecutionId=execution, abandon=True)
    assert app.status(execution) == "Stopped"
    assert app.action(execution, "Build", "Abandoned")
    app.builds.finish(running)
    assert app.status(execution) == "Stopped"


@pytest.mark.parametrize(("mode", "builds"), [("FAILED_ACTIONS", "aab"), ("ALL_ACTIONS", "aabb")])
def test_a_failed_stage_is_retried(app: App, clone: CloneOf, mode: str, builds: str) -> None:
    app.builds.outcomes["a"] = {"buildStatus": "FAILED"}
    app.pipeline(stage("Build", build("a"), build("b")))
    execution = app.begin()
    app.becomes(execution, "Failed")
    app.builds.outcomes.clear()
    retry = {"pipelineName": "p", "pipelineExecutionId": execution, "retryMode": mode}
    app.ask("RetryStageExecution", stageName="Build", **retry)
    app.becomes(execution, "Succeeded")
    assert "".join(sorted(order.project for order in app.builds.orders)) == builds
    state = app.ask("GetPipelineState", name="p")["stageStates"][1]
    assert state["retryStageMetadata"] == {"manualStageRetryAttempt": 1, "latestRetryTrigger": "ManualStageRetry"}
    with pytest.raises(AwsError, match="StageNotRetryableException"):
        app.ask("RetryStageExecution", stageName="Build", **retry)


def test_only_the_latest_execution_of_a_stage_is_retried(app: App, clone: CloneOf) -> None:
    app.builds.outcomes["build"] = {"buildStatus": "FAILED"}
    app.pipeline(*TWO)
    first = app.begin()
    app.becomes(first, "Failed")
    app.becomes(app.begin(), "Failed")
    with pytest.raises(AwsError, match="NotLatestPipelineExecutionException"):
        app.ask(
            "RetryStageExecution",
            pipelineName="p",
            pipelineExecutionId=first,
            stageName="Build",
            retryMode="ALL_ACTIONS",
        )


def test_a_stage_retries_itself_once(app: App, clone: CloneOf) -> None:
    app.builds.outcomes["build"] = {"buildStatus": "FAILED"}
    app.pipeline(stage("Build", build(), onFailure={"result": "RETRY"}))
    app.becomes(app.begin(), "Failed")
    assert len(app.builds.orders) == 2


def test_a_failed_stage_gets_back_what_the_last_good_execution_brought(app: App, clone: CloneOf) -> None:
    app.pipeline(stage("Build", build()), stage("Deploy", build("Deploy"), onFailure={"result": "ROLLBACK"}))
    good = app.begin()
    app.becomes(good, "Succeeded")
    app.builds.outcomes["deploy"] = {"buildStatus": "FAILED"}
    clone.commit("b.py")
    clone.push()
    bad = app.begin()
    app.becomes(bad, "Failed")
    newest = app.ask("ListPipelineExecutions", pipelineName="p")["pipelineExecutionSummaries"][0]
    assert newest["executionType"] == "ROLLBACK"
    assert newest["trigger"] == {"triggerType": "AutomatedRollback", "triggerDetail": bad}
    assert newest["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": good}
    app.becomes(newest["pipelineExecutionId"], "Failed")  # the build fails again: there is no rollback of a rollback
    orders = [order for order in app.builds.orders if order.project == "deploy"]
    assert [order.inputs[0].commit for order in orders[::2]] == [orders[0].inputs[0].commit] * 2
    assert orders[1].inputs[0].commit != orders[0].inputs[0].commit


def test_a_person_rolls_a_stage_back(app: App, clone: CloneOf) -> None:
    app.pipeline(*TWO)
    first, second = app.begin(), app.begin()
    app.becomes(first, "Succeeded")
    app.becomes(second, "Succeeded")
    back = app.ask("RollbackStage", pipelineName="p", stageName="Deploy", targetPipelineExecutionId=first)
    app.becomes(back["pipelineExecutionId"], "Succeeded")
    assert [order.project for order in app.builds.orders].count("deploy") == 3
    with pytest.raises(AwsError, match="UnableToRollbackStageException"):
        app.ask("RollbackStage", pipelineName="p", stageName="Source", targetPipelineExecutionId=first)


def test_a_closed_transition_holds_executions_back(app: App, clone: CloneOf) -> None:
    app.pipeline(*TWO)
    door = {"pipelineName": "p", "stageName": "Deploy", "transitionType": "Inbound"}
    app.ask("DisableStageTransition", **door, reason="freeze")
    execution = app.begin()
    app.action(execution, "Build", "Succeeded")
    state = app.ask("GetPipelineState", name="p")["stageStates"][2]
    assert state["inboundTransitionState"]["disabledReason"] == "freeze"
    assert state["inboundExecution"]["pipelineExecutionId"] == execution
    app.ask("EnableStageTransition", **door)
    app.becomes(execution, "Succeeded")


def test_a_variable_that_a_build_did_not_export_fails_the_action_by_name(app: App, clone: CloneOf) -> None:
    app.pipeline(stage("Build", build()), stage("Approve", approval(configuration={"CustomData": "#{Build.SUMMARY}"})))
    execution = app.begin()
    app.becomes(execution, "Failed")
    message = app.details(execution, "Approve")["output"]["executionResult"]["errorDetails"]["message"]
    assert "#{Build.SUMMARY}" in message


def test_a_start_takes_a_revision_and_is_the_same_for_the_same_token(app: App, clone: CloneOf) -> None:
    old = clone.git("rev-parse", "HEAD").stdout.strip()
    clone.commit("b.py")
    clone.push()
    app.pipeline(*TWO)
    revision = {"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": old}
    execution = app.begin(sourceRevisions=[revision], clientRequestToken="t-1")
    assert app.begin(clientRequestToken="t-1") == execution
    app.becomes(execution, "Succeeded")
    assert app.builds.orders[0].inputs[0].commit == old
    with pytest.raises(AwsError, match="has no source action Other"):
        app.begin(sourceRevisions=[revision | {"actionName": "Other"}])
    with pytest.raises(AwsError, match="has no variable X"):
        app.begin(variables=[{"name": "X", "value": "1"}])


def test_a_commit_that_is_not_there_fails_the_source(app: App) -> None:
    app.pipeline(*TWO)
    execution = app.begin()
    app.becomes(execution, "Failed")
    error = app.details(execution, "Source")["output"]["executionResult"]["errorDetails"]
    assert error["message"] == "The repository r has no refs/heads/main: push it first."


def test_an_execution_keeps_its_version_and_a_deleted_pipeline_is_gone(app: App, clone: CloneOf) -> None:
    app.builds.held = {"build"}
    app.pipeline(*TWO)
    execution = app.begin()
    running = app.built(execution, "Build")
    declared = app.ask("GetPipeline", name="p")["pipeline"]
    declared["stages"].pop()
    assert app.ask("UpdatePipeline", pipeline=declared)["pipeline"]["version"] == 2
    assert len(app.ask("GetPipeline", name="p", version=1)["pipeline"]["stages"]) == 3
    app.builds.finish(running)
    app.becomes(execution, "Succeeded")
    assert [order.project for order in app.builds.orders] == ["build", "deploy"]
    app.ask("DeletePipeline", name="p")
    with pytest.raises(AwsError, match="PipelineNotFoundException"):
        app.ask("GetPipelineState", name="p")


def test_a_kill_at_any_commit_loses_and_repeats_nothing(app: App, clone: CloneOf) -> None:
    app.pipeline(stage("Build", build(outputArtifacts=[{"name": "Out"}])), stage("Approve", approval()))
    execution = app.begin()
    app.answer(execution)
    app.becomes(execution, "Succeeded")
    for writes in range(18):
        app.store.writes_left = writes
        with contextlib.suppress(Closed):  # whoever asked when it was killed
            app.begin(clientRequestToken=f"kill-{writes}")
            app.until(lambda: app.store.writes_left < 0 or _waits(app))
        app.restart()
        execution = app.begin(clientRequestToken=f"kill-{writes}")
        app.answer(execution)
        app.restart()
        app.becomes(execution, "Succeeded")
    builds = app.store.list("CodeBuildBuild")
    assert len(builds) == 19
    assert len({one["_token"] for one in builds}) == 19


def _waits(app: App) -> bool:
    return any(one["status"] == "InProgress" and "_token" in one for one in app.store.list(ACTION))
