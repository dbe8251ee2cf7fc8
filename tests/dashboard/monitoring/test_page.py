"""The page of monitoring, by AppTest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_without_a_monitor_it_says_how_to_get_one(app_test: Callable[..., Any]) -> None:
    page = app_test("monitoring").run()
    assert not page.exception
    assert "Nothing is monitored" in page.info[0].value
    assert "mlops demo drift" in page.code[0].value
