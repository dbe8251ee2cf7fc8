"""What is counted of a variant's requests: CloudWatch's metrics of SageMaker endpoints.

Names, units and dimensions are those of the Developer Guide's pages on monitoring endpoints with CloudWatch. Counting
costs the path of a request a few dictionary look-ups; everything else happens in `Metering`'s thread. An endpoint that
nobody calls sends nothing.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sagelocal.cloudwatch import Datum, Publisher
from sagelocal.endpoints.hosts import Hosts

REQUESTS = "AWS/SageMaker"
HOSTS = "/aws/sagemaker/Endpoints"
_PERIOD = 2.0  # s between two looks at the meters; a minute on AWS, which is long in front of a laptop
_HOSTS_PERIOD = 10.0  # s; AWS's MetricPublishFrequencyInSeconds has 10 as its least
_ZERO_PERIOD = 30.0  # s
_SETTLE = 0.05  # s; who took a window out of a meter waits so long for an `observe` that had begun
_VALUES = 150  # that a datum of PutMetricData takes
_GROWTH = math.log(1.02)  # values closer together than this are one, where there are more than a datum takes

Counts = dict[float, int]  # value -> how often
Dimensions = tuple[tuple[str, str], ...]
Key = tuple[str, str, str, Dimensions]  # namespace, metric, unit, dimensions


class Scaled(Protocol):
    """Of a variant, what its meter asks it. `counted` are its instances as AWS counts them."""

    name: str
    counted: int
    plan: dict[str, Any]

    @property
    def instances(self) -> Sequence[Any]: ...


class _Window:
    """The requests since the last look."""

    __slots__ = ("errors_4xx", "errors_5xx", "errors_model", "model", "overhead", "per_instance", "requests")

    def __init__(self) -> None:
        self.requests = self.errors_4xx = self.errors_5xx = self.errors_model = 0
        self.model: Counts = {}  # microseconds
        self.overhead: Counts = {}
        self.per_instance: Counts = {}


class Meter:
    """One a variant of a fleet; it sends until `close`."""

    def __init__(self, metering: Metering, endpoint: str, config: str, variant: Scaled) -> None:
        self.endpoint = endpoint
        self.config = config
        self.variant = variant.name
        self._variant = variant
        self._serverless = "Serverless" in variant.plan
        self._window = _Window()
        self._records: deque[tuple[str, str, str, Dimensions, float]] = deque()
        self._hosts = Hosts(variant.plan, metering.memory, metering.folder)
        self._next_hosts = self._next_zero = 0.0  # monotonic s
        self._metering = metering
        metering.add(self)

    def observe(self, status: int, model_seconds: float, overhead_seconds: float) -> None:
        """One answered request: the container's HTTP status (0: none), its time, and what the platform added.

        The event loop's thread alone calls it.
        """
        window = self._window
        window.requests += 1
        if not 200 <= status < 300:
            window.errors_model += 1
            if 400 <= status < 500:
                window.errors_4xx += 1
            else:
                window.errors_5xx += 1
        model, overhead = int(model_seconds * 1e6), int(overhead_seconds * 1e6)
        window.model[model] = window.model.get(model, 0) + 1
        window.overhead[overhead] = window.overhead.get(overhead, 0) + 1
        instances = self._variant.counted or 1
        window.per_instance[instances] = window.per_instance.get(instances, 0) + 1

    def record(self, metric: str, value: float, unit: str = "None", *, namespace: str = REQUESTS, **more: str) -> None:
        """A value of any other metric, from any thread: `record("ModelLoadingTime", 5e5, "Microseconds")`.

        The dimensions are EndpointName, VariantName and `more` (ContainerName="first").
        """
        self._records.append((namespace, metric, unit, (*self._where, *more.items()), value))

    def first_chunk(self, started: float, asked: float) -> None:
        """A streamed answer begins; when its request came and when the container was asked, by time.perf_counter()."""
        now = time.perf_counter()
        for metric, seconds in (
            ("FirstChunkLatency", now - started),
            ("FirstChunkModelLatency", now - asked),
            ("FirstChunkOverheadLatency", asked - started),
        ):
            self.record(metric, seconds * 1e6, "Microseconds")

    def close(self) -> None:
        """What was counted last still leaves."""
        self._metering.remove(self)

    @property
    def _where(self) -> Dimensions:
        return (("EndpointName", self.endpoint), ("VariantName", self.variant))

    def take(self) -> _Window:
        """Begins a new window; the caller waits a moment before it reads the old one."""
        window, self._window = self._window, _Window()
        return window

    def look(self, busy: bool, watched: bool) -> None:
        """What is sampled: requests that are being answered, and, every ten seconds, what the instances use.

        `watched` says that values are wanted while nobody calls, too.
        """
        now = time.monotonic()
        instances = list(self._variant.instances)
        in_flight = [instance.in_flight for instance in instances]
        busy |= any(in_flight)
        if watched and not busy and now >= self._next_zero:
            self._next_zero = now + _ZERO_PERIOD
            self.record("InvocationsPerInstance", 0.0)
            busy = True
        if busy:
            for number in in_flight:
                self.record("ConcurrentRequestsPerModel", number)
            if now >= self._next_hosts:
                self._next_hosts = now + _HOSTS_PERIOD
                for metric, value in self._hosts.values(instances):
                    self.record(metric, value, "Percent", namespace=HOSTS)

    def values(self, window: _Window) -> Iterator[tuple[Key, float, int]]:
        """(metric, value, how often) of a window that ended and of what was recorded."""
        requests = window.requests
        if requests:
            errors = {
                "Invocation4XXErrors": window.errors_4xx,
                "Invocation5XXErrors": window.errors_5xx,
                "InvocationModelErrors": window.errors_model,
            }
            for where in (self._where, (*self._where, ("EndpointConfigName", self.config))):
                yield (REQUESTS, "Invocations", "None", where), 1.0, requests
                for metric, count in errors.items():
                    # AWS sends 1 for a request that failed and 0 for any other, which is what averages are made of.
                    yield (REQUESTS, metric, "None", where), 1.0, count
                    yield (REQUESTS, metric, "None", where), 0.0, requests - count
                # AWS has none of serverless variants.
                for instances, count in () if self._serverless else window.per_instance.items():
                    yield (REQUESTS, "InvocationsPerInstance", "None", where), 1.0 / instances, count
                for metric, counts in (("ModelLatency", window.model), ("OverheadLatency", window.overhead)):
                    for value, count in counts.items():
                        yield (REQUESTS, metric, "Microseconds", where), value, count
        while self._records:
            namespace, metric, unit, where, value = self._records.popleft()
            yield (namespace, metric, unit, where), value, 1


class Metering:
    """Sends what all meters counted; `add`, `remove` and `record` from any thread."""

    def __init__(self, publisher: Publisher, memory: int, folder: Path) -> None:
        """`memory` is this machine's in bytes, `folder` one on the disk that DiskUtilization is of."""
        self.memory = memory
        self.folder = folder
        self._publisher = publisher
        self._meters: set[Meter] = set()
        self._records: deque[tuple[str, str, str, Dimensions, float]] = deque()
        self._watched: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metering", daemon=True)
        self._thread.start()

    def add(self, meter: Meter) -> None:
        with self._lock:
            self._meters.add(meter)

    def remove(self, meter: Meter) -> None:
        with self._lock:
            known = meter in self._meters
            self._meters.discard(meter)
        if known:
            self._send([meter])

    def record(self, metric: str, value: float, unit: str = "None", *, namespace: str = REQUESTS, **where: str) -> None:
        """A value whose dimensions are no variant's: `record("ApproximateBacklogSize", 3, EndpointName="churn")`."""
        self._records.append((namespace, metric, unit, tuple(where.items()), value))

    def watch(self, variants: set[tuple[str, str]]) -> None:
        """(EndpointName, VariantName) of those that scale: of them there are values also while nobody calls.

        AWS sends zeros for such a variant, so that it is scaled in ("Scale in when there is no traffic").
        """
        self._watched = variants

    def close(self) -> None:
        """Hands over what is left; the publisher is closed after it."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(_PERIOD):
            self._look()
        self._look()

    def _look(self) -> None:
        with self._lock:
            meters = list(self._meters)
        self._send(meters)

    def _send(self, meters: list[Meter]) -> None:
        windows = [(meter, meter.take()) for meter in meters]
        for meter, window in windows:
            meter.look(window.requests > 0, (meter.endpoint, meter.variant) in self._watched)
        if any(window.requests for _, window in windows):
            time.sleep(_SETTLE)
        gathered: defaultdict[Key, Counts] = defaultdict(dict)
        for meter, window in windows:
            for key, value, count in meter.values(window):
                gathered[key][value] = gathered[key].get(value, 0) + count
        while self._records:
            namespace, metric, unit, where, value = self._records.popleft()
            counts = gathered[namespace, metric, unit, where]
            counts[value] = counts.get(value, 0) + 1
        moment = time.time()
        by_namespace: defaultdict[str, list[Datum]] = defaultdict(list)
        for (namespace, metric, unit, where), counts in gathered.items():
            by_namespace[namespace] += data(metric, unit, dict(where), counts, moment)
        for namespace, found in by_namespace.items():
            self._publisher.put(namespace, found)


def data(
    metric: str, unit: str, dimensions: Mapping[str, str], counts: Mapping[float, int], moment: float
) -> list[Datum]:
    """MetricDatum structures: exact up to 150 different values, right to 1 % beyond. `moment` in epoch seconds."""
    present = {value: count for value, count in counts.items() if count}
    merged = sorted((present if len(present) <= _VALUES else merge(present)).items())
    where = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    datum = {"MetricName": metric, "Dimensions": where, "Timestamp": moment, "Unit": unit}
    return [
        datum | {"Values": [float(value) for value, _ in chunk], "Counts": [float(count) for _, count in chunk]}
        for chunk in (merged[start : start + _VALUES] for start in range(0, len(merged), _VALUES))
    ]


def merge(counts: Mapping[float, int]) -> Counts:
    """Values that lie within 2 % of each other become one, always the same, so that later ones can be put with it."""
    merged: Counts = {}
    for value, count in counts.items():
        near = round(math.exp(round(math.log(value) / _GROWTH) * _GROWTH), 1) if value > 0 else value
        merged[near] = merged.get(near, 0) + count
    return merged
