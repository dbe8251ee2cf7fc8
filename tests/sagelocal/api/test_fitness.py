"""The prepared tests of shapes say what `validation` says."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sagelocal.api.fitness import fits
from sagelocal.api.model import operation_model, operation_names
from sagelocal.api.validation import problems

RUNTIME = "sagemaker-featurestore-runtime"
VALUES: list[Any] = [None, True, 0, 1, 101, 1.5, "", "a", "a b", "a\n", "x" * 65, "OnlineStore", "Days", [], {}]


def value(shape: Any, chance: random.Random) -> Any:
    """Of the shape, mostly."""
    if chance.random() < 0.02:
        return chance.choice(VALUES)
    if shape.type_name == "structure":
        needed = shape.required_members if chance.random() < 0.95 else ()
        chosen = {name: each for name, each in shape.members.items() if name in needed or chance.random() < 0.5}
        members = {name: value(each, chance) for name, each in chosen.items()}
        return members | ({"Nope": 1} if chance.random() < 0.02 else {})
    if shape.type_name == "list":
        return [value(shape.member, chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))]
    if getattr(shape, "enum", None):
        return chance.choice(shape.enum)
    return {"integer": 3, "boolean": True}.get(shape.type_name, "a1")


@pytest.mark.parametrize("operation", sorted(operation_names(RUNTIME)))
def test_the_same_requests_fit(operation: str) -> None:
    shape = operation_model(RUNTIME, operation).input_shape
    assert shape is not None
    test, chance = fits(shape), random.Random(operation)
    seen = {True: 0, False: 0}
    for _ in range(300):
        request = value(shape, chance)
        found = problems(shape, request)
        assert test(request) == (not found), (request, found)
        seen[not found] += 1
    assert min(seen.values()) > 15, "hardly any of one kind: this shows nothing"


def test_headers_of_an_invocation_fit_alike() -> None:
    shape = operation_model("sagemaker-runtime", "InvokeEndpoint").input_shape
    for member in shape.members.values():
        test = fits(member)
        for each in (*VALUES, "é", "text/csv", "model.tar.gz", "x" * 2000, b"bytes"):
            assert test(each) == (not problems(member, each)), (member, each)
