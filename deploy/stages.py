"""`deploy/stages.yml` as declarations. Whatever it says that no declaration knows is an error, never ignored."""

from __future__ import annotations

import difflib
import functools
import json
import re
import typing
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from deploy import strategies
from deploy.declaration import Stage
from deploy.monitor_checks import DURATION
from deploy.names import module_name
from deploy.strategies import Strategy

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "deploy" / "stages.yml"
USE_CASES, STRATEGY = "use_cases", "strategy"
# What a use case may have otherwise than its stage; whose account the stage is in holds for all of them.
MEMBERS = tuple(each.name for each in fields(Stage) if each.name != "name")
OWN = ("deployment", "monitoring", "tests", "cost_ceiling", "time_to_live")
Document = dict[str, Any]
_REMEDIES = {"string_type": "Put it in quotes.", "int_type": "Write a whole number, without quotes."}


_PATTERNS = (
    ("name", r"[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*", "letters, digits and hyphens: endpoints are named <use case>-<stage>"),
    ("account", r"\d{12}", "twelve digits"),
    ("execution_role", r"arn:[\w-]+:iam::\d{12}:role/.+", "a role's ARN"),
    ("role", r"arn:[\w-]+:iam::\d{12}:role/.+", "a role's ARN"),
    ("time_to_live", DURATION, "an ISO 8601 duration of days, hours, minutes and seconds, such as P1D or PT8H"),
)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's truth values: a member named `on` is no boolean. A name that stands twice is an error."""

    yaml_implicit_resolvers: typing.ClassVar = {
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:bool" or first in "tTfF"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [each.value for each, _ in node.value if isinstance(each, yaml.ScalarNode)]
        if twice := sorted({each for each in keys if keys.count(each) > 1}):
            raise yaml.MarkedYAMLError(problem=f"{twice[0]} stands there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def find(stage: str, use_case: str = "") -> Stage:
    """A stage, as the use case has it. Raises LookupError naming the declared ones, ValueError as `of` does."""
    found = of(use_case)
    if stage not in found:
        raise LookupError(f"{_name()} declares no stage {stage}. It has {', '.join(found)}.")
    return found[stage]


def of(use_case: str = "") -> dict[str, Stage]:
    """Every stage by name, as a use case has it, or as one has it that isn't named there.

    Raises ValueError for what the file has no place for, with stage, use case, member and remedy.
    """
    return _parsed(FILE.read_text(encoding="utf-8"), use_case)


@functools.cache
def _parsed(text: str, use_case: str) -> dict[str, Stage]:
    try:
        document = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{_name()} is no YAML: {' '.join(str(error).split())}") from error
    _mapping(document, "", "")
    return {name: _stage(name, members, use_case) for name, members in document.items()}


def _stage(name: str, members: Any, use_case: str) -> Stage:
    _mapping(members, name, "")
    shared = {key: value for key, value in members.items() if key != USE_CASES}
    own = members.get(USE_CASES) or {}
    _mapping(own, name, USE_CASES)
    if unknown := [str(each) for each in shared if each not in MEMBERS]:
        raise ValueError(f"{_name()}: {name}: {_unknown(unknown[0], [*MEMBERS, USE_CASES])}")
    found = {"": _read(shared, name, "")}
    for each, over in own.items():  # all of them: a wrong word is told whoever is deployed
        _mapping(over, name, f"{USE_CASES}.{each}")
        _check_own(name, each, over)
        found[module_name(each)] = _read(merged(shared, over), name, each)
    return found.get(module_name(use_case), found[""])


def _mapping(members: Any, stage: str, path: str) -> None:
    if not isinstance(members, dict):
        what = f"{stage} {path}".strip() or "all of it"
        raise ValueError(f"{_name()}: {what} is {members!r}, and has to be a mapping.")


def _check_own(stage: str, use_case: str, members: Document) -> None:
    if not (ROOT / "pipelines" / f"{module_name(use_case)}.py").is_file():
        raise ValueError(f"{_name()}: {stage} has {USE_CASES}.{use_case}, and there is no pipelines/{use_case}.py.")
    for each in members:
        if each not in OWN:
            raise ValueError(f"{_name()}: {stage}, {use_case}: {_unknown(str(each), OWN)}")


def merged(under: Document, over: Document) -> Document:
    """`over`'s members win. Mappings are merged member by member, but for a strategy: each kind has its own members."""
    both = dict(under)
    for key, value in over.items():
        deeper = isinstance(value, dict) and isinstance(under.get(key), dict) and key != STRATEGY
        both[key] = merged(under[key], value) if deeper else value
    return both


def _read(members: Document, stage: str, use_case: str) -> Stage:
    members = {**members, "name": stage, "deployment": members.get("deployment") or {}}
    _mapping(members["deployment"], stage, "deployment")
    strategy = members["deployment"].get(STRATEGY)
    members["deployment"] = {key: value for key, value in members["deployment"].items() if key != STRATEGY}
    try:
        found = _validated(Stage, members, "")
        if strategy is not None:
            found = replace(found, deployment=replace(found.deployment, strategy=_strategy(strategy)))
        if problems := list(_values(found)):
            raise ValueError(" ".join(problems))
    except ValueError as error:
        who = f"{stage}, {use_case}" if use_case else stage
        raise ValueError(f"{_name()}: {who}: {error}") from None
    return found


def _values(stage: Stage) -> Iterator[str]:
    """What no type says. Deployments are checked by `checks.py`, monitors by `monitor_checks.py`."""
    for member, pattern, what in _PATTERNS:
        if (value := getattr(stage, member)) and not re.fullmatch(pattern, value):
            yield f"{member} is {value!r}, and has to be {what}."
    if stage.cost_ceiling is not None and stage.cost_ceiling <= 0:
        yield f"cost_ceiling is {stage.cost_ceiling:g}, and has to be above 0; null: no ceiling."


def _strategy(members: Any) -> Strategy:
    path = f"deployment.{STRATEGY}"
    kinds = ", ".join(strategies.STRATEGIES)
    if not isinstance(members, dict) or members.get("kind") not in strategies.STRATEGIES:
        raise ValueError(f"{path} is {members!r}: it has a `kind`, which is one of {kinds}.")
    rest = {key: value for key, value in members.items() if key != "kind"}
    return _validated(strategies.STRATEGIES[members["kind"]], rest, path)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Unknown members are errors here and in what the class holds, and nothing is turned into another type."""
    return TypeAdapter(with_config(ConfigDict(extra="forbid", strict=True))(kind))


def _validated(kind: Any, members: Document, path: str) -> Any:
    """As JSON: there a list is a tuple and a text a member of an enumeration, also where types are strict."""
    try:
        return _adapter(kind).validate_json(json.dumps(members))
    except ValidationError as error:
        raise ValueError(" ".join(_problems(error, kind, path))) from None


def _problems(error: ValidationError, kind: type, path: str) -> Iterator[str]:
    for each in error.errors(include_url=False):
        at = [part for part in each["loc"] if part not in ("int", "str")]  # which of a member's types it names
        where = ".".join([*([path] if path else []), *map(str, at)])
        if each["type"] == "unexpected_keyword_argument":
            yield _unknown(where, _members(kind, each["loc"][:-1]))
        else:
            remedy = _REMEDIES.get(each["type"], "")
            yield " ".join(
                [f"{where} is {json.dumps(each['input'])}: {each['msg'].lower()}.", *([remedy] if remedy else [])]
            )


def _unknown(path: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(path.rpartition(".")[2], known, 1)
    return f"there is no {path}. " + (f"Is it {near[0]}?" if near else f"There are {', '.join(known)}.")


def _members(kind: Any, path: Sequence[str | int]) -> list[str]:
    """What may stand at the path: the fields of the declaration that is there."""
    for each in path:
        if isinstance(each, str) and is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(each)
        kind = next((one for one in typing.get_args(kind) if is_dataclass(one)), kind)
    return (
        [each.name for each in fields(kind) if each.name != "name" or kind is not Stage] if is_dataclass(kind) else []
    )


def _name() -> str:
    return str(FILE.relative_to(ROOT)) if FILE.is_relative_to(ROOT) else str(FILE)
