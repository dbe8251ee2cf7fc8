"""MetricDefinitions: numbers found in a training job's output, for Describe and for CloudWatch."""

from __future__ import annotations

import json
import logging
import re
import stat
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.api.errors import validation
from sagelocal.experiments.metrics import count

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_log = logging.getLogger(__name__)
_BATCH = 500  # PutMetricData takes 1,000
FOLDER = "output/metrics/sagemaker"  # below /opt/ml: $SAGEMAKER_METRICS_DIRECTORY, where trackers write files
_sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")


def compiled(definitions: Sequence[dict[str, str]]) -> list[tuple[str, re.Pattern[str]]]:
    """Raises AwsError for an expression that is none."""
    patterns = []
    for definition in definitions:
        try:
            patterns.append((definition["Name"], re.compile(definition["Regex"])))
        except re.error as error:
            raise validation(
                f"The Regex of metric definition {definition['Name']}, {definition['Regex']}, is invalid: {error}"
            ) from error
    return patterns


class Metrics:
    """Collects the values of one job; `line` is called for each line of each host's output, from their threads.

    `listener` is called with each value as it comes in.
    """

    def __init__(
        self,
        app: SageLocal,
        job: str,
        definitions: Sequence[dict[str, str]],
        listener: Callable[[str, float], None] = lambda name, value: None,
    ) -> None:
        self._app, self._job = app, job
        self._patterns = compiled(definitions)
        self._listener = listener
        self._last: dict[str, dict[str, Any]] = {}
        self._totals: dict[str, dict[str, Any]] = {}
        self._unsent: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def line(self, line: str) -> None:
        """AWS's log pipeline writes a TAB as `#011`, and published expressions (XGBoost's) look for that."""
        text = line.rstrip("\r").replace("\t", "#011")
        for name, pattern in self._patterns:
            # A leading `.*` finds the same from the start alone; searching from every character would be quadratic.
            match = pattern.match(text) if pattern.pattern.startswith(".*") else pattern.search(text)
            value = _number(match[1]) if match and pattern.groups else None
            if value is not None:
                self._add(name, value)

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: each metric's last value."""
        with self._lock:
            return list(self._last.values())

    def totals(self) -> dict[str, dict[str, Any]]:
        """What the job's trial component summarises: count, sums and extremes of each metric."""
        with self._lock:
            return {name: dict(known) for name, known in self._totals.items()}

    def read(self, folder: Path | None) -> None:
        """Takes in what smexperiments' trackers logged: a JSON object a line; other lines are a script's own log."""
        for file in sorted(folder.glob("*.json")) if folder else []:
            if stat.S_ISREG(file.lstat().st_mode):
                with file.open(encoding="utf-8", errors="replace") as lines:
                    for name, value, moment in filter(None, map(_logged, lines)):
                        count(self._totals, name, value, moment)

    def flush(self) -> None:
        """Sends in the background what CloudWatch has not got yet."""
        with self._lock:
            batch, self._unsent = self._unsent, []
        if batch:
            _sender.submit(self._send, batch)

    def _add(self, name: str, value: float) -> None:
        now = time.time()
        with self._lock:
            self._last[name] = {"MetricName": name, "Value": value, "Timestamp": now}
            count(self._totals, name, value, now)
            self._unsent.append(
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "TrainingJobName", "Value": self._job}],
                    "Timestamp": now,
                    "Value": value,
                }
            )
            full = len(self._unsent) >= _BATCH
        self._listener(name, value)
        if full:
            self.flush()

    def _send(self, batch: list[dict[str, Any]]) -> None:
        try:
            self._app.cloudwatch.put_metric_data(Namespace="/aws/sagemaker/TrainingJobs", MetricData=batch)
        except (BotoCoreError, ClientError) as error:
            _log.warning("CloudWatch refused %d values of %s: %s", len(batch), self._job, error)


def _logged(line: str) -> tuple[str, float, float] | None:
    """Name, value and epoch seconds of a tracker's line."""
    try:
        entry = json.loads(line)
        name = str(entry["MetricName"])[:255]
        value, moment = _number(str(entry["Value"])), _number(str(entry["Timestamp"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return None if value is None or moment is None else (name, value, moment)


def _number(text: str | None) -> float | None:
    """Infinite and undefined values are no metrics: neither CloudWatch nor the API's JSON has them."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
