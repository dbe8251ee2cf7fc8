"""What stages and runs cost: by the prices that are there, and named where one isn't."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from deploy import cost, cost_run, prices, stages
from deploy.cost import Measured, Traffic
from deploy.cost_run import Job
from deploy.declaration import (
    Alarm,
    Autoscaling,
    Deployment,
    Kind,
    Mode,
    Monitor,
    Monitoring,
    Schedule,
    Serverless,
    Stage,
    Variant,
)
from deploy.prices import Price, Prices

READ = date(2026, 1, 1)


def priced(**units: float) -> Prices:
    instances = {(use, "ml.m5.large"): Price(0.1, READ, "page") for use in ("real-time", "processing", "training")}
    return Prices("us-east-1", instances, {name: Price(amount, READ, "page") for name, amount in units.items()})


def month(deployment: Deployment, monitoring: Monitoring | None = None, **units: float) -> cost.Estimate:
    return cost.month(Stage("staging", deployment=deployment, monitoring=monitoring), priced(**units))


def test_instances_cost_at_the_fewest_and_at_the_most() -> None:
    two = Variant(instance_count=2)
    assert (month(Deployment((two,))).low, month(Deployment((two,))).high) == (146, 146)
    night = Schedule("night", "cron(0 22 * * ? *)", 1, 2)
    scaled = month(Deployment((two,), autoscaling=Autoscaling(1000, 2, 4, schedules=(night,))))
    assert (scaled.low, scaled.high) == (73, 292)
    ab = month(Deployment((two, Variant("B")), shadow=Variant("Shadow")))
    assert [line.low for line in ab.lines[:3]] == [146, 73, 73]


def test_asynchronous_instances_that_sleep_cost_what_they_work_for_at_least() -> None:
    asleep = Deployment(mode=Mode.ASYNCHRONOUS, autoscaling=Autoscaling(5, 0, 2))
    found = cost.month(Stage("s", deployment=asleep), priced(), Traffic(requests=36_000, seconds=1))
    assert (found.low, found.high) == (pytest.approx(1.0), 146)  # ten hours, by real-time's price
    assert any("real-time ones" in each for each in found.assumed)


def test_serverless_costs_by_memory_and_second() -> None:
    plain = Deployment(mode=Mode.SERVERLESS, serverless=Serverless(2048), capture=None)
    found = cost.month(Stage("s", deployment=plain), priced(**{"serverless-gb-second": 0.00002}), Traffic(200_000, 0.3))
    assert found.lines[0].low == pytest.approx(2.40)
    ready = dataclasses.replace(plain, serverless=Serverless(2048, 5, 2))
    assert cost.month(Stage("s", deployment=ready), prices.load()).unpriced == ["provisioned-gb-second"]


def test_what_has_no_price_is_named_and_left_out() -> None:
    found = month(Deployment((Variant(), Variant("B", instance_type="ml.p9.large"))))
    assert found.low == 73
    assert "ml.p9.large for real-time" in found.unpriced


def test_monitors_cost_their_jobs_and_their_metrics() -> None:
    daily = Monitor(schedule="rate(1 day)")
    monitoring = Monitoring(model_quality=None, model_bias=None, explainability=daily, max_model_age="P9D")
    stage = Stage("s", deployment=Deployment(alarms=(Alarm("ModelLatency", 1),)), monitoring=monitoring)
    seen = {Kind.DATA_QUALITY: Measured(60, 10)}
    units = priced(**{"metric-month": 0.3, "alarm-month": 0.1, "dashboard-month": 3})
    found = {each.what: each for each in cost.month(stage, units, None, seen, start_up=30).lines}
    assert found["monitor data-quality"].low == pytest.approx(730 * (60 + 2 * 30) / 3600 * 0.1)
    assert found["monitor explainability"].low == pytest.approx(730 / 24 * (120 + 2 * 30) / 3600 * 0.1)
    assert found["metrics of data-quality"].low == pytest.approx(3)
    assert found["alarms"].low == pytest.approx(0.4)  # latency, two monitors, the model's age
    assert found["dashboard"].low == 3


def test_a_scaled_variant_has_alarms_of_its_policies() -> None:
    deployment = Deployment((Variant(), Variant("B")), alarms=(Alarm("ModelLatency", 1),), autoscaling=Autoscaling(1))
    assert cost.alarms(Stage("s", deployment=deployment)) == 2 + 4


def test_a_run_costs_its_jobs_their_disks_and_their_trials() -> None:
    jobs = [
        Job("Process", "processing", "ml.m5.large", 2, 1800, 0),
        Job("Tune", "training", "ml.m5.large", 1, 600, 73, jobs=6),
        Job("Odd", "training", "ml.x1.large", 1, 10, 30),
    ]
    found = cost_run.run(jobs, 3, priced(**{"training-storage-gb-month": 0.1}), start_up=100)
    process, tune, _ = found.lines
    assert process.low == pytest.approx(2 * 1900 / 3600 * 0.1)
    hours = (600 + 6 * 100) / 3600
    assert tune.low == pytest.approx(hours * 0.1 + hours / 730 * 73 * 0.1)
    assert found.unpriced == ["ml.x1.large for training"]
    assert "3 steps took an earlier execution's results, which costs nothing." in found.assumed


def test_every_price_has_a_date_and_a_source_and_the_stages_that_are_declared_are_priced() -> None:
    table = prices.load()
    every = [*table.instances.values(), *table.units.values()]
    assert all(each.source.startswith("https://") and each.read.year >= 2026 and each.amount > 0 for each in every)
    assert (table.region, table.hour("real-time", "ml.m5.large")) == (
        "us-east-1",
        table.instances["real-time", "ml.m5.large"],
    )
    for name, stage in stages.of("churn").items():
        found = cost.month(stage, table)
        assert found.unpriced == []
        assert stage.cost_ceiling is None or found.high < stage.cost_ceiling, name


def test_a_price_of_more_than_a_year_ago_is_named() -> None:
    table = priced(**{"alarm-month": 0.1})
    assert table.old(date(2027, 1, 1)) == []
    assert table.old(date(2027, 1, 2))[-1] == "alarm-month (2026-01-01)"
