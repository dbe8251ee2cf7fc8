"""What both variants were asked, answered, and what became of it, from data capture and ground truth."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import captured_traffic
import numpy as np
import pandas as pd
from abtest_plan import Metric, Plan
from captured_answers import PREDICTED, PROBABILITY
from captured_tables import OURS
from data_capture import NoRecordsError

Array = np.ndarray
COVARIATE = "covariate"


@dataclass(frozen=True)
class Requests:
    """Of one variant: the captured records, and those of them whose truth is known, in the order of their inference."""

    captured: pd.DataFrame
    labelled: pd.DataFrame


@dataclass(frozen=True)
class Sample:
    """A metric's values of one variant, a value a labelled record; rows without one are left out."""

    values: Array
    times: Array  # datetime64
    units: Array  # of each value: a number for its request or customer
    covariate: Array | None = None


def collect(args: captured_traffic.Args, plan: Plan) -> tuple[Requests, Requests]:
    """`args` says where to look; its capture_uri is the endpoint's. A variant that nobody asked has no rows."""
    a, b = (_collect(args, plan, variant.name) for variant in (plan.a, plan.b))
    return a, b


def _collect(args: captured_traffic.Args, plan: Plan, variant: str) -> Requests:
    with tempfile.TemporaryDirectory() as folder:
        own = dataclasses.replace(
            args, capture_uri=f"{args.capture_uri.rstrip('/')}/{variant}", label=plan.label, output_path=folder
        )
        try:
            captured_traffic.collect(own)
        except NoRecordsError:
            nothing = pd.DataFrame(columns=[*OURS, plan.label, COVARIATE], dtype=str)
            return Requests(nothing, nothing)
        captured = _read(Path(folder) / "predictions" / "predictions.csv", OURS, plan)
        return Requests(captured, _read(Path(folder) / "labelled" / "labelled.csv", (*OURS, plan.label), plan))


def _read(file: Path, columns: tuple[str, ...], plan: Plan) -> pd.DataFrame:
    """Our columns, which are the last, and the covariate: a feature may be called as one of ours."""
    every = list(pd.read_csv(file, dtype=str, nrows=0).columns)
    features = every[: len(every) - len(columns)]
    places = list(range(len(features), len(every)))
    if plan.covariate:
        if plan.covariate not in features:
            known = ", ".join(features)
            raise ValueError(f"The covariate {plan.covariate} is no feature of the requests, which have {known}.")
        places.append(features.index(plan.covariate))
    table = pd.read_csv(file, dtype=str, keep_default_na=False, usecols=places)
    named = table.iloc[:, -len(columns) :].set_axis(list(columns), axis=1).copy()
    if plan.covariate:
        named[COVARIATE] = table.iloc[:, 0]
    return named.sort_values("inference_time", kind="stable", ignore_index=True)


def units(table: pd.DataFrame, plan: Plan) -> pd.Series:
    """What is assigned to a variant: the request, or the customer before the first / of its inference id."""
    if plan.unit == "customer":
        return table["inference_id"].str.partition("/")[0]
    return table["event_id"].where(table["event_id"] != "", table["inference_id"])


def sample(requests: Requests, metric: Metric, plan: Plan) -> Sample:
    """Raises ValueError when no record has what the metric or the covariate needs."""
    table = requests.labelled
    values = _values(table, metric, plan.label)
    covariate = None
    if plan.covariate:
        covariate = _numbers(table, COVARIATE)
        if len(covariate) and np.isnan(covariate).all():
            raise ValueError(f"The covariate {plan.covariate} is no number in any labelled record.")
        covariate = np.where(np.isnan(covariate), np.nanmean(covariate) if len(covariate) else 0.0, covariate)
    there = ~np.isnan(values)
    if len(values) and not there.any():
        raise ValueError(f"No labelled record has what the metric {metric.text} needs.")
    times = pd.to_datetime(table["inference_time"], utc=True, format="ISO8601").dt.tz_localize(None).to_numpy()
    codes = pd.factorize(units(table, plan))[0]
    return Sample(values[there], times[there], codes[there], covariate[there] if covariate is not None else None)


def _values(table: pd.DataFrame, metric: Metric, label: str) -> Array:
    if metric.text == "value":
        return _numbers(table, label)
    if metric.text == "brier":
        return (_numbers(table, PROBABILITY) - _numbers(table, label)) ** 2
    truth = table[label].map(_plain)
    if metric.wanted:
        return (truth == _plain(metric.wanted)).to_numpy(float)
    predicted = table[PREDICTED].map(_plain)
    return np.where(predicted == "", np.nan, (predicted == truth).to_numpy(float))


def _numbers(table: pd.DataFrame, column: str) -> Array:
    return np.asarray(pd.to_numeric(table[column], errors="coerce"), float) if column in table else np.empty(0)


def _plain(text: Any) -> str:
    """1, 1.0 and " 1" are one label."""
    text = str(text).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text
