"""What `mlops automl` makes of a user's file and options before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops import automl


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600)])
def test_a_budget_is_a_time(text: str, seconds: int) -> None:
    assert automl.parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["5", "m", "2s", "-5m", "five"])
def test_a_budget_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 90s, 5m or 1h"):
        automl.parse_budget(text)


def test_the_problem_is_found_in_the_file(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,c\n" + "".join(f"{row},{row % 2},{row % 3}x\n" for row in range(60)))
    assert [automl.problem_of(table, name) for name in "abc"] == ["regression", "binary", "multiclass"]
    with pytest.raises(LookupError, match="has no column 'd'. It has: a, b, c"):
        automl.problem_of(table, "d")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="has no rows"):
        automl.problem_of(tmp_path / "empty.csv", "a")
