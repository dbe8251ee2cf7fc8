"""What a use case declares about an endpoint. Plain data with AWS's names; `deploy/<use case>.py` holds a dict of them,
a stage each:

    DEPLOYMENTS = {"staging": Deployment(), "production": Deployment(strategy=Canary(), alarms=(...))}

`checks.py` says what AWS would refuse, `wanted.py` makes the API's requests of it, `state.py` reads what exists,
`plan.py` gets from one to the other, and `apply.py` makes the calls.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deploy.names import VARIANT
from deploy.strategies import AllAtOnce, Strategy

APPROVED = "approved"  # the newest approved version, whichever that is at the time


class Mode(StrEnum):
    REAL_TIME = "real-time"
    ASYNCHRONOUS = "asynchronous"
    SERVERLESS = "serverless"
    MULTI_MODEL = "multi-model"


@dataclass(frozen=True)
class Variant:
    """One model with its share of the traffic. Several make an A/B test."""

    name: str = VARIANT
    version: int | str = APPROVED  # of the use case's model package group; APPROVED, or a model package's ARN
    weight: float = 1.0  # its share is this of the sum; a shadow's: how much of the traffic it gets copies of
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)  # over the version's own
    models: str = ""  # multi-model: the S3 prefix whose archives it serves, with the version's image and environment


@dataclass(frozen=True)
class Serverless:
    memory_size_in_mb: int = 2048
    max_concurrency: int = 5
    provisioned_concurrency: int | None = None


@dataclass(frozen=True)
class Asynchronous:
    max_concurrent_invocations_per_instance: int | None = None
    notify: bool = False  # SNS topics <endpoint>-success and <endpoint>-error, made and removed with the endpoint


@dataclass(frozen=True)
class Capture:
    initial_sampling_percentage: int = 100


@dataclass(frozen=True)
class Schedule:
    """Other limits at certain times."""

    name: str
    expression: str  # cron(0 7 ? * MON-FRI *), rate(1 day) or at(2027-01-01T00:00:00)
    min_capacity: int
    max_capacity: int
    timezone: str = "UTC"


@dataclass(frozen=True)
class Autoscaling:
    """Of every production variant. A target value is, by mode:

    real-time: invocations a minute and instance; asynchronous: requests that wait, an instance; serverless: the share
    of the provisioned concurrency in use, between 0.1 and 0.9 (there the capacities are concurrent requests).
    """

    target_value: float
    min_capacity: int = 1  # 0 for asynchronous endpoints only
    max_capacity: int = 4
    scale_in_cooldown: int = 600  # seconds
    scale_out_cooldown: int = 300
    schedules: tuple[Schedule, ...] = ()


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm on a metric of AWS/SageMaker, for every production variant.

    With `rollback` it watches the new fleet alone and takes an update back; without, it watches the endpoint at all
    times. Latencies are microseconds; an average of Invocation5XXErrors is the share of requests that failed.
    """

    metric: str
    threshold: float
    statistic: str = "Average"  # Sum, Maximum, p99 …
    period: int = 60  # seconds
    evaluation_periods: int = 1
    rollback: bool = True
    actions: tuple[str, ...] = ()  # ARNs that are told, such as an SNS topic's


@dataclass(frozen=True)
class Deployment:
    variants: tuple[Variant, ...] = (Variant(),)
    mode: Mode = Mode.REAL_TIME
    shadow: Variant | None = None  # gets copies of requests, and nobody its answers
    strategy: Strategy = field(default_factory=AllAtOnce)
    alarms: tuple[Alarm, ...] = ()
    capture: Capture | None = field(default_factory=Capture)
    autoscaling: Autoscaling | None = None
    serverless: Serverless = field(default_factory=Serverless)  # of mode serverless
    asynchronous: Asynchronous = field(default_factory=Asynchronous)  # of mode asynchronous


def declared(use_case: str) -> dict[str, Deployment]:
    """Stage to declaration, as in `deploy/<use case>.py`; none for a use case without that file."""
    module = f"deploy.{use_case}"
    if importlib.util.find_spec(module) is None:
        return {}
    return dict(getattr(importlib.import_module(module), "DEPLOYMENTS", {}))


def find(use_case: str, stage: str) -> Deployment:
    """The stage's declaration; a plain real-time endpoint with data capture for a stage that has none."""
    return declared(use_case).get(stage, Deployment())
