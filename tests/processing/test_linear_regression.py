"""The processing script on small tables; what it shares with other tables is tested with them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "processing"))
OUTPUTS = ["train", "validation", "test", "baseline", "report"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"processing_{name}", ROOT / "processing" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load("linear_regression")


def houses(rows: int = 100) -> pd.DataFrame:
    random = np.random.default_rng(0)
    area = random.integers(600, 3000, rows)
    return pd.DataFrame(
        {
            "Gr_Liv_Area": area,
            "Total_Bsmt_SF": random.integers(0, 2000, rows),
            "Garage_Area": random.integers(0, 900, rows),
            "Lot_Area": random.integers(2000, 20000, rows),
            "TotRms_AbvGrd": area // 300 + random.integers(1, 4, rows),
            "Fireplaces": random.integers(0, 3, rows),
            "Year_Built": random.integers(1900, 2010, rows),
            "Year_Remod_Add": random.integers(1950, 2010, rows),
            "Bldg_Type": random.choice(["OneFam", "Duplex"], rows),
            "Central_Air": random.choice(["Y", "N"], rows),
            "Sale_Condition": "Normal",
            "Sale_Price": area * 100,
        }
    )


def run(folder: Path, raw: pd.DataFrame | str) -> None:
    (folder / "raw").mkdir()
    text = raw if isinstance(raw, str) else raw.to_csv(index=False)
    (folder / "raw" / "houses.csv").write_text(text)
    places = [part for name in OUTPUTS for part in (f"--{name}", str(folder / "out" / name))]
    script.main(script.parse(["--raw", str(folder / "raw"), *places]))


def test_ordinary_sales_of_ordinary_houses_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = houses()
    raw.loc[:9, "Sale_Condition"] = "Family"
    raw.loc[10:11, "Gr_Liv_Area"] = 4001
    run(tmp_path, raw)
    said = capsys.readouterr().out
    assert "- dropped 10 rows: not an ordinary sale" in said
    assert "- dropped 2 rows: more than 4,000 square feet" in said
    parts = {name: pd.read_csv(tmp_path / "out" / name / f"{name}.csv") for name in OUTPUTS[:4]}
    assert sum(len(parts[name]) for name in OUTPUTS[:3]) == 88
    assert list(parts["train"].columns) == [*script.SCHEMA.features, "Sale_Price"]
    assert list(parts["baseline"].columns) == list(script.SCHEMA.features)


def test_a_table_of_ordinary_sales_needs_no_condition(tmp_path: Path) -> None:
    run(tmp_path, houses().drop(columns="Sale_Condition"))
    assert (tmp_path / "out" / "train" / "train.csv").is_file()


BAD = {
    "an empty file": ("", "houses.csv has no rows, not even a header"),
    "no rows": (houses(0), "The raw table has no rows"),
    "no target": (houses().drop(columns="Sale_Price"), "column 'Sale_Price' is missing"),
    "a column without values": (houses().assign(Lot_Area=None), "Column 'Lot_Area' has no value at all"),
    "text where a number belongs": (houses().assign(Garage_Area="large"), "Column 'Garage_Area' holds 'large'"),
    "a free house": (houses().assign(Sale_Price=0), "'Sale_Price' holds 0, 100 rows. The model takes its logarithm"),
    "no ordinary sale": (houses().assign(Sale_Condition="Family"), "0 usable rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_told_and_nothing_written(tmp_path: Path, name: str) -> None:
    raw, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        run(tmp_path, raw)
    assert not (tmp_path / "out").exists()


def test_the_data_set_has_what_is_learnt_from() -> None:
    from data.linear_regression import COLUMNS

    assert set(COLUMNS) == {*script.SCHEMA.columns, *script.SCHEMA.ignored}
