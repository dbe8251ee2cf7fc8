"""A form's fields: what they begin with, what is wrong with them, what is sent."""

from __future__ import annotations

import pytest

from dashboard.executions import parameters
from dashboard.executions.parameters import Field, Value

FLOOR = Field("Floor", "Float", 0.601)
ROUNDS = Field("Rounds", "Integer", 3)
MODE = Field("Mode", "String", "fast", ("fast", "slow"))
CHECK = Field("Check", "Boolean", True)
DATA = Field("Data", "String", "s3://bucket/data.parquet")
INSTANCE = Field("InstanceType", "String", "ml.m5.large")
NEEDED = Field("Needed", "String", None)
FIELDS = [FLOOR, ROUNDS, MODE, CHECK, DATA, INSTANCE, NEEDED]


def test_fields_are_the_definitions_parameters() -> None:
    declared = [
        {"Name": "Mode", "Type": "String", "DefaultValue": "fast", "EnumValues": ["fast", "slow"]},
        {"Name": "Needed", "Type": "String"},
    ]
    assert parameters.fields({"Parameters": declared}) == [MODE, NEEDED]
    assert parameters.fields({}) == []


@pytest.mark.parametrize(
    ("field", "given", "begins"),
    [
        (FLOOR, None, 0.601),
        (FLOOR, "0.7", 0.7),
        (FLOOR, "much", 0.601),  # the parameter was a text when that execution ran
        (ROUNDS, "5", 5),
        (CHECK, "False", False),
        (CHECK, "false", False),
        (MODE, "slow", "slow"),
        (MODE, "gone", "fast"),
        (NEEDED, None, None),
    ],
)
def test_a_field_begins_with_what_an_execution_had(field: Field, given: str | None, begins: Value | None) -> None:
    assert parameters.start(field, given) == begins


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (NEEDED, "", "It has no default"),
        (NEEDED, None, "It has no default"),
        (ROUNDS, None, "go back to its default"),
        (DATA, "bucket/data.parquet", "s3://bucket/key"),
        (DATA, "s3://bucket", "s3://bucket/key"),
        (INSTANCE, "m5.large", "such as ml.m5.large"),
        (INSTANCE, " ml.m5.large", "space"),
        (NEEDED, "x" * 1025, "1025 characters, and at most 1024"),
        (MODE, "other", "One of fast, slow"),
    ],
)
def test_what_is_wrong_is_said(field: Field, value: Value | None, said: str) -> None:
    assert said in parameters.problem(field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (FLOOR, 0.0),
        (ROUNDS, 0),
        (CHECK, False),
        (DATA, "s3://other/a b.csv"),
        (INSTANCE, "ml.p4d.24xlarge"),
        (MODE, "slow"),
    ],
)
def test_what_may_go(field: Field, value: Value) -> None:
    assert parameters.problem(field, value) == ""


def test_only_what_differs_from_its_default_is_sent_and_as_text() -> None:
    values: dict[str, Value | None] = {each.name: each.default for each in FIELDS} | {"Needed": "it"}
    assert parameters.changed(FIELDS, values) == {"Needed": "it"}
    values |= {"Floor": 0.7, "Rounds": 0, "Check": False}
    assert parameters.changed(FIELDS, values) == {"Floor": "0.7", "Rounds": "0", "Check": "False", "Needed": "it"}
