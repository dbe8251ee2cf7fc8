"""What AutoML requests mean and which are refused, and candidates in AWS's terms, without any job."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_model
from sagelocal.api.refused import refuse
from sagelocal.api.validation import validate
from sagelocal.jobs.automl import candidates, operations, plans, stages

Document = dict[str, Any]
SOURCE = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/table/"}}
ROLE = "arn:aws:iam::000000000000:role/execution"


def second(**tabular: Any) -> Document:
    return {
        "AutoMLJobName": "a",
        "AutoMLJobInputDataConfig": [{"DataSource": SOURCE}],
        "OutputDataConfig": {"S3OutputPath": "s3://b/out/"},
        "AutoMLProblemTypeConfig": {"TabularJobConfig": {"TargetAttributeName": "y", **tabular}},
        "RoleArn": ROLE,
    }


def first(**more: Any) -> Document:
    return {
        "AutoMLJobName": "a",
        "InputDataConfig": [{"DataSource": SOURCE, "TargetAttributeName": "y"}],
        "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
        "RoleArn": ROLE,
        **more,
    }


@pytest.mark.parametrize("request_", [first(), second()])
def test_both_apis_ask_for_the_same(request_: Document) -> None:
    found = plans.check(request_)
    assert (found.target, found.data, found.problem, found.objective) == ("y", "s3://b/table/", "", "")
    assert (list(found.families), found.seconds, found.blends) == (list(plans.FAMILIES), plans.SECONDS, True)


def test_criteria_algorithms_and_mode_are_heeded() -> None:
    chosen = [{"AutoMLAlgorithms": ["linear-learner", "xgboost", "nn-torch", "mlp"]}]
    criteria = {"MaxCandidates": 3, "MaxRuntimePerTrainingJobInSeconds": 60, "MaxAutoMLJobRuntimeInSeconds": 100}
    config = {"CandidateGenerationConfig": {"AlgorithmsConfig": chosen}, "CompletionCriteria": criteria}
    found = plans.check(second(**config, ProblemType="Regression") | {"AutoMLJobObjective": {"MetricName": "RMSE"}})
    assert list(found.families) == ["boosted_trees", "network"]  # the third candidate is their blend
    assert (found.job_seconds, found.seconds, found.objective) == (60, 100, "RMSE")
    assert list(plans.check(second(CompletionCriteria={"MaxCandidates": 1})).families) == ["boosted_trees"]
    assert not plans.check(first(AutoMLJobConfig={"Mode": "HYPERPARAMETER_TUNING"})).blends


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (second(ProblemType="Regression"), "AutoMLJobObjective and the ProblemType"),
        (second(ProblemType="Regression") | {"AutoMLJobObjective": {"MetricName": "AUC"}}, "objective AUC of a Regr"),
        (second(CompletionCriteria={"MaxAutoMLJobRuntimeInSeconds": 5}), "at least 10 are needed"),
        (
            second(CandidateGenerationConfig={"AlgorithmsConfig": [{"AutoMLAlgorithms": ["catboost"]}]}),
            "The algorithm catboost .* There are xgboost, lightgbm",
        ),
        (first(InputDataConfig=[{"DataSource": SOURCE, "TargetAttributeName": "y"}] * 2), "channel of the type valid"),
        (
            first(InputDataConfig=[{"DataSource": SOURCE, "TargetAttributeName": "y", "ContentType": "x-parquet"}]),
            "The content type x-parquet",
        ),
        (second() | {"OutputDataConfig": {"S3OutputPath": "https://b"}}, "https://b"),
        (first(InputDataConfig=[{"TargetAttributeName": "y"}]), "must have a DataSource"),
        (second() | {"AutoMLJobInputDataConfig": [{}]}, "must have a DataSource"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_remedy(request_: Document, why: str) -> None:
    with pytest.raises(AwsError, match=why):
        plans.check(request_)


@pytest.mark.parametrize(
    ("operation", "request_", "member"),
    [
        ("CreateAutoMLJobV2", second() | {"ModelDeployConfig": {"EndpointName": "e"}}, "ModelDeployConfig"),
        ("CreateAutoMLJobV2", second() | {"DataSplitConfig": {"ValidationFraction": 0.3}}, "DataSplitConfig"),
        (
            "CreateAutoMLJobV2",
            second() | {"AutoMLProblemTypeConfig": {"ImageClassificationJobConfig": {"CompletionCriteria": {}}}},
            "ImageClassificationJobConfig",
        ),
        ("CreateAutoMLJob", first(GenerateCandidateDefinitionsOnly=True), "GenerateCandidateDefinitionsOnly"),
    ],
)  # fmt: skip
def test_members_that_are_not_there_are_named(operation: str, request_: Document, member: str) -> None:
    validate("sagemaker", operation, request_)
    with pytest.raises(AwsError, match=member):
        refuse(request_, operations.REFUSED[operation])


def test_the_jobs_requests_are_valid() -> None:
    secured = {"VolumeKmsKeyId": "k", "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}}
    job = second() | {"SecurityConfig": secured, "OutputDataConfig": {"S3OutputPath": "s3://b/out", "KmsKeyId": "k"}}
    plan, facts = plans.check(job), {"metric": "f1", "problem": "binary", "region": "eu-west-1", "parallel": 2}
    cleaning = stages.cleaning(job, plan, "a-clean", "s3://b/code/", "eu-west-1")
    validate("sagemaker", "CreateProcessingJob", cleaning)
    assert cleaning["ProcessingOutputConfig"]["KmsKeyId"] == "k"
    for request in (
        stages.search(job, plan, "a-linear", "linear", "s3://b/code.tar.gz", facts),
        stages.blend(job, plan, "a-blend", "s3://b/code.tar.gz", facts),
    ):
        validate("sagemaker", "CreateTrainingJob", request)
        assert request["ResourceConfig"]["VolumeKmsKeyId"] == "k"
        assert request["VpcConfig"] == secured["VpcConfig"]
        assert request["OutputDataConfig"]["KmsKeyId"] == "k"


def test_a_jobs_scripts_are_the_projects_own_and_always_the_same_bytes() -> None:
    assert {"automl.py", "automl_ensemble.py", "requirements.txt"} <= set(stages.sources("training"))
    assert {"automl.py", "tabular.py"} <= set(stages.sources("processing"))
    assert stages.archive("training") == stages.archive("training")


def trained(name: str, status: str = "Completed", value: float | None = None, **more: Any) -> Document:
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}",
        "TrainingJobStatus": status,
        "CreationTime": 1.0,
        "LastModifiedTime": 2.0,
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://b/{name}/model.tar.gz"},
        "FinalMetricDataList": [] if value is None else [{"MetricName": "validation:rmse", "Value": value}],
        **more,
    }


def test_candidates_are_ranked_by_an_objective_that_is_to_be_small() -> None:
    jobs = [trained("a", value=2.0), trained("b", value=1.0), trained("c", "Failed", FailureReason="no"),
            trained("d", "InProgress")]  # fmt: skip
    found = [candidates.candidate("RMSE", each, None, "us-east-1") for each in jobs]
    best = candidates.best(found)
    assert best is not None
    assert (best["CandidateName"], best["FinalAutoMLJobObjectiveMetric"]["Type"]) == ("b", "Minimize")
    assert [each["ObjectiveStatus"] for each in found] == ["Succeeded", "Succeeded", "Failed", "Pending"]
    listed = candidates.chosen(found, {"SortBy": "FinalObjectiveMetricValue", "SortOrder": "Descending"})
    assert [each["CandidateName"] for each in listed][:2] == ["b", "a"]
    assert [each["CandidateName"] for each in candidates.chosen(found, {"StatusEquals": "Failed"})] == ["c"]
    assert [each["CandidateName"] for each in candidates.chosen(found, {"CandidateNameEquals": "a"})] == ["a"]


def test_the_first_apis_job_is_shown_by_the_second() -> None:
    generation = {"AlgorithmsConfig": [{"AutoMLAlgorithms": ["linear-learner"]}]}
    config = {"Mode": "ENSEMBLING", "CompletionCriteria": {}, "CandidateGenerationConfig": generation}
    view = operations.second_view(first(AutoMLJobConfig=config, ProblemType="Regression"))
    objective = {"AutoMLJobObjective": {"MetricName": "R2"}}
    assert plans.plan(first() | view | objective).families == ["linear"]
    output: Any = operation_model("sagemaker", "DescribeAutoMLJobV2").output_shape
    assert set(view) <= set(output.members)
    assert view["AutoMLProblemTypeConfig"]["TabularJobConfig"] == {
        "TargetAttributeName": "y",
        "ProblemType": "Regression",
        **config,
    }
