"""Which fleets the requests of an endpoint go to, and in which shares."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sagelocal.endpoints.fleet import Fleet


class Traffic:
    """One fleet most of the time, two while an update shifts traffic. Read by the event loop, set by deployments."""

    def __init__(self, fleet: Fleet) -> None:
        self._shares: Sequence[tuple[Fleet, float]] = [(fleet, 1.0)]

    @property
    def shares(self) -> Sequence[tuple[Fleet, float]]:
        return self._shares

    @property
    def fleets(self) -> list[Fleet]:
        return [fleet for fleet, _ in self._shares]

    def route(self, *shares: tuple[Fleet, float]) -> None:
        """From now on each fleet takes its share; in one assignment, so that no request finds none."""
        self._shares = shares

    def pick(self) -> Fleet:
        shares = self._shares
        if len(shares) == 1:
            return shares[0][0]
        return random.choices([fleet for fleet, _ in shares], [share for _, share in shares])[0]
