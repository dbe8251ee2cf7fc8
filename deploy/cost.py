"""What a month of a stage costs by AWS's list prices, from its declaration. Pure; `prices.py` has the prices.

Instances are reckoned at the least and at the most that autoscaling allows. What has no price is named, and the sums
are then too low.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deploy.checks import ENDPOINT_METRICS
from deploy.declaration import Deployment, Kind, Mode, Stage, Variant
from deploy.prices import Prices
from deploy.recurrence import HOURS, runs_a_month

_MONITOR_JOBS = 2  # Collect and Check
_TRACKING_ALARMS = 2  # that Application Auto Scaling makes for a policy, one a direction
_KB = 1024**2  # in a GB
HOUR = 3600  # seconds


@dataclass(frozen=True)
class Traffic:
    """What is assumed of a month's requests."""

    requests: int = 100_000
    seconds: float = 0.1  # that a model computes for one
    kilobytes: float = 2.0  # of a captured request with its answer
    log_kilobytes: float = 0.2  # that a container logs of one


@dataclass(frozen=True)
class Measured:
    """What was seen of a monitor: seconds that its jobs took together, and how many metrics it publishes."""

    seconds: float
    metrics: int = 0


UNMEASURED = Measured(120.0)  # of a monitor that never ran


@dataclass(frozen=True)
class Line:
    what: str
    low: float  # US dollars
    high: float
    how: str  # quantity and price in words
    unpriced: str = ""  # what has no price; low and high are then 0


@dataclass(frozen=True)
class Estimate:
    lines: list[Line]
    assumed: list[str] = field(default_factory=list)  # sentences

    @property
    def low(self) -> float:
        return sum(each.low for each in self.lines)

    @property
    def high(self) -> float:
        return sum(each.high for each in self.lines)

    @property
    def unpriced(self) -> list[str]:
        return list(dict.fromkeys(each.unpriced for each in self.lines if each.unpriced))


def month(
    stage: Stage,
    prices: Prices,
    traffic: Traffic | None = None,
    measured: Mapping[Kind, Measured] | None = None,
    start_up: float = 0.0,
) -> Estimate:
    """`measured`: the monitors that ran; `start_up`: seconds that are added to each job's, not being in the measure."""
    asked, seen = traffic or Traffic(), measured or {}
    lines = [
        *(_endpoint(stage.deployment, prices, asked) if not (stage.monitoring and stage.monitoring.captures) else ()),
        *_monitors(stage, prices, seen, start_up),
        *_watching(stage, prices),
        *_kept(stage.deployment, prices, asked),
    ]
    return Estimate(lines, list(_assumed(stage, asked, seen, start_up)))


def instances(what: str, prices: Prices, use: str, instance_type: str, hours: tuple[float, float]) -> Line:
    """A line of instance-hours, at least and at most."""
    price = prices.hour(use, instance_type)
    span = _time(hours[0]) if hours[0] == hours[1] else f"{_time(hours[0])} to {_time(hours[1])}"
    if price is None:
        name = f"{instance_type} for {use}"
        return Line(what, 0.0, 0.0, f"{span} of {instance_type}: no price", name)
    low, high = (price.amount * each for each in hours)
    return Line(what, low, high, f"{span} of {instance_type} at {price.amount:g} an hour")


def _time(hours: float) -> str:
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours * HOUR:,.0f} s"


def unit(what: str, prices: Prices, name: str, count: float, words: str) -> Line:
    """A line of so many units; words say them."""
    price = prices.units.get(name)
    if price is None:
        return Line(what, 0.0, 0.0, f"{words}: no price", name)
    return Line(what, count * price.amount, count * price.amount, f"{words} at {price.amount:g}")


def _endpoint(deployment: Deployment, prices: Prices, traffic: Traffic) -> Iterator[Line]:
    if deployment.mode is Mode.SERVERLESS:
        yield from _serverless(deployment, prices, traffic)
        return
    use = "asynchronous" if deployment.mode is Mode.ASYNCHRONOUS else "real-time"
    for variant in deployment.variants:
        low, high = _counts(deployment, variant)
        busy = min(HOURS * high, traffic.requests * traffic.seconds / HOUR)
        hours = (HOURS * low if low else busy, HOURS * high)
        yield instances(f"variant {variant.name}", prices, use, variant.instance_type, hours)
    if deployment.shadow:
        shadow = deployment.shadow
        always = HOURS * shadow.instance_count
        yield instances(f"shadow {shadow.name}", prices, use, shadow.instance_type, (always, always))


