"""Declarations: where they are found, and what of them AWS would refuse."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from deploy import checks, declaration
from deploy.declaration import (
    Alarm,
    Asynchronous,
    Autoscaling,
    Capture,
    Deployment,
    Mode,
    Schedule,
    Serverless,
    Variant,
)
from deploy.strategies import (
    STRATEGIES,
    AllAtOnce,
    Canary,
    Linear,
    Rolling,
    Strategy,
    capacity,
    deployment_config,
    described,
)
from mlops.commands.endpoints import Shift
from mlops.use_cases import find_all

TWO = (Variant(instance_count=2),)


def test_every_use_cases_declarations_are_what_aws_takes() -> None:
    found = {case.name: declaration.declared(case.name) for case in find_all()}
    assert set(found["churn"]) == {"staging", "production", "rehearsal"}
    assert declaration.monitored("churn").keys() == {"production", "rehearsal"}
    for stages in found.values():
        for stage, deployment in stages.items():
            checks.check(deployment, stage)


def test_a_stage_that_is_not_declared_has_defaults_and_a_use_case_its_stages() -> None:
    assert declaration.find("churn", "eu") == Deployment()
    assert declaration.find("census", "production") == declaration.find("churn", "production") != Deployment()
    checks.check(Deployment(), "eu")


def test_the_command_line_knows_every_strategy() -> None:
    assert {each.value for each in Shift} == set(STRATEGIES)


ASYNCHRONOUS, SERVERLESS, MULTI_MODEL = Mode.ASYNCHRONOUS, Mode.SERVERLESS, Mode.MULTI_MODEL


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"variants": ()}, "1 to 10 variants, and here are 0"),
        ({"variants": (Variant(), Variant())}, "two variants are named AllTraffic"),
        ({"variants": (Variant(instance_count=0),)}, "instance_count=0"),
        ({"variants": (Variant(weight=-1.0),)}, "the weight -1"),
        ({"variants": (Variant(weight=0.0),)}, "none would get a request"),
        ({"variants": (Variant("A"), Variant("B")), "shadow": Variant("C")}, "one production variant, and here are 2"),
        ({"shadow": Variant("B"), "mode": ASYNCHRONOUS}, "with mode real-time, and not with asynchronous"),
        ({"strategy": Canary(size=1)}, "size=1 of 1, and it must be 1 to 50 % of a variant's instances: have more"),
        ({"variants": TWO, "strategy": Canary(size="60%")}, "size='60%', and it must be 1 to 50 %"),
        ({"variants": TWO, "strategy": Canary(size=2)}, "size=2 of 2, "),
        ({"variants": TWO, "strategy": Linear(size="5%")}, "must be 10 to 50 %"),
        ({"variants": TWO, "strategy": Rolling(size="4%")}, "must be 5 to 50 %"),
        ({"variants": TWO, "strategy": Canary(wait_interval=3601)}, "wait_interval=3601.*0 to 3600 seconds"),
        ({"variants": TWO, "strategy": Canary(termination_wait=-1)}, "termination_wait=-1"),
        (
            {"variants": TWO, "strategy": Linear(wait_interval=600, maximum_execution_timeout=1900)},
            "waits 1920 s in all",
        ),
        ({"variants": (*TWO, Variant("B", instance_count=2)), "strategy": Rolling()}, "for endpoints of one variant"),
        ({"strategy": AllAtOnce(maximum_execution_timeout=599)}, "599, and it must be 600 to 28800"),
        ({"mode": SERVERLESS}, "captures no data: declare capture=None"),
        ({"mode": SERVERLESS, "capture": None, "variants": (Variant("A"), Variant("B"))}, "has one variant"),
        ({"mode": SERVERLESS, "capture": None, "serverless": Serverless(1500)}, "1024, 2048 … 6144, and not 1500"),
        ({"mode": SERVERLESS, "capture": None, "serverless": Serverless(1024, 201)}, "max_concurrency is 1 to 200"),
        ({"mode": SERVERLESS, "capture": None, "serverless": Serverless(1024, 5, 6)}, "provisioned_concurrency is 1"),
        ({"mode": SERVERLESS, "capture": None, "strategy": Canary()}, "updated all at once"),
        ({"mode": SERVERLESS, "capture": None, "alarms": (Alarm("ModelLatency", 1),)}, "not rolled back by alarms"),
        ({"mode": SERVERLESS, "capture": None, "autoscaling": Autoscaling(0.5)}, "none is declared"),
        ({"autoscaling": Autoscaling(70, min_capacity=0)}, "only asynchronous endpoints go to 0"),
        ({"autoscaling": Autoscaling(70, min_capacity=3, max_capacity=2)}, "max_capacity=2, which is below"),
        ({"variants": TWO, "strategy": Canary(size=1), "autoscaling": Autoscaling(9)}, "size=1 of 1, "),
        ({"autoscaling": Autoscaling(0)}, "target_value must be above 0"),
        ({"autoscaling": Autoscaling(1, schedules=(Schedule("a", "daily", 1, 2),))}, r"'daily': cron\(…\)"),
        ({"mode": ASYNCHRONOUS, "asynchronous": Asynchronous(0)}, "is 1 to 1000, and not 0"),
        ({"mode": MULTI_MODEL}, "needs models"),
        ({"variants": (Variant(models="s3://b/p/"),)}, "goes with mode multi-model"),
        ({"alarms": (Alarm("Latency", 1),)}, "the metric 'Latency'; there are Invocations"),
        ({"alarms": (Alarm("ModelLatency", 1, statistic="q9"),)}, "statistic 'q9'"),
        ({"alarms": (Alarm("ModelLatency", 1, period=45),)}, "10, 30 or a multiple of 60"),
        ({"alarms": tuple(Alarm("ModelLatency", 1) for _ in range(11))}, "at most 10 alarms.*here are 11"),
        ({"mode": ASYNCHRONOUS, "alarms": (Alarm("ApproximateBacklogSize", 1),)}, "of the whole endpoint"),
        ({"capture": Capture(101)}, "0 to 100 per cent, and not 101"),
    ],
)
def test_what_aws_would_refuse_is_said_first(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checks.check(dataclasses.replace(Deployment(), **declared), "staging")


@pytest.mark.parametrize("strategy", [Canary("50%"), Linear("50%"), Rolling("50%")])
def test_a_share_of_one_instance_is_within_the_published_limits(strategy: Strategy) -> None:
    checks.check(Deployment(strategy=strategy), "staging")


def test_a_strategy_is_awss_deployment_config() -> None:
    assert deployment_config(AllAtOnce(), []) is None
    config = deployment_config(Canary(size="10%", wait_interval=60, termination_wait=30), ["a", "b"])
    assert config == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 60,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
            },
            "TerminationWaitInSeconds": 30,
            "MaximumExecutionTimeoutInSeconds": 3600,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]},
    }
    linear = deployment_config(Linear(size=1), [])
    assert linear
    assert linear["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["LinearStepSize"] == {
        "Type": "INSTANCE_COUNT",
        "Value": 1,
    }
    rolling = deployment_config(Rolling(size="20%", rollback_size="100%"), [])
    assert rolling == {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 20},
            "WaitIntervalInSeconds": 180,
            "RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 100},
            "MaximumExecutionTimeoutInSeconds": 3600,
        }
    }
    rolled_back = deployment_config(AllAtOnce(termination_wait=60), ["a"])
    assert rolled_back
    assert rolled_back["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] == 60


@pytest.mark.parametrize("size", ["10", "%", "ten%", "10%5"])
def test_a_size_that_is_none_is_named(size: str) -> None:
    with pytest.raises(ValueError, match=f"The size '{size}' is neither"):
        capacity(size)


def test_a_strategy_in_words() -> None:
    assert described(AllAtOnce()) == "all at once"
    assert described(Canary("10%", 60)) == "canary: 10% of the traffic for 60 s, then the rest"
    assert described(Linear(1, 30)) == "linear: 1 instances more of the traffic every 30 s"
    assert described(Rolling("25%", 30)) == "rolling: 25% of the instances at a time, 30 s between"
