"""What a pipeline's gates compare: numbers of a report with a floor, or with what the version in service reaches. Pure.

A gate is a condition step that compares a value of a property file with a number; conditions that only look at
parameters, or count violations of checks, are not what it is asked about at a glance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops import selection

Document = dict[str, Any]
Report = Callable[[str, str], Document]  # step and the name of its property file, to the file's content; {} for none
SIGNS = {"GreaterThanOrEqualTo": "≥", "GreaterThan": ">", "LessThanOrEqualTo": "≤", "LessThan": "<"}
NO_MODEL = "none"  # `comparison.current_model` of an evaluation.json where the execution was given no model to beat


@dataclass(frozen=True)
class Comparison:
    """One condition of a gate, with its values as far as they are known."""

    step: str  # the condition step's name
    metric: str  # in words: "average precision"
    value: float | None
    sign: str  # of SIGNS
    bound: float | None
    against: str  # what the bound is: a parameter's name, "current", or "" for a number in the definition
    needless: bool = False  # the execution was given no model that it has to beat, whatever is in service

    @property
    def holds(self) -> bool | None:
        if self.value is None or self.bound is None:
            return None
        return {
            "≥": self.value >= self.bound,
            ">": self.value > self.bound,
            "≤": self.value <= self.bound,
            "<": self.value < self.bound,
        }[self.sign]


def comparisons(definition: Mapping[str, Any], parameters: Mapping[str, str], report: Report) -> list[Comparison]:
    """Of all gates, each comparison once: a second condition step that repeats one says nothing new.

    `parameters` are the execution's, as text; what they lack has the definition's default.
    """
    values = {each["Name"]: each.get("DefaultValue") for each in definition.get("Parameters") or []} | dict(parameters)
    found: dict[str, Comparison] = {}
    for step, condition in _conditions(definition):
        found.setdefault(repr(condition), _comparison(step, condition, values, report))
    return list(found.values())


def reports(definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(step, property file) of each file that a gate reads."""
    sides = (condition[side] for _, condition in _conditions(definition) for side in ("LeftValue", "RightValue"))
    return list(dict.fromkeys(file for side in sides if (file := _file(side))))


def location(definition: Mapping[str, Any], step: str, file: str) -> tuple[str, str]:
    """(OutputName, FilePath) of a property file. Raises LookupError for one that the step doesn't have."""
    for each in selection.all_steps(definition["Steps"]):
        for known in each.get("PropertyFiles") or []:
            if (each["Name"], known["PropertyFileName"]) == (step, file):
                return known["OutputName"], known["FilePath"]
    raise LookupError(f"Step {step} has no property file {file}.")


def _conditions(definition: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    for step in selection.all_steps(definition["Steps"]):
        for condition in (step.get("Arguments") or {}).get("Conditions") or []:
            if step["Type"] == "Condition" and condition["Type"] in SIGNS and _file(condition["LeftValue"]):
                yield step["Name"], condition


def _comparison(step: str, condition: Document, values: Mapping[str, Any], report: Report) -> Comparison:
    left, right = condition["LeftValue"], condition["RightValue"]
    read = report(*file) if (file := _file(right)) else {}
    return Comparison(
        step=step,
        metric=_words(left["Std:JsonGet"]["Path"]),
        value=_number(left, values, report),
        sign=SIGNS[condition["Type"]],
        bound=_number(right, values, report),
        against=_name(right),
        needless=bool(file) and read.get("comparison", {}).get("current_model") == NO_MODEL,
    )


def _file(value: Any) -> tuple[str, str] | None:
    """(step, property file) that a value is read from."""
    get = (value.get("Std:JsonGet") or {}).get("PropertyFile", {}).get("Get", "") if isinstance(value, dict) else ""
    found = re.fullmatch(r"Steps\.(.+)\.PropertyFiles\.(.+)", get)
    return (found[1], found[2]) if found else None


def _name(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    get = str(value.get("Get", ""))
    return _words(value["Std:JsonGet"]["Path"]) if "Std:JsonGet" in value else get.removeprefix("Parameters.")


def _words(path: str) -> str:
    """The metric in a JSON path: "average precision" for `binary_classification_metrics.average_precision.value`."""
    parts = [part for part in re.split(r"[.\[\]'\"]+", path) if part]
    named = parts[:-1] if len(parts) > 1 and parts[-1] == "value" else parts
    return named[-1].replace("_", " ")


def _number(value: Any, values: Mapping[str, Any], report: Report) -> float | None:
    if isinstance(value, dict):
        if file := _file(value):
            value = _at(report(*file), value["Std:JsonGet"]["Path"])
        else:
            value = values.get(str(value.get("Get", "")).removeprefix("Parameters."))
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _at(document: Any, path: str) -> Any:
    """The value at a JSON path of names and positions, `metrics[0].auc`; None where there is none."""
    for part in [part for part in re.split(r"[.\[\]'\"]+", path) if part]:
        if isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            return None
    return document
