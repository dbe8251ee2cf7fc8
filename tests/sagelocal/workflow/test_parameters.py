from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.workflow import parameters

DECLARED: list[dict[str, Any]] = [
    {"Name": "S", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
    {"Name": "I", "Type": "Integer", "DefaultValue": 1},
    {"Name": "N", "Type": "Integer", "DefaultValue": 1, "EnumValues": [1, 2]},
    {"Name": "F", "Type": "Float", "DefaultValue": 2},
    {"Name": "B", "Type": "Boolean", "DefaultValue": False},
]


def given(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def test_defaults_and_typed_values() -> None:
    assert parameters.values(DECLARED, []) == {"S": "a", "I": 1, "N": 1, "F": 2.0, "B": False}
    chosen = parameters.values(DECLARED, given(S="b", I="-3", F="1e-3", B="True"))
    assert chosen == {"S": "b", "I": -3, "N": 1, "F": 0.001, "B": True}
    assert parameters.listed(chosen)[4] == {"Name": "B", "Value": "true"}


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (given(X="1"), "Unknown pipeline parameter 'X'. The pipeline's parameters: B, F, I, N, S"),
        (given(S="c"), "Value 'c' of pipeline parameter 'S' is not one of its values: a, b"),
        (given(N="3"), "Value '3' of pipeline parameter 'N' is not one of its values: 1, 2"),
        (given(I="1.5"), "Value '1.5' of pipeline parameter 'I' is not of type Integer"),
        (given(F="x"), "is not of type Float"),
        (given(B="yes"), "is not of type Boolean"),
        (given(I="1") * 2, "'I' is given more than once"),
    ],
)
def test_wrong_values(passed: list[dict[str, str]], said: str) -> None:
    with pytest.raises(AwsError, match=said) as error:
        parameters.values(DECLARED, passed)
    assert error.value.code == "ValidationException"


def test_a_value_without_default_must_be_given() -> None:
    with pytest.raises(AwsError, match="without a default value must be given: Must"):
        parameters.values([*DECLARED, {"Name": "Must", "Type": "String"}], [])


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"Name": "P", "Type": "Date"}, "unknown type 'Date'"),
        ({"Name": "P", "Type": "Integer", "DefaultValue": "1"}, "'1' of parameter 'P' is not of type Integer"),
        ({"Name": "P", "Type": "Integer", "DefaultValue": True}, "True of parameter 'P' is not of type Integer"),
        ({"Name": "P", "Type": "Boolean", "DefaultValue": 1}, "not of type Boolean"),
        ({"Name": "P", "Type": "String", "DefaultValue": "c", "EnumValues": ["a"]}, "is not one of its values"),
    ],
)
def test_wrong_declarations(declaration: dict[str, Any], said: str) -> None:
    (problem,) = parameters.problems(declaration)
    assert said in problem
