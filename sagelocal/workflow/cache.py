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

from sagelocal.workflow.step_types import STEP_TYPES

_UNITS = {"Y": 365 * 86400, "M": 30 * 86400, "W": 7 * 86400, "D": 86400}
_TIME_UNITS = {"H": 3600, "M": 60, "S": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)([A-Z])")
_DURATION = re.compile(r"P?((?:\d+(?:\.\d+)?[YMWD])*)(?:T((?:\d+(?:\.\d+)?[HMS])+))?")


def attributes(step: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a step, with its expressions resolved: dotted path -> value. An empty value is as good as none."""
    untagged = {name: value for name, value in (step.get("Arguments") or {}).items() if name != "Tags"}
    counted = {**step, "Arguments": untagged}
    found = {path: _at(counted, path.split(".")) for path in STEP_TYPES[step["Type"]].cache_key or ()}
    return {path: value for path, value in found.items() if value not in (None, "", [], {})}


def _at(value: Any, path: list[str]) -> Any:
    for member in path:
        value = value.get(member) if isinstance(value, Mapping) else None
    return value


def key(step: Mapping[str, Any]) -> str:
    """SHA-256 over the attributes that count of a step whose expressions are resolved."""
    return hashlib.sha256(json.dumps(attributes(step), sort_keys=True).encode()).hexdigest()


def differences(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, old value, new value) of each difference, down to the innermost; None stands for nothing.

    Lists whose members have a name (ChannelName, InputName …) are compared by name, as AWS's paths write them.
    """
    if old == new:
        return
    before, after = _members(old), _members(new)
    if before is None or after is None:
        yield where, old, new
        return
    for member in [*before, *(name for name in after if name not in before)]:
        inner = f"{where}.{member}" if where and not member.startswith("[") else f"{where}{member}"
        yield from differences(before.get(member), after.get(member), inner)


def _members(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, list) or not all(isinstance(member, Mapping) for member in value):
        return None
    names = [next((text for name, text in member.items() if name.endswith("Name")), None) for member in value]
    keys = names if None not in names and len(set(names)) == len(names) else range(len(value))
    return {f"[{key!r}]": member for key, member in zip(keys, value, strict=True)}


def made(metadata: Mapping[str, Any]) -> str:
    """The ARN of the SageMaker resource that a step made, after its Metadata; "" where it made none of its own."""
    for member in metadata.values():
        arn = str(member.get("CheckJobArn") or member.get("Arn") or "")
        if arn.startswith("arn:aws:sagemaker:"):
            return arn
    return ""


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
