"""A small run of `make kill`."""

from __future__ import annotations

import random

import kill
import pytest

from sagelocal.config import Settings


@pytest.mark.namespaces
def test_kills_lose_nothing(laptop: Settings) -> None:
    assert kill.kill_and_look(laptop, 4, random.Random(0)), "no kill came after a finished step: this shows nothing"
