"""CloudWatch's metric math, as far as alarms and scaling policies use it.

A series is a list of values, one a period and None where there is none; all series of a calculation have one length.
The rules are those of the CloudWatch User Guide's page on metric math: what lacks a value on one side lacks it in the
result, a function of one series gives a number, a function of a list of series gives a series.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Series = list[float | None]
Value = Any  # a number, a Series, or a list of Series (wrapped in _Array)

_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b if b else math.nan,
    ast.Pow: operator.pow,
    ast.Eq: lambda a, b: float(a == b),
    ast.NotEq: lambda a, b: float(a != b),
    ast.Lt: lambda a, b: float(a < b),
    ast.LtE: lambda a, b: float(a <= b),
    ast.Gt: lambda a, b: float(a > b),
    ast.GtE: lambda a, b: float(a >= b),
    ast.And: lambda a, b: float(bool(a) and bool(b)),
    ast.Or: lambda a, b: float(bool(a) or bool(b)),
}
_ALONE: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_TOGETHER: dict[str, Callable[[Sequence[float]], float]] = {
    "MAX": max,
    "MIN": min,
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
}
_WORDS = ((r"&&", " and "), (r"\|\|", " or "), (r"\bAND\b", " and "), (r"\bOR\b", " or "), (r"\^", "**"))


class ExpressionError(ValueError):
    """An expression that is none, or that uses what is not implemented here."""


class _Array(list[Series]):
    """Several series, as `[m1, m2]` and METRICS() give them."""


def evaluate(queries: Sequence[Mapping[str, Any]], series: Mapping[str, Series]) -> Series:
    """The series of the query that returns data. `series` holds those of the queries with a MetricStat, by Id.

    Raises ExpressionError.
    """
    (wanted,) = [query for query in queries if query.get("ReturnData", True)] or [{}]
    expressions = {query["Id"]: query["Expression"] for query in queries if query.get("Expression")}
    return _Calculation(expressions, series).series(wanted.get("Id", ""))


def check(queries: Sequence[Mapping[str, Any]]) -> None:
    """Raises ExpressionError where `evaluate` would, whatever the values."""
    returned = [query for query in queries if query.get("ReturnData", True)]
    if len(returned) != 1:
        raise ExpressionError(f"exactly one metric or expression must have ReturnData true, {len(returned)} have")
    for query in queries:
        if ("Expression" in query) == ("MetricStat" in query):
            raise ExpressionError(f"{query['Id']} must have either Expression or MetricStat")
    evaluate(queries, {query["Id"]: [1.0] for query in queries if "MetricStat" in query})


class _Calculation:
    def __init__(self, expressions: Mapping[str, str], series: Mapping[str, Series]) -> None:
        self._expressions = dict(expressions)
        self._series = dict(series)
        self._length = max((len(one) for one in series.values()), default=1)

    def series(self, name: str) -> Series:
        if name in self._series:
            return self._series[name]
        if name not in self._expressions:
            raise ExpressionError(f"there is no metric or expression with the Id '{name}'")
        text = self._expressions.pop(name)  # gone while it is calculated: an expression that needs itself finds none
        found = self._value(_parse(text))
        self._series[name] = self._spread(found)
        return self._series[name]

    def _spread(self, value: Value) -> Series:
        if isinstance(value, _Array):
            raise ExpressionError("an expression must give one series, not several")
        return value if isinstance(value, list) else [value] * self._length

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self.series(name)
            case ast.List(elts=parts):
                return _Array(self._spread(self._value(part)) for part in parts)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return _apply(operator.mul, -1.0, self._value(inner))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _apply(_OPERATORS[type(op)], self._value(left), self._value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _apply(_OPERATORS[type(op)], self._value(left), self._value(right))
            case ast.BoolOp(op=op, values=[first, *rest]):
                found = self._value(first)
                for part in rest:
                    found = _apply(_OPERATORS[type(op)], found, self._value(part))
                return found
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise ExpressionError(f"'{ast.unparse(node)}' is not implemented by sagelocal's metric math")

    def _call(self, name: str, arguments: Sequence[ast.expr]) -> Value:
        if name == "METRICS" and not arguments:
            return _Array(self._series.values())
        values = [self._value(argument) for argument in arguments]
        match name, values:
            case "FILL", [list() as series, float() as instead]:
                return [instead if value is None else value for value in series]
            case "FILL", [list() as series, list() as instead]:
                return [b if a is None else a for a, b in zip(series, instead, strict=True)]
            case "IF", [condition, yes, *no] if len(no) < 2:
                return self._if(condition, yes, no[0] if no else [None] * self._length)
            case _, [value] if name in _ALONE:
                return _apply(lambda a, _: _ALONE[name](a), value, 0.0)
            case _, [_Array() as array] if name in _TOGETHER:
                return [_reduce(name, period) for period in zip(*array, strict=True)]
            case _, [list() as series] if name in _TOGETHER:
                return _reduce(name, series) or 0.0
        raise ExpressionError(f"{name} with {len(values)} arguments is not implemented by sagelocal's metric math")

    def _if(self, condition: Value, yes: Value, no: Value) -> Series:
        parts = (self._spread(condition), self._spread(yes), self._spread(no))
        return [a if test else b for test, a, b in zip(*parts, strict=True)]


def _parse(text: str) -> ast.expr:
    for pattern, word in _WORDS:
        text = re.sub(pattern, word, text)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ExpressionError(f"'{text}' is no expression of metric math: {error}") from error


def _apply(operation: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, _Array) or isinstance(right, _Array):
        length = len(left) if isinstance(left, _Array) else len(right)
        lefts = left if isinstance(left, _Array) else [left] * length
        rights = right if isinstance(right, _Array) else [right] * length
        return _Array(_apply(operation, a, b) for a, b in zip(lefts, rights, strict=True))
    if not isinstance(left, list) and not isinstance(right, list):
        return operation(left, right)
    length = len(left) if isinstance(left, list) else len(right)
    lefts = left if isinstance(left, list) else [left] * length
    rights = right if isinstance(right, list) else [right] * length
    found = [None if a is None or b is None else operation(a, b) for a, b in zip(lefts, rights, strict=True)]
    # A division by zero gives no value.
    return [None if value is None or isinstance(value, complex) or math.isnan(value) else value for value in found]


def _reduce(name: str, values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return _TOGETHER[name](present) if present else None
