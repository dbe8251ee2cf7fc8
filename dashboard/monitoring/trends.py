"""A monitor's numbers over its runs: violations, distances of features, metrics against their limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import account, bias
from dashboard.monitoring import charts, drivers, findings, groups, kinds, model_quality, reports
from dashboard.monitoring.monitors import Monitor, listed
from dashboard.monitoring.reports import Document
from dashboard.monitoring.runs import Run
from deploy.declaration import Kind

Points = dict[str, list[tuple[datetime, float]]]  # by name, in the order of time
RUNS = 30  # whose files are read for a chart
SERIES = 6  # drawn without being asked for
DRIFT = "baseline_drift_check"
_AROUND = timedelta(minutes=10)  # a run's beginning, within which it publishes
DISTANCE, PRESENT = "feature_baseline_drift_", "feature_non_null_"
_FILES = {
    Kind.MODEL_QUALITY: reports.STATISTICS,
    Kind.MODEL_BIAS: reports.ANALYSIS,
    Kind.EXPLAINABILITY: reports.ANALYSIS,
}


def show(monitor: Monitor, history: Sequence[Run]) -> None:
    """`history`: newest first."""
    judged = [each for each in history if each.verdict]
    if not judged:
        st.caption("No run of these has a verdict.")
        return
    st.subheader("Violations")
    if any(each.violations for each in judged):
        counted = pd.DataFrame([{"time": each.started, "value": each.violations} for each in judged])
        st.altair_chart(charts.counts(counted), width="stretch", alt="Violations of each run")
    else:
        st.caption(f"None in {len(judged)} runs." if len(judged) > 1 else "None in its only run.")
    with_job = [each for each in judged if each.job]
    if monitor.kind is Kind.DATA_QUALITY:
        limits = reports.constraints([each.job for each in with_job[:1]])
        _features(monitor, judged, next(iter(limits.values()), {}))
    else:
        _metrics(monitor, with_job[:RUNS])


def _features(monitor: Monitor, judged: Sequence[Run], constraints: Mapping[str, Any]) -> None:
    """By CloudWatch, which has every run's distances in one call."""
    found = published(monitor, judged[-1].started, judged[0].started)
    distances, present = (
        {name.removeprefix(prefix): points for name, points in found.items() if name.startswith(prefix)}
        for prefix in (DISTANCE, PRESENT)
    )
    distances = completed(distances, judged[:RUNS])
    if not distances and not present:
        st.caption("CloudWatch has no metrics of this monitor in that time: `publish_cloudwatch_metrics` may be off.")
        return
    if distances:
        st.subheader("Distance from the baseline")
        farthest = sorted(distances, key=lambda name: (-max(value for _, value in distances[name]), name))
        bounds = {name: most for name in farthest if (most := limit(constraints, name)) is not None}
        _series(distances, farthest, "distance", bounds)
        st.caption("Dashed: the limits of the newest run. A distance of 0 is no more than chance may bring.")
    gaps = sorted(name for name, points in present.items() if min(value for _, value in points) < 1)
    if gaps:
        st.subheader("Share of values present")
        _series(present, gaps, "present", {}, ".0%")
    else:
        st.caption(f"Of all {len(present)} features every value was present in these runs.")


def completed(distances: Points, judged: Sequence[Run]) -> Points:
    """With the distances that violations name, of runs that CloudWatch has nothing of."""
    moments = [at for points in distances.values() for at, _ in points]
    unknown = [
        each
        for each in judged
        if each.violations and each.job and not any(abs(at - each.started) < _AROUND for at in moments)
    ]
    if not unknown:
        return distances
    read = reports.violations([each.job for each in unknown])
    found = {name: list(points) for name, points in distances.items()}
    for run in unknown:
        for each in findings.ranked(read[run.job] or ()):
            if each.check == DRIFT and each.measured is not None:
                found.setdefault(each.subject, []).append((run.started, each.measured))
    return {name: sorted(points) for name, points in found.items()}


def _series(found: Points, ordered: Sequence[str], what: str, bounds: Mapping[str, float], numbers: str = "") -> None:
    """A chart of the features that are chosen, at first those that come first."""
    chosen = st.multiselect("Features", ordered, default=ordered[:SERIES], key=f"trend-{what}")
    rows = [{"time": at, "value": value, "series": name} for name in chosen for at, value in found[name]]
    if rows:
        ends = [at for name in chosen for at, _ in found[name]]
        limits = pd.DataFrame(
            [
                {"time": at, "series": each, "limit": bounds[each]}
                for each in chosen
                if each in bounds
                for at in (min(ends), max(ends))
            ]
        )
        chart = charts.over_time(pd.DataFrame(rows), what, limits, numbers)
        st.altair_chart(chart, width="stretch", alt=f"{what.capitalize()} of each feature over the runs")


