"""Pipelines on a running sagelocal, through boto3 and with real jobs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
SCRIPT = """
import json
json.dump({"metrics": [{"auc": 0.84}]}, open("/opt/ml/processing/output/evaluation.json", "w"))
"""
SCORE = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.report"}, "Path": "metrics[0].auc"}}


@pytest.fixture(scope="module")
def sagemaker(laptop: Settings) -> Any:
    return laptop.client("sagemaker")


def definition(settings: Settings) -> str:
    """Evaluate (a real job, cached), a gate on its report, and a version in the registry or a failure."""
    uri = {"Std:Join": {"On": "/", "Values": [f"s3://{settings.bucket}", {"Get": "Execution.PipelineExecutionId"}]}}
    local = "/opt/ml/processing"
    code = {"S3Uri": f"s3://{settings.bucket}/code/", "LocalPath": f"{local}/input/code", "S3DataType": "S3Prefix"}
    output = {"S3Uri": uri, "LocalPath": f"{local}/output", "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceCount": 1, "InstanceType": {"Get": "Parameters.Type"}, "VolumeSizeInGB": 1}
    evaluate = {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", f"{local}/input/code/script.py"]},
        "RoleArn": settings.role_arn,
        "ProcessingInputs": [{"InputName": "code", "S3Input": {**code, "S3InputMode": "File"}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
    }
    register = {
        "ModelPackageGroupName": "gated",
        "CustomerMetadataProperties": {"auc": SCORE},
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{settings.bucket}/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    floor = {"Get": "Parameters.Floor"}
    message = {"Std:Join": {"On": " ", "Values": [SCORE, "is below", floor]}}
    gate = {
        "Conditions": [{"Type": "GreaterThanOrEqualTo", "LeftValue": SCORE, "RightValue": floor}],
        "IfSteps": [{"Name": "Register", "Type": "RegisterModel", "Arguments": register}],
        "ElseSteps": [{"Name": "TooLow", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
    }
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Parameters": [
                {"Name": "Type", "Type": "String", "DefaultValue": "ml.m5.large"},
                {"Name": "Floor", "Type": "Float", "DefaultValue": 0.8},
            ],
            "MlflowConfig": None,
            "Steps": [
                {
                    "Name": "Evaluate",
                    "Type": "Processing",
                    "Arguments": evaluate,
                    "CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"},
                    "PropertyFiles": [
                        {"PropertyFileName": "report", "OutputName": "out", "FilePath": "evaluation.json"}
                    ],
                },
                {"Name": "Gate", "Type": "Condition", "Arguments": gate},
            ],
        }
    )


@pytest.mark.namespaces
def test_a_gate_on_a_real_report_twice(sagemaker: Any, laptop: Settings) -> None:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="code/script.py", Body=SCRIPT)
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="definition.json", Body=definition(laptop))
    where = {"Bucket": laptop.bucket, "ObjectKey": "definition.json"}
    made = sagemaker.create_pipeline(
        PipelineName="gated",
        RoleArn=laptop.role_arn,
        PipelineDefinitionS3Location=where,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert sagemaker.list_tags(ResourceArn=made["PipelineArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    first = finished(sagemaker, "gated")
    assert first["PipelineExecutionStatus"] == "Succeeded", steps(sagemaker, first)
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName="gated")["ModelPackageSummaryList"]
    described = sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    assert described["CustomerMetadataProperties"] == {"auc": "0.84"}
    assert described["MetadataProperties"]["GeneratedBy"] == first["PipelineExecutionArn"]

    sagemaker.update_pipeline(PipelineName="gated", PipelineDefinition=definition(laptop))
    second = finished(sagemaker, "gated", Floor="0.9")
    assert second["PipelineExecutionStatus"] == "Failed"
    ran = steps(sagemaker, second)
    assert ran["Evaluate"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first["PipelineExecutionArn"]}
    assert ran["TooLow"]["FailureReason"] == "0.84 is below 0.9"
    assert ran["Gate"]["Metadata"] == {"Condition": {"Outcome": "False"}}
    listed = sagemaker.list_pipeline_executions(PipelineName="gated")["PipelineExecutionSummaries"]
    assert [one["PipelineExecutionStatus"] for one in listed] == ["Failed", "Succeeded"]


@pytest.mark.namespaces
def test_a_job_that_writes_no_output_fails_what_reads_it_and_says_where(sagemaker: Any, laptop: Settings) -> None:
    """The job itself completes, as on AWS: an empty folder uploads nothing."""
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="silent/script.py", Body="")
    document = json.loads(definition(laptop).replace('/code/"', '/silent/"'))
    silent = document["Steps"][0]
    output = {"Get": "Steps.Evaluate.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    source = {"S3Uri": output, "LocalPath": "/opt/ml/processing/input/report", "S3DataType": "S3Prefix"}
    reader = json.loads(json.dumps(silent | {"Name": "Read"}))
    del reader["PropertyFiles"]
    reader["Arguments"]["ProcessingInputs"] = [{"InputName": "report", "S3Input": source | {"S3InputMode": "File"}}]
    create(sagemaker, laptop, "silent", json.dumps(document | {"Steps": [silent, reader]}))
    execution = finished(sagemaker, "silent")
    assert execution["PipelineExecutionStatus"] == "Failed"
    found = steps(sagemaker, execution)
    assert found["Evaluate"]["StepStatus"] == "Succeeded"
    assert execution["PipelineExecutionArn"].rsplit("/", 1)[1] in found["Read"]["FailureReason"]

    create(sagemaker, laptop, "silent-gate", json.dumps(document))
    found = steps(sagemaker, finished(sagemaker, "silent-gate"))
    assert found["Gate"]["StepStatus"] == "Failed"
    assert "evaluation.json" in found["Gate"]["FailureReason"]


def finished(sagemaker: Any, name: str, **parameters: str) -> dict[str, Any]:
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    arn = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=given)["PipelineExecutionArn"]
    deadline = time.monotonic() + 60
    while True:
        execution: dict[str, Any] = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return execution
        assert time.monotonic() < deadline, execution
        time.sleep(0.05)


def steps(sagemaker: Any, execution: dict[str, Any]) -> dict[str, Any]:
    answer = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution["PipelineExecutionArn"])
    return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}


SIMPLE = json.dumps(
    {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Count", "Type": "Integer", "DefaultValue": 3}],
        "Steps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "as asked"}}],
    }
)


def create(sagemaker: Any, laptop: Settings, name: str, text: str = SIMPLE, **more: Any) -> str:
    made = sagemaker.create_pipeline(PipelineName=name, RoleArn=laptop.role_arn, PipelineDefinition=text, **more)
    return str(made["PipelineArn"])


def test_a_token_makes_create_and_start_idempotent(sagemaker: Any, laptop: Settings) -> None:
    token = {"ClientRequestToken": "t" * 32}
    assert create(sagemaker, laptop, "once", **token) == create(sagemaker, laptop, "once", **token)
    with pytest.raises(ClientError, match="Pipeline names must be unique within an AWS account and region"):
        create(sagemaker, laptop, "once")
    started = {
        sagemaker.start_pipeline_execution(PipelineName="once", **token)["PipelineExecutionArn"] for _ in range(2)
    }
    assert len(started) == 1


def test_describe_update_versions_and_list(sagemaker: Any, laptop: Settings) -> None:
    arn = create(sagemaker, laptop, "versions", PipelineDescription="first")
    assert "LastRunTime" not in sagemaker.describe_pipeline(PipelineName="versions")
    changed = SIMPLE.replace("as asked", "as changed")
    answer = sagemaker.update_pipeline(
        PipelineName="versions", PipelineDefinition=changed, ParallelismConfiguration={"MaxParallelExecutionSteps": 4}
    )
    assert (answer["PipelineArn"], answer["PipelineVersionId"]) == (arn, 2)
    finished(sagemaker, "versions")
    pipeline = sagemaker.describe_pipeline(PipelineName=arn)
    assert (pipeline["PipelineStatus"], pipeline["PipelineDescription"]) == ("Active", "first")
    assert pipeline["PipelineDefinition"] == changed
    assert pipeline["LastRunTime"] > pipeline["LastModifiedTime"]
    assert sagemaker.describe_pipeline(PipelineName=arn, PipelineVersionId=1)["PipelineDefinition"] == SIMPLE
    versions = sagemaker.list_pipeline_versions(PipelineName=arn)["PipelineVersionSummaries"]
    assert [version["PipelineVersionId"] for version in versions] == [2, 1]
    (listed,) = sagemaker.list_pipelines(PipelineNamePrefix="versions")["PipelineSummaries"]
    assert listed["LastExecutionTime"] == pipeline["LastRunTime"]


def test_an_older_version_is_named_started_and_described(sagemaker: Any, laptop: Settings) -> None:
    arn = create(sagemaker, laptop, "older")
    sagemaker.update_pipeline(PipelineName="older", PipelineDefinition=SIMPLE.replace("as asked", "as changed"))
    sagemaker.update_pipeline_version(
        PipelineArn=arn, PipelineVersionId=1, PipelineVersionDisplayName="good", PipelineVersionDescription="before"
    )
    first = sagemaker.describe_pipeline(PipelineName="older", PipelineVersionId=1)
    assert (first["PipelineVersionDisplayName"], first["PipelineVersionDescription"]) == ("good", "before")
    assert "PipelineVersionDisplayName" not in sagemaker.describe_pipeline(PipelineName="older")
    execution = sagemaker.start_pipeline_execution(PipelineName="older", PipelineVersionId=1)["PipelineExecutionArn"]
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
    assert described["PipelineVersionId"] == 1
    ran = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=execution)["PipelineDefinition"]
    assert ran == SIMPLE
    newest, oldest = sagemaker.list_pipeline_versions(PipelineName="older")["PipelineVersionSummaries"]
    assert oldest["LastExecutionPipelineExecutionArn"] == execution
    assert "LastExecutionPipelineExecutionArn" not in newest
    with pytest.raises(ClientError, match="has no version 3") as error:
        sagemaker.start_pipeline_execution(PipelineName="older", PipelineVersionId=3)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_an_execution_keeps_its_definition_and_parameters(sagemaker: Any, laptop: Settings) -> None:
    create(sagemaker, laptop, "kept")
    execution = finished(sagemaker, "kept", Count="5")
    arn = execution["PipelineExecutionArn"]
    sagemaker.update_pipeline(PipelineName="kept", PipelineDefinition=SIMPLE.replace("as asked", "as changed"))
    kept = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert kept["PipelineDefinition"] == SIMPLE
    values = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    assert values == [{"Name": "Count", "Value": "5"}]
    sagemaker.update_pipeline_execution(PipelineExecutionArn=arn, PipelineExecutionDisplayName="renamed")
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert described["PipelineExecutionDisplayName"] == "renamed"
    older = sagemaker.start_pipeline_execution(PipelineName="kept", PipelineVersionId=1)["PipelineExecutionArn"]
    kept = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=older)
    assert kept["PipelineDefinition"] == SIMPLE


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"Name": "Count", "Value": "three"}, "Value 'three' of pipeline parameter 'Count' is not of type Integer"),
        ({"Name": "Cuont", "Value": "3"}, "Unknown pipeline parameter 'Cuont'"),
    ],
)
def test_wrong_parameters_start_nothing(sagemaker: Any, laptop: Settings, parameter: dict[str, str], said: str) -> None:
    name = "wrong-" + parameter["Value"]
    create(sagemaker, laptop, name)
    with pytest.raises(ClientError, match=said):
        sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=[parameter])
    assert sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"] == []


def test_what_is_not_there_is_resource_not_found(sagemaker: Any, laptop: Settings) -> None:
    arn = f"arn:aws:sagemaker:{laptop.region}:{laptop.account}:pipeline/none"
    for call in (sagemaker.describe_pipeline, sagemaker.start_pipeline_execution, sagemaker.list_pipeline_executions):
        with pytest.raises(sagemaker.exceptions.ResourceNotFound, match=f"Pipeline '{arn}' does not exist"):
            call(PipelineName="none")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound, match="execution/x' does not exist"):
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=f"{arn}/execution/x")
    create(sagemaker, laptop, "one-version")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound, match="has no version 7"):
        sagemaker.describe_pipeline(PipelineName="one-version", PipelineVersionId=7)


def test_what_is_over_is_not_stopped_and_a_fail_step_is_not_retried(sagemaker: Any, laptop: Settings) -> None:
    create(sagemaker, laptop, "over")
    arn = finished(sagemaker, "over")["PipelineExecutionArn"]
    with pytest.raises(ClientError, match="is Failed: only executions that are Executing can be stopped"):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    with pytest.raises(ClientError, match="was ended by Fail step 'Stop' and cannot be retried"):
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)


def test_delete_takes_the_executions_along(sagemaker: Any, laptop: Settings) -> None:
    create(sagemaker, laptop, "gone")
    arn = finished(sagemaker, "gone")["PipelineExecutionArn"]
    sagemaker.delete_pipeline(PipelineName="gone")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    create(sagemaker, laptop, "gone")
    assert sagemaker.list_pipeline_executions(PipelineName="gone")["PipelineExecutionSummaries"] == []


def test_what_is_not_implemented_says_so(sagemaker: Any, laptop: Settings) -> None:
    create(sagemaker, laptop, "selective")
    with pytest.raises(ClientError, match="MlflowExperimentName is not implemented"):
        sagemaker.start_pipeline_execution(PipelineName="selective", MlflowExperimentName="e")
    text = SIMPLE.replace('"Fail"', '"EMR"')
    with pytest.raises(ClientError, match=r"Step 'Stop' is of type 'EMR', which sagelocal does not run") as error:
        sagemaker.update_pipeline(PipelineName="selective", PipelineDefinition=text)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_a_definition_comes_from_one_place_that_exists(sagemaker: Any, laptop: Settings) -> None:
    where = {"Bucket": laptop.bucket, "ObjectKey": "no-such-definition.json"}
    with pytest.raises(ClientError, match=f"Unable to read the pipeline definition at s3://{laptop.bucket}/no-such"):
        sagemaker.create_pipeline(PipelineName="s", RoleArn=laptop.role_arn, PipelineDefinitionS3Location=where)
    with pytest.raises(ClientError, match="Either PipelineDefinition or PipelineDefinitionS3Location"):
        sagemaker.create_pipeline(PipelineName="s", RoleArn=laptop.role_arn)
    with pytest.raises(ClientError, match="Only one of"):
        create(sagemaker, laptop, "s", PipelineDefinitionS3Location=where)
