"""Reads a stream and scores it until it is told to stop: the shell of `deploy/scoring.py` on a machine of one's own.

While a batch's results are being told the next one is read and scored, and the states of those before are written, so
that no result waits for the Feature Store's disk. Each is done in the order of the batches, and a position is committed
when all is done of those up to it. What was done after the last commit comes again after a kill, and ends the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
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
BEHIND = 8  # batches at most that are told and whose states are not written yet


@dataclass
class Worker:
    source: Source
    scorer: Scorer
    version: Callable[[], str]  # of the model that the endpoint serves now
    version_seconds: float = 30.0
    scored: int = 0  # records so far, with those that came again and those that were refused
    _stop: threading.Event = field(default_factory=threading.Event)
    _behind: deque[Future[bool]] = field(default_factory=deque)
    _gave_up: bool = False  # on states: none of later ones may be written, nor their records committed
    _uncommitted: dict[str, Position] = field(default_factory=dict)
    _committed: float = field(default_factory=time.monotonic)
    _seen: float = -float("inf")  # when the version was

    def run(self, stop: threading.Event) -> None:
        """Returns when `stop` is set and what was scored is kept and committed."""
        self._stop = stop
        told: Future[bool] | None = None
        with ThreadPoolExecutor(1, "rememberer") as rememberer, ThreadPoolExecutor(1, "teller") as teller:
            while not self._stop.is_set():
                records = self._patiently(lambda: self.source.poll(IDLE_SECONDS)) or []
                for part in parts(records, AT_ONCE):
                    batch = self._patiently(partial(self._score, part))
                    # Nothing is told behind a batch that could not be, when it is to stop while a service is away.
                    if told and not told.result():
                        return
                    if batch is None:
                        break
                    told = teller.submit(self._tell, batch, part, rememberer)
                if not records and told and told.result() and self._remembered():
                    self._commit()
            if (told and not told.result()) or not self._remembered():
                return
        self._commit()
        self.scorer.metrics.publish()

    def _score(self, records: Sequence[Record]) -> Batch:
        if time.monotonic() - self._seen > self.version_seconds:
            self.scorer.version, self._seen = self.version(), time.monotonic()
        return self.scorer.score(records)

    def _tell(self, batch: Batch, records: Sequence[Record], rememberer: Executor) -> bool:
        """Whether it is told, and the states of no more than some batches are still to be written."""
        if not self._patiently(partial(_done, self.scorer.tell, batch)):
            return False
        self._behind.append(rememberer.submit(self._remember, batch, records))
        return self._remembered(BEHIND)

    def _remembered(self, but: int = 0) -> bool:
        """Whether the states of all batches are written, but for those of the last ones: waits for it."""
        while len(self._behind) > but:
            if not self._behind.popleft().result():
                return False
        return not self._gave_up

    def _remember(self, batch: Batch, records: Sequence[Record]) -> bool:
        if self._gave_up or not self._patiently(partial(_done, self.scorer.remember, batch)):
            self._gave_up = True
            return False
        self.scored += len(records)
        self._uncommitted |= {each.position.part: each.position for each in records}
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._commit()
        if self.scorer.metrics.due:
            self.scorer.metrics.publish()
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


def _done(step: Callable[[Batch], None], batch: Batch) -> bool:
    step(batch)
    return True
