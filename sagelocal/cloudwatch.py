"""CloudWatch metrics, put in the background: whoever has a value never waits, and calls carry many values at once."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

Datum = dict[str, Any]
_PAUSE = 1.0  # seconds in which values gather
_MOST = 1000  # values that PutMetricData takes
log = logging.getLogger(__name__)


class Publisher:
    """`put` and `close` from any thread. What CloudWatch refuses is logged and gone, as in AWS's own agents."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._waiting: dict[str, list[Datum]] = defaultdict(list)
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="cloudwatch", daemon=True)
        self._thread.start()

    def put(self, namespace: str, data: Sequence[Datum]) -> None:
        with self._changed:
            self._waiting[namespace] += data
            self._changed.notify()

    def close(self) -> None:
        """Sends what is left."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._closed:
                    self._changed.wait_for(lambda: self._closed, _PAUSE)
                waiting, self._waiting = self._waiting, defaultdict(list)
                closed = self._closed
            for namespace, data in waiting.items():
                for start in range(0, len(data), _MOST):
                    self._send(namespace, data[start : start + _MOST])
            if closed:
                return

    def _send(self, namespace: str, data: Sequence[Datum]) -> None:
        try:
            self._client.put_metric_data(Namespace=namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            log.warning("CloudWatch refused %d values of %s: %s", len(data), namespace, error)
