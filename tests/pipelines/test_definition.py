"""The definitions that AWS would receive."""

import copy
import dataclasses
import importlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.names import module_name
from mlops import use_cases
from pipelines.run_pipeline import load
from sagelocal.api.errors import AwsError
from sagelocal.api.validation import validate

# The API behind a step type, and the name that the service gives what the step makes.
OPERATIONS = {
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "pipelines-abcdef123456-Step-0123456789"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "pipelines-abcdef123456-Step-0123456789"}),
    "Tuning": ("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "abcdef123456-Step-0123456789"}),
    "RegisterModel": ("CreateModelPackage", {}),
    "Model": ("CreateModel", {"ModelName": "pipelines-abcdef123456-Step-0123456789"}),
    "Transform": ("CreateTransformJob", {"TransformJobName": "pipelines-abcdef123456-Step-0123456789"}),
    "EndpointConfig": ("CreateEndpointConfig", {}),
    "Endpoint": ("CreateEndpoint", {}),
}
ENDINGS = {"S3Uri": "s3://bucket/key", "S3ModelArtifacts": "s3://bucket/model.tar.gz"}
USE_CASES = [each.name for each in use_cases.find_all()]


def definition(use_case: str, project: Any) -> dict[str, Any]:
    return json.loads(load(use_case, project).definition())


def all_steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from all_steps(step["Arguments"]["IfSteps"] + step["Arguments"]["ElseSteps"])


def substituted(value: Any, parameters: dict[str, Any]) -> Any:
    """The value that an execution would see: of the right type, from defaults or made up."""
    if isinstance(value, list):
        return [substituted(each, parameters) for each in value]
    if not isinstance(value, dict):
        return value
    if "Std:Join" in value:
        joined = value["Std:Join"]
        return joined["On"].join(str(substituted(each, parameters)) for each in joined["Values"])
    if "Std:JsonGet" in value:
        return 0.7
    if set(value) == {"Get"}:
        root, name = value["Get"].split(".", 1)
        if root == "Parameters":
            return parameters[name]
        return ENDINGS.get(name.rsplit(".", 1)[-1], "abcdef123456")
    return {key: substituted(each, parameters) for key, each in value.items()}


