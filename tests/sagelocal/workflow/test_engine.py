"""Executions, step by step, with jobs that end as the test says."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from tests.sagelocal.workflow.conftest import (
    FILES,
    IMAGE,
    SCORE,
    Laptop,
    at_least,
    condition,
    deploying,
    fail,
    output,
    processing,
    training,
)  # fmt: skip


def statuses(app: Laptop, arn: str) -> dict[str, str]:
    return {name: step["StepStatus"] for name, step in app.steps(arn).items()}


def test_steps_run_in_order_with_the_values_of_those_before(app: Laptop) -> None:
    app.pipeline(
        [training("Train", {"rounds": {"Get": "Parameters.Rounds"}}, DependsOn=["Prepare"]), processing("Prepare")],
        Parameters=[{"Name": "Rounds", "Type": "Integer", "DefaultValue": 5}],
    )
    execution = app.run(PipelineParameters=[{"Name": "Rounds", "Value": "7"}])
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    arn = execution["PipelineExecutionArn"]
    assert re.fullmatch(r"execution-\d{13}", execution["PipelineExecutionDisplayName"])
    identity = arn.rsplit("/", 1)[1]
    assert re.fullmatch(r"[a-z0-9]{12}", identity)
    prepare, train = app.jobs.started
    assert re.fullmatch(rf"pipelines-{identity}-Prepare-[a-z0-9]{{10}}", prepare)
    assert app.store.get("TrainingJob", train)["HyperParameters"] == {"rounds": "7"}
    step = app.steps(arn)["Train"]
    assert step["Metadata"] == {"TrainingJob": {"Arn": app.store.get("TrainingJob", train)["TrainingJobArn"]}}
    assert (step["AttemptCount"], step["StepStatus"]) == (1, "Succeeded")
    assert step["StartTime"] <= step["EndTime"]


def test_a_gate_reads_the_report_and_registers_and_deploys(app: Laptop) -> None:
    def report() -> None:
        job = app.store.list("ProcessingJob")[-1]
        uri = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
        app.put(f"{uri}/evaluation.json", {"metrics": [{"auc": 0.84}]})

    app.jobs.held.add("Evaluate")
    app.pipeline(deploying(), Parameters=[{"Name": "Floor", "Type": "Float", "DefaultValue": 0.8}])
    arn = app.begin()
    app.step_is(arn, "Evaluate", "Executing")
    report()
    app.jobs.finish("ProcessingJob", app.jobs.started[-1])
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = app.steps(arn)
    assert steps["Gate"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert "TooLow" not in steps
    package = app.call(
        "DescribeModelPackage", {"ModelPackageName": steps["Register"]["Metadata"]["RegisterModel"]["Arn"]}
    )
    assert package["MetadataProperties"] == {"GeneratedBy": arn}
    assert package["CustomerMetadataProperties"] == {"auc": "0.84"}
    endpoint = app.call("DescribeEndpoint", {"EndpointName": "live"})
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == f"live-{arn.rsplit('/', 1)[1]}"
    assert steps["Deploy"]["Metadata"] == {"Endpoint": {"Arn": endpoint["EndpointArn"]}}


def test_an_endpoint_step_updates_an_endpoint_that_is_there(app: Laptop) -> None:
    app.jobs.held.add("Evaluate")
    app.pipeline(deploying(), Parameters=[{"Name": "Floor", "Type": "Float", "DefaultValue": 0.8}])
    for _ in range(2):
        arn = app.begin()
        app.step_is(arn, "Evaluate", "Executing")
        uri = app.store.list("ProcessingJob")[-1]["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
        app.put(f"{uri}/evaluation.json", {"metrics": [{"auc": 1}]})
        app.jobs.finish("ProcessingJob", app.jobs.started[-1])
        assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
        config = app.store.get("Endpoint", "live")["EndpointConfigName"]
        assert config == f"live-{arn.rsplit('/', 1)[1]}"
    assert len(app.store.list("Endpoint")) == 1


def test_a_fail_step_says_the_numbers(app: Laptop) -> None:
    gate = condition("Gate", [at_least(1, {"Get": "Parameters.Floor"})], [], [fail("TooLow", {"Std:Join": {
        "On": " ", "Values": ["one is below", {"Get": "Parameters.Floor"}]}})])  # fmt: skip
    app.pipeline([gate], Parameters=[{"Name": "Floor", "Type": "Float", "DefaultValue": 1.5}])
    execution = app.run()
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    step = app.steps(execution["PipelineExecutionArn"])["TooLow"]
    assert step["FailureReason"] == "one is below 1.5"
    assert step["Metadata"] == {"Fail": {"ErrorMessage": "one is below 1.5"}}


def test_after_a_failure_running_branches_finish_and_nothing_new_starts(app: Laptop) -> None:
    app.jobs.outcomes["Breaks"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: , exit code: 1"}
    app.jobs.held.add("Long")
    app.pipeline([
        processing("Long"), processing("AfterLong", DependsOn=["Long"]),
        processing("Breaks", DependsOn=["First"]), processing("First"),
    ])  # fmt: skip
    arn = app.begin()
    app.step_is(arn, "Breaks", "Failed")
    long = app.step_is(arn, "Long", "Executing")
    app.jobs.finish("ProcessingJob", long["_resource"])
    assert app.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert statuses(app, arn) == {"Long": "Succeeded", "First": "Succeeded", "Breaks": "Failed"}
    assert app.steps(arn)["Breaks"]["FailureReason"] == "ClientError: AlgorithmError: , exit code: 1"


def test_a_refused_request_fails_the_step_in_awss_words(app: Laptop) -> None:
    role = {"Get": "Parameters.Role"}
    app.pipeline(
        [processing("Prepare", arguments={"RoleArn": role})],
        Parameters=[{"Name": "Role", "Type": "String", "DefaultValue": "nonsense that is long enough"}],
    )
    arn = app.run()["PipelineExecutionArn"]
    reason = app.steps(arn)["Prepare"]["FailureReason"]
    assert reason.startswith("ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: ")
    assert "roleArn" in reason
    assert app.store.list("ProcessingJob") == []


def test_a_missing_property_file_fails_the_step_that_reads_it(app: Laptop) -> None:
    app.pipeline([processing("Evaluate", PropertyFiles=FILES), condition("Gate", [at_least(SCORE, 1)], [], [])])
    arn = app.run()["PipelineExecutionArn"]
    assert statuses(app, arn) == {"Evaluate": "Succeeded", "Gate": "Failed"}
    identity = arn.rsplit("/", 1)[1]
    assert f"Cannot read s3://bucket/{identity}/Evaluate/evaluation.json" in app.steps(arn)["Gate"]["FailureReason"]


def test_json_on_s3_without_a_property_file(app: Laptop) -> None:
    app.put("s3://bucket/config.json", {"floor": 3})
    uri = {"Std:Join": {"On": "/", "Values": ["s3://bucket", "config.json"]}}
    floor = {"Std:JsonGet": {"S3Uri": uri, "Path": "floor"}}
    app.pipeline([condition("Gate", [at_least(2, floor)], [fail("Never", "x")], [processing("Else")])])
    execution = app.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert statuses(app, execution["PipelineExecutionArn"]) == {"Gate": "Succeeded", "Else": "Succeeded"}


def test_independent_steps_run_together_within_the_limit(app: Laptop) -> None:
    names = ["A", "B", "C"]
    app.jobs.held.update(names)
    app.pipeline([processing(name) for name in names])
    arn = app.begin(ParallelismConfiguration={"MaxParallelExecutionSteps": 2})
    for name in names[:2]:
        app.step_is(arn, name, "Executing")
    assert set(statuses(app, arn)) == {"A", "B"}
    for name in names:
        step = app.step_is(arn, name, "Executing")
        app.jobs.finish("ProcessingJob", step["_resource"])
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_stop_stops_jobs_and_starts_nothing_more(app: Laptop) -> None:
    app.jobs.held.add("Long")
    app.pipeline([processing("Long"), processing("After", DependsOn=["Long"])])
    arn = app.begin()
    app.step_is(arn, "Long", "Executing")
    app.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "s" * 32})
    assert app.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(app, arn) == {"Long": "Stopped"}
    assert app.jobs.stopped == app.jobs.started


def test_a_job_that_ran_out_of_time_fails_its_step_and_one_that_was_stopped_does_not(app: Laptop) -> None:
    late = {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded", "FailureReason": "too long"}
    app.jobs.outcomes = {"Late": late, "Halted": {"TrainingJobStatus": "Stopped"}}
    app.pipeline([training("Late", {}), training("Halted", {})])
    arn = app.begin()
    assert app.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert statuses(app, arn) == {"Late": "Failed", "Halted": "Stopped"}
    assert app.steps(arn)["Late"]["FailureReason"] == "ClientError: too long"


def test_retry_goes_on_from_where_it_failed(app: Laptop) -> None:
    app.jobs.outcomes["Breaks"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
    app.pipeline([processing("First"), processing("Breaks", DependsOn=["First"])])
    arn = app.run()["PipelineExecutionArn"]
    app.jobs.outcomes.clear()
    app.call("RetryPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "r" * 32})
    execution = app.ended(arn)
    assert (execution["PipelineExecutionStatus"], execution.get("FailureReason")) == ("Succeeded", None)
    assert [name.split("-")[2] for name in app.jobs.started] == ["First", "Breaks", "Breaks"]


def test_a_retry_policy_makes_another_attempt_with_another_job(app: Laptop) -> None:
    app.jobs.outcomes["Flaky"] = {"ProcessingJobStatus": "Failed", "FailureReason": "InternalServerError: try again"}
    policy = {
        "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"],
        "IntervalSeconds": 0,
        "BackoffRate": 1,
        "MaxAttempts": 2,
    }
    app.pipeline([processing("Flaky", RetryPolicies=[policy])])
    arn = app.run()["PipelineExecutionArn"]
    step = app.steps(arn)["Flaky"]
    assert (step["StepStatus"], step["AttemptCount"]) == ("Failed", 3)
    assert len(set(app.jobs.started)) == 3


@pytest.mark.parametrize(
    ("code", "status", "policy", "attempts"),
    [
        ("ThrottlingException", 400, None, 3),  # retried without a policy
        ("InternalFailure", 500, None, 3),
        ("ValidationException", 400, None, 1),
        ("ResourceLimitExceeded", 400, None, 1),
        ("ResourceLimitExceeded", 400, {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "ExpireAfterMin": 1}, 3),
        ("ResourceLimitExceeded", 400, {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "MaxAttempts": 1}, 2),
        ("ThrottlingException", 400, {"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 0}, 1),
    ],
)
def test_refused_calls_are_tried_again(
    app: Laptop, monkeypatch: pytest.MonkeyPatch, code: str, status: int, policy: Any, attempts: int
) -> None:
    """The call fails twice and succeeds at the third attempt, if one is made."""
    monkeypatch.setattr("sagelocal.workflow.attempts.StepRun._pause", lambda self, seconds: True)
    failures, call = [AwsError(code, "no", status)] * 2, app.call

    def faulty(operation: str, request: Any) -> Any:
        if operation == "CreateProcessingJob" and failures:
            raise failures.pop()
        return call(operation, request)

    monkeypatch.setattr(app, "call", faulty)
    app.pipeline([processing("Flaky", **({"RetryPolicies": [policy]} if policy else {}))])
    step = app.steps(app.run()["PipelineExecutionArn"])["Flaky"]
    assert step["AttemptCount"] == attempts
    assert step["StepStatus"] == ("Succeeded" if attempts == 3 else "Failed")


def test_a_stop_ends_the_wait_for_the_next_attempt(app: Laptop) -> None:
    app.jobs.outcomes["Flaky"] = {"ProcessingJobStatus": "Failed", "FailureReason": "CapacityError: none left"}
    policy = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 3600}
    app.pipeline([processing("Flaky", RetryPolicies=[policy])])
    arn = app.begin()
    app.step_is(arn, "Flaky", "Executing")
    app.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "s" * 32})
    assert app.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert app.steps(arn)["Flaky"]["FailureReason"] == "ClientError: CapacityError: none left"


def test_the_limit_is_the_pipelines_unless_the_execution_has_its_own_and_may_change(app: Laptop) -> None:
    names = ["A", "B", "C"]
    app.jobs.held.update(names)
    app.pipeline([processing(name) for name in names])
    app.call("UpdatePipeline", {"PipelineName": "p", "ParallelismConfiguration": {"MaxParallelExecutionSteps": 1}})
    arn = app.begin()
    first = app.step_is(arn, "A", "Executing")
    assert set(statuses(app, arn)) == {"A"}
    wider = {"PipelineExecutionArn": arn, "ParallelismConfiguration": {"MaxParallelExecutionSteps": 2}}
    app.call("UpdatePipelineExecution", wider)
    app.jobs.finish("ProcessingJob", first["_resource"])
    for name in ("B", "C"):
        app.step_is(arn, name, "Executing")
    for name in app.jobs.started[1:]:
        app.jobs.finish("ProcessingJob", name)
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_steps_for_a_stopped_step_and_for_any_end(app: Laptop) -> None:
    app.jobs.outcomes["Halted"] = {"ProcessingJobStatus": "Stopped"}
    app.pipeline([
        processing("Halted"), processing("After", DependsOn=["Halted"]),
        processing("Tidy", DependsOn=[{"Step": "Halted", "Trigger": "Stopped"}]),
        processing("Always", DependsOn=[{"Step": "Halted", "Trigger": "Any"}]),
        processing("Failing", DependsOn=[{"Step": "Halted", "Trigger": "Failed"}]),
    ])  # fmt: skip
    execution = app.run()
    assert execution["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert statuses(app, execution["PipelineExecutionArn"]) == {
        "Halted": "Stopped", "Tidy": "Succeeded", "Always": "Succeeded",
    }  # fmt: skip


def test_a_rescue_that_fails_itself_fails_the_execution(app: Laptop) -> None:
    broken = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
    app.jobs.outcomes = {"Breaks": broken, "Notify": broken}
    app.pipeline([processing("Breaks"), processing("Notify", DependsOn=[{"Step": "Breaks", "Trigger": "Any"}])])
    assert app.run()["PipelineExecutionStatus"] == "Failed"


def test_a_step_costs_as_much_of_the_store_in_a_long_pipeline_as_in_a_short_one(
    app: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, rows = [0], app.store._rows

    def counted(query: str, *arguments: Any) -> Any:
        found = rows(query, *arguments)
        read[0] += len(found)
        return found

    monkeypatch.setattr(app.store, "_rows", counted)

    def cost(steps: int) -> float:
        chain = [processing(f"S{n}", **({"DependsOn": [f"S{n - 1}"]} if n else {})) for n in range(steps)]
        app.pipeline(chain, name=f"chain-{steps}")
        read[0] = 0
        app.run(f"chain-{steps}")
        return read[0] / steps

    assert cost(60) < 1.2 * cost(15)


def test_steps_for_failures_run_after_one(app: Laptop) -> None:
    app.jobs.outcomes["Breaks"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
    app.pipeline([
        processing("Breaks"), processing("After", DependsOn=["Breaks"]),
        processing("Notify", DependsOn=[{"Step": "Breaks", "Trigger": "Failed"}]),
        processing("Calm", DependsOn=[{"Step": "Breaks", "Trigger": "Stopped"}]),
    ])  # fmt: skip
    execution = app.run()
    assert execution["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert statuses(app, execution["PipelineExecutionArn"]) == {"Breaks": "Failed", "Notify": "Succeeded"}


def test_own_job_name_experiment_and_custom_prefix(app: Laptop) -> None:
    arguments = {"ProcessingJobName": "mine", "Environment": {"JOB": {"Get": "Execution.ProcessingJobName"}}}
    app.pipeline(
        [processing("Prepare", arguments=arguments)],
        PipelineExperimentConfig={
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        },
    )
    execution = app.run()
    identity = execution["PipelineExecutionArn"].rsplit("/", 1)[1]
    assert execution["PipelineExperimentConfig"] == {"ExperimentName": "p", "TrialName": identity}
    (name,) = app.jobs.started
    assert name.startswith(f"mine-{identity}-Prepare-")
    assert app.store.get("ProcessingJob", name)["Environment"] == {"JOB": name}


class TestCache:
    CACHED = {"Enabled": True, "ExpireAfter": "P1D"}  # noqa: RUF012

    def two(self, app: Laptop, **request: Any) -> tuple[str, str]:
        app.pipeline(
            [
                processing("Prepare", inputs=[{"Get": "Parameters.Data"}], CacheConfig=self.CACHED),
                processing("Use", inputs=[output("Prepare")], CacheConfig=self.CACHED),
            ],
            Parameters=[{"Name": "Data", "Type": "String", "DefaultValue": "s3://bucket/data"}],
        )
        first = app.run()["PipelineExecutionArn"]
        app.restart()
        return first, app.run(**request)["PipelineExecutionArn"]

    def test_hits_and_its_values_are_those_of_the_source(self, app: Laptop) -> None:
        first, second = self.two(app)
        assert app.jobs.started == []
        for name, step in app.steps(second).items():
            assert step["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
            assert step["Metadata"] == app.steps(first)[name]["Metadata"]

    def test_another_parameter_value_misses_everywhere_behind_it(self, app: Laptop) -> None:
        _, second = self.two(app, PipelineParameters=[{"Name": "Data", "Value": "s3://bucket/other"}])
        assert all("CacheHitResult" not in step for step in app.steps(second).values())
        assert len(app.jobs.started) == 2

    def test_a_failed_run_is_no_source_and_a_cached_one_names_the_original(self, app: Laptop) -> None:
        app.jobs.outcomes["Use"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
        first, second = self.two(app)
        steps = app.steps(second)
        assert steps["Prepare"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
        assert "CacheHitResult" not in steps["Use"]
        third = app.steps(app.run()["PipelineExecutionArn"])
        assert third["Prepare"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
        assert third["Use"]["CacheHitResult"] == {"SourcePipelineExecutionArn": second}

    def test_expires(self, app: Laptop) -> None:
        app.pipeline([processing("Prepare", CacheConfig={"Enabled": True, "ExpireAfter": "PT0S"})])
        app.run()
        app.run()
        assert len(app.jobs.started) == 2


def test_executions_that_register_at_once_into_a_group_that_is_missing_all_succeed(app: Laptop) -> None:
    register = {
        "ModelPackageGroupName": "new-group",
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    app.pipeline([{"Name": "Register", "Type": "RegisterModel", "Arguments": register}])
    together, find = threading.Barrier(4, timeout=30), app.find

    def find_together(kind: str, name: str) -> Any:
        if (
            kind == "ModelPackageGroup"
            and name == "new-group"
            and threading.current_thread().name == "pipeline-Register"
        ):
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait()  # all have looked before one creates it
                together.abort()
        return find(kind, name)

    app.find = find_together  # type: ignore[method-assign, assignment]
    started = [app.begin() for _ in range(4)]
    assert [app.ended(arn)["PipelineExecutionStatus"] for arn in started] == ["Succeeded"] * 4
    assert [one["ModelPackageVersion"] for one in app.store.list("ModelPackage")] == [1, 2, 3, 4]
