"""A monitor's CloudWatch metrics, of all four kinds: Model Monitor's names and namespaces, and two metrics of ours.

Sources: SageMaker developer guide, "CloudWatch metrics for data quality", "Monitor model quality", "CloudWatch metrics
for bias drift analysis" and "… for feature attribution drift". They disagree about a slash before the namespace, so
`cloudwatch_namespace` replaces it. `violations` is the number found and 0 where all was well: one alarm on it
sees every violation, also of a check whose distance AWS doesn't publish. `model_age_days` is how old the version in
service is, where the analysis is told when it was registered.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_baseline import CheckArgs

NAMES = {
    "DATA_QUALITY": "data-metrics",
    "MODEL_QUALITY": "model-metrics",
    "DATA_BIAS": "bias-metrics",
    "MODEL_BIAS": "bias-metrics",
    "MODEL_EXPLAINABILITY": "explainability-metrics",
}
METRICS_PER_CALL = 1000  # PutMetricData's limit
LARGEST = 2.0**360  # a CloudWatch value's limit, of either sign


@dataclass
class MonitorArgs(CheckArgs):
    """What every analysis may be told when a monitor runs it, beside what it compares with."""

    start_time: str = ""  # of the window, ISO 8601
    end_time: str = ""  # first time after the window: the metrics' timestamp
    publish_cloudwatch_metrics: str = "Disabled"  # Enabled sends metrics with the job's credentials
    cloudwatch_namespace: str = ""  # another namespace than Model Monitor's
    sagemaker_endpoint_name: str = ""  # a metric dimension and part of the report's title
    sagemaker_monitoring_schedule_name: str = ""  # likewise
    model_registered: str = ""  # when the version in service was registered, ISO 8601
    job_output: str = "/opt/ml/output"  # the platform's folder for `message` and `metrics/cloudwatch`

    @property
    def dimensions(self) -> dict[str, str]:
        """Those of every metric of this monitor."""
        named = {
            "Endpoint": self.sagemaker_endpoint_name,
            "MonitoringSchedule": self.sagemaker_monitoring_schedule_name,
        }
        return {name: value for name, value in named.items() if value}


def metric(name: str, value: float | Mapping[str, float], **dimensions: str) -> dict[str, Any]:
    """A metric without the monitor's own dimensions and its time, which `emit` adds.

    Args:
        value: one number, or a set of `SampleCount`, `Sum`, `Minimum` and `Maximum`.
        dimensions: beside Endpoint and MonitoringSchedule, such as `Facet`.
    """
    member = {"StatisticValues": dict(value)} if isinstance(value, Mapping) else {"Value": float(value)}
    return {"MetricName": name, "Dimensions": _named(dimensions), **member}


def emit(
    kind: str, args: MonitorArgs, metrics: Iterable[dict[str, Any]], violations: int | None
) -> list[dict[str, Any]]:
    """Writes the metrics, and `violations`, to the platform's file, and to CloudWatch if so told; returns them.

    Args:
        kind: a key of `analysis_baseline.KINDS`.
        violations: how many; None where nothing was compared, which is not the same as none found.
        metrics: what `metric` returned. Those that are no finite number are left out: CloudWatch refuses them.

    Raises:
        RuntimeError: CloudWatch refused or could not be reached.
    """
    head = {"Timestamp": _time(args.end_time)}
    counted = [] if violations is None else [metric("violations", violations)]
    if args.model_registered:
        age = head["Timestamp"] - _time(args.model_registered)
        counted.append(metric("model_age_days", age / datetime.timedelta(days=1)))
    found = [each | head for each in [*metrics, *counted] if _finite(each)]
    found = [each | {"Dimensions": _named(args.dimensions) + each["Dimensions"]} for each in found]
    folder = Path(args.job_output)
    if folder.parent.is_dir():  # by hand there is no /opt/ml
        _append(found, folder / "metrics" / "cloudwatch")
    if args.publish_cloudwatch_metrics == "Enabled":
        publish(found, args.cloudwatch_namespace or namespace(kind, args.sagemaker_endpoint_name))
    return found


def namespace(kind: str, endpoint: str) -> str:
    """Model Monitor's, of an endpoint's monitor or, without an endpoint's name, of a batch's."""
    return f"aws/sagemaker/{'Endpoints' if endpoint else 'ModelMonitoring'}/{NAMES[kind]}"


def publish(data: list[dict[str, Any]], namespace: str) -> None:
    """Sends PutMetricData entries with the job's own credentials.

    Raises:
        RuntimeError: CloudWatch refused or could not be reached.
    """
    import boto3  # only a run that publishes needs it
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.client("cloudwatch")
        for start in range(0, len(data), METRICS_PER_CALL):
            client.put_metric_data(Namespace=namespace, MetricData=data[start : start + METRICS_PER_CALL])
    except (BotoCoreError, ClientError) as error:
        raise RuntimeError(
            f"CloudWatch did not take {len(data)} metrics in {namespace!r}: {error}. The job's role needs "
            "cloudwatch:PutMetricData; publish_cloudwatch_metrics=Disabled leaves them out"
        ) from error


def _append(data: list[dict[str, Any]], file: Path) -> None:
    """The container contract's file of metrics: one JSON object a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(entry, default=lambda time: time.isoformat()) + "\n" for entry in data)


def _named(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _finite(entry: Mapping[str, Any]) -> bool:
    values = entry["StatisticValues"].values() if "StatisticValues" in entry else [entry["Value"]]
    return all(math.isfinite(value) and abs(value) <= LARGEST for value in values)


def _time(text: str) -> datetime.datetime:
    if not text:
        return datetime.datetime.now(datetime.UTC)
    time = datetime.datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
