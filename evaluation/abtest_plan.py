"""What an A/B test compares, by what it is judged, and from when on: declared before the first request is counted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

UNITS = ("request", "customer")
_SHARE = re.compile(r"[A-Za-z][\w-]*=.+")


@dataclass(frozen=True)
class Variant:
    """A or B: a variant of the endpoint."""

    name: str
    version: int
    weight: float


@dataclass(frozen=True)
class Metric:
    """What counts as success, by its text:

    accuracy    share of records whose predicted label turned out to be true
    NAME=VALUE  share of records whose truth is VALUE, such as retained=0
    brier       mean squared error of the probability; lower is better
    value       mean of the truth as a number, such as what was sold
    """

    text: str

    def __post_init__(self) -> None:
        if self.text not in ("accuracy", "brier", "value") and not _SHARE.fullmatch(self.text):
            raise ValueError(f"The metric {self.text!r} is none of accuracy, brier, value and NAME=VALUE.")

    @property
    def name(self) -> str:
        return self.text.partition("=")[0]

    @property
    def wanted(self) -> str:
        """The truth that counts as success."""
        return self.text.partition("=")[2]

    @property
    def is_share(self) -> bool:
        return self.text not in ("brier", "value")

    @property
    def lower_is_better(self) -> bool:
        return self.text == "brier"


@dataclass(frozen=True)
class Plan:
    """`effect` is the smallest that matters, in either direction: of a share's points, else in standard deviations."""

    name: str
    endpoint: str
    a: Variant  # the one that stays unless B is better
    b: Variant
    start: str  # ISO 8601; requests count from here on
    metrics: tuple[Metric, ...] = (Metric("accuracy"),)
    baseline: float = 0.5  # A's share of the first metric, as one believes it before
    effect: float = 0.02
    power: float = 0.8
    alpha: float = 0.05
    max_errors: float = 0.01  # guardrail: so many more of B's requests may fail, as a share
    max_latency: float = 1.2  # guardrail: so many times A's mean latency may B's be
    covariate: str = ""  # a numeric feature that no variant changes; CUPED takes its part of the variance away
    unit: str = "request"  # or customer: what stands before the first / of an inference id goes together
    label: str = "label"  # what the truth is of

    def __post_init__(self) -> None:
        ranges = {"effect": self.effect, "power": self.power, "alpha": self.alpha, "baseline": self.baseline}
        for name, value in ranges.items():
            if not 0 < value < 1:
                raise ValueError(f"{name} is {value:g}, and has to be between 0 and 1.")
        if not self.metrics or len({each.name for each in self.metrics}) < len(self.metrics):
            raise ValueError("A test has at least one metric, and no two of one name.")
        if self.unit not in UNITS:
            raise ValueError(f"unit is {self.unit!r}: it is one of {', '.join(UNITS)}.")
        if min(self.a.weight, self.b.weight) <= 0:
            raise ValueError("Both variants need a share of the traffic.")
        if self.max_errors <= 0 or self.max_latency <= 1:
            raise ValueError(
                "max_errors has to be above 0 and max_latency above 1, or no test could ever show them kept."
            )

    @property
    def shares(self) -> tuple[float, float]:
        total = self.a.weight + self.b.weight
        return self.a.weight / total, self.b.weight / total

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        content: dict[str, Any] = json.loads(text)
        content |= {side: Variant(**content[side]) for side in ("a", "b")}
        return cls(**content | {"metrics": tuple(Metric(**each) for each in content["metrics"])})


def assign(customer: str, shares: Mapping[str, float], salt: str) -> str:
    """The variant of a customer, always the same in one test: what InvokeEndpoint's TargetVariant should be.

    `salt` is the test's name, so that another test mixes its customers anew. Needs no memory: it goes by a hash.
    """
    place = int.from_bytes(hashlib.sha256(f"{salt}/{customer}".encode()).digest()[:8]) / 2**64 * sum(shares.values())
    for variant, share in shares.items():
        place -= share
        if place < 0:
            return variant
    return next(reversed(list(shares)))
