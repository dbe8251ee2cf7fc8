"""Search expressions against records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.model import StructureShape

from sagelocal.api.errors import validation
from sagelocal.search import properties
from sagelocal.search.properties import BOOLEAN, NUMBER, TEXT, TIME, Property

Document = dict[str, Any]
Test = Callable[[Any], bool]
_MOST = 50  # filters, nested filters and subexpressions together, the API reference says
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanOrEqualTo": lambda left, right: left >= right,
    "LessThan": lambda left, right: left < right,
    "LessThanOrEqualTo": lambda left, right: left <= right,
}
# The API reference: Contains may be repeated for these alone.
_CONTAINS_OFTEN = {
    "Experiment": ("DisplayName", "ExperimentName", "Tags"),
    "Trial": ("DisplayName", "TrialName", "Tags"),
    "TrialComponent": ("DisplayName", "TrialComponentName", "Tags", "InputArtifacts", "OutputArtifacts"),
}


def compiled(shape: StructureShape, expression: Document) -> Test:
    """Whether a record of that shape meets the expression. Raises AwsError for a name or value that can't be."""
    everything = list(_filters(expression))
    if not everything:
        raise validation("A SearchExpression must have at least one filter, nested filter or subexpression.")
    if (parts := _parts(expression)) > _MOST:
        raise validation(
            f"A SearchExpression can have at most {_MOST} filters, nested filters and subexpressions, not {parts}."
        )
    limited = [
        one
        for one in everything
        if one.get("Operator") == "Contains" and one["Name"].split(".")[0] not in _CONTAINS_OFTEN.get(shape.name, ())
    ]
    if len(limited) > 1:
        raise validation("'CONTAINS' operator usage limit of 1 exceeded.")
    return _expression(shape, expression)


def _parts(expression: Document) -> int:
    nested, inner = expression.get("NestedFilters") or [], expression.get("SubExpressions") or []
    own = len(expression.get("Filters") or []) + sum(1 + len(one["Filters"]) for one in nested) + len(inner)
    return own + sum(_parts(one) for one in inner)


def names(expression: Document) -> Iterator[str]:
    """Of all properties that an expression asks for."""
    return (given["Name"] for given in _filters(expression))


def _filters(expression: Document) -> Iterator[Document]:
    yield from expression.get("Filters") or []
    for nested in expression.get("NestedFilters") or []:
        yield from nested["Filters"]
    for inner in expression.get("SubExpressions") or []:
        yield from _filters(inner)


def _expression(shape: StructureShape, expression: Document) -> Test:
    tests = [_filter(properties.find(shape, one["Name"]), one) for one in expression.get("Filters") or []]
    tests += [_nested(shape, one) for one in expression.get("NestedFilters") or []]
    tests += [_expression(shape, one) for one in expression.get("SubExpressions") or []]
    if expression.get("Operator") == "Or":
        return lambda record: any(test(record) for test in tests)
    return lambda record: all(test(record) for test in tests)


def _nested(shape: StructureShape, nested: Document) -> Test:
    """One member of the list must meet all of them; the filters' names begin with the list's."""
    around = properties.find(shape, nested["NestedPropertyName"])
    tests = []
    for one in nested["Filters"]:
        found = properties.find(shape, one["Name"])
        if found.path[: len(around.path)] != around.path:
            raise validation(f"A nested filter's name must begin with {'.'.join(around.path)}, and is {one['Name']}.")
        tests.append(_filter(Property(found.path[len(around.path) :], found.type), one))

    def test(record: Any) -> bool:
        return any(all(inner(member) for inner in tests) for member in around.values(record))

    return test


def _filter(found: Property, given: Document) -> Test:
    operator = given.get("Operator", "Equals")
    if operator in ("Exists", "NotExists"):
        return lambda record: bool(found.values(record)) == (operator == "Exists")
    if "Value" not in given:
        raise validation(f"The filter on {given['Name']} needs a Value.")
    compare = _comparison(found, operator, given)
    if operator == "NotEquals":
        return lambda record: not any(compare(value) for value in found.values(record))
    return lambda record: any(compare(value) for value in found.values(record))


def _comparison(found: Property, operator: str, given: Document) -> Test:
    wanted, name = given["Value"], given["Name"]
    if operator in ("Contains", "In"):
        if found.type not in (TEXT, ""):
            raise validation(f"The operator {operator} is only supported for text properties, and {name} is none.")
        if operator == "Contains":
            return lambda value: wanted in _text(value)
        choices = [choice.strip() for choice in wanted.split(",")]
        return lambda value: _text(value) in choices
    if operator in _ORDER:
        return _ordered(found, operator, wanted, name)
    return _equality(found, wanted, name)


def _ordered(found: Property, operator: str, wanted: str, name: str) -> Test:
    """Hyperparameters and parameters are texts that may be numbers; other texts have no order."""
    if found.type == TEXT and len(found.path) < 2:
        raise validation(f"The operator {operator} is not supported for the text property {name}.")
    bound = _number(found.type, wanted, name)
    ordered = _ORDER[operator]

    def test(value: Any) -> bool:
        number = _as_number(value)
        return number is not None and ordered(number, bound)

    return test


def _equality(found: Property, wanted: str, name: str) -> Test:
    if found.type in (NUMBER, TIME):
        bound = _number(found.type, wanted, name)
        return lambda value: _as_number(value) == bound
    if found.type == BOOLEAN:
        return lambda value: str(value).lower() == wanted.lower()
    number = _as_number(wanted)
    # The SDK's lineage classes ask for several ARNs at once, with commas between them.
    choices = {wanted, *wanted.split(",")}

    def test(value: Any) -> bool:
        return _text(value) in choices or (number is not None and _as_number(value) == number)

    return test


def _number(type_: str, text: str, name: str) -> float:
    if type_ == TIME:
        return _time(text, name)
    number = _as_number(text)
    if number is None:
        raise validation(f"The value of the filter on {name} must be a number, not '{text}'.")
    return number


def _time(text: str, name: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise validation(f"The value of the filter on {name} must be an ISO 8601 time, not '{text}'.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool | dict | list):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
