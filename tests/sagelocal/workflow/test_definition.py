"""What CreatePipeline refuses, each by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.workflow import definition
from tests.sagelocal.workflow.conftest import at_least, condition, deploying, fail, output, processing, training

FILES = [{"PropertyFileName": "report", "OutputName": "out", "FilePath": "evaluation.json"}]


def text(*steps: Any, **more: Any) -> str:
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "MlflowConfig": None, "Steps": list(steps), **more})


def test_a_definition_nested_too_deep_is_refused_like_any_other_that_is_no_json() -> None:
    with pytest.raises(AwsError, match="Unable to parse pipeline definition. It is not valid JSON") as error:
        definition.parse('{"Steps":' + "[" * 100_000)
    assert error.value.code == "ValidationException"


def test_what_runs_is_taken() -> None:
    parameters = [{"Name": "Floor", "Type": "Float", "DefaultValue": 0.8}]
    assert len(definition.parse(text(*deploying(), Parameters=parameters))["Steps"]) == 3
    either = {"Type": "Or", "Conditions": [at_least(1, 2), {"Type": "Not", "Condition": at_least(1, 2)}]}
    inside = {"Type": "In", "QueryValue": "a", "Values": ["a"]}
    definition.parse(text(condition("C", [either, inside], [fail("F", "x")], [])))


def json_get(step: str, file: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": f"Steps.{step}.PropertyFiles.{file}"}, "Path": "a"}}


@pytest.mark.parametrize("kind", [
    "EMR", "EMRServerless", "Job", "InferenceComponent", "Nonsense",
])  # fmt: skip
def test_other_step_types_are_refused_by_name(kind: str) -> None:
    inner = {"Name": "Inner", "Type": kind, "Arguments": {}}
    for steps in ([inner], [condition("C", [at_least(1, 2)], [], [inner])]):
        with pytest.raises(AwsError, match=f"Step 'Inner' is of type '{kind}', which sagelocal does not run") as error:
            definition.parse(text(*steps))
        assert error.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "at least one step"),
        (["x"], "A step must be an object with Name and Type"),
        ([{"Name": "A", "Type": "Fail"}], "Step 'A' has no Arguments"),
        ([fail("A b", "x")], "Step name 'A b' must match"),
        ([fail("A", "x"), fail("A", "x")], "'A' is used more than once"),
        ([fail("A", "")], "Fail step 'A' has no ErrorMessage"),
        ([fail("A", "x", CacheConfig={"Enabled": True})], "Cannot parse Fail step 'A', unknown property 'CacheConfig'"),
        ([fail("A", "x", DependsOn=["B"])], "Step 'A' depends on step 'B', which does not exist"),
        ([fail("A", "x", DependsOn=[{"Step": "A", "Trigger": "Sometimes"}])], "DependsOn of step 'A'"),
        ([fail("A", {"Get": "Parameters.X"})], "Unknown parameter 'X'; the definition declares: none"),
        ([fail("A", {"Get": "Execution.X"})], "Unknown execution variable 'X'"),
        ([fail("A", {"Get": "Step.X"})], "Invalid reference 'Step.X'"),
        ([fail("A", {"Get": 5})], "Get takes a string"),
        ([fail("A", {"Std:Upper": "x"})], "Unknown function 'Std:Upper'"),
        ([fail("A", {"Std:Join": ["x"]})], "Std:Join takes On and a list of Values"),
        ([fail("A", {"Std:JsonGet": {"Path": "a"}})], "Std:JsonGet takes Path and either PropertyFile or S3Uri"),
        ([fail("A", {"Get": "Steps.B.X"})], "depends on step 'B', which does not exist"),
        ([processing("B"), fail("A", json_get("B", "report"))], r"step 'B' has the property files \[\]"),
        ([processing("B", PropertyFiles=FILES), fail("A", json_get("B", "x"))], r"property files \['report'\]"),
        ([processing("B", PropertyFiles=[{"Name": "x"}])], "must have exactly PropertyFileName"),
        ([training("T", {}), fail("A", {"Get": "Steps.T.ModelArtefacts"})], "Training step 'T' has no such property"),
        ([training("T", {}), fail("A", {"Get": "Steps.T.ModelArtifacts.S3"})], "Invalid property reference"),
        ([condition("C", [at_least(1, 2)], [], []), fail("A", {"Get": "Steps.C.X"})], "'C' has no such property"),
        ([processing("A", inputs=[output("B")]), processing("B", inputs=[output("A")])], "in a circle"),
        ([condition("C", [], [], [])], "Condition step 'C' has no Conditions"),
        ([condition("C", [{"Type": "Like"}], [], [])], "condition of the unknown type 'Like'"),
        ([condition("C", [{"Type": "Equals", "LeftValue": 1}], [], [])], "condition of step 'C' lacks RightValue"),
        ([condition("C", [{"Type": "Not", "Expression": {}}], [], [])], "unknown property 'Expression'"),
        (
            [condition("C", [{"Type": "Not", "Condition": {"Type": "Or", "Conditions": [{"Type": "X"}]}}], [], [])],
            "unknown type 'X'",
        ),
        (
            [condition("C", [at_least(1, 2)], [condition("D", [at_least(1, 2)], [], [])], [])],
            "Condition step 'D' is nested in condition step 'C'",
        ),
        ([processing("A", CacheConfig={"Enabled": "yes"})], "Enabled must be true or false, not 'yes'"),
        ([processing("A", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})], "'soon' is not an ISO 8601 duration"),
        ([processing("A", RetryPolicies=[{"ExceptionType": ["X"], "MaxAttempts": 1}])], "ExceptionType 'X'"),
        ([processing("A", arguments={"Colour": "red"})], "Validation failed: step 'A': Unknown parameter 'Colour'"),
        ([training("T", {"rounds": 3})], "Model Validation failed: step 'T': .*hyperParameters"),
        ([training("T", {}, arguments={"RoleArn": "x"})], "Model Validation failed: step 'T': Value 'x' at 'roleArn'"),
        (
            [training("T", {}, arguments={"ResourceConfig": {"InstanceType": "big"}})],
            "'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_steps(steps: list[Any], said: str) -> None:
    with pytest.raises(AwsError, match=said) as error:
        definition.parse(text(*steps))
    assert error.value.code == "ValidationException"
    assert error.value.message.startswith("Unable to parse pipeline definition. ")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        (text(fail("A", "x"), Version="2021-01-01"), "Version must be '2020-12-01', not '2021-01-01'"),
        (text(fail("A", "x"), Stages=[]), "unknown property 'Stages'"),
        (text(fail("A", "x"), MlflowConfig={"MlflowResourceArn": "arn"}), "MlflowConfig is not implemented"),
        (text(fail("A", "x"), Parameters=[{"Name": "P", "Type": "Date"}]), "unknown type 'Date'"),
        (text(fail("A", "x"), Parameters=[{"Name": "P", "Type": "String"}] * 2), "'P' is used more than once"),
        (text(fail("A", "x"), Parameters=[{"Name": "a b", "Type": "String"}]), "Parameter name 'a b'"),
        (text(fail("A", "x"), Parameters=["P"]), "wrong JSON type"),
        (
            text(fail("A", "x"), PipelineExperimentConfig={"TrialName": {"Get": "Steps.A.X"}}),
            "only, not to 'Steps.A.X'",
        ),
    ],
)
def test_what_is_wrong_with_the_document(document: str, said: str) -> None:
    with pytest.raises(AwsError, match=said):
        definition.parse(document)


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "definitions").iterdir()), ids=lambda file: file.stem)
def test_what_sdk_v2_compiles_is_taken(file: Path) -> None:
    """Compiled with sagemaker 2.257.7: old and new model steps, step collections with their repack step, tuning."""
    assert definition.parse(file.read_text())["Steps"]
