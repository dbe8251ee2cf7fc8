"""Calls that AWS's services make by themselves as a role: what templates and pipelines say implies them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from iam_policies import Request
from iam_requests import BUCKET, EXECUTION, KEY
from iam_templates import ACCOUNT, REGION, Stack

_ROOT = Path(__file__).resolve().parents[2]
_ARTIFACTS = f"arn:aws:s3:::mlops-artifacts-{ACCOUNT}-{REGION}"
_PASSED = {"iam:PassedToService": "sagemaker.amazonaws.com"}
# By the SDK's class of a step: what SageMaker Pipelines calls to run it, to look at it and to stop it.
STEPS = {
    "ProcessingStep": [f"{each}ProcessingJob processing-job" for each in ("Create", "Describe", "Stop")],
    "TrainingStep": [f"{each}TrainingJob training-job" for each in ("Create", "Describe", "Stop")],
    "TransformStep": [f"{each}TransformJob transform-job" for each in ("Create", "Describe", "Stop")],
    "TuningStep": [
        *[f"{each}HyperParameterTuningJob hyper-parameter-tuning-job" for each in ("Create", "Describe", "Stop")],
        "ListTrainingJobsForHyperParameterTuningJob hyper-parameter-tuning-job",
        "DescribeTrainingJob training-job",
    ],
    "ModelStep": [
        "CreateModel model",
        "DescribeModel model",
        "CreateModelPackage churn-group",
        "CreateModelPackage churn-version",
        "DescribeModelPackage churn-version",
    ],
    "EndpointConfigStep": ["CreateEndpointConfig churn-config", "DescribeEndpointConfig churn-config"],
    "EndpointStep": [
        "CreateEndpoint churn-endpoint",
        "UpdateEndpoint churn-endpoint",
        "DescribeEndpoint churn-endpoint",
    ],
    "ConditionStep": [],
    "FailStep": [],
    "LambdaStep": [],  # the function's own policy lets the role in: deploy/retraining.py
    "QualityCheckStep": ["CreateProcessingJob processing-job"],
    "ClarifyCheckStep": ["CreateProcessingJob processing-job"],
    "Step": [],
}
_NAMES = {
    "churn-group": "model-package-group/churn",
    "churn-version": "model-package/churn/3",
    "churn-config": "endpoint-config/churn-staging-ab12cd34ef56",
    "churn-endpoint": "endpoint/churn-staging",
}


def steps() -> set[str]:
    """The classes of steps that pipelines import."""
    found = set()
    for file in (_ROOT / "pipelines").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sagemaker.mlops.workflow"):
                found |= {each.name for each in node.names if each.name.endswith("Step")}
    return found


def execution() -> Iterator[Request]:
    for step in sorted(steps()):
        for line in STEPS[step]:
            operation, kind = line.split()
            name = _NAMES.get(kind, f"{kind}/pipelines-ab12cd34ef56-{step}-q1w2e3r4t5")
            yield _sagemaker(operation, name)
            if operation.startswith("Create"):
                yield _sagemaker("AddTags", name)
    yield Request("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION}", _PASSED)
    # What a job's host does before and after the script, and an endpoint's.
    for action in ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"):
        yield Request(action, f"arn:aws:s3:::{BUCKET}/models/churn", {})
    for action in ("s3:ListBucket", "s3:GetBucketLocation"):
        yield Request(action, f"arn:aws:s3:::{BUCKET}", {})
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        yield Request(action, KEY, {})
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/ProcessingJobs"
    for operation in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        yield Request(f"logs:{operation}", f"{group}:log-stream:x", {})
    yield Request("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"})
    # An update with alarms that take it back.
    yield Request("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*", {})
    images = f"arn:aws:ecr:{REGION}:683313688378:repository/sagemaker-xgboost"
    for operation in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Request(f"ecr:{operation}", images, {})
    yield Request("ecr:GetAuthorizationToken", "*", {})


def codepipeline(delivery: Stack) -> Iterator[Request]:
    """By the actions of both pipelines."""
    yield from _objects()
    yield Request("s3:GetBucketVersioning", _ARTIFACTS, {})
    for pipeline in delivery.of("AWS::CodePipeline::Pipeline"):
        for stage in delivery.properties(pipeline)["Stages"]:
            for action in stage["Actions"]:
                yield from _action(action["ActionTypeId"]["Provider"], action["Configuration"])


def _action(provider: str, configuration: dict[str, str]) -> Iterator[Request]:
    if provider == "CodeBuild":
        arn = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/{configuration['ProjectName']}"
        for operation in ("StartBuild", "BatchGetBuilds", "StopBuild"):
            yield Request(f"codebuild:{operation}", arn, {})
    elif provider == "Manual":
        yield Request("sns:Publish", configuration["NotificationArn"], {})
    elif provider == "CodeStarSourceConnection":
        yield from _connection(configuration["ConnectionArn"])
    else:
        assert provider == "CodeCommit", provider
        arn = f"arn:aws:codecommit:{REGION}:{ACCOUNT}:{configuration['RepositoryName']}"
        for operation in ("GetBranch", "GetCommit", "GetRepository", "UploadArchive", "GetUploadArchiveStatus",
                          "CancelUploadArchive"):  # fmt: skip
            yield Request(f"codecommit:{operation}", arn, {})


def codebuild(delivery: Stack, role: str) -> Iterator[Request]:
    """Of the projects that take the role."""
    yield from _objects()
    for project in delivery.of("AWS::CodeBuild::Project"):
        properties = delivery.properties(project)
        if properties["ServiceRole"] != role:
            continue
        logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{properties['LogsConfig']['CloudWatchLogs']['GroupName']}"
        for operation in ("CreateLogStream", "PutLogEvents"):
            yield Request(f"logs:{operation}", f"{logs}:log-stream:x", {})
        report = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:report-group/{properties['Name']}-unit"
        for operation in ("CreateReportGroup", "CreateReport", "UpdateReport", "BatchPutTestCases",
                          "BatchPutCodeCoverages"):  # fmt: skip
            yield Request(f"codebuild:{operation}", report, {})
        for variable in properties["Environment"]["EnvironmentVariables"]:
            if variable.get("Type") == "PARAMETER_STORE":
                yield Request("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{variable['Value']}", {})
    for stage in delivery.properties("BuildPipeline")["Stages"][:1]:  # whose artifact is a clone, taken by the build
        configuration = stage["Actions"][0]["Configuration"]
        if "ConnectionArn" in configuration:
            yield from _connection(configuration["ConnectionArn"])
        else:
            arn = f"arn:aws:codecommit:{REGION}:{ACCOUNT}:{configuration['RepositoryName']}"
            yield Request("codecommit:GitPull", arn, {})


def events(delivery: Stack) -> Iterator[Request]:
    for rule in delivery.of("AWS::Events::Rule"):
        for target in delivery.properties(rule)["Targets"]:
            if "RoleArn" in target:
                yield Request("codepipeline:StartPipelineExecution", target["Arn"], {})


def _objects() -> Iterator[Request]:
    for action in ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"):
        yield Request(action, f"{_ARTIFACTS}/mlops-build/Source/abc", {})
    for action in ("s3:ListBucket", "s3:GetBucketLocation"):
        yield Request(action, _ARTIFACTS, {})
    for action in ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"):
        yield Request(action, KEY, {})


def _connection(arn: str) -> Iterator[Request]:
    """Connections of before March 2024 have the service's old name, and so has what is asked."""
    for service in ("codeconnections", "codestar-connections"):
        yield Request(f"{service}:UseConnection", arn, {})


def _sagemaker(operation: str, resource: str) -> Request:
    return Request(f"sagemaker:{operation}", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}", {})