def _counts(deployment: Deployment, variant: Variant) -> tuple[int, int]:
    """The fewest and the most instances; schedules count as well."""
    scaling = deployment.autoscaling
    if scaling is None:
        return variant.instance_count, variant.instance_count
    lowest = [scaling.min_capacity, *(each.min_capacity for each in scaling.schedules)]
    highest = [scaling.max_capacity, *(each.max_capacity for each in scaling.schedules)]
    return min(lowest), max(highest)


def _serverless(deployment: Deployment, prices: Prices, traffic: Traffic) -> Iterator[Line]:
    serverless = deployment.serverless
    gigabytes = serverless.memory_size_in_mb / 1024
    seconds = traffic.requests * traffic.seconds
    words = f"{seconds:,.4g} s of {gigabytes:g} GB"
    yield unit("serverless", prices, "serverless-gb-second", seconds * gigabytes, words)
    if ready := serverless.provisioned_concurrency:
        words = f"{ready} of {gigabytes:g} GB at all times"
        count = ready * gigabytes * HOURS * HOUR
        yield unit("provisioned concurrency", prices, "provisioned-gb-second", count, words)


def _monitors(stage: Stage, prices: Prices, measured: Mapping[Kind, Measured], start_up: float) -> Iterator[Line]:
    declared = stage.monitoring.monitors() if stage.monitoring else {}
    for kind, monitor in declared.items():
        runs, seen = runs_a_month(monitor.schedule), measured.get(kind, UNMEASURED)
        hours = runs * (seen.seconds + _MONITOR_JOBS * start_up) / HOUR
        line = instances(f"monitor {kind}", prices, "processing", monitor.instance_type, (hours, hours))
        yield Line(line.what, line.low, line.high, f"{runs:,.0f} runs: {line.how}", line.unpriced)
        if not seen.metrics:
            continue
        share = min(1.0, runs / HOURS)  # a metric costs by the hour in which it has values
        words = f"{seen.metrics} metrics" + (f" in {share:.1%} of the hours" if share < 1 else "")
        yield unit(f"metrics of {kind}", prices, "metric-month", seen.metrics * share, words)


def _watching(stage: Stage, prices: Prices) -> Iterator[Line]:
    count = alarms(stage)
    if count:
        yield unit("alarms", prices, "alarm-month", count, f"{count} alarms")
    yield unit("dashboard", prices, "dashboard-month", 1, "1 dashboard")


def alarms(stage: Stage) -> int:
    """How many a deployment makes."""
    deployment, monitoring = stage.deployment, stage.monitoring
    variants = len(deployment.variants)
    declared = sum(1 if each.metric in ENDPOINT_METRICS else variants for each in deployment.alarms)
    scaling = deployment.autoscaling
    scaled = variants * _TRACKING_ALARMS if scaling else 0
    woken = variants if scaling and scaling.min_capacity == 0 and deployment.mode is Mode.ASYNCHRONOUS else 0
    monitors = len(monitoring.monitors()) + bool(monitoring.max_model_age) if monitoring else 0
    return declared + scaled + woken + monitors


def _kept(deployment: Deployment, prices: Prices, traffic: Traffic) -> Iterator[Line]:
    if deployment.capture:
        share = deployment.capture.initial_sampling_percentage / 100
        size = share * traffic.requests * traffic.kilobytes / _KB
        yield unit("captured traffic", prices, "s3-gb-month", size, f"{size:.3g} GB in S3, each month more")
    logged = traffic.requests * traffic.log_kilobytes / _KB
    yield unit("logs", prices, "logs-gb", logged, f"{logged:.3g} GB")


def _assumed(stage: Stage, traffic: Traffic, measured: Mapping[Kind, Measured], start_up: float) -> Iterator[str]:
    yield (
        f"A month has {HOURS:g} hours and {traffic.requests:,} requests of {traffic.seconds:g} s, "
        f"{traffic.kilobytes:g} KB captured and {traffic.log_kilobytes:g} KB logged each."
    )
    if stage.deployment.mode is Mode.ASYNCHRONOUS:
        yield "Asynchronous instances are reckoned at the price of real-time ones where they have none of their own."
    monitors = list(stage.monitoring.monitors()) if stage.monitoring else []
    if missing := [each for each in monitors if each not in measured]:
        yield (
            f"The monitors {', '.join(missing)} never ran: {UNMEASURED.seconds:g} s of jobs a run are assumed, and no "
            "metrics."
        )
    if start_up and monitors:
        yield f"Each monitor's job takes {start_up:g} s more than measured: a laptop has no instances to start."
    if stage.time_to_live:
        yield f"It stays the whole month; by its time to live a deployment lasts {stage.time_to_live}."
    yield "Data transfer, KMS, SNS, EventBridge and Lambda are left out."
