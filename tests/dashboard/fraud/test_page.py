"""The page of fraud on a sagelocal: alerts of a table of scores, as they come, are read and labelled."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.fraud import reading
from dashboard.fraud.reading import Filters
from deploy import fraud_labels, streams
from sagelocal.config import Settings
from tests.dashboard.fraud import scored

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=10, microsecond=0)  # one day, whenever tests run
EARLIER = TODAY - timedelta(days=3)
ALERTS = 120


@pytest.fixture(scope="session")
def dynamodb(laptop: Settings) -> Any:
    """ALERTS alerts of an earlier day, each of its own score and a second later than the one before; two of today."""
    made = laptop.client("dynamodb")
    scored.create(made)
    first = EARLIER + timedelta(hours=1)
    rows = [
        scored.item(number, first + timedelta(seconds=number), score=number / 200, terminal_id=1000 + number % 40)
        for number in range(ALERTS)
    ]
    label = {"label": "fraud", "labelled_by": "chargeback", "labelled_at": fraud_labels.written(TODAY)}
    rows[5] |= label
    rows += [scored.item(1000 + number, TODAY + timedelta(seconds=number)) for number in range(2)]
    scored.put(made, rows)
    about = [{"Name": streams.STREAM, "Value": streams.transactions_stream("fraud")}]
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    metric = {"Dimensions": about, "Timestamp": minute}
    laptop.client("cloudwatch").put_metric_data(
        Namespace=streams.metrics_namespace("fraud"),
        MetricData=[
            {**metric, "MetricName": streams.SCORED, "Value": 1200},
            {**metric, "MetricName": streams.LATENCY, "Values": [20.0, 200.0], "Counts": [99, 1]},
        ],
    )
    return made


@pytest.fixture
def show(app_test: Callable[..., Any], dynamodb: Any) -> Callable[..., Any]:
    def run(**query: str) -> Any:
        shown = app_test("fraud", **query).run()
        assert [each.value for each in (*shown.exception, *shown.error)] == []
        return shown

    return run


def captions(shown: Any) -> str:
    return "\n".join(each.value for each in shown.caption)


def test_alerts_come_a_page_at_a_time_and_no_page_misses_one(app_test: Callable[..., Any], dynamodb: Any) -> None:
    app_test("fraud")  # an account to ask
    asked = Filters(EARLIER.date().isoformat())
    newest = reading.alerts(asked, 50)
    older = reading.alerts(asked, 50, newest.following)
    last = reading.alerts(asked, 50, older.following)
    assert scored.numbers([*newest.items, *older.items, *last.items]) == list(range(ALERTS))[::-1]
    assert last.following == ""
    narrow = Filters(asked.day, score=0.02, unlabelled=True, terminal=1005)
    assert scored.numbers(reading.alerts(narrow, 50).items) == [85, 45]  # of 5, 45 and 85 the first is labelled
    with pytest.raises(LookupError, match="before 'x'"):
        reading.alerts(asked, 50, "x")


def test_each_view_says_what_it_is_about(show: Callable[..., Any]) -> None:
    shown = show()
    assert {each.label: each.value for each in shown.metric} == {
        "Transactions a second": "20.0",
        "Alerts in 30 minutes": "0",
        "Latency in ms, p50 and p99": "20 · 22",
    }
    assert shown.selectbox(key="day").options[:2] == ["Newest", TODAY.date().isoformat()]
    assert "40 terminals with the 122 alerts" in captions(show(view="Terminals"))
    assert "labelled, 1 of 9; lines are 95 %" in captions(show(view="Precision"))
    older = show(day=EARLIER.date().isoformat()).button(key="older").click().run()
    assert not older.exception and older.button(key="newest")
    older.slider(key="score").set_value(0.95).run()
    assert not older.exception and "is like that" in older.info[0].value  # the first page of what is asked for now
    assert "No alert on 2020-01-01" in show(day="2020-01-01").info[0].value
    assert "'never' is no day" in show(day="never").warning[0].value


@pytest.mark.namespaces
def test_an_analyst_marks_an_alert_and_takes_it_back(page: Any, address: str, dynamodb: Any) -> None:
    page.goto(f"{address}/fraud?day={EARLIER.date()}&open=true")
    alert = page.get_by_role("list", name="Alerts, newest first").locator("> li").filter(has_text="transaction 119,")
    alert.get_by_text("Amount 57.16 € is 4.1 times").wait_for()
    alert.get_by_role("button", name="Fraud").click()
    alert.get_by_text("Fraud, says an analyst").wait_for()
    assert (found := scored.stored(dynamodb, 119))["label"] == "fraud" and found["labelled_by"] == "analyst"
    alert.get_by_role("button", name="Undo").click()
    alert.get_by_role("button", name="Genuine").wait_for()
    assert "label" not in scored.stored(dynamodb, 119)


@pytest.mark.namespaces
def test_an_analyst_marks_what_comes_without_losing_the_place(
    page: Any, address: str, dynamodb: Any, shoot: Callable[..., Any]
) -> None:
    page.goto(f"{address}/fraud?day={EARLIER.date()}&open=true")
    alerts = page.get_by_role("list", name="Alerts, newest first").locator("> li")
    first = alerts.filter(has_text="transaction 119,")
    first.get_by_text("Amount 57.16 € is 4.1 times").wait_for()
    assert alerts.count() == 50
    first.get_by_role("button", name="Fraud").click()
    first.get_by_text("Fraud, says an analyst").wait_for()
    assert (found := scored.stored(dynamodb, 119))["label"] == "fraud" and found["labelled_by"] == "analyst"
    # One of 50 that are not labelled is gone: an older one, which is no news, has come below the others.
    alerts.filter(has_text="transaction 69,").wait_for()
    assert "transaction 69," in alerts.last.inner_text()
    assert page.get_by_role("button", name="new alert").count() == 0

    # Whoever is about to press a button is not moved on by what comes, and sees that something came.
    scored.put(dynamodb, [scored.item(500, EARLIER + timedelta(hours=2))])
    page.get_by_role("button", name="1 new alert").wait_for()
    assert "transaction 119," in alerts.first.inner_text()
    first.get_by_role("button", name="Undo").click()
    first.get_by_role("button", name="Genuine").wait_for()
    assert "label" not in scored.stored(dynamodb, 119)
    page.get_by_role("button", name="1 new alert").click()
    alerts.first.filter(has_text="transaction 500,").wait_for()
    shoot(page, "alerts")

    # Another was quicker.
    fraud_labels.mark(dynamodb, scored.TABLE, 118, "genuine", "chargeback", TODAY)
    alerts.filter(has_text="transaction 118,").get_by_role("button", name=re.compile("^Fraud")).click()
    page.get_by_role("alert").get_by_text("Nothing was written. Transaction 118 is genuine, by chargeback").wait_for()


def test_read_only_nobody_marks(app_test: Callable[..., Any], dynamodb: Any) -> None:
    shown = app_test("fraud", argv=("--target", "aws")).run()
    assert [each.value for each in shown.exception] == []
    assert any("--allow-changes" in each.value for each in shown.caption)