def requests(definition: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Step name, operation and request of each step that calls an API."""
    parameters = {each["Name"]: each["DefaultValue"] for each in definition["Parameters"]}
    for step in all_steps(definition["Steps"]):
        if step["Type"] in OPERATIONS:
            operation, names = OPERATIONS[step["Type"]]
            yield step["Name"], operation, {**names, **substituted(step["Arguments"], parameters)}


def test_the_use_cases_are_found(project: Any) -> None:
    assert "churn" in USE_CASES
    assert all(hasattr(importlib.import_module(f"pipelines.{module_name(name)}"), "build") for name in USE_CASES)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_every_step_is_a_valid_request(use_case: str, compiled: Callable[[str], str]) -> None:
    checked, made = set(), json.loads(compiled(use_case))
    for name, operation, request in requests(made):
        try:
            validate("sagemaker", operation, request)
        except AwsError as error:
            pytest.fail(f"{name}: {error.message}")
        checked.add(operation)
    steps = {step["Type"] for step in all_steps(made["Steps"])}
    assert checked == {OPERATIONS[kind][0] for kind in steps - {"Condition", "Fail"}}


TRIAL = "TrainingJobDefinition"
BREAKS: dict[str, tuple[str, list[str], Any]] = {
    "required": ("CreateProcessingJob", ["RoleArn"], None),
    "unknown member": ("CreateProcessingJob", ["Colour"], "red"),
    "type": ("CreateProcessingJob", ["ProcessingResources", "ClusterConfig", "InstanceCount"], "one"),
    "minimum": ("CreateHyperParameterTuningJob", [TRIAL, "ResourceConfig", "InstanceCount"], -1),
    "maximum": ("CreateHyperParameterTuningJob", [TRIAL, "StaticHyperParameters", "x"], "1" * 2501),
    "enum": ("CreateModelPackage", ["ModelApprovalStatus"], "Maybe"),
    "pattern": ("CreateEndpointConfig", ["EndpointConfigName"], "not_a_name"),
    "length": ("CreateEndpoint", ["EndpointName"], "e" * 64),
    "items": ("CreateEndpointConfig", ["ProductionVariants"], []),
    "strings only": ("CreateHyperParameterTuningJob", [TRIAL, "StaticHyperParameters", "eta"], 0.05),
}


@pytest.mark.parametrize("constraint", BREAKS)
def test_a_broken_request_is_refused(constraint: str, churn: Any) -> None:
    operation, path, value = BREAKS[constraint]
    request = next(copy.deepcopy(each) for _, made, each in requests(churn) if made == operation)
    inside = request
    for key in path[:-1]:
        inside = inside[key]
    if value is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    with pytest.raises(AwsError):
        validate("sagemaker", operation, request)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_two_compilations_are_the_same(
    use_case: str, project: Any, compiled: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads(compiled(use_case))
    later = time.time() + 90000
    monkeypatch.setattr(time, "time", lambda: later)  # the SDK's own prefixes carry the time
    assert definition(use_case, type(project).from_environment()) == first


def keys(definition: dict[str, Any]) -> dict[str, str]:
    """What AWS's cache compares for each job step, by step name."""
    attributes = {
        "Processing": ["AppSpecification", "Environment", "ProcessingInputs"],
        "Tuning": ["HyperParameterTuningJobConfig", "TrainingJobDefinition"],
    }
    return {
        step["Name"]: json.dumps([step["Arguments"].get(each) for each in attributes[step["Type"]]])
        for step in all_steps(definition["Steps"])
        if step["Type"] in attributes
    }


def test_an_edit_misses_the_cache_of_its_own_steps_only(project: Any, churn: Any, tmp_path: Path) -> None:
    for stage in ("processing", "training", "evaluation"):
        shutil.copytree(project.root / stage, tmp_path / stage, ignore=shutil.ignore_patterns("__pycache__"))
    copied = dataclasses.replace(project, root=tmp_path)
    edits = {
        ("processing/churn.py", "training/fraud.py"): {"ProcessData"},
        ("evaluation/data_statistics.py",): {"DataQuality"},
        ("training/tabular_inference.py", "evaluation/classification_plots.py"): {"Tune", "Evaluate"},
    }
    before = keys(churn)
    for files, missed in edits.items():
        for name in files:
            with (tmp_path / name).open("a") as file:
                file.write("\n")
        after = keys(definition("churn", copied))
        assert {name for name in before if before[name] != after[name]} == missed
        before = after


def test_jobs_are_cached_retried_and_tagged(churn: Any) -> None:
    jobs = [step for step in all_steps(churn["Steps"]) if step["Type"] in ("Processing", "Tuning")]
    cached = [step for step in jobs if step.get("CacheConfig") == {"Enabled": True, "ExpireAfter": "P30D"}]
    assert {step["Name"] for step in cached} == {"ProcessData", "Tune", "Evaluate"}
    for step in jobs:
        assert {error for policy in step["RetryPolicies"] for error in policy["ExceptionType"]} >= {"Step.THROTTLING"}
        assert step["Arguments"]["Tags"] == [{"Key": "mlops:use-case", "Value": "churn"}]


def training_step(project: Any, **members: Any) -> dict[str, Any]:
    from pipelines import steps

    given = {"channels": {"train": "s3://b/train"}, "hyperparameters": {"eta": 0.1}, "instance_type": "ml.m5.large"}
    return steps.train(project, "churn", **{**given, **members}).to_request()


def test_a_training_step_is_a_valid_request(project: Any) -> None:
    request = training_step(project)["Arguments"]
    validate("sagemaker", "CreateTrainingJob", {"TrainingJobName": "x", **request})
    assert request["HyperParameters"]["eta"] == "0.1"


def test_aws_refuses_metric_definitions_for_its_xgboost_image(project: Any, churn: Any) -> None:
    tune = next(step for step in churn["Steps"] if step["Name"] == "Tune")
    assert "MetricDefinitions" not in tune["Arguments"][TRIAL]["AlgorithmSpecification"]
    with pytest.raises(ValueError, match="validation:auc"):
        training_step(project, metrics=["validation:auc"])
    sklearn = training_step(project, metrics=["auc"], framework="sklearn")["Arguments"]["AlgorithmSpecification"]
    assert sklearn["MetricDefinitions"] == [{"Name": "auc", "Regex": "auc=([-+0-9.eE]+)"}]


def test_the_best_trial_is_the_model(churn: Any) -> None:
    """Evaluated, registered and deployed is the artifact below the prefix where the trials put theirs."""
    steps = {step["Name"]: step for step in all_steps(churn["Steps"])}
    output = steps["Tune"]["Arguments"][TRIAL]["OutputDataConfig"]["S3OutputPath"]
    container = steps["Register"]["Arguments"]["InferenceSpecification"]["Containers"][0]
    bucket, prefix = output.removeprefix("s3://").split("/", 1)
    best = {"Get": "Steps.Tune.TrainingJobSummaries[0].TrainingJobName"}
    assert container["ModelDataUrl"] == {
        "Std:Join": {"On": "/", "Values": ["s3:/", bucket, prefix, best, "output/model.tar.gz"]}
    }
    assert steps["Evaluate"]["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"] == container["ModelDataUrl"]


def test_no_condition_lies_in_a_branch_or_waits_for_another(churn: Any) -> None:
    top = churn["Steps"]
    conditions = [step for step in top if step["Type"] == "Condition"]
    assert [step["Name"] for step in conditions] == ["CheckGate", "CheckDeployTo"]
    for step in conditions:
        inside = list(all_steps(step["Arguments"]["IfSteps"] + step["Arguments"]["ElseSteps"]))
        assert "Condition" not in {each["Type"] for each in inside}
        assert "DependsOn" not in step
        others = {each["Name"] for each in all_steps(top)} - {each["Name"] for each in inside}
        text = json.dumps([each for each in top if each is not step])
        assert not [each["Name"] for each in inside if f"Steps.{each['Name']}." in text], others


def test_the_gate_decides_over_registration_and_deployment(churn: Any) -> None:
    gate, deploy = (step["Arguments"] for step in churn["Steps"] if step["Type"] == "Condition")
    condition = gate["Conditions"][0]
    assert condition["LeftValue"]["Std:JsonGet"]["Path"] == "binary_classification_metrics.average_precision.value"
    assert condition["RightValue"] == {"Get": "Parameters.MinAveragePrecision"}
    assert [step["Name"] for step in gate["IfSteps"]] == ["Register"]
    message = json.dumps(gate["ElseSteps"][0]["Arguments"]["ErrorMessage"])
    assert "average_precision.value" in message
    assert "Parameters.MinAveragePrecision" in message
    assert deploy["Conditions"][0] == condition
    assert deploy["Conditions"][-1] == {
        "Type": "In",
        "QueryValue": {"Get": "Parameters.DeployTo"},
        "Values": ["staging"],
    }
    assert [step["Type"] for step in deploy["IfSteps"]] == ["Model", "EndpointConfig", "Endpoint"]


def test_the_version_carries_its_evaluation(churn: Any) -> None:
    register = next(each for each in all_steps(churn["Steps"]) if each["Name"] == "Register")
    arguments = substituted(register["Arguments"], {each["Name"]: "x" for each in churn["Parameters"]})
    assert arguments["CustomerMetadataProperties"]["Evaluation"] == "s3://bucket/key/evaluation.json"
    assert arguments["CustomerMetadataProperties"]["AveragePrecision"] == "0.7"
    assert arguments["InferenceSpecification"]["Containers"][0]["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    assert "Tags" not in arguments  # AWS refuses them on a version of a group


def test_training_gets_what_the_defaults_file_demands(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    demanded = {
        "VpcConfig": vpc,
        "EnableNetworkIsolation": True,
        "OutputDataConfig": {"KmsKeyId": "output-key"},
        "ResourceConfig": {"VolumeKmsKeyId": "volume-key"},
    }
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text(json.dumps({"SchemaVersion": "1.0", "SageMaker": {"TrainingJob": demanded}}))
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(defaults))
    strict = type(project).from_environment()
    made = definition("churn", strict)["Steps"]
    trial = next(step["Arguments"][TRIAL] for step in made if step["Name"] == "Tune")
    train = training_step(strict)["Arguments"]
    for request in (trial, train):
        assert request["VpcConfig"] == vpc
        assert request["OutputDataConfig"]["KmsKeyId"] == "output-key"
    assert train["EnableNetworkIsolation"] is True
    assert train["ResourceConfig"]["VolumeKmsKeyId"] == "volume-key"


def test_how_many_trials_a_tuning_job_has_may_be_an_executions_parameter(compiled: Callable[[str], str]) -> None:
    made = {name: json.loads(compiled(name)) for name in ("fraud", "churn")}
    limits = {
        name: [
            step["Arguments"]["HyperParameterTuningJobConfig"]["ResourceLimits"]
            for step in each["Steps"]
            if step["Type"] == "Tuning"
        ]
        for name, each in made.items()
    }
    assert (
        limits["fraud"] == [{"MaxNumberOfTrainingJobs": {"Get": "Parameters.Trials"}, "MaxParallelTrainingJobs": 1}] * 6
    )
    assert limits["churn"] == [{"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2}]
    assert {"Name": "Trials", "Type": "Integer", "DefaultValue": 4} in made["fraud"]["Parameters"]