@st.cache_data(ttl=60, show_spinner=False)
def published(monitor: Monitor, start: datetime, end: datetime) -> Points:
    """A monitor's CloudWatch metrics of features, by name: points in the order of time."""
    cloudwatch = account.client("cloudwatch")
    about = [{"Name": "MonitoringSchedule", "Value": monitor.name}]
    metrics = [
        each
        for each in listed(cloudwatch, "list_metrics", "Metrics", 4, Dimensions=about)
        if each["MetricName"].startswith((DISTANCE, PRESENT))
    ][:500]
    if not metrics:
        return {}
    queries = [
        {"Id": f"m{at}", "MetricStat": {"Metric": each, "Period": period(start), "Stat": _stat(each["MetricName"])}}
        for at, each in enumerate(metrics)
    ]
    found: Points = {}
    window = {"StartTime": start - timedelta(minutes=2), "EndTime": end + timedelta(hours=2)}
    for page in cloudwatch.get_paginator("get_metric_data").paginate(MetricDataQueries=queries, **window):
        for each in page["MetricDataResults"]:
            name = metrics[int(each["Id"][1:])]["MetricName"]
            found.setdefault(name, []).extend(zip(each["Timestamps"], each["Values"], strict=True))
    return {name: sorted(points) for name, points in found.items() if points}


def _stat(metric: str) -> str:
    """The worse of two runs in one period."""
    return "Maximum" if metric.startswith(DISTANCE) else "Minimum"


def period(start: datetime) -> int:
    """Seconds: CloudWatch keeps minutes for 15 days and five minutes for 63 (CloudWatch user guide, "Metrics
    retention").
    """
    age = datetime.now(UTC) - start
    return 60 if age < timedelta(days=15) else 300 if age < timedelta(days=63) else 3600


def limit(constraints: Mapping[str, Any], feature: str) -> float | None:
    """A feature's largest allowed distance, by its own monitoringConfigOverrides or the file's monitoring_config."""
    described: Mapping[str, Any] = next(
        (each for each in constraints.get("features", []) if each["name"] == feature), {}
    )
    numeric = described.get("inferred_type") in ("Integral", "Fractional")
    member = "comparison_threshold" if numeric else "categorical_comparison_threshold"
    for layer in (described.get("monitoringConfigOverrides", {}), constraints.get("monitoring_config", {})):
        found = layer.get("distribution_constraints", {}).get(member)
        if found is not None:
            return float(found)
    return None


def _metrics(monitor: Monitor, judged: Sequence[Run]) -> None:
    """By the runs' own files, which have the deviations."""
    files = reports.files([each.job for each in judged], _FILES[monitor.kind])
    rows = [row for each in judged for row in points(monitor.kind, each, files[each.job])]
    if not rows:
        st.caption("The files of these runs are gone from S3.")
        return
    frame = pd.DataFrame(rows).sort_values("time")
    names = list(dict.fromkeys(frame["series"]))
    ordered = sorted(names, key=lambda name: not _first(monitor.kind, name))
    st.subheader({Kind.MODEL_QUALITY: "Metrics", Kind.MODEL_BIAS: "Bias"}.get(monitor.kind, "What drives the model"))
    chosen = st.multiselect("Metrics", ordered, default=ordered[:4], key=f"trend-{monitor.kind}")
    if not chosen:
        return
    limits = _limits(judged, chosen) if monitor.kind is Kind.MODEL_QUALITY else []
    chart = charts.over_time(frame[frame["series"].isin(chosen)], "value", pd.DataFrame(limits))
    st.altair_chart(chart, width="stretch", alt="The chosen metrics over the runs")
    if monitor.kind is not Kind.EXPLAINABILITY:
        st.caption(
            f"Bars: 95 % by the runs' standard deviations.{' Dashed: the limits of each run.' if limits else ''}"
        )


def _limits(judged: Sequence[Run], chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Of each run, as another version brings other limits."""
    allowed = reports.constraints([each.job for each in judged])
    return [
        {"time": run.started, "series": name, "limit": float(found["threshold"])}
        for run in judged
        for name, found in kinds.limits(allowed[run.job]).items()
        if name in chosen
    ]


def _first(kind: Kind, name: str) -> bool:
    if kind is Kind.MODEL_QUALITY:
        return name in ("auc", "au_prc", "f1", "accuracy", "rmse", "mae", "r2")
    return name.startswith("DPPL ")


def points(kind: Kind, run: Run, file: Document) -> list[dict[str, Any]]:
    """A row a series of one run: time, value, and the 95 % interval where the file has a deviation."""
    if kind is Kind.EXPLAINABILITY:
        found = next(iter(drivers.shap(file).values()), {})
        ordered = sorted(found, key=lambda name: -abs(found[name]))
        return [_point(run, name, found[name], None) for name in ordered]
    if kind is Kind.MODEL_BIAS:
        measured = groups.measures(file, {}, [])
        return [
            _point(run, f"{each.metric} of {each.group}", each.now, each.deviation)
            for each in measured
            if each.now is not None
        ]
    return [
        _point(run, name, each["value"], model_quality.deviation(each))
        for name, each in kinds.metrics(file).items()
        if "value" in each and not name.endswith(kinds.CONSTANT)
    ]


def _point(run: Run, series: str, value: float, deviation: float | None) -> dict[str, Any]:
    low, high = bias.interval(value, deviation)
    return {"time": run.started, "value": value, "series": series, "low": low, "high": high}
