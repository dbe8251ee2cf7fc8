"""A CloudFormation template with its intrinsic functions resolved, as far as policies need it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "cloudformation"
ACCOUNT, REGION = "111122223333", "eu-west-1"
PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::NoValue": None}
# What Ref gives, and Fn::GetAtt of Arn, by the property that has the name. Others are referred to by their logical id.
_ARNS = {
    "AWS::IAM::Role": ("RoleName", "iam::{account}:role/{name}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "iam::{account}:policy/{name}"),
    "AWS::S3::Bucket": ("BucketName", "s3:::{name}"),
    "AWS::SNS::Topic": ("TopicName", "sns:{region}:{account}:{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{region}:{account}:log-group:{name}"),
}
_ARN_AS_REF = ("AWS::IAM::ManagedPolicy", "AWS::SNS::Topic")


class _Loader(yaml.SafeLoader):
    """Short forms as long ones: `!Sub x` is {"Fn::Sub": "x"}."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tagged)


def read(name: str) -> dict[str, Any]:
    """The template as it is, with long forms of its functions."""
    return dict(yaml.load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"), _Loader))


def _replaced(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for written, meant in values.items():
            value = value.replace(written, meant)
        return value
    if isinstance(value, list):
        return [_replaced(each, values) for each in value]
    if isinstance(value, dict):
        return {_replaced(key, values): _replaced(each, values) for key, each in value.items()}
    return value


class Stack:
    """`parameters` go before a template's defaults; a parameter without either is its own name."""

    def __init__(self, name: str, parameters: Mapping[str, str] | None = None) -> None:
        self.template = read(name)
        declared = self.template.get("Parameters", {})
        given = {key: str(each.get("Default", key)) for key, each in declared.items()} | dict(parameters or {})
        self._values: dict[str, Any] = {
            key: value.split(",") if declared[key]["Type"] == "CommaDelimitedList" else value
            for key, value in given.items()
            if key in declared
        }
        self._conditions = self.template.get("Conditions", {})
        self.template["Resources"] = dict(self._expanded(self.template["Resources"]))
        self.resources: dict[str, Any] = {
            key: each
            for key, each in self.template["Resources"].items()
            if "Condition" not in each or self._holds({"Condition": each["Condition"]})
        }

    def _expanded(self, resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Loops of AWS::LanguageExtensions as the resources that they make."""
        for key, each in resources.items():
            if not key.startswith("Fn::ForEach::"):
                yield key, each
                continue
            variable, collection, body = each
            for item in self.resolve(collection):
                values = {f"${{{variable}}}": item, f"&{{{variable}}}": re.sub(r"[^A-Za-z0-9]", "", item)}
                yield from _replaced(body, values).items()

    def properties(self, logical_id: str) -> dict[str, Any]:
        return dict(self.resolve(self.resources[logical_id].get("Properties", {})))

    def of(self, kind: str) -> list[str]:
        """Logical ids of a type's resources."""
        return [key for key, each in self.resources.items() if each["Type"] == kind]

    def outputs(self) -> dict[str, str]:
        return {key: self.resolve(each["Value"]) for key, each in self.template.get("Outputs", {}).items()}

    def resolve(self, value: Any) -> Any:
        """Members and items that are AWS::NoValue are left out."""
        if isinstance(value, list):
            return [each for each in map(self.resolve, value) if each is not None]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if len(value) == 1 and (name == "Ref" or name.startswith("Fn::")):
            return self._function(name, value[name])
        return {key: each for key, each in ((k, self.resolve(v)) for k, v in value.items()) if each is not None}

    def _function(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            return self._ref(argument)
        if name == "Fn::GetAtt":
            return self._arn(argument[0]) if argument[1] == "Arn" else ".".join(argument)
        if name == "Fn::Sub":
            return self._sub(argument)
        if name == "Fn::If":
            return self.resolve(argument[1 if self._holds({"Condition": argument[0]}) else 2])
        found = self.resolve(argument)
        if name == "Fn::Join":
            return found[0].join(str(each) for each in found[1])
        if name == "Fn::Split":
            return found[1].split(found[0])
        if name == "Fn::Select":
            return found[1][int(found[0])]
        if name in ("Fn::Cidr", "Fn::GetAZs"):
            return [f"{name}-{each}" for each in range(2)]
        raise NotImplementedError(name)

    def _ref(self, name: str) -> Any:
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self._values:
            return self._values[name]
        kind = self.template["Resources"][name]["Type"]
        if kind in _ARN_AS_REF:
            return self._arn(name)
        return self._name(name)

    def _name(self, logical_id: str) -> str:
        resource = self.template["Resources"][logical_id]
        properties = resource.get("Properties", {})
        member = _ARNS.get(resource["Type"], ("Name", ""))[0]
        return str(self.resolve(properties.get(member, logical_id)))

    def _arn(self, logical_id: str) -> str:
        kind = self.template["Resources"][logical_id]["Type"]
        pattern = _ARNS.get(kind, ("", f"{kind}/{{name}}"))[1]
        return f"arn:aws:{pattern.format(account=ACCOUNT, region=REGION, name=self._name(logical_id))}"

    def _sub(self, argument: Any) -> str:
        text, more = argument if isinstance(argument, list) else (argument, {})
        values = {key: self.resolve(each) for key, each in more.items()}

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in values:
                return str(values[name])
            if "." in name:
                return str(self._function("Fn::GetAtt", name.split(".", 1)))
            return str(self._ref(name))

        return re.sub(r"\$\{([\w.:]+)\}", value, text)

    def _holds(self, condition: Any) -> bool:
        name, argument = next(iter(condition.items()))
        if name == "Condition":
            return self._holds(self._conditions[argument])
        if name == "Fn::Equals":
            return str(self.resolve(argument[0])) == str(self.resolve(argument[1]))
        each = [self._holds(one) for one in argument]
        return {"Fn::Not": not each[0], "Fn::And": all(each), "Fn::Or": any(each)}[name]
