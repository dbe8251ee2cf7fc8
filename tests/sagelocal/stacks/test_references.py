"""References that lead nowhere, as CloudFormation sees them."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.stacks.references import unresolved

OFF = {"Condition": "No"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Ref": "P"}, ""),
        ({"Ref": "AWS::Region"}, ""),
        ({"Ref": "Off"}, "Unresolved resource dependencies [Off] in the Resources block of the template"),
        ({"Fn::GetAtt": ["Gone", "Arn"]}, "[Gone]"),
        ({"Fn::GetAtt": "Gone.Arn"}, "[Gone]"),
        ({"Fn::Sub": "${AWS::Region} ${!Gone} ${P} ${B.Arn}"}, ""),
        ({"Fn::Sub": ["${own} ${Gone}", {"own": {"Ref": "P"}}]}, "[Gone]"),
        ({"Fn::Sub": ["${own}", {"own": {"Ref": "Gone"}}]}, "[Gone]"),
        ({"Fn::If": ["No", {"Ref": "Off"}, {"Ref": "AWS::NoValue"}]}, ""),
        ({"Fn::If": ["No", "x", [{"Ref": "Off"}]]}, "[Off]"),
        ({"Fn::Sub": "${A}"}, "Circular dependency between resources: [A]"),
    ],
)
def test_references(value: Any, said: str) -> None:
    template = {"Parameters": {"P": {}}, "Resources": {"A": {"Properties": {"X": [value]}}, "B": {}, "Off": OFF}}
    found = list(unresolved(template, {"No": False}))
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_what_is_waited_for_and_outputs() -> None:
    resources = {"A": {"DependsOn": ["Off", "Gone"]}, "Off": OFF}
    outputs = {"O": {"Value": {"Ref": "Off"}}, "P": {"Value": {"Ref": "Off"}, **OFF}}
    assert list(unresolved({"Resources": resources, "Outputs": outputs}, {"No": False})) == [
        "Unresolved resource dependencies [Gone] in the Resources block of the template",
        "Unresolved resource dependencies [Off] in the Outputs block of the template",
    ]
