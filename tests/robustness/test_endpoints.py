"""A short run of `make endure`, and its abuse alone."""

from __future__ import annotations

import endpoint_abuse
import endpoints
import pytest
from endpoint_load import Plan

from sagelocal.config import Settings


@pytest.fixture(scope="module")
def plan(laptop: Settings) -> Plan:
    return endpoints.deploy(laptop)


@pytest.mark.namespaces
@pytest.mark.parametrize("case", endpoint_abuse.CASES, ids=lambda case: case.__name__)
def test_abuse_gets_an_error_and_the_next_request_its_answer(plan: Plan, case: endpoint_abuse.Case) -> None:
    endpoints.abused(plan, case)


@pytest.mark.namespaces
@pytest.mark.slow
def test_nothing_fails_under_load_but_what_a_killed_worker_held(laptop: Settings, plan: Plan) -> None:
    endpoints.everything(laptop, plan, seconds=10, may_fail=0.01)  # of fewer requests; a batch is lost by either kill
