"""Reads a stream and scores it until it is told to stop: the shell of `deploy/scoring.py` on a machine of one's own.

While a batch's results are being kept the next one is read and scored. Results are kept in the order of the batches,
and a position is committed when all before it are. What was kept after the last commit comes again after a kill, and
ends the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deploy.scoring import AT_ONCE, Batch, Scorer
from deploy.scoring_states import parts
from deploy.sources import Position, Record, Source

log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0  # seconds before a step that failed is tried again
COMMIT_SECONDS = 0.5  # between two commits, which are a write each
IDLE_SECONDS = 0.5  # that a poll waits for records


@dataclass
class Worker:
    source: Source
    scorer: Scorer
    version: Callable[[], str]  # of the model that the endpoint serves now
    version_seconds: float = 30.0
    scored: int = 0  # records so far, with those that came again and those that were refused
    _stop: threading.Event = field(default_factory=threading.Event)
    _uncommitted: dict[str, Position] = field(default_factory=dict)
    _committed: float = field(default_factory=time.monotonic)
    _seen: float = -float("inf")  # when the version was

    def run(self, stop: threading.Event) -> None:
        """Returns when `stop` is set and what was scored is kept and committed."""
        self._stop = stop
        kept: Future[bool] | None = None
        with ThreadPoolExecutor(1, "keeper") as keeper:
            while not self._stop.is_set():
                records = self._patiently(lambda: self.source.poll(IDLE_SECONDS)) or []
                for part in parts(records, AT_ONCE):
                    batch = self._patiently(partial(self._score, part))
                    # Nothing is kept behind a batch that could not be, when it is to stop while a service is away.
                    if kept and not kept.result():
                        return
                    if batch is None:
                        break
                    kept = keeper.submit(self._keep, batch, part)
                if not records and kept and kept.result():
                    self._commit()
            if kept and not kept.result():
                return
        self._commit()
        self.scorer.metrics.publish()

    def _score(self, records: Sequence[Record]) -> Batch:
        if time.monotonic() - self._seen > self.version_seconds:
            self.scorer.version, self._seen = self.version(), time.monotonic()
        return self.scorer.score(records)

    def _keep(self, batch: Batch, records: Sequence[Record]) -> bool:
        if not self._patiently(partial(self._kept, batch)):
            return False
        self.scored += len(records)
        self._uncommitted |= {each.position.part: each.position for each in records}
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._commit()
        if self.scorer.metrics.due:
            self.scorer.metrics.publish()
        return True

    def _kept(self, batch: Batch) -> bool:
        self.scorer.keep(batch)
        return True

    def _commit(self) -> None:
        """A commit that fails is made up for by the next: at worst records come again."""
        self._committed = time.monotonic()
        positions, self._uncommitted = self._uncommitted, {}
        for part, position in positions.items():
            try:
                self.source.commit(position)
            except Exception:
                log.exception("%s could not be committed", position)
                self._uncommitted.setdefault(part, position)

    def _patiently(self, step: Callable[[], Any]) -> Any:
        """The step's result, however often it has to be tried; None when it is to stop before it succeeds."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return step()
            except Exception:
                log.exception("trying again in %.1f s", pause)
            if self._stop.wait(pause):
                return None
            pause = min(2 * pause, _LONGEST_PAUSE)
