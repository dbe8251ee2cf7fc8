"""A monitor and a retraining on a sagelocal, with small jobs that really run: Check copies what it is to have found."""

from __future__ import annotations

import json
import time
from typing import Any

from deploy import names, resources, retraining
from deploy.apply import apply
from deploy.declaration import Retraining
from deploy.retraining import Target
from deploy.wanted import Place
from sagelocal.config import Settings
from tests.dashboard.monitoring.monitored import BEFORE, CONSTRAINTS, MOVED, NAME, VIOLATIONS

ENDPOINT, USE_CASE = "shop-staging", "shop"
ALARM = f"{NAME}-violations"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
HEALTHY, DRIFTED, EMPTY = "healthy", "drifted", "empty"
_FOUND = {
    HEALTHY: (BEFORE, [], "Completed: Job completed successfully with no violations."),
    DRIFTED: (MOVED, VIOLATIONS, "CompletedWithViolations: Job completed successfully with 2 violations."),
}
_CHECK = """
import pathlib, shutil
class NoRecordsError(ValueError):
    pass
found = pathlib.Path("/opt/ml/processing/input/data")
if not (found / "message").exists():
    raise NoRecordsError("no record in <b>s3://shop</b>")
shutil.copytree(found, "/opt/ml/processing/output", dirs_exist_ok=True)
shutil.copy(found / "message", "/opt/ml/output/message")
"""
_INPUT = "/opt/ml/processing/input"


class Shop:
    def __init__(self, settings: Settings) -> None:
        self.settings, self.bucket = settings, settings.bucket
        self.sagemaker, self.s3 = settings.client("sagemaker"), settings.client("s3")
        self._put("code/check.py", _CHECK)
        self._put("baseline/statistics.json", json.dumps(BEFORE))
        self._put("baseline/constraints.json", json.dumps(CONSTRAINTS))
        for folder, (found, violations, message) in _FOUND.items():
            self._put(f"{folder}/statistics.json", json.dumps(found))
            self._put(f"{folder}/constraint_violations.json", json.dumps({"violations": violations}))
            self._put(f"{folder}/report.html", "<h1>Report</h1>")
            self._put(f"{folder}/message", message)
        self._put(f"{EMPTY}/nothing", "")
        for name, kind in ((NAME, "data-quality"), (f"{ENDPOINT}-model-bias", "model-bias")):
            self._pipeline(name, f"{names.MADE}{kind} of {ENDPOINT}", self._definition())
        self._alarm()
        self._retraining()

    def _put(self, key: str, content: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content.encode())

    def _pipeline(self, name: str, description: str, definition: dict[str, Any]) -> None:
        self.sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDescription=description,
            PipelineDefinition=json.dumps(definition),
            RoleArn=self.settings.role_arn,
        )

    def _definition(self) -> dict[str, Any]:
        run = {
            "Std:Join": {
                "On": "/",
                "Values": [f"s3://{self.bucket}/monitoring", {"Get": "Execution.PipelineExecutionId"}],
            }
        }
        data = {"Std:Join": {"On": "/", "Values": [f"s3://{self.bucket}", {"Get": "Parameters.Found"}]}}
        uris = {
            "code": f"s3://{self.bucket}/code/",
            "data": data,
            "statistics": f"s3://{self.bucket}/baseline/statistics.json",
            "constraints": f"s3://{self.bucket}/baseline/constraints.json",
        }
        inputs = [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"{_INPUT}/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in uris.items()
        ]
        output = {"S3Uri": run, "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
        check = {
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
            "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", f"{_INPUT}/code/check.py"]},
            "RoleArn": self.settings.role_arn,
            "ProcessingInputs": inputs,
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "check", "S3Output": output}]},
        }
        defaults = {"Found": DRIFTED, "WindowStart": "", "WindowEnd": ""}
        return {
            "Version": "2020-12-01",
            "Parameters": [{"Name": each, "Type": "String", "DefaultValue": value} for each, value in defaults.items()],
            "Steps": [{"Name": "Check", "Type": "Processing", "Arguments": check}],
        }

    def _alarm(self) -> None:
        dimensions = [{"Name": "Endpoint", "Value": ENDPOINT}, {"Name": "MonitoringSchedule", "Value": NAME}]
        metric = {"Namespace": "aws/sagemaker/Endpoints/data-metrics", "Dimensions": dimensions}
        cloudwatch = self.settings.client("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName=ALARM, MetricName="violations", Statistic="Maximum", Period=60, TreatMissingData="ignore",
            ComparisonOperator="GreaterThanThreshold", Threshold=0, EvaluationPeriods=1, **metric,
        )  # fmt: skip
        cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="2 violations")
        points = [
            {"MetricName": f"feature_baseline_drift_{each}", "Dimensions": dimensions, "Value": 0.5}
            for each in ("age", "plan")
        ]
        cloudwatch.put_metric_data(Namespace=metric["Namespace"], MetricData=points)

    def _retraining(self) -> None:
        """The function that `mlops deploy` makes, on traffic that is labelled already."""
        settings = self.settings
        place = Place("aws", settings.account, settings.region, settings.role_arn, self.bucket)
        register = {
            "ModelPackageGroupName": USE_CASE,
            "InferenceSpecification": {
                "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{self.bucket}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        }
        learn = {
            "Version": "2020-12-01",
            "Parameters": [{"Name": "InputDataUrl", "Type": "String"}],
            "Steps": [{"Name": "Register", "Type": "RegisterModel", "Arguments": register}],
        }
        self.sagemaker.create_model_package_group(ModelPackageGroupName=USE_CASE)
        self._pipeline(USE_CASE, "learns", learn)
        step = {
            "Name": "Retrain",
            "Type": "Lambda",
            "Arguments": {"data": "s3://bucket/recent", "labelled": 600, "alarm": {"Get": "Parameters.Alarm"}},
            "FunctionArn": retraining.function_arn(ENDPOINT, place),
            "OutputParameters": [
                {"OutputName": each, "OutputType": "String"} for each in ("outcome", "execution", "reason")
            ],
        }
        alarm = {"Name": "Alarm", "Type": "String", "DefaultValue": ""}
        definition = json.dumps({"Version": "2020-12-01", "Parameters": [alarm], "Steps": [step]})
        topic = settings.client("sns").create_topic(Name=f"{ENDPOINT}-monitoring")["TopicArn"]
        target = Target(USE_CASE, ENDPOINT, (ALARM,), str(topic), definition)
        apply(settings.client, resources.deploy(retraining.resources(Retraining(cooldown="PT1H"), target, place), {}))

    def check(self, found: str) -> str:
        """Runs the monitor and waits; the execution's id."""
        given = [{"Name": "Found", "Value": found}]
        arn = self.sagemaker.start_pipeline_execution(PipelineName=NAME, PipelineParameters=given)[
            "PipelineExecutionArn"
        ]
        deadline = time.monotonic() + 120
        while (described := self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))[
            "PipelineExecutionStatus"
        ] == "Executing":
            assert time.monotonic() < deadline, described
            time.sleep(0.05)
        return str(arn).rsplit("/", 1)[1]

    def prune(self, run_id: str) -> None:
        for each in ("statistics.json", "constraint_violations.json", "report.html"):
            self.s3.delete_object(Bucket=self.bucket, Key=f"monitoring/{run_id}/{each}")
