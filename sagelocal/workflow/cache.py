"""Step caching: what makes two runs of a step the same, and how long a result may be reused.

AWS compares a few attributes of the request, and S3 inputs by URI, never by content (developer guide,
pipelines-caching).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

KEYS: dict[str, tuple[str, ...]] = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations", "Environment",
        "HyperParameters", "InputDataConfig",
    ),
}  # fmt: skip
_UNITS = {"Y": 365 * 86400, "M": 30 * 86400, "W": 7 * 86400, "D": 86400}
_TIME_UNITS = {"H": 3600, "M": 60, "S": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)([A-Z])")
_DURATION = re.compile(r"P?((?:[\d.]+[YMWD])*)(?:T((?:[\d.]+[HMS])+))?")


def key(kind: str, request: Mapping[str, Any]) -> str:
    """SHA-256 over the attributes that count for a step type; where AWS lists none, over the whole request."""
    attributes = KEYS.get(kind) or tuple(name for name in request if name != "Tags")
    counted = {name: request[name] for name in attributes if request.get(name)}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()


def seconds(duration: str) -> float:
    """An ISO 8601 duration, or as the SDK documents it `p30d` and `T12H`. A year is 365 days, a month 30.

    Raises ValueError.
    """
    match = _DURATION.fullmatch(duration.upper())
    if not match or not (match[1] or match[2]):
        raise ValueError(f"'{duration}' is not an ISO 8601 duration such as P30D or PT12H")
    days = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(match[1] or ""))
    return days + sum(float(number) * _TIME_UNITS[unit] for number, unit in _PART.findall(match[2] or ""))


def enabled(step: Mapping[str, Any]) -> bool:
    return bool((step.get("CacheConfig") or {}).get("Enabled"))


def is_fresh(step: Mapping[str, Any], ended: float, now: float) -> bool:
    """Whether a run that ended then may still be reused; without ExpireAfter it may for ever. Epoch seconds."""
    expire = step["CacheConfig"].get("ExpireAfter")
    return expire is None or now - ended <= seconds(expire)


def problems(step: str, config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the CacheConfig of a step."""
    for member in config:
        if member not in ("Enabled", "ExpireAfter"):
            yield f"CacheConfig of step '{step}': unknown property '{member}', must be one of: Enabled, ExpireAfter"
    if not isinstance(config.get("Enabled"), bool):
        yield f"CacheConfig of step '{step}': Enabled must be true or false, not {config.get('Enabled')!r}"
    if config.get("ExpireAfter") is not None:
        try:
            seconds(str(config["ExpireAfter"]))
        except ValueError as error:
            yield f"CacheConfig of step '{step}': ExpireAfter {error}"
