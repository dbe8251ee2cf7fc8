"""What AWS would refuse, said before anything is made: limits of the API's shapes and of its documentation."""

from __future__ import annotations

from collections.abc import Iterator

from deploy import strategies
from deploy.declaration import Alarm, Autoscaling, Deployment, Mode, Serverless, Variant

VARIANT_METRICS = (
    "Invocations",
    "InvocationsPerInstance",
    "Invocation4XXErrors",
    "Invocation5XXErrors",
    "InvocationModelErrors",
    "ModelLatency",
    "OverheadLatency",
    "ModelSetupTime",
)
ENDPOINT_METRICS = (  # asynchronous endpoints publish them without a variant
    "ApproximateBacklogSize",
    "ApproximateBacklogSizePerInstance",
    "ApproximateAgeOfOldestRequest",
    "HasBacklogWithoutCapacity",
    "TimeInBacklog",
    "InvocationsProcessed",
    "InvocationFailures",
)
_STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")


def check(deployment: Deployment, stage: str) -> None:
    """Raises ValueError with every problem, a line each."""
    if found := list(problems(deployment)):
        raise ValueError(f"The declaration of stage {stage}: " + "; ".join(found) + ".")


def problems(deployment: Deployment) -> Iterator[str]:
    yield from _variants(deployment)
    yield from _mode(deployment)
    if deployment.mode is not Mode.SERVERLESS:
        yield from strategies.problems(deployment.strategy, _fewest_instances(deployment))
    if deployment.autoscaling:
        yield from _autoscaling(deployment, deployment.autoscaling)
    yield from _alarms(deployment)
    capture = deployment.capture
    if capture and not 0 <= capture.initial_sampling_percentage <= 100:
        yield f"data capture samples 0 to 100 per cent, and not {capture.initial_sampling_percentage}"


def _fewest_instances(deployment: Deployment) -> list[int]:
    """Of each variant, when it is updated: scaling may have taken some away."""
    least = max(1, deployment.autoscaling.min_capacity) if deployment.autoscaling else None
    return [min(each.instance_count, least or each.instance_count) for each in deployment.variants]


def _variants(deployment: Deployment) -> Iterator[str]:
    variants = deployment.variants
    every = [*variants, *([deployment.shadow] if deployment.shadow else [])]
    names = [each.name for each in every]
    if not variants or len(variants) > 10:
        yield f"an endpoint has 1 to 10 variants, and here are {len(variants)}"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two variants are named {name}"
    for each in every:
        if each.instance_count < 1:
            yield f"variant {each.name} has instance_count={each.instance_count}, and it starts with at least 1"
        if each.weight < 0:
            yield f"variant {each.name} has the weight {each.weight:g}, and it must be 0 or more"
    if variants and not any(each.weight for each in variants):
        yield "no variant has a weight above 0, so none would get a request"
    if deployment.shadow and len(variants) != 1:
        yield f"a shadow goes with one production variant, and here are {len(variants)}"


def _mode(deployment: Deployment) -> Iterator[str]:
    mode, variants = deployment.mode, deployment.variants
    if deployment.shadow and mode is not Mode.REAL_TIME:
        yield f"a shadow goes with mode real-time, and not with {mode}"
    if mode is Mode.SERVERLESS:
        yield from _serverless(deployment, deployment.serverless)
    if mode is Mode.ASYNCHRONOUS:
        most = deployment.asynchronous.max_concurrent_invocations_per_instance
        if len(variants) > 1:
            yield f"an asynchronous endpoint has one variant, and here are {len(variants)}"
        if most is not None and not 1 <= most <= 1000:
            yield f"max_concurrent_invocations_per_instance is 1 to 1000, and not {most}"
    yield from _multi_model(mode, [*variants, *([deployment.shadow] if deployment.shadow else [])])


def _multi_model(mode: Mode, variants: list[Variant]) -> Iterator[str]:
    for each in variants:
        if mode is Mode.MULTI_MODEL and not (each.models.startswith("s3://") and each.models.endswith("/")):
            yield f'variant {each.name} of a multi-model endpoint needs models="s3://…/", not {each.models!r}'
        if mode is not Mode.MULTI_MODEL and each.models:
            yield f"variant {each.name} names models={each.models!r}, which goes with mode multi-model"


