"""An AutoML step of a pipeline and its job, run: candidates, and the best of them behind an endpoint."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces
Document = dict[str, Any]
KEY = "automl/table/table.csv"


def table(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    found = pd.DataFrame({"colour": random.choice(["red", "blue"], rows), "size": random.uniform(0, 10, rows)})
    return found.assign(y=np.where((found["size"] > 5) ^ (random.random(rows) < 0.1), "yes", "no"))


def definition(settings: Settings, uri: str, mode: str = "ENSEMBLING") -> str:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    config = {
        "Mode": mode,
        "CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 10, "MaxCandidates": 2},
        "CandidateGenerationConfig": {"AlgorithmsConfig": [{"AutoMLAlgorithms": ["linear-learner"]}]},
    }
    step = {
        "Name": "Search",
        "Type": "AutoML",
        "Arguments": {
            "InputDataConfig": [{"DataSource": source, "TargetAttributeName": "y"}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{settings.bucket}/automl/out"},
            "ProblemType": "BinaryClassification",
            "AutoMLJobObjective": {"MetricName": "AUC"},
            "AutoMLJobConfig": config,
            "RoleArn": settings.role_arn,
        },
    }
    best = "Steps.Search.BestCandidate.InferenceContainers[0]"
    container = {name: {"Get": f"{best}.{name}"} for name in ("Image", "ModelDataUrl", "Environment")}
    model = {
        "Name": "Model",
        "Type": "Model",
        "Arguments": {"PrimaryContainer": container, "ExecutionRoleArn": settings.role_arn},
    }
    return json.dumps({"Version": "2020-12-01", "Steps": [step, model]})


@pytest.fixture(scope="module")
def raw(laptop: Settings) -> str:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=KEY, Body=table().to_csv(index=False).encode())
    return f"s3://{laptop.bucket}/{KEY}"


@pytest.fixture(scope="module")
def done(laptop: Settings, raw: str) -> dict[str, Document]:
    """What the steps of an execution say of themselves, by name."""
    sagemaker = laptop.client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="searches",
        PipelineDefinition=definition(laptop, raw),
        RoleArn=laptop.role_arn,
        ClientRequestToken="t" * 32,
    )
    arn = sagemaker.start_pipeline_execution(PipelineName="searches")["PipelineExecutionArn"]
    while sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing":
        time.sleep(0.2)
    found = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    assert {each["StepName"]: each["StepStatus"] for each in found} == {"Search": "Succeeded", "Model": "Succeeded"}, (
        found
    )
    return {each["StepName"]: each["Metadata"] for each in found}


def test_a_steps_job_has_its_candidates(laptop: Settings, done: dict[str, Document]) -> None:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_auto_ml_jobs()["AutoMLJobSummaries"]
    assert listed["AutoMLJobArn"] == done["Search"]["AutoMLJob"]["Arn"]
    name = listed["AutoMLJobName"]
    job = sagemaker.describe_auto_ml_job(AutoMLJobName=name)
    assert (job["AutoMLJobStatus"], job["AutoMLJobSecondaryStatus"]) == ("Completed", "Completed")
    found = sagemaker.list_candidates_for_auto_ml_job(AutoMLJobName=name, SortBy="FinalObjectiveMetricValue")
    assert [each["CandidateStatus"] for each in found["Candidates"]] == ["Completed", "Completed"]
    assert found["Candidates"][-1]["CandidateName"] == job["BestCandidate"]["CandidateName"]
    assert job["BestCandidate"]["FinalAutoMLJobObjectiveMetric"]["Value"] > 0.8
    second = sagemaker.describe_auto_ml_job_v2(AutoMLJobName=name)
    resolved = second["ResolvedAttributes"]["AutoMLProblemTypeResolvedAttributes"]["TabularResolvedAttributes"]
    assert resolved == {"ProblemType": "BinaryClassification"}


def test_the_best_candidate_answers_records_of_the_table(laptop: Settings, done: dict[str, Document]) -> None:
    sagemaker, runtime = laptop.client("sagemaker"), laptop.client("sagemaker-runtime")
    variant = {"VariantName": "all", "ModelName": done["Model"]["Model"]["Arn"].rsplit("/", 1)[1],
               "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName="searched", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="searched", EndpointConfigName="searched")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="searched", WaiterConfig={"Delay": 1})
    body = runtime.invoke_endpoint(
        EndpointName="searched", ContentType="text/csv", Accept="text/csv", Body="colour,size\nred,9.5\nblue,0.5\n"
    )["Body"].read()
    high, low = pd.read_csv(io.BytesIO(body), header=None)[0]
    assert high > 0.7 > 0.3 > low
    sagemaker.delete_endpoint(EndpointName="searched")


def test_a_mode_without_blending_is_no_step(laptop: Settings, raw: str) -> None:
    with pytest.raises(Exception, match="Mode of AutoML step 'Search' must be ENSEMBLING"):
        laptop.client("sagemaker").create_pipeline(
            PipelineName="other", PipelineDefinition=definition(laptop, raw, "AUTO"), RoleArn=laptop.role_arn,
            ClientRequestToken="u" * 32,
        )  # fmt: skip


def test_a_job_of_the_second_api_stops_with_what_it_runs(laptop: Settings, raw: str) -> None:
    sagemaker = laptop.client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": raw}}
    sagemaker.create_auto_ml_job_v2(
        AutoMLJobName="stopped",
        AutoMLJobInputDataConfig=[{"ChannelType": "training", "DataSource": source}],
        OutputDataConfig={"S3OutputPath": f"s3://{laptop.bucket}/automl/out"},
        AutoMLProblemTypeConfig={"TabularJobConfig": {"TargetAttributeName": "y"}},
        RoleArn=laptop.role_arn,
    )
    with pytest.raises(sagemaker.exceptions.ClientError, match="use DescribeAutoMLJobV2"):
        sagemaker.describe_auto_ml_job(AutoMLJobName="stopped")
    sagemaker.stop_auto_ml_job(AutoMLJobName="stopped")
    while (job := sagemaker.describe_auto_ml_job_v2(AutoMLJobName="stopped"))["AutoMLJobStatus"] != "Stopped":
        assert job["AutoMLJobStatus"] == "Stopping"
        time.sleep(0.1)
    for kind in ("processing", "training"):
        listed = getattr(sagemaker, f"list_{kind}_jobs")(NameContains="stopped")[f"{kind.title()}JobSummaries"]
        assert {each[f"{kind.title()}JobStatus"] for each in listed} <= {"Stopped", "Completed"}
    assert sagemaker.list_candidates_for_auto_ml_job(AutoMLJobName="stopped")["Candidates"] == []
    with pytest.raises(sagemaker.exceptions.ClientError, match="rejected because the AutoML job stopped is in status"):
        sagemaker.stop_auto_ml_job(AutoMLJobName="stopped")
