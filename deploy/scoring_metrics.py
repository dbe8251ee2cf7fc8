"""Counts and latencies of scoring, published together every few seconds.

A value is published once or, where the process is killed before, not at all: CloudWatch knows no idempotent call. The
exact counts are in the table of scores.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from deploy import streams
from deploy.scoring_states import parts

log = logging.getLogger(__name__)
_VALUES_AT_ONCE = 150  # distinct ones of a datum, PutMetricData's limit


@dataclass
class Metrics:
    cloudwatch: Any
    namespace: str
    stream: str
    every: float = 5.0  # seconds
    _counts: Counter[str] = field(default_factory=Counter)
    _latencies: Counter[int] = field(default_factory=Counter)  # whole milliseconds
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _published: float = field(default_factory=time.monotonic)

    def count(self, name: str, number: int) -> None:
        with self._lock:
            self._counts[name] += number

    def latency(self, milliseconds: float) -> None:
        with self._lock:
            self._latencies[max(0, round(milliseconds))] += 1

    @property
    def due(self) -> bool:
        return time.monotonic() - self._published >= self.every

    def publish(self) -> None:
        """What has come since the last time. A failure is logged, and scoring goes on without."""
        with self._lock:
            counts, latencies = self._counts, self._latencies
            self._counts, self._latencies, self._published = Counter(), Counter(), time.monotonic()
        dimensions = [{"Name": streams.STREAM, "Value": self.stream}]
        data: list[dict[str, Any]] = [
            {"MetricName": name, "Dimensions": dimensions, "Value": number, "Unit": "Count"}
            for name, number in counts.items()
        ]
        for part in parts(sorted(latencies.items()), _VALUES_AT_ONCE):
            values, numbers = zip(*part, strict=True)
            datum = {"MetricName": streams.LATENCY, "Dimensions": dimensions, "Unit": "Milliseconds"}
            data.append({**datum, "Values": list(values), "Counts": list(numbers)})
        if not data:
            return
        try:
            self.cloudwatch.put_metric_data(Namespace=self.namespace, MetricData=data)
        except Exception:
            log.exception("metrics were not taken: %s", dict(counts))
