"""A small run of `make fuzz`."""

from __future__ import annotations

import fuzz
import pytest

from sagelocal.config import Settings


@pytest.mark.namespaces
def test_random_requests_break_nothing(laptop: Settings) -> None:
    result = fuzz.fuzz(laptop, 600, seed=1, threads=3)
    assert [*result.findings, *fuzz.broken(laptop)] == []
    assert result.sent == 600
    assert len(result.accepted) > 15, "hardly any operation took a request: the run would show nothing"
    assert result.codes["ValidationException"] > 100
