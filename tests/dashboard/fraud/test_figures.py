"""What the page of fraud makes of items and metrics: no account, no browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dashboard.fraud import alerts, flow, marking, precision, terminals
from dashboard.fraud.alerts import Alert
from dashboard.fraud.flow import P99, SCORED, Flow
from deploy.fraud_labels import plain
from tests.dashboard.fraud import scored

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def made(number: int, **more: Any) -> dict[str, Any]:
    return plain(scored.typed(scored.item(number, NOON + timedelta(seconds=number), **more)))


def test_an_alert_says_how_long_it_took_and_who_labelled_it() -> None:
    said = alerts.said(Alert.of(made(7, score=0.99996)))
    assert (said["percent"], said["amount"], said["who"]) == ("99.9%", "57.16 €", "customer 40 at terminal 1002")
    assert "transaction 7, scored 40 ms after it came in, model 3" in said["more"]
    assert len(said["reasons"]) == 3 and said["labelled"] == said["undo"] == ""
    at = "2026-06-01T12:30:00.000Z"
    by_analyst = Alert.of(made(7, label="fraud", labelled_by="analyst", labelled_at=at))
    assert alerts.labelled(by_analyst).startswith("Fraud, says an analyst\n2026-06-01")
    assert alerts.said(by_analyst)["undo"] == at
    by_bank = alerts.said(Alert.of(made(7, label="genuine", labelled_by="chargeback", labelled_at=at)))
    assert by_bank["labelled"].startswith("Genuine, says a chargeback") and by_bank["undo"] == ""
    assert Alert.of({**made(7), "put_at": ""}).milliseconds is None


def test_what_was_just_marked_stays_in_its_place() -> None:
    first, second, third = (Alert.of(made(number)) for number in (1, 2, 3))
    marked = Alert.of(made(2, label="fraud", labelled_by="analyst", labelled_at="2026-06-01T12:30:00.000Z"))
    assert alerts.merged([third, first], [marked]) == [third, marked, first]
    assert alerts.merged([third, second, first], [marked]) == [third, marked, first]


def test_a_card_is_judged_by_its_highest_alert_and_by_all_labels_of_the_day() -> None:
    rows = [
        made(1, customer_id=1, score=0.9, label="fraud"),
        made(2, customer_id=1, score=0.2),
        made(3, customer_id=2, score=0.8, label="genuine"),
        made(4, customer_id=3, score=0.7),
        made(5, customer_id=4, score=0.6, label="fraud"),
    ]
    day = precision.of_day("2026-06-01", rows, top=3)
    assert (day.alerts, day.cards, day.labelled, day.fraud) == (5, 3, 2, 1)
    found = day.precision
    assert found is not None and found.value == 0.5 and found.low < 0.5 < found.high
    nothing = precision.of_day("2026-06-02", rows[3:4])
    assert nothing.precision is None
    shown = precision.table([day, nothing])
    assert list(shown["labelled"]) == [pytest.approx(2 / 3), 0.0]


def test_a_terminal_is_judged_against_what_is_usual_there() -> None:
    rows = [
        *(
            made(number, terminal_id=1, customer_id=number % 2, features={"terminal_7d_count": 8})
            for number in range(4)
        ),
        made(20, terminal_id=2, features={"terminal_7d_count": 0}, label="fraud"),
        made(30, terminal_id=3),
    ]
    found = terminals.table(rows)
    assert list(found["terminal"]) == [1, 2, 3]
    assert list(found["alerts"]) == [4, 1, 1] and list(found["customers"]) == [2, 1, 1]
    assert list(found["fraud"]) == [0, 1, 0] and found["amount"][0] == pytest.approx(4 * 57.16)
    assert list(found["rate"][:2]) == [0.5, 1.0] and found["rate"].isna()[2]
    assert terminals.table([]).empty


def test_a_second_s_rate_is_of_the_last_whole_minute_or_of_what_there_is_of_the_first() -> None:
    now = NOON + timedelta(seconds=30)
    minutes = [(NOON - timedelta(minutes=back), 600.0 * back) for back in (2, 1)]
    there = Flow(NOON - timedelta(minutes=29), NOON + timedelta(minutes=1), {SCORED: [*minutes, (NOON, 30.0)], P99: []})
    assert there.rate(SCORED, now) == 10.0
    assert there.rate(SCORED, now + timedelta(minutes=10)) is None  # that was long ago
    assert Flow(there.start, there.end, {SCORED: [(NOON, 300.0)]}).rate(SCORED, now) == 10.0
    assert there.rate(P99, now) is None
    frame = there.frame(SCORED)
    assert len(frame) == 30 and list(frame["value"].dropna()) == [1200.0, 600.0, 30.0]
    assert {each["MetricStat"]["Metric"]["Namespace"] for each in flow.queries()} == {"mlops/fraud"}


def test_whoever_may_not_mark_is_told_what_it_needs() -> None:
    response: Any = {
        "Error": {"Code": "AccessDeniedException", "Message": "not authorized"},
        "ResponseMetadata": {"RequestId": "1f2e"},
    }
    said = marking.problem(ClientError(response, "UpdateItem"))
    assert said.startswith("Nothing was written. AccessDeniedException: not authorized (request id 1f2e)")
    assert "dynamodb:UpdateItem" in said and "fraud-scores" in said
