"""The processing script: what stays, what stays blank, and what is refused with which words."""

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

from tabular import InputError, SplitArgs  # noqa: E402
from titanic_passengers import passengers  # noqa: E402

FOLDERS = ("raw", "train", "validation", "test", "baseline", "report")


@pytest.fixture(scope="module")
def titanic() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processing_titanic", ROOT / "processing" / "titanic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(titanic: ModuleType, folder: Path, table: pd.DataFrame | str) -> Path:
    (folder / "raw").mkdir()
    text = table if isinstance(table, str) else table.to_csv(index=False)
    (folder / "raw" / "titanic.csv").write_text(text)
    titanic.main(SplitArgs(**{name: str(folder / name) for name in FOLDERS}))
    return folder


def test_all_passengers_are_kept_and_blanks_stay_blank(titanic: ModuleType, tmp_path: Path) -> None:
    raw = passengers()
    folder = run(titanic, tmp_path, raw)
    parts = [pd.read_csv(folder / name / f"{name}.csv") for name in ("train", "validation", "test")]
    together = pd.concat(parts)
    assert len(together) == len(raw)
    assert list(together) == [*titanic.SCHEMA.features, "Survived"]
    assert together["Age"].isna().sum() == raw["Age"].isna().sum() > 0
    assert together["Cabin"].isna().sum() == raw["Cabin"].isna().sum() > 0
    assert [abs(part["Survived"].mean() - raw["Survived"].mean()) < 0.05 for part in parts] == [True] * 3
    assert list(pd.read_csv(folder / "baseline" / "baseline.csv")) == list(titanic.SCHEMA.features)


def test_the_report_says_what_was_left_blank(titanic: ModuleType, tmp_path: Path) -> None:
    folder = run(titanic, tmp_path, passengers())
    assert f"- left {passengers()['Age'].isna().sum()} blank Age" in (folder / "report" / "report.md").read_text()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda raw: "", "has no rows, not even a header"),
        (lambda raw: raw.head(0), "no rows"),
        (lambda raw: raw.drop(columns="Survived"), "column 'Survived' is missing"),
        (lambda raw: raw.drop(columns="Ticket"), "column 'Ticket' is missing"),
        (lambda raw: raw.assign(Cabin=None), "Column 'Cabin' has no value at all"),
        (lambda raw: raw.assign(Survived=np.nan), "Column 'Survived' has no value at all"),
        (lambda raw: raw.assign(Survived="perhaps"), "holds 'perhaps', 150 rows. Use 0 and 1, or no and yes"),
        (lambda raw: raw.assign(Age=raw["Age"].astype(object).where(raw.index > 0, "old")), "holds 'old', 1 rows"),
        (lambda raw: raw.assign(Sex="1"), "where a category is needed"),
        (lambda raw: raw.assign(Pclass=10 * raw["Pclass"]), "'Pclass' holds .*It must be 1, 2 or 3"),
        (lambda raw: raw.assign(Fare=-raw["Fare"]), "'Fare' holds .*0 or more"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(titanic: ModuleType, tmp_path: Path, spoil: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        run(titanic, tmp_path, spoil(passengers()))  # type: ignore[operator]
    assert not (tmp_path / "train").exists()


def test_ten_times_the_fare_is_kept_as_it_is(titanic: ModuleType, tmp_path: Path) -> None:
    """It may be another currency: what it means for a model is the model's, and the data's monitors', to say."""
    folder = run(titanic, tmp_path, passengers().assign(Fare=lambda raw: 10 * raw["Fare"]))
    assert pd.read_csv(folder / "train" / "train.csv")["Fare"].max() > 800
