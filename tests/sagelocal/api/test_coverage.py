"""The tables of docs/sagelocal.md say what the code says."""

from __future__ import annotations

import pytest

from sagelocal.api import coverage


def test_the_page_is_as_the_code_makes_it() -> None:
    text = coverage.PAGE.read_text()
    assert coverage.page(text) == text, "run: python -m sagelocal.api.coverage"


def test_a_page_without_a_place_for_tables_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        coverage.page("# a page")


def test_what_is_refused_and_what_is_absent_are_told_apart() -> None:
    rows = list(coverage.tables())
    assert "| Fail | yes |" in rows
    assert "| EMR | no |" in rows
    assert any(row.startswith("| CreateEndpointConfig | partial | `EnableNetworkIsolation`") for row in rows)
    assert "| DescribePipeline | yes |  |" in rows
