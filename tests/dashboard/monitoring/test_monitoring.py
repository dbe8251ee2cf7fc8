"""The page of monitoring on a sagelocal: verdicts of jobs that ran, alarms, and from drift to a new model."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal.config import Settings
from tests.dashboard.monitoring.monitored import NAME
from tests.dashboard.monitoring.shop import ALARM, DRIFTED, EMPTY, ENDPOINT, HEALTHY, Shop

pytestmark = pytest.mark.namespaces


@pytest.fixture(scope="session")
def shop(laptop: Settings) -> SimpleNamespace:
    """Ids of its runs: healthy, one whose files are gone, nothing to compare, drifted."""
    made = Shop(laptop)
    found = SimpleNamespace(
        healthy=made.check(HEALTHY), pruned=made.check(DRIFTED), empty=made.check(EMPTY), drifted=made.check(DRIFTED)
    )
    made.prune(found.pruned)
    return found


@pytest.fixture
def show(app_test: Callable[..., Any], shop: SimpleNamespace) -> Callable[..., Any]:
    def run(**query: str) -> Any:
        shown = app_test("monitoring", **query).run()
        assert [each.value for each in shown.exception] == []
        return shown

    return run


def text(shown: Any) -> str:
    return "\n".join(each.value for each in (*shown.markdown, *shown.caption, *shown.warning, *shown.code))


def test_a_verdict_says_what_moved_since_when_and_against_what(show: Callable[..., Any], shop: SimpleNamespace) -> None:
    shown = show(endpoint=ENDPOINT, monitor=NAME)
    assert shown.selectbox[0].value == shop.drifted  # the newest verdict
    assert "differ from the baseline in 2 of 2 features" in text(shown)
    found, kinds = (table.value for table in shown.table)
    assert list(found["what"]) == ["age", "plan"]
    assert all(each.startswith("at least since") for each in found["since"])  # a file before it is gone
    assert "Covariate shift" in kinds["kind"].iloc[0]
    assert "s3://" in text(shown)
    assert "baseline/constraints.json" in text(shown)
    assert shown.multiselect[0].value == ["age", "plan"]


def test_runs_without_a_report_say_why(show: Callable[..., Any], shop: SimpleNamespace) -> None:
    assert "files are gone" in text(show(endpoint=ENDPOINT, monitor="data-quality", execution=shop.pruned))
    shown = show(endpoint=ENDPOINT, monitor=NAME, execution=shop.empty)
    assert "No verdict: nothing to compare" in text(shown)
    assert "<b>s3://shop</b>" in shown.code[-1].value
    assert "has no execution never" in text(show(endpoint=ENDPOINT, monitor=NAME, execution="never"))
    assert "never ran" in show(endpoint=ENDPOINT, monitor="model-bias").info[0].value


def test_an_endpoint_shows_its_alarms_and_what_a_retraining_would_do(show: Callable[..., Any]) -> None:
    shown = show(endpoint=ENDPOINT)
    (alarms,) = shown.table
    assert "in alarm" in alarms.value["state"].iloc[0]
    assert ALARM.replace("-", r"\-") in alarms.value["alarm"].iloc[0]
    assert "Starts by itself when one of these goes off" in text(shown)
    shown.button(key="start-retraining").click().run()
    asked = text(shown)
    assert "`InputDataUrl`: what was collected" in asked
    assert "fewer than 500 labelled records" in asked


def test_distances_over_time_are_cloudwatchs(show: Callable[..., Any]) -> None:
    shown = show(endpoint=ENDPOINT, monitor=NAME, view="Over time")
    assert shown.multiselect[0].value == ["age", "plan"]


def test_from_drift_to_its_report_to_a_new_model(
    shop: SimpleNamespace, address: str, page: Any, shoot: Callable[..., Any]
) -> None:
    page.goto(f"{address}/monitoring")
    page.get_by_role("link", name=re.compile("2 violations")).last.focus()
    page.keyboard.press("Enter")
    page.get_by_text("differ from the baseline in 2 of 2 features").wait_for()
    page.get_by_text("population stability index").first.wait_for()
    assert f"execution={shop.drifted}" in page.url
    page.set_viewport_size({"width": 1280, "height": 1900})  # the page scrolls within itself
    shoot(page, "report")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="Start retraining").click()
    page.get_by_role("button", name=f"Start {ENDPOINT}-retraining").click()
    page.get_by_text(f"Started {ENDPOINT}-retraining").wait_for()
    page.get_by_role("tab", name="Retraining").click()
    page.get_by_role("link", name=re.compile("version 1")).wait_for()
    shoot(page, "retraining")
    page.get_by_role("link", name="Execution", exact=True).click()
    page.wait_for_url(f"**/pipelines?pipeline={ENDPOINT}-retraining&execution=*")


def test_a_monitor_runs_at_once_over_a_window(show: Callable[..., Any], laptop: Settings) -> None:
    shown = show(endpoint=ENDPOINT, monitor=NAME)
    shown.button(key=f"run-{NAME}").click().run()
    shown.button(key="changes-confirm").click()
    shown.button(key=f"run-{NAME}").click().run()  # an AppTest runs all of the page, so what opens the dialog, too
    assert f"{NAME} runs" in shown.toast[0].value
    sagemaker = laptop.client("sagemaker")
    (newest, *_) = sagemaker.list_pipeline_executions(PipelineName=NAME, SortOrder="Descending")[
        "PipelineExecutionSummaries"
    ]
    arn = newest["PipelineExecutionArn"]
    given = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    start, end = (datetime.fromisoformat(each["Value"]) for each in given if each["Name"].startswith("Window"))
    assert end - start == timedelta(hours=1)
