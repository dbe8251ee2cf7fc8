"""The three files as AWS documents them, and as the SDK's classes take them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from sagemaker.core.model_monitor import Constraints, ConstraintViolations, Statistics

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from data_constraints import check, suggest
from data_statistics import describe, profile

SCHEMAS = json.loads(Path(__file__).with_name("monitor_files.schema.json").read_text())


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    """Of a table with every type, a value met once, and a window in which every check fails."""
    random = np.random.default_rng(0)
    table = {
        "age": random.integers(18, 80, 500),
        "price": random.gamma(4, 20, 500),
        "plan": ["rare", *random.choice(["basic", "pro"], 499)],
        "empty": [None] * 500,
        "gone": [1] * 500,
    }
    statistics = describe(profile([pd.DataFrame(table).astype("string")]))
    constraints = suggest(statistics)
    window = {
        "age": ["1.5", *["30"] * 499],
        "price": [None] * 250 + [5000] * 250,
        "plan": ["new"] * 500,
        "more": [1] * 500,
    }
    current = profile([pd.DataFrame(window | {"empty": [None] * 500}).astype("string")])
    violations = {"violations": check(constraints, statistics, current)[1]}
    return {"statistics": statistics, "constraints": constraints, "violations": violations}


@pytest.mark.parametrize("name", ["statistics", "constraints", "violations"])
def test_schema(files: dict[str, dict[str, Any]], name: str) -> None:
    jsonschema.validate(files[name], {"$ref": f"#/$defs/{name}", "$defs": SCHEMAS["$defs"]})


def test_every_check_is_named(files: dict[str, dict[str, Any]]) -> None:
    found = {each["constraint_check_type"] for each in files["violations"]["violations"]}
    items = SCHEMAS["$defs"]["violations"]["properties"]["violations"]["items"]
    assert found == set(items["properties"]["constraint_check_type"]["enum"])


def test_the_sdk_takes_them(files: dict[str, dict[str, Any]]) -> None:
    classes = {"statistics": Statistics, "constraints": Constraints, "violations": ConstraintViolations}
    for name, kind in classes.items():
        assert kind(files[name], "s3://bucket/file.json").body_dict == files[name]


def test_a_value_met_once_leaves_room_for_others(files: dict[str, dict[str, Any]]) -> None:
    features = {feature["name"]: feature for feature in files["constraints"]["features"]}
    assert features["plan"]["monitoringConfigOverrides"] == {"domain_content_threshold": 0.99}
    assert all("monitoringConfigOverrides" not in features[name] for name in ("age", "price", "empty"))
