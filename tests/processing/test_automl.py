"""What is understood of a table that nobody has described: columns, problem, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

PROCESSING = Path(__file__).parents[2] / "processing"
OUTPUTS = ["train", "validation", "test", "baseline", "report"]
sys.path.insert(0, str(PROCESSING))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processing_automl", PROCESSING / "automl.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def raw(rows: int = 200) -> pd.DataFrame:
    """As read from a file: texts, with blanks."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"c-{number}" for number in range(rows)],
            "age": random.integers(18, 90, rows).astype(str),
            "income": np.where(random.random(rows) < 0.1, "?", random.normal(30, 9, rows).round(2).astype(str)),
            "town": random.choice(["Bern", "Basel", ""], rows),
            "constant": "x",
            "nothing": "",
            "bought": random.choice(["no", "yes"], rows),
            "spent": random.normal(0, 50, rows).round(1).astype(str),
        }
    ).astype("string")


def test_columns_are_what_their_values_are(script: ModuleType) -> None:
    schema, problem = script.understood(raw(), "bought")
    assert problem == "binary"
    assert schema.features == {"age": int, "income": float, "town": str, "spent": float}
    assert schema.ignored == ("id", "constant", "nothing")
    assert schema.labels == {"no": 0, "yes": 1}


def test_the_problem_follows_from_the_target(script: ModuleType) -> None:
    assert script.understood(raw(), "spent")[1] == "regression"
    classes = raw().assign(bought=pd.Series(["3", "1", "2", "1"] * 50, dtype="string"))
    schema, problem = script.understood(classes, "bought")
    assert (problem, schema.labels) == ("multiclass", {"1": 1, "2": 2, "3": 3})
    assert script.understood(classes, "bought", "regression")[0].labels is None


def test_splits_and_what_was_understood(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    raw().to_csv(tmp_path / "raw" / "table.csv", index=False)
    folders = {name: str(tmp_path / name) for name in ("raw", *OUTPUTS)}
    script.main(
        script.parse([part for name, path in folders.items() for part in (f"--{name}", path)] + ["--target", "bought"])
    )
    splits = {name: pd.read_csv(tmp_path / name / f"{name}.csv") for name in OUTPUTS[:3]}
    assert sum(map(len, splits.values())) == 200
    assert splits["train"]["income"].isna().any()
    assert set(splits["test"]["bought"]) == {0, 1}
    told = json.loads((tmp_path / "train" / "schema.json").read_text())
    assert told == {
        "target": "bought",
        "problem": "binary",
        "ignored": ["id", "constant", "nothing"],
        "positive": "bought yes",
    }


@pytest.mark.parametrize(
    ("table", "target", "why"),
    [
        (raw(), "price", "no column 'price'"),
        (raw().head(0), "bought", "no rows"),
        (raw().assign(bought=""), "bought", "no value at all"),
        (raw().assign(bought="yes"), "bought", "one value only"),
        (raw().assign(age=["much", *raw()["age"][1:]]), "bought", "'much', 1 rows, among numbers"),
        (raw()[["id", "constant", "bought"]], "bought", "No column says anything"),
        (raw(), "id", "200 different texts"),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_name(
    script: ModuleType, table: pd.DataFrame, target: str, why: str
) -> None:
    with pytest.raises(script.InputError, match=why):
        script.understood(table.astype("string"), target)
