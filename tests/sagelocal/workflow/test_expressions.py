"""Expressions and paths, on plain values."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.model import operation_model
from sagelocal.workflow.expressions import (
    ExpressionError,
    Scope,
    evaluate,
    look_up,
    parse_path,
    references,
    resolve,
    text,
)

TRAIN = {
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
    "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.9}, {"MetricName": "validation:auc", "Value": 0.8}],
    "InputDataConfig": [{"ChannelName": "train"}],
    "HyperParameters": {"a.b": "1"},
}
FILES = {"report": {"m": {"auc": 0.5, "list": [1, {"x": "y"}], "none": None}}}


def properties(step: str) -> Any:
    if step != "Train":
        raise ExpressionError(f"Step '{step}' has no properties")
    return TRAIN


SCOPE = Scope(
    parameters={"Name": "n", "Count": 3, "Rate": 0.1, "On": True},
    execution={"PipelineName": "p"},
    experiment={"TrialName": "t"},
    properties=properties,
    property_file=lambda step, name: FILES[name],
    json=lambda uri: {"s3://b/c.json": {"floor": 2}}[uri],
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Get": "Parameters.Count"}, 3),
        ({"Get": "Execution.PipelineName"}, "p"),
        ({"Get": "PipelineExperimentConfig.TrialName"}, "t"),
        ({"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}, "s3://b/model.tar.gz"),
        ({"Get": "Steps.Train.FinalMetricDataList[0].Value"}, 0.9),
        ({"Get": "Steps.Train.FinalMetricDataList['validation:auc'].Value"}, 0.8),
        ({"Get": 'Steps.Train.HyperParameters["a.b"]'}, "1"),
        (
            {"Std:Join": {"On": "-", "Values": ["a", {"Get": "Parameters.Count"}, 1.5, {"Get": "Parameters.On"}]}},
            "a-3-1.5-true",
        ),
        ({"Std:Join": {"Values": [{"Std:Join": {"On": "/", "Values": ["a", "b"]}}, "c"]}}, "a/bc"),
        ({"Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "m.auc"}}, 0.5),
        ({"Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "m.list[1]['x']"}}, "y"),
        ({"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "/", "Values": ["s3://b", "c.json"]}}, "Path": "floor"}}, 2),
    ],
)
def test_values(expression: dict[str, Any], value: Any) -> None:
    assert evaluate(expression, SCOPE) == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ({"Get": "Parameters.None"}, "no 'Parameters.None'"),
        ({"Get": "Execution.TrainingJobName"}, "no 'Execution.TrainingJobName'"),
        ({"Get": "Nowhere.X"}, "must start with one of Parameters"),
        ({"Get": "Steps.Other.X"}, "Step 'Other' has no properties"),
        ({"Get": "Steps.Train"}, "expected Steps.<step name>.<property>"),
        ({"Get": "Steps.Train.ModelArtifacts.Nothing"}, "there is no 'Nothing'"),
        ({"Get": "Steps.Train.FinalMetricDataList[5].Value"}, "there is no '5'"),
        ({"Get": "Steps.Train.FinalMetricDataList['f1'].Value"}, "there is no 'f1'"),
        ({"Std:Upper": {"Value": "x"}}, "Unknown function 'Std:Upper'"),
        ({"Std:Join": {"Values": [{"Get": "Steps.Train.ModelArtifacts"}]}}, "A dict cannot be part of a string"),
        (
            {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "m"}},
            "not a string, number",
        ),
        (
            {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "m.none"}},
            "not a string, number",
        ),
        (
            {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "m.f1"}},
            "'m.f1' has no value in property file 'report' of step 'E': there is no 'f1'",
        ),
    ],
)
def test_errors_name_the_expression(expression: dict[str, Any], said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        evaluate(expression, SCOPE)


def test_a_value_becomes_a_string_only_where_the_api_takes_one_and_an_expression_gave_it() -> None:
    shape = operation_model("sagemaker", "CreateTrainingJob").input_shape
    request = {
        "HyperParameters": {"rounds": {"Get": "Parameters.Count"}, "flag": {"Get": "Parameters.On"}, "literal": 3},
        "ResourceConfig": {"InstanceCount": {"Get": "Parameters.Count"}, "InstanceType": None},
        "InputDataConfig": [{"ChannelName": {"Get": "Parameters.Rate"}}],
    }
    assert resolve(request, SCOPE, shape) == {
        "HyperParameters": {"rounds": "3", "flag": "true", "literal": 3},
        "ResourceConfig": {"InstanceCount": 3},
        "InputDataConfig": [{"ChannelName": "0.1"}],
    }


def test_paths() -> None:
    assert parse_path("a.b[0]['c d'][\"e\"].f-g") == ["a", "b", 0, "c d", "e", "f-g"]
    assert look_up([[1, 2]], [0, 1], "[0][1]") == 2
    for wrong in ("a[", "a['b", "", "a[b]", "a..b"):
        with pytest.raises(ExpressionError, match="path"):
            parse_path(wrong)


def test_references_are_found_at_any_depth() -> None:
    inner = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.A.PropertyFiles.f"}, "Path": "x"}}
    value = {"a": [{"Std:Join": {"On": "", "Values": [{"Get": "Parameters.P"}, inner]}}], "b": "Get"}
    assert list(references(value)) == ["Parameters.P", "Steps.A.PropertyFiles.f"]


def test_text_refuses_what_is_not_a_scalar() -> None:
    assert [text(value) for value in ("a", 1, 0.25, False)] == ["a", "1", "0.25", "false"]
    with pytest.raises(ExpressionError, match="NoneType"):
        text(None)
