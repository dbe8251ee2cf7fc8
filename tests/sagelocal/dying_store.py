"""A store that dies between two commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sagelocal.store import Closed, Store


class DyingStore(Store):
    """Refuses all commits after `writes_left` of them, as for a process that was killed there."""

    writes_left: int | None = None
    _wrote = False  # in this transaction; one without writes only wakes those who wait

    def _record(self, *change: Any) -> None:
        self._wrote = True
        super()._record(*change)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
            if self.writes_left is not None and self._depth == 1 and self._wrote:
                self._wrote = False
                self.writes_left -= 1
                if self.writes_left < 0:
                    with self._changed:  # for those who wait for this moment
                        self._version += 1
                        self._changed.notify_all()
                    raise Closed("killed")
