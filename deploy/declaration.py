"""What is declared of a stage and its endpoints: the members that `deploy/stages.yml` may have, with their defaults.
Plain data with AWS's names; `stages.py` reads the file into it.

`checks.py` says what AWS would refuse, `wanted.py` makes the API's requests of it, `state.py` reads what exists,
`plan.py` gets from one to the other, and `apply.py` makes the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deploy.names import VARIANT
from deploy.strategies import AllAtOnce, Strategy

APPROVED = "approved"  # the newest approved version, whichever that is at the time
CURRENT_MODEL = "<current model>"  # as a retraining's parameter: the S3 URI of the model in service at the time


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


class Engine(StrEnum):
    PIPELINE = "pipeline"  # a SageMaker Pipeline of our own scripts, started by EventBridge Scheduler
    MANAGED = "managed"  # Model Monitor's schedules and images; AWS takes no new customers since 2026-07-30


class Kind(StrEnum):
    DATA_QUALITY = "data-quality"
    MODEL_QUALITY = "model-quality"
    MODEL_BIAS = "model-bias"
    EXPLAINABILITY = "explainability"


@dataclass(frozen=True)
class Monitor:
    """How often one analysis looks, at what, and what it allows. Durations are ISO 8601's, such as PT1H or P7D.

    The baseline's own constraints hold but for `thresholds`, which are, by kind:

    data quality: a feature's name (`*`: all of them) to the distance of distributions that is drift;
    model quality: a metric's name, such as `auc`, to the value that it may not cross;
    model bias: a metric's code, such as `DPPL`, to the value that counts as the baseline's, for every facet;
    explainability: none, AWS has fixed the least agreement with the baseline's ranking (an nDCG of 0.9).
    """

    schedule: str = "cron(0 * ? * * *)"  # or rate(6 hours); of EventBridge Scheduler. Managed: see monitor_checks.py
    window: str = "PT1H"  # how much traffic each run looks at
    delay: str = "PT5M"  # how long before a scheduled run its window ends: captures, and labels all the more, come late
    thresholds: Mapping[str, float] = field(default_factory=dict)
    instance_type: str = "ml.m5.large"


class Source(StrEnum):
    CAPTURES = "captures"  # what the endpoint was asked, with its ground truth
    SCORES = "scores"  # the table of scores of a use case with a stream: raw events, with what became of them


@dataclass(frozen=True)
class Retraining:
    """When a monitor's alarm goes off, the use case's pipeline runs on the labelled traffic of a window.

    At most once in `cooldown`, and not with fewer than `min_records` labelled records. Durations are ISO 8601's.
    """

    on: tuple[Kind, ...] = tuple(Kind)  # the monitors whose alarm starts it
    source: Source = Source.CAPTURES
    window: str = "P7D"  # of traffic up to the alarm; of scores whole days, up to the last whose truth is known
    history: str = ""  # of scores: the S3 URI of a parquet table of older events, for a stream that is younger
    cooldown: str = "P1D"
    min_records: int = 500
    parameters: Mapping[str, str] = field(default_factory=dict)  # of the use case's pipeline, besides InputDataUrl


@dataclass(frozen=True)
class Monitoring:
    """The monitors of a stage: of its endpoint or, with `captures`, of batch transform jobs. None: not watched.

    A monitor whose baseline the served version lacks is left out, and said so.
    """

    label: str = ""  # name of the column that ground truth is for; without one there is no model quality and no bias
    data_quality: Monitor | None = field(default_factory=Monitor)
    model_quality: Monitor | None = field(default_factory=Monitor)
    model_bias: Monitor | None = field(default_factory=Monitor)
    explainability: Monitor | None = field(default_factory=Monitor)
    engine: Engine = Engine.PIPELINE
    problem_type: str = "BinaryClassification"  # MulticlassClassification, Regression, Clustering
    # Column of the data quality baseline that is the model's answer: watched as the features are. Of a binary model its
    # probability.
    answer: str = ""
    optional: tuple[str, ...] = ()  # columns that a request may carry before the features, and no monitor looks at
    inference_attribute: str = ""  # of a binary model's answers: what they call the label, where that is not `label`
    probability_threshold: float = 0.5  # from which an answer counts as the positive label
    captures: str = ""  # batch: the S3 prefix that transform jobs capture to (their DataCaptureConfig's)
    ground_truth: str = ""  # the S3 prefix of labels; else names.ground_truth_uri, where `mlops label` puts them
    notify: tuple[str, ...] = ()  # who hears of alarms: e-mail addresses, https URLs, ARNs of queues or functions
    retraining: Retraining | None = None
    max_model_age: str = ""  # ISO 8601: when a version that was registered longer ago raises an alarm; empty: never

    def monitors(self) -> dict[Kind, Monitor]:
        """The monitors that are wanted, by kind."""
        every = {
            Kind.DATA_QUALITY: self.data_quality,
            Kind.MODEL_QUALITY: self.model_quality,
            Kind.MODEL_BIAS: self.model_bias,
            Kind.EXPLAINABILITY: self.explainability,
        }
        return {kind: monitor for kind, monitor in every.items() if monitor}


@dataclass(frozen=True)
class Limits:
    """What `mlops cicd test` allows an endpoint that has just been deployed."""

    tolerance: float = 0.005  # how far a metric, asked of the endpoint, may lie from the registered one, either way
    records: int = 20_000  # held-out ones that are asked for it, at most; of fewer than all, chance is allowed for
    requests: int = 200  # of the load, one record each
    workers: int = 4  # that ask at the same time
    compare_with: str = "production"  # the stage whose version in service the tested one is compared with
    p50: float = 500  # milliseconds an answer may take, the network included
    p95: float = 1000
    p99: float = 2000


@dataclass(frozen=True)
class Stage:
    """A stage, as a use case has it."""

    name: str
    account: str = ""  # twelve digits; empty: the caller's own, as are region and role
    region: str = ""
    role: str = ""  # ARN of the role to assume there
    external_id: str = ""  # that the role asks for, if it does
    execution_role: str = ""  # ARN of its models' role, and
    bucket: str = ""  # where it captures, both in its own account; empty: those of the build
    cost_ceiling: float | None = None  # US dollars a month and endpoint; None: no ceiling
    time_to_live: str = ""  # ISO 8601 duration of its endpoints; empty: they stay
    deployment: Deployment = field(default_factory=Deployment)
    monitoring: Monitoring | None = None
    tests: Limits = field(default_factory=Limits)


def declared(use_case: str) -> dict[str, Deployment]:
    """Stage to declaration, as in `deploy/stages.yml`."""
    return {name: stage.deployment for name, stage in _stages(use_case).items()}


def monitored(use_case: str) -> dict[str, Monitoring]:
    """Stage to the declaration of its monitors, as in `deploy/stages.yml`."""
    return {name: stage.monitoring for name, stage in _stages(use_case).items() if stage.monitoring}


def _stages(use_case: str) -> dict[str, Stage]:
    from deploy import stages  # which needs the classes above

    return stages.of(use_case)


def find(use_case: str, stage: str) -> Deployment:
    """The stage's declaration; a plain real-time endpoint with data capture for a stage that has none."""
    return declared(use_case).get(stage, Deployment())
