"""The shifted population alters what it says, consistently, and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("churn_shift", Path(__file__).parents[2] / "data" / "churn_shift.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def customers(count: int = 400) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "gender": ["Female", "Male"] * (count // 2),
            "tenure": [40] * count,
            "Contract": ["Two year"] * count,
            "MonthlyCharges": [50.0] * count,
            "TotalCharges": ["2000.0", " "] * (count // 2),
        },
        index=range(1000, 1000 + count),
    )


def test_only_the_named_columns_change() -> None:
    before = customers()
    after, names = load().shift(before, seed=3)
    changed = [name for name in before if not after[name].equals(before[name])]
    assert changed == names == ["tenure", "Contract", "MonthlyCharges", "TotalCharges"]
    assert list(after.columns) == list(before.columns)
    assert after.index.equals(before.index)
    pd.testing.assert_frame_equal(before, customers())  # the input is left alone


def test_new_customers_are_consistent() -> None:
    module = load()
    after, _ = module.shift(customers(), seed=3)
    new = after["Contract"] == "Month-to-month"
    assert new.mean() == pytest.approx(module.NEW_SHARE, abs=0.08)
    assert after.loc[new, "tenure"].between(1, module.NEW_TENURE).all()
    expected = after.loc[new, "tenure"] * after.loc[new, "MonthlyCharges"]
    assert after.loc[new, "TotalCharges"].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.01)
    assert (after["MonthlyCharges"] == 50 * (1 + module.PRICE_RISE)).all()
    old = after.loc[~new, "TotalCharges"]
    assert set(old.dropna()) == {2000.0}
    assert old.isna().any()  # a blank stays one


def test_seed_decides() -> None:
    shift = load().shift
    assert shift(customers(), seed=1)[0].equals(shift(customers(), seed=1)[0])
    assert not shift(customers(), seed=1)[0].equals(shift(customers(), seed=2)[0])


def test_missing_columns_are_named() -> None:
    with pytest.raises(ValueError, match="Contract"):
        load().shift(customers().drop(columns="Contract"), seed=1)


def test_labels_after_the_change_follow_the_stated_rule() -> None:
    module = load()
    table, _ = module.shift(customers(4000).assign(InternetService=["Fiber optic", "DSL"] * 2000, Churn="No"), seed=3)
    after = module.relabel(table, seed=3)
    free = table["Contract"] == "Month-to-month"
    assert (after[~free] == "No").all()  # who has a contract term does what was seen
    for service in ("Fiber optic", "DSL"):
        left = after[free & (table["InternetService"] == service)] == "Yes"
        assert left.mean() == pytest.approx(module.LEAVE[service], abs=0.05)
    assert after.equals(module.relabel(table, seed=3))
    assert not after.equals(module.relabel(table, seed=4))
