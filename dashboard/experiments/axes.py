"""Axes of parallel coordinates: where on its axis, from 0 to 1, each value lies, and at which values the ticks are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_TICKS = 5
_LONGEST = 16  # characters of a tick's label


@dataclass(frozen=True)
class Axis:
    name: str
    kind: str  # "linear", "log" or "category"
    position: Callable[[str], float]  # of a value; raises KeyError or ValueError for one that is not on the axis
    ticks: list[tuple[float, str]]  # position and label


def of(name: str, values: Sequence[str], *, logarithmic: bool = False) -> Axis:
    """`values` are texts as APIs give them; an axis of numbers where all are numbers, else of categories."""
    numbers = [number for value in values if (number := as_number(value)) is not None]
    if len(numbers) < len(values) or not numbers:
        return _categories(name, values)
    low, high = min(numbers), max(numbers)
    if logarithmic and low > 0:
        return _numeric(name, "log", low, high, math.log, log_ticks(low, high))
    ticks = linear_ticks(low, high)
    if all(value.is_integer() for value in numbers):
        ticks = [tick for tick in ticks if tick.is_integer()]
    return _numeric(name, "linear", low, high, float, ticks)


def as_number(text: str) -> float | None:
    """None for what is no finite number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numeric(
    name: str, kind: str, low: float, high: float, scale: Callable[[float], float], ticks: Sequence[float]
) -> Axis:
    start, span = scale(low), scale(high) - scale(low)

    def position(value: str) -> float:
        return (scale(float(value)) - start) / span if span else 0.5

    inside = [tick for tick in ticks if low <= tick <= high] or [low]
    # The ends say how far the values go; a round number too near to one of them would be written over it.
    free = [tick for tick in inside if all(abs(position(str(tick)) - end) > 0.07 for end in (0.0, 1.0))]
    shown = sorted({low, high, *free}) if span else [low]
    return Axis(name, kind, position, [(position(str(tick)), number(tick)) for tick in shown])


def _categories(name: str, values: Sequence[str]) -> Axis:
    known = sorted(set(values))
    places = {value: place / (len(known) - 1) if len(known) > 1 else 0.5 for place, value in enumerate(known)}
    every = math.ceil(len(known) / 12)  # labels that still can be told apart
    return Axis(name, "category", places.__getitem__, [(places[value], short(value)) for value in known[::every]])


def linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{count * step:.12g}") for count in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten; the powers alone over more than three of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if math.log10(high / low) <= 3 else (1,)
    return [float(f"{factor * 10.0**power:.12g}") for power in powers for factor in factors]


def number(value: float) -> str:
    return f"{value:.4g}"


def short(text: str) -> str:
    """Of an address its end, which is where two of them differ."""
    end = text.rstrip("/").rsplit("/", 1)[-1] if text.startswith("s3://") else text
    return end if len(end) <= _LONGEST else f"…{end[1 - _LONGEST :]}"
