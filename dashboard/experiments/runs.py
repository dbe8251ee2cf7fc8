"""Executions and training jobs as rows: which is best, which serves, and what a table, a file or a chart shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.experiments import axes
from evaluation.version_differences import less_is_better
from mlops import comparison
from mlops.experiments import Entry

BEST, SERVES = "Best", "In production"
MOST_AXES = 8  # of parallel coordinates before somebody chooses
MOST_SERIES = 6  # as many as there are colours
_COLUMNS = 3  # further metrics in a table


@dataclass(frozen=True)
class Metric:
    name: str
    lower: bool  # is better

    @classmethod
    def named(cls, name: str) -> Metric:
        return cls(name, less_is_better(name))

    @property
    def direction(self) -> str:
        return "lower is better" if self.lower else "higher is better"


def name(run: Entry, *, jobs: bool) -> str:
    """By which a row is chosen: the execution's id, or the training job's name."""
    return run.job if jobs else run.execution


def metrics(runs: Sequence[Entry], *, jobs: bool) -> list[str]:
    """All there are, the one that they are judged by first."""
    known = list(dict.fromkeys(metric for run in runs for metric in run.metrics))
    first = next((run.objective for run in runs if run.objective in run.metrics), "") if jobs else ""
    return sorted(known, key=lambda metric: metric != first) if first else known


def ranked(runs: Sequence[Entry], metric: Metric | None) -> list[Entry]:
    """Best first, those without the metric last."""
    return comparison.ranked(runs, metric.name, lower=metric.lower) if metric else list(runs)


def best(runs: Sequence[Entry], metric: Metric) -> Entry | None:
    """The first of a ranking, where it has the metric at all."""
    found = ranked(runs, metric)
    return found[0] if found and metric.name in found[0].metrics else None


def mark(run: Entry, first: Entry | None, production: str) -> str:
    """`production` is the version in service, "" for none."""
    marks = [BEST] if run is first else []
    return ", ".join([*marks, *([SERVES] if production and run.version == production else [])])


def varying(runs: Sequence[Entry]) -> list[str]:
    """Parameters that differ, those that are numbers first."""
    names = comparison.differences(runs)
    return sorted(names, key=lambda each: not _numeric(runs, each))


def _numeric(runs: Sequence[Entry], parameter: str) -> bool:
    return all(axes.as_number(run.parameters[parameter]) is not None for run in runs if parameter in run.parameters)


def table(runs: Sequence[Entry], metric: Metric | None, production: str, *, jobs: bool) -> pd.DataFrame:
    """A row a run, in the given order: what it is, the metric, some others, the parameters that differ."""
    first = best(runs, metric) if metric else None
    others = [each for each in _shown_metrics(runs) if metric is None or each != metric.name]
    shown = [*([metric.name] if metric else []), *others[:_COLUMNS]]
    differing = varying(runs)
    numeric = {each for each in differing if _numeric(runs, each)}
    rows = []
    for run in runs:
        row: dict[str, Any] = {"Mark": mark(run, first, production)}
        row |= {"Training job": run.job} if jobs else {}
        row |= {"Execution": run.execution} if run.execution else {}
        row |= {"Status": [run.status]} | ({"Version": run.version} if run.execution else {})
        row |= {each: run.metrics.get(each) for each in shown}
        row |= {"Started": run.started, "Took": _seconds(run)}
        row |= {each: _value(run.parameters.get(each), each in numeric) for each in differing}
        rows.append(row)
    return pd.DataFrame(rows)


def _shown_metrics(runs: Sequence[Entry]) -> list[str]:
    return list(dict.fromkeys(metric for run in runs for metric in list(run.metrics)[: _COLUMNS + 1]))


def _value(text: str | None, numeric: bool) -> Any:
    return None if text is None else float(text) if numeric else text


def _seconds(run: Entry) -> float | None:
    return (run.ended - run.started).total_seconds() if run.ended else None


def csv(runs: Sequence[Entry], production: str) -> str:
    """All metrics and parameters, not those alone that the table has room for."""
    rows = [
        {"execution": run.execution, "training_job": run.job, "tuning_job": run.tuning, "status": run.status}
        | {"version": run.version, "in_production": bool(production) and run.version == production}
        | {"started": run.started.isoformat(), "ended": run.ended.isoformat() if run.ended else ""}
        | {f"metric:{each}": value for each, value in run.metrics.items()}
        | {f"parameter:{each}": value for each, value in run.parameters.items()}
        for run in runs
    ]
    return str(pd.DataFrame(rows).to_csv(index=False))


def progress(runs: Sequence[Entry], metric: Metric, *, jobs: bool) -> pd.DataFrame:
    """In the order of time: `number` from 1, `value`, `best` so far.

    Of tuning jobs (`series`) each is for itself, unless there are more than can be told apart.
    """
    having = sorted((run for run in runs if metric.name in run.metrics), key=lambda run: run.started)
    apart = jobs and len({run.tuning for run in having}) <= MOST_SERIES
    found = [(run.tuning if apart else "", name(run, jobs=jobs), run.metrics[metric.name]) for run in having]
    return pd.DataFrame(best_so_far(found, lower=metric.lower), columns=["series", "run", "number", "value", "best"])


def best_so_far(
    found: Sequence[tuple[str, str, float]], *, lower: bool
) -> Iterator[tuple[str, str, int, float, float]]:
    """(series, name, value) in the order of time -> (series, name, number in its series, value, its series' best)."""
    counts: dict[str, int] = {}
    bests: dict[str, float] = {}
    for series, run, value in found:
        counts[series] = counts.get(series, 0) + 1
        bests[series] = (min if lower else max)(bests.get(series, value), value)
        yield series, run, counts[series], value, bests[series]


def against(runs: Sequence[Entry], metric: Metric, parameter: str, *, jobs: bool) -> pd.DataFrame:
    """`value` of a parameter (a number where all are) and `metric`, of the runs that have both; `best` marks one."""
    having = [run for run in runs if parameter in run.parameters and metric.name in run.metrics]
    numeric, first = _numeric(having, parameter), best(having, metric)
    return pd.DataFrame(
        [
            {
                "run": name(run, jobs=jobs),
                "value": _value(run.parameters[parameter], numeric),
                "metric": run.metrics[metric.name],
                "best": run is first,
            }
            for run in having
        ],
        columns=["run", "value", "metric", "best"],
    )


def coordinates(
    runs: Sequence[Entry], metric: Metric, parameters: Sequence[str], logarithmic: Sequence[str], *, jobs: bool
) -> tuple[list[axes.Axis], pd.DataFrame]:
    """Axes, the metric's last, and the points: `run`, `axis`, `y` from 0 to 1, `label`, `metric`, `rank` from 1.

    Runs without the metric have no line; a run that lacks a parameter has a line without that axis.
    """
    having = [run for run in ranked(runs, metric) if metric.name in run.metrics]
    made = [
        axes.of(
            each, [run.parameters[each] for run in having if each in run.parameters], logarithmic=each in logarithmic
        )
        for each in parameters
        if any(each in run.parameters for run in having)
    ]
    made.append(axes.of(metric.name, [repr(run.metrics[metric.name]) for run in having]))
    rows = []
    for rank, run in enumerate(having, 1):
        values = run.parameters | {metric.name: repr(run.metrics[metric.name])}
        rows += [
            (name(run, jobs=jobs), axis.name, axis.position(values[axis.name]), _label(axis, values), rank)
            for axis in made
            if axis.name in values
        ]
    points = pd.DataFrame(rows, columns=["run", "axis", "y", "label", "rank"])
    points["metric"] = points["rank"].map({rank: run.metrics[metric.name] for rank, run in enumerate(having, 1)})
    return made, points


def _label(axis: axes.Axis, values: dict[str, str]) -> str:
    text = values[axis.name]
    return axes.short(text) if axis.kind == "category" else axes.number(float(text))
