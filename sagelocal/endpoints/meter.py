"""What is counted of a variant's requests."""

from __future__ import annotations


class Meter:
    """One a variant of a fleet; the event loop's thread alone calls `observe`."""

    def __init__(self, endpoint: str, config: str, variant: str) -> None:
        self.endpoint = endpoint
        self.config = config
        self.variant = variant

    def observe(self, status: int, model_seconds: float, overhead_seconds: float) -> None:
        """One answered request: the container's HTTP status (0: none), its time, and what the platform added."""
