"""A template's properties as an API's request."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.model import operation_model
from sagelocal.stacks.conversion import converted, unknown_properties


def shape(service: str, operation: str) -> Any:
    return operation_model(service, operation).input_shape


def test_names_take_the_case_of_the_api_and_text_becomes_what_the_shape_says() -> None:
    project = {
        "Name": "mlops-build",
        "TimeoutInMinutes": "480",
        "Source": {"Type": "CODEPIPELINE", "BuildSpec": "buildspec.yml"},
        "Environment": {"PrivilegedMode": "true", "EnvironmentVariables": [{"Name": "STAGE", "Value": 3}]},
    }
    assert converted(shape("codebuild", "CreateProject"), project, "Project") == {
        "name": "mlops-build",
        "timeoutInMinutes": 480,
        "source": {"type": "CODEPIPELINE", "buildspec": "buildspec.yml"},
        "environment": {"privilegedMode": True, "environmentVariables": [{"name": "STAGE", "value": "3"}]},
    }


def test_the_keys_of_a_map_stay_as_they_are() -> None:
    action = {"Name": "Build", "Configuration": {"ProjectName": "p", "PollForSourceChanges": False}}
    declaration = {"Stages": [{"Name": "Build", "Actions": [action]}]}
    pipeline = shape("codepipeline", "CreatePipeline").members["pipeline"]
    stages = converted(pipeline, declaration, "Pipeline")["stages"]
    assert stages[0]["actions"][0]["configuration"] == {"ProjectName": "p", "PollForSourceChanges": "false"}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"Nmae": "x"}, r"Project\.Nmae is no property"),
        ({"Source": {"Branch": "x"}}, r"Project\.Source\.Branch is no property"),
        ({"TimeoutInMinutes": "long"}, r"Project\.TimeoutInMinutes is a number, not 'long'"),
        ({"BadgeEnabled": "perhaps"}, r"Project\.BadgeEnabled is true or false"),
        ({"SecondarySources": {}}, r"Project\.SecondarySources is a list"),
    ],
)
def test_what_the_api_does_not_take_is_named(properties: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        converted(shape("codebuild", "CreateProject"), properties, "Project")


def test_unknown_properties_are_found_before_functions_are_resolved() -> None:
    declaration = {
        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "Triggers": {"Fn::If": ["Yes", [{"ProviderType": "x", "GitConfig": {}}], {"Ref": "AWS::NoValue"}]},
        "Stages": [{"Name": "Source", "Actions": [{"Nmae": "x"}]}],
    }
    pipeline = shape("codepipeline", "CreatePipeline").members["pipeline"]
    found = " ".join(unknown_properties(pipeline, declaration, "Pipeline"))
    assert "Pipeline.Triggers[0].GitConfig is no property" in found
    assert "Pipeline.Stages[0].Actions[0].Nmae is no property" in found
    assert "RoleArn" not in found
