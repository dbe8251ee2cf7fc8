"""The processing script on small tables, and what it refuses; what it shares with others is tested with churn."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "processing" / "iris.py"
sys.path.insert(0, str(SCRIPT.parent))
OUTPUTS = ["train", "validation", "test", "baseline", "report"]


def flowers(each: int = 20) -> pd.DataFrame:
    """A raw table as the source has it: so many of each species, which their petals tell apart."""
    random = np.random.default_rng(0)
    species = np.repeat(["setosa", "versicolor", "virginica"], each)
    size = np.repeat([0.0, 1.0, 2.0], each)
    return pd.DataFrame(
        {
            "sepal_length": random.uniform(4, 8, len(size)).round(1),
            "sepal_width": random.uniform(2, 4, len(size)).round(1),
            "petal_length": (1.5 + 2 * size + random.uniform(0, 1, len(size))).round(1),
            "petal_width": (0.2 + size + random.uniform(0, 0.5, len(size))).round(1),
            "species": species,
        }
    )


@pytest.fixture(scope="module")
def iris() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processing_iris", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(iris: ModuleType, folder: Path, text: str) -> Path:
    (folder / "raw").mkdir()
    (folder / "raw" / "iris.csv").write_text(text)
    places = [part for name in OUTPUTS for part in (f"--{name}", str(folder / "out" / name))]
    iris.main(iris.parse(["--raw", str(folder / "raw"), *places]))
    return folder / "out"


def test_two_splits_and_a_baseline(iris: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = flowers()
    raw.loc[0, "petal_width"] = None
    out = run(iris, tmp_path, raw.to_csv(index=False))
    train, test, baseline = (pd.read_csv(out / name / f"{name}.csv") for name in ("train", "test", "baseline"))
    assert (len(train), len(test)) == (47, 12)  # one flower lacks a measurement
    assert set(test["species"].value_counts()) == {4}
    assert not (out / "validation").exists()
    assert list(baseline.columns) == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert baseline.equals(train[list(baseline.columns)])
    report = json.loads((out / "report" / "report.json").read_text())
    assert report["dropped"] == {"blank petal_width": 1}
    assert "59 out: 19 setosa, 20 versicolor, 20 virginica." in capsys.readouterr().out


BAD: dict[str, tuple[Any, str]] = {
    "an empty file": (lambda table: "", "iris.csv has no rows, not even a header"),
    "a header alone": (lambda table: table.head(0).to_csv(index=False), "The raw table has no rows"),
    "a missing target": (
        lambda table: table.drop(columns="species").to_csv(index=False),
        "column 'species' is missing",
    ),
    "an all-missing column": (
        lambda table: table.assign(petal_width="").to_csv(index=False),
        "Column 'petal_width' has no value at all",
    ),
    "a text where a number belongs": (
        lambda table: table.assign(petal_width="wide").to_csv(index=False),
        "Column 'petal_width' holds 'wide', 60 rows, where a number is needed",
    ),
    "a negative length": (
        lambda table: table.assign(petal_width=-1).to_csv(index=False),
        "Column 'petal_width' holds '-1', 60 rows. It must be a finite number, 0 or more",
    ),
    "an unknown species": (
        lambda table: table.replace({"species": {"setosa": "sibirica"}}).to_csv(index=False),
        "Column 'species' holds 'sibirica', 20 rows. Use setosa, versicolor, virginica.",
    ),
    "a species with few flowers": (
        lambda table: table.tail(45).to_csv(index=False),
        "Column 'species' has 5 usable rows of setosa, and 10 are needed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_clear_sentence(iris: ModuleType, tmp_path: Path, name: str) -> None:
    make, said = BAD[name]
    with pytest.raises(iris.tabular.InputError, match=said.replace("(", r"\(")):
        run(iris, tmp_path, make(flowers()))
    assert not (tmp_path / "out").exists()