def _serverless(deployment: Deployment, serverless: Serverless) -> Iterator[str]:
    memory, most, provisioned = (
        serverless.memory_size_in_mb,
        serverless.max_concurrency,
        serverless.provisioned_concurrency,
    )
    if len(deployment.variants) > 1:
        yield f"a serverless endpoint has one variant, and here are {len(deployment.variants)}"
    if deployment.capture:
        yield "a serverless endpoint captures no data: declare capture=None"
    if deployment.strategy != strategies.AllAtOnce():
        yield "a serverless endpoint is updated all at once: declare no strategy"
    if any(alarm.rollback for alarm in deployment.alarms):
        yield "a serverless endpoint is not rolled back by alarms: declare them with rollback=False"
    if memory not in range(1024, 6145, 1024):
        yield f"memory_size_in_mb is 1024, 2048 … 6144, and not {memory}"
    if not 1 <= most <= 200:
        yield f"max_concurrency is 1 to 200, and not {most}"
    if provisioned is not None and not 1 <= provisioned <= most:
        yield f"provisioned_concurrency is 1 to max_concurrency ({most}), and not {provisioned}"


def _autoscaling(deployment: Deployment, scaling: Autoscaling) -> Iterator[str]:
    mode = deployment.mode
    lowest = 0 if mode is Mode.ASYNCHRONOUS else 1
    for who, low, high in [
        ("autoscaling", scaling.min_capacity, scaling.max_capacity),
        *((f"schedule {each.name}", each.min_capacity, each.max_capacity) for each in scaling.schedules),
    ]:
        if low < lowest:
            only = "" if mode is Mode.ASYNCHRONOUS else "; only asynchronous endpoints go to 0"
            yield f"{who} has min_capacity={low}, and the least is {lowest}{only}"
        if high < max(low, 1):
            yield f"{who} has max_capacity={high}, which is below min_capacity={low} or 1"
    if mode is Mode.SERVERLESS:
        if deployment.serverless.provisioned_concurrency is None:
            yield "a serverless endpoint scales its provisioned_concurrency, and none is declared"
        if not 0.1 <= scaling.target_value <= 0.9:
            yield f"target_value of a serverless endpoint is 0.1 to 0.9, and not {scaling.target_value:g}"
    elif scaling.target_value <= 0:
        yield f"target_value must be above 0, and not {scaling.target_value:g}"
    for each in scaling.schedules:
        if not each.expression.startswith(("cron(", "rate(", "at(")):
            yield f"schedule {each.name} has the expression {each.expression!r}: cron(…), rate(…) or at(…)"


def _alarms(deployment: Deployment) -> Iterator[str]:
    for alarm in deployment.alarms:
        yield from _alarm(alarm, deployment.mode)
    count = len(deployment.variants) * sum(alarm.rollback for alarm in deployment.alarms)
    if count > 10:
        yield f"at most 10 alarms may roll an update back, and over all variants here are {count}"


def _alarm(alarm: Alarm, mode: Mode) -> Iterator[str]:
    known = (*VARIANT_METRICS, *(ENDPOINT_METRICS if mode is Mode.ASYNCHRONOUS else ()))
    if alarm.metric not in known:
        yield f"an alarm names the metric {alarm.metric!r}; there are {', '.join(known)}"
    elif alarm.metric in ENDPOINT_METRICS and alarm.rollback:
        yield f"{alarm.metric} is of the whole endpoint and not of a fleet: declare its alarm with rollback=False"
    if alarm.statistic not in _STATISTICS and not is_percentile(alarm.statistic):
        yield f"an alarm has the statistic {alarm.statistic!r}; there are {', '.join(_STATISTICS)} and p99, p99.9 …"
    if alarm.period not in (10, 30) and (alarm.period < 60 or alarm.period % 60):
        yield f"an alarm's period is 10, 30 or a multiple of 60 seconds, and not {alarm.period}"


def is_percentile(statistic: str) -> bool:
    return statistic[:1] == "p" and statistic[1:].replace(".", "", 1).isdecimal()
