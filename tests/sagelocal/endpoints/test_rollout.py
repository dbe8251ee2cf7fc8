"""The steps of an update and the state machine that takes them, with fleets that start at once or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal import events
from sagelocal.api.errors import AwsError
from sagelocal.config import Settings, load
from sagelocal.endpoints import deployment, progress
from sagelocal.endpoints.fleet import ClosedError, UnhealthyError
from sagelocal.endpoints.rollout import Rollout
from sagelocal.endpoints.traffic import Traffic
from sagelocal.store import Store

Document = dict[str, Any]


def variants(count: int, *names: str, weight: float = 1, **more: Any) -> list[Document]:
    planned = {"InstanceCount": count, "Weight": weight, "Containers": [], "InstanceType": "ml.m5.large", **more}
    return [{"VariantName": name, **planned} for name in names or ("AllTraffic",)]


def size(kind: str, value: int) -> Document:
    return {"Type": "CAPACITY_PERCENT" if kind == "%" else "INSTANCE_COUNT", "Value": value}


def blue_green(kind: str = "ALL_AT_ONCE", wait: int = 0, termination: int = 0, **more: Any) -> Document:
    policy = {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **more}}
    return {"BlueGreenUpdatePolicy": policy | {"TerminationWaitInSeconds": termination}}


def rolling(batch: Document, wait: int = 0, **more: Any) -> Document:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": wait, **more}}


def watched(config: Document, *names: str) -> Document:
    return config | {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in names]}}


def planned(config: Document | None, count: int = 4, old: int | None = None) -> list[deployment.Step]:
    return deployment.load(deployment.steps(config, variants(old or count), variants(count)))


def shares(config: Document | None, count: int = 4) -> list[float]:
    return [round(step.share, 4) for step in planned(config, count)]


def test_traffic_goes_over_in_the_steps_that_were_asked_for() -> None:
    assert shares(None) == [1]
    assert shares(blue_green()) == [1]
    assert shares(blue_green("CANARY", CanarySize=size("%", 10))) == [0.1, 1]
    assert shares(blue_green("CANARY", CanarySize=size("n", 1))) == [0.25, 1]
    assert shares(blue_green("LINEAR", LinearStepSize=size("%", 25))) == [0.25, 0.5, 0.75, 1]
    assert shares(blue_green("LINEAR", LinearStepSize=size("%", 33)), 3) == [0.33, 0.66, 1], "no sliver at the end"
    assert shares(blue_green("LINEAR", LinearStepSize=size("%", 40))) == [0.4, 0.8, 1]
    assert shares(blue_green("LINEAR", LinearStepSize=size("n", 1)), 2) == [0.5, 1]
    waits = planned(blue_green("CANARY", 300, 120, CanarySize=size("%", 10)))
    assert [(step.bake, step.setting) for step in waits] == [
        (300, "WaitIntervalInSeconds"),
        (120, "TerminationWaitInSeconds"),
    ]


def test_a_count_of_instances_is_the_share_that_several_variants_have_of_it() -> None:
    new = [*variants(2, "a", weight=3), *variants(4, "b", weight=1)]
    config = blue_green("CANARY", CanarySize=size("n", 1))
    assert [step["share"] for step in deployment.steps(config, new, new)] == [(3 * 0.5 + 0.25) / 4, 1]


def test_a_rolling_update_trades_instances_batch_by_batch() -> None:
    def traded(config: Document, count: int, old: int | None = None) -> list[tuple[int, int | None]]:
        return [
            (step.new["AllTraffic"], step.old["AllTraffic"] if step.old else None)
            for step in planned(config, count, old)
        ]

    assert traded(rolling(size("n", 1)), 3) == [(1, 2), (2, 1), (3, None)]
    assert traded(rolling(size("%", 50)), 3) == [(2, 1), (3, None)]
    assert traded(rolling(size("%", 33)), 3) == [(1, 2), (2, 1), (3, None)]
    assert traded(rolling(size("%", 50)), 1) == [(1, None)]
    assert traded(rolling(size("n", 1)), 2, old=4) == [(1, 2), (2, None)]


def test_the_way_back_is_at_once_or_in_batches_of_its_own() -> None:
    now, full = {"v": 1}, {"v": 4}
    assert deployment.way_back(rolling(size("n", 1)), now, full) == [full]
    assert deployment.way_back(blue_green(), full, full) == []
    batches = rolling(size("n", 1), RollbackMaximumBatchSize=size("%", 50))
    assert deployment.way_back(batches, now, full) == [{"v": 3}, {"v": 4}]


def test_old_hardware_falls_back_to_all_at_once_without_a_wait() -> None:
    new = variants(2, InstanceType="ml.inf1.xlarge")
    (step,) = deployment.load(deployment.steps(blue_green("CANARY", 9, 9, CanarySize=size("%", 10)), new, new))
    assert (step.share, step.bake) == (1, 0)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (blue_green("CANARY"), "CanarySize is required"),
        (blue_green("CANARY", CanarySize=size("%", 51)), "CanarySize must be between 1% and 50%"),
        (blue_green("CANARY", CanarySize=size("n", 3)), "3 (INSTANCE_COUNT, 75 % of its 4 instance(s))"),
        (blue_green("LINEAR", LinearStepSize=size("%", 9)), "LinearStepSize must be between 10% and 50%"),
        (blue_green("ALL_AT_ONCE", LinearStepSize=size("%", 20)), "LinearStepSize can't be specified"),
        (blue_green("LINEAR", CanarySize=size("%", 20)), "CanarySize can't be specified"),
        (rolling(size("%", 4)), "MaximumBatchSize must be between 5% and 50%"),
        (rolling(size("n", 4)), "MaximumBatchSize must be between"),
        (rolling(size("n", 1), RollbackMaximumBatchSize=size("n", 5)), "RollbackMaximumBatchSize must be between"),
        (rolling(size("n", 1)) | blue_green(), "not both"),
        (
            rolling(size("n", 1), 300, MaximumExecutionTimeoutInSeconds=900),
            "must be larger than the deployment's waits",
        ),
    ],
)
def test_sizes_and_times_have_limits(config: Document, said: str) -> None:
    with pytest.raises(AwsError, match="ValidationException") as raised:
        deployment.check(config, variants(4))
    assert said in raised.value.message


def test_a_share_of_one_instance_passes_and_the_instance_itself_does_not() -> None:
    for config in (blue_green("CANARY", CanarySize=size("%", 10)), rolling(size("%", 50))):
        deployment.check(config, variants(1))
    with pytest.raises(AwsError, match=r"100 % of its 1 instance\(s\)"):
        deployment.check(blue_green("CANARY", CanarySize=size("n", 1)), variants(1))


def test_not_every_endpoint_can_shift_traffic() -> None:
    serverless = variants(0, "s", Serverless={"MaxConcurrency": 1}, InstanceType=None)
    assert len(deployment.steps(None, serverless, serverless)) == 1
    deployment.check(None, serverless)
    deployment.check(blue_green(), variants(0, "s", Serverless={"MaxConcurrency": 1}))
    for config, new in (
        (rolling(size("%", 50)), variants(2, "a", "b")),
        (rolling(size("%", 50)), variants(0, "s", Serverless={"MaxConcurrency": 1})),
        (blue_green("CANARY", CanarySize=size("%", 10)), variants(0, "s", Serverless={"MaxConcurrency": 1})),
    ):
        with pytest.raises(AwsError, match="is not supported for"):
            deployment.check(config, new)


class FakeFleet:
    """Instances that come up at once; `broken` from how many on they do not."""

    def __init__(self, plan: Document, broken: int = 99) -> None:
        self.plan = plan
        self.broken = broken
        self.running: Mapping[str, int] = {}
        self.up: Future[None] = Future()
        self.stopped = threading.Event()
        self.hangs = False
        self.scaled: list[int] = []  # to how many instances, one after the other

    def start(self, instances: Mapping[str, int] | None = None) -> None:
        if self.hangs and self.stopped.wait(10):
            raise ClosedError
        self.scale(instances or deployment.counts(self.plan["Variants"]))
        self.up.set_result(None)

    def scale(self, instances: Mapping[str, int]) -> None:
        if sum(instances.values()) >= self.broken:
            raise UnhealthyError("it does not come up")
        self.scaled.append(sum(instances.values()))
        self.running = instances

    def stop(self) -> None:
        self.stopped.set()


class Alarmed:
    """CloudWatch, with alarms whose states a function says at each look."""

    def __init__(self, states: Callable[[], Document]) -> None:
        self._states = states

    def describe_alarms(self, AlarmNames: list[str], **_: Any) -> Document:
        states = {name: state for name, state in self._states().items() if name in AlarmNames}
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": state} for name, state in states.items()]}


class Case:
    """One endpoint with an update from `old` to `new` instances."""

    def __init__(self, folder: Path, config: Document | None, old: int = 2, new: int = 2) -> None:
        self.changes: list[Document] = []
        self.settings = load(folder / "state")
        self.alarms: Document = {}
        self.closing = threading.Event()
        self.store = Store(folder / "db", on_change=self._changed)
        self.blue = FakeFleet(self._plan("old", old))
        self.blue.start()
        self.green = FakeFleet(self._plan("new", new))
        self.traffic = Traffic(self.blue)  # type: ignore[arg-type]
        steps = deployment.steps(config, self.blue.plan["Variants"], self.green.plan["Variants"])
        self.store.create(
            "Endpoint",
            "e",
            {
                "EndpointName": "e",
                "EndpointStatus": "Updating",
                "_running": self.blue.plan,
                "_pending": self.green.plan,
                "_rollout": {"Began": time.time(), "Step": 0, "Steps": steps, "Deployment": config},
            },
        )

    def _plan(self, name: str, count: int) -> Document:
        return {
            "Id": name,
            "EndpointConfigName": name,
            "Variants": variants(count),
            "Shadows": [],
            "DataCapture": None,
        }

    def _changed(self, kind: str, before: Document | None, after: Document | None) -> list[Document]:
        assert after is not None
        if before is not None:
            self.changes.append(after | {"shares": [(f.plan["Id"], round(s, 2)) for f, s in self.traffic.shares]})
        return []

    def run(self) -> list[str]:
        """Runs it; gives the configs of the fleets that have no traffic any more."""
        cloudwatch = Alarmed(lambda: self.alarms)
        app: Any = SimpleNamespace(store=self.store, cloudwatch=cloudwatch, now=time.time, settings=self.settings)
        green: Any = self.green
        rollout = Rollout(app, self.store.get("Endpoint", "e"), self.traffic, green, self.closing)
        return [fleet.plan["Id"] for fleet in rollout.run()]

    def limit(self, seconds: int, since: float) -> None:
        """Gives the update a time limit and lets it have begun `since` seconds ago."""
        policy = self.endpoint["_rollout"]["Deployment"]["BlueGreenUpdatePolicy"]
        config = {"BlueGreenUpdatePolicy": policy | {"MaximumExecutionTimeoutInSeconds": seconds}}
        state = self.endpoint["_rollout"] | {"Deployment": config, "Began": time.time() - since}
        self.store.update("Endpoint", "e", {"_rollout": state})

    @property
    def endpoint(self) -> Document:
        return self.store.get("Endpoint", "e")

    @property
    def stages(self) -> list[str]:
        """What was on disk: a status, or the stage of the new variant."""
        found = []
        for one in self.changes:
            stage = one.get("PendingDeploymentSummary", {}).get("ProductionVariants", [{}])[0].get("VariantStatus")
            found.append(stage[0]["Status"] if stage else one["EndpointStatus"])
        return [stage for number, stage in enumerate(found) if found[number - 1 : number] != [stage]]

    @property
    def serving(self) -> list[tuple[str, float]]:
        return [(fleet.plan["Id"], round(share, 2)) for fleet, share in self.traffic.shares]


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    return lambda config, **more: Case(tmp_path, config, **more)


CANARY = blue_green("CANARY", 1, 0, CanarySize=size("%", 25))


def test_a_canary_bakes_and_ends_in_service(case: Callable[..., Case]) -> None:
    update = case(watched(CANARY, "a"))
    update.alarms = {"a": "INSUFFICIENT_DATA"}
    assert update.run() == ["old"]
    assert update.stages == ["ActivatingTraffic", "Baking", "ActivatingTraffic", "InService"]
    baking = next(one for one in update.changes if "Baking" in str(one))
    assert baking["shares"] == [("old", 0.75), ("new", 0.25)]
    said = baking["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["StatusMessage"]
    assert (
        said == "Baking for 1 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."
    )
    assert update.serving == [("new", 1)]
    assert update.endpoint["_running"]["Id"] == "new"
    assert not {"_pending", "_rollout", "PendingDeploymentSummary", "FailureReason"} & set(update.endpoint)


def test_a_time_scale_shortens_the_wait_and_not_what_is_shown_of_it(case: Callable[..., Case]) -> None:
    update = case(blue_green("CANARY", 600, 600, CanarySize=size("%", 50)))
    update.settings = replace(update.settings, time_scale=10_000)
    update.run()
    assert update.endpoint["EndpointStatus"] == "InService"
    said = [
        variant["VariantStatus"][0].get("StatusMessage", "")
        for changed in update.changes
        for variant in (changed.get("PendingDeploymentSummary") or {}).get("ProductionVariants", [])
    ]
    assert any("600 seconds (WaitIntervalInSeconds)" in text for text in said)


def test_an_alarm_takes_all_traffic_back_at_once(case: Callable[..., Case]) -> None:
    update = case(watched(CANARY, "a", "b"))

    def states() -> Document:
        return {"a": "OK", "b": "ALARM" if len(update.traffic.fleets) == 2 else "OK"}

    update.alarms = SimpleNamespace(items=lambda: states().items())  # type: ignore[assignment]
    assert update.run() == ["new"]
    assert update.serving == [("old", 1)]
    assert update.stages == ["ActivatingTraffic", "Baking", "Deleting", "InService"]
    (back,) = (one for one in update.changes if one["EndpointStatus"] == "RollingBack")
    assert back["shares"] == [("old", 1)], "the traffic first"
    assert "Alarm(s) in ALARM state: b." in update.endpoint["FailureReason"]
    assert update.endpoint["EndpointConfigName"] == "old"


def test_an_alarm_at_the_start_or_one_that_is_gone_keeps_the_new_fleet_down(case: Callable[..., Case]) -> None:
    update = case(watched(CANARY, "a"))
    assert update.run() == ["new"]
    assert "CloudWatch has no alarm a any more" in update.endpoint["FailureReason"]
    assert not update.green.up.done()
    assert update.stages == ["Deleting", "InService"]


def test_a_fleet_that_never_gets_healthy_says_why(case: Callable[..., Case]) -> None:
    update = case(None)
    update.green.broken = 1
    assert update.run() == ["new"]
    assert (update.endpoint["EndpointStatus"], update.endpoint["FailureReason"]) == ("InService", "it does not come up")
    assert update.serving == [("old", 1)]


def test_the_time_limit_rolls_back(case: Callable[..., Case]) -> None:
    update = case(blue_green("CANARY", 500, 0, CanarySize=size("%", 25)))
    update.limit(600, since=599)
    assert update.run() == ["new"]
    assert "longer than its MaximumExecutionTimeoutInSeconds, 600" in update.endpoint["FailureReason"]
    assert "Baking" in update.stages


def test_the_time_limit_breaks_off_a_start(case: Callable[..., Case]) -> None:
    update = case(blue_green())
    update.green.hangs = True
    update.limit(600, since=599.7)
    assert update.run() == ["new"]
    assert update.green.stopped.is_set()
    assert "MaximumExecutionTimeoutInSeconds" in update.endpoint["FailureReason"]


def test_closing_leaves_the_step_on_disk(case: Callable[..., Case]) -> None:
    update = case(blue_green("LINEAR", 0, 3600, LinearStepSize=size("%", 50)))
    threading.Timer(0.2, update.closing.set).start()
    with pytest.raises(ClosedError):
        update.run()
    assert (update.endpoint["EndpointStatus"], update.endpoint["_rollout"]["Step"]) == ("Updating", 1)
    assert update.stages[-1] == "Baking"


def test_an_update_goes_on_with_the_step_on_disk(case: Callable[..., Case]) -> None:
    update = case(blue_green("LINEAR", 0, 0, LinearStepSize=size("%", 25)))
    update.store.update("Endpoint", "e", {"_rollout": update.endpoint["_rollout"] | {"Step": 2}})
    assert update.run() == ["old"]
    assert [one["shares"] for one in update.changes] == [
        [("old", 1)],
        [("old", 1)],
        [("old", 0.25), ("new", 0.75)],
        [("old", 0.25), ("new", 0.75)],
        [("new", 1)],
    ]


def test_a_rolling_update_takes_instances_from_the_old_fleet(case: Callable[..., Case]) -> None:
    update = case(rolling(size("n", 1)), old=3, new=3)
    assert update.run() == ["old"]
    assert (update.blue.scaled, update.green.scaled) == ([3, 2, 1], [1, 2, 3])
    assert update.stages == [
        "ActivatingTraffic",
        "Updating",
        "ActivatingTraffic",
        "Updating",
        "ActivatingTraffic",
        "InService",
    ]


def test_a_rolling_update_whose_second_batch_breaks_gives_the_instances_back(case: Callable[..., Case]) -> None:
    update = case(rolling(size("n", 1)), old=3, new=3)
    update.green.broken = 2
    assert update.run() == ["new"]
    assert update.blue.running == {"AllTraffic": 3}
    assert update.serving == [("old", 1)]
    assert update.endpoint["FailureReason"] == "it does not come up"


def test_a_rollback_that_fails_leaves_the_mix_serving(case: Callable[..., Case]) -> None:
    update = case(rolling(size("n", 1)), old=3, new=3)
    update.green.broken, update.blue.broken = 2, 3
    assert update.run() == []
    assert update.endpoint["EndpointStatus"] == "UpdateRollbackFailed"
    assert update.serving == [("old", 0.67), ("new", 0.33)]

    third = FakeFleet(update._plan("third", 3))
    state = {"Began": time.time(), "Step": 0, "Steps": deployment.steps(None, [], variants(3)), "Deployment": None}
    update.store.update("Endpoint", "e", {"EndpointStatus": "Updating", "_pending": third.plan, "_rollout": state})
    update.green = third
    assert sorted(update.run()) == ["new", "old"], "the next update puts an end to both"
    assert (update.endpoint["EndpointStatus"], update.serving) == ("InService", [("third", 1)])


def test_events_of_a_deployment(tmp_path: Path) -> None:
    settings: Settings = load(tmp_path)
    plan = {"EndpointConfigName": "new", "Variants": variants(3), "Shadows": [], "DataCapture": None}
    before = {"EndpointName": "e", "EndpointArn": "arn", "EndpointStatus": "InService", "CreationTime": 1.5}
    updating = before | {"EndpointStatus": "Updating", "PendingDeploymentSummary": progress.launching(plan, 2.5)}
    sent = events.for_change("Endpoint", before, updating, settings)
    assert [one["detail-type"] for one in sent] == [
        "SageMaker Endpoint State Change",
        "SageMaker Endpoint Deployment State Change",
    ]
    step = deployment.Step(0.3, {"AllTraffic": 3}, 600, "WaitIntervalInSeconds", "canary capacity")
    baking = updating | {"PendingDeploymentSummary": progress.baking(plan, step, 2.5, 3.5)}
    (sent_then,) = events.for_change("Endpoint", updating, baking, settings)
    assert sent_then["detail-type"] == "SageMaker Endpoint Deployment State Change"
    assert sent_then["detail"]["EndpointStatus"] == "UPDATING"
    (variant,) = sent_then["detail"]["PendingDeploymentSummary"]["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 3)
    assert variant["VariantStatus"][0]["StartTime"] == 3500
    (last,) = events.for_change("Endpoint", baking, before, settings)
    assert last["detail-type"] == "SageMaker Endpoint State Change"
