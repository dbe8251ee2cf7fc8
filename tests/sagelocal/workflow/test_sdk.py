"""What the SageMaker SDK compiles, upserts and starts runs here unchanged."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings


@pytest.fixture
def session(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    return PipelineSession(boto_session=boto3.Session(), default_bucket=laptop.bucket)


def test_upsert_twice_and_start_with_parameters(session: Any, laptop: Settings) -> None:
    from sagemaker.core.workflow import conditions as when
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join
    from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.parallelism_config import ParallelismConfiguration
    from sagemaker.mlops.workflow.pipeline import Pipeline

    count, rate = ParameterInteger("Count", 2), ParameterFloat("Rate", 0.5)
    stage, flag = (
        ParameterString("Stage", "none", enum_values=["none", "staging"]),
        ParameterBoolean("Flag", default_value=False),
    )
    conditions = [
        when.ConditionEquals(flag, True),
        when.ConditionGreaterThan(count, 4),
        when.ConditionGreaterThanOrEqualTo(count, 5),
        when.ConditionLessThan(rate, 0.25),
        when.ConditionLessThanOrEqualTo(rate, 0.125),
        when.ConditionIn(stage, ["staging"]),
        when.ConditionNot(when.ConditionEquals(stage, "none")),
        when.ConditionOr([when.ConditionEquals(count, 0), when.ConditionEquals(count, 5)]),
    ]
    values = [ExecutionVariables.PIPELINE_NAME, count, rate, stage, flag]
    message = FailStep("AllHeld", error_message=Join(on=" ", values=values))
    pipeline = Pipeline(
        name="from-the-sdk",
        parameters=[count, rate, stage, flag],
        steps=[ConditionStep("Check", conditions=conditions, if_steps=[message])],
        sagemaker_session=session,
    )
    first = pipeline.upsert(laptop.role_arn, tags=[{"Key": "team", "Value": "a"}])
    second = pipeline.upsert(laptop.role_arn, parallelism_config=ParallelismConfiguration(3))
    assert second["PipelineArn"] == first["PipelineArn"]
    assert pipeline.describe()["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 3}
    assert pipeline.latest_pipeline_version_id == 2

    execution = pipeline.start({"Count": 5, "Rate": 0.125, "Stage": "staging", "Flag": True})
    with pytest.raises(Exception, match="Failed"):
        execution.wait(delay=1, max_attempts=60)
    steps = {step["StepName"]: step for step in execution.list_steps()}
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert steps["AllHeld"]["FailureReason"] == "from-the-sdk 5 0.125 staging true"
    execution = pipeline.start()
    execution.wait(delay=1, max_attempts=60)
    assert [step["StepName"] for step in execution.list_steps()] == ["Check"]


def test_a_selective_execution_with_the_parameters_of_another(session: Any, laptop: Settings) -> None:
    from sagemaker.core.workflow.conditions import ConditionEquals
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.selective_execution_config import SelectiveExecutionConfig

    stage = ParameterString("Stage", "none")
    first = ConditionStep("First", conditions=[ConditionEquals(stage, "staging")], if_steps=[])
    second = ConditionStep("Second", conditions=[ConditionEquals(first.properties.Outcome, "True")], if_steps=[])
    third = ConditionStep("Third", conditions=[ConditionEquals(stage, "none")], if_steps=[], depends_on=[second])
    pipeline = Pipeline(
        name="selective-from-the-sdk", parameters=[stage], steps=[first, second, third], sagemaker_session=session
    )
    pipeline.upsert(laptop.role_arn)
    without = SelectiveExecutionConfig(selected_steps=["Second"], reference_latest_execution=False)
    with pytest.raises(ClientError, match="Invalid SourcePipelineExecutionArn: null. The selected steps"):
        pipeline.start(selective_execution_config=without)

    execution = pipeline.start({"Stage": "staging"})
    execution.wait(delay=1, max_attempts=60)
    parameters = pipeline.build_parameters_from_execution(execution.arn, {})
    assert parameters == {"Stage": "staging"}
    chosen = SelectiveExecutionConfig(selected_steps=["Second"])  # of the latest execution, says the SDK
    again = pipeline.start(parameters, selective_execution_config=chosen)
    again.wait(delay=1, max_attempts=60)
    steps = {step["StepName"]: step for step in again.list_steps()}
    assert set(steps) == {"First", "Second"}
    assert steps["First"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": execution.arn}
    assert steps["Second"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert again.describe()["SelectiveExecutionConfig"]["SourcePipelineExecutionArn"] == execution.arn
