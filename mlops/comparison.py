"""`mlops compare`: a leaderboard of a pipeline's executions, from the trial components of SageMaker Experiments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evaluation.version_differences import less_is_better
from mlops import console, experiments
from mlops.experiments import Entry
from mlops.targets import Target


def compare(target: Target, use_case: str, metric: str | None, limit: int, *, as_json: bool) -> None:
    found = entries(target, use_case, limit)
    metric = metric or main_metric(found)
    known = sorted({name for entry in found for name in entry.metrics})
    if metric is not None and metric not in known:
        raise LookupError(f"No execution of {use_case} has the metric {metric}. Known: {', '.join(known) or 'none'}.")
    found = ranked(found, metric)
    if as_json:
        print(json.dumps([_shown(entry) for entry in found], indent=1, default=datetime.isoformat))
        return
    columns = _columns(found, metric)
    differing = differences(found)
    console.show(
        ("execution", "status", "started", "took", "version", *columns, *differing),
        [_row(entry, columns, differing) for entry in found],
    )
    if metric:
        console.note(f"Best {metric} first; --metric sorts by another: {', '.join(known)}")


def _shown(entry: Entry) -> dict[str, Any]:
    members = {"execution": entry.execution, "status": entry.status, "started": entry.started, "ended": entry.ended}
    return members | {"version": entry.version, "metrics": entry.metrics, "parameters": entry.parameters}


def _row(entry: Entry, columns: Sequence[str], parameters: Sequence[str]) -> tuple[str, ...]:
    return (
        entry.execution,
        entry.status,
        console.ago(entry.started),
        console.duration(entry.started, entry.ended),
        entry.version,
        *(f"{entry.metrics[name]:.4f}" if name in entry.metrics else "" for name in columns),
        *(_short(entry.parameters.get(name, "")) for name in parameters),
    )


def _short(text: str) -> str:
    """Of a URI its end, which is where two of them differ."""
    return "…/" + "/".join(text.rstrip("/").rsplit("/", 2)[1:]) if text.startswith("s3://") else text


def entries(target: Target, use_case: str, limit: int) -> list[Entry]:
    """The newest executions, newest first. Raises LookupError when the pipeline never ran."""
    found: list[Entry] = []
    token = ""
    while len(found) < limit:
        page = experiments.page(target, use_case, size=min(limit - len(found), experiments.PAGE), token=token)
        found += page.entries
        token = page.token
        if not token:
            break
    return found


def main_metric(found: Sequence[Entry]) -> str | None:
    """The metric that an evaluation puts first, as the use case's gate does."""
    return next((next(iter(entry.metrics)) for entry in found if entry.metrics), None)


def ranked(found: Sequence[Entry], metric: str | None, *, lower: bool | None = None) -> list[Entry]:
    """Best first; executions without the metric last, as they were. `lower` is better: by its name unless given."""
    if metric is None:
        return list(found)
    sign = 1 if (less_is_better(metric) if lower is None else lower) else -1
    return sorted(found, key=lambda entry: (metric not in entry.metrics, sign * entry.metrics.get(metric, 0.0)))


def differences(found: Sequence[Entry]) -> list[str]:
    """Parameters that not all executions have the same value of."""
    names = dict.fromkeys(name for entry in found for name in entry.parameters)
    return [name for name in names if len({entry.parameters.get(name) for entry in found}) > 1]


def _columns(found: Sequence[Entry], metric: str | None) -> list[str]:
    """The metric sorted by, then the first three others that evaluations put first."""
    names = dict.fromkeys(name for entry in found for name in list(entry.metrics)[:3])
    return list(dict.fromkeys([metric, *names] if metric else names))[:4]
