"""A monitoring run's CloudWatch metrics, with Model Monitor's names.

Source: SageMaker developer guide, "CloudWatch metrics for data quality". That page and others disagree about the
namespace and the dimensions' names, so the namespace is an argument.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from data_constraints import Comparison
from data_statistics import Profile

ENDPOINT_NAMESPACE = "aws/sagemaker/Endpoints/data-metrics"
BATCH_NAMESPACE = "aws/sagemaker/ModelMonitoring/data-metrics"
METRICS_PER_CALL = 1000  # PutMetricData's limit


def metric_data(
    current: Profile,
    comparisons: list[Comparison],
    emitting: set[str],
    dimensions: dict[str, str],
    timestamp: datetime.datetime,
) -> list[dict[str, Any]]:
    """PutMetricData entries: values, completeness and drift of each feature named in `emitting`."""
    head = {
        "Timestamp": timestamp,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items() if value],
    }
    data = []
    for name in sorted(emitting & set(current.columns)):
        column = current.columns[name]
        if column.inferred_type in ("Integral", "Fractional"):
            statistics = {
                "SampleCount": float(column.numbers),
                "Sum": column.mean * column.numbers,
                "Minimum": column.minimum,
                "Maximum": column.maximum,
            }
            data.append(head | {"MetricName": f"feature_data_{name}", "StatisticValues": statistics})
        data.append(head | {"MetricName": f"feature_non_null_{name}", "Value": current.completeness(name)})
    for comparison in comparisons:
        if comparison.distance is not None and comparison.name in emitting:
            name = f"feature_baseline_drift_{comparison.name}"
            data.append(head | {"MetricName": name, "Value": comparison.distance})
    return data


def append_lines(data: list[dict[str, Any]], file: Path) -> None:
    """The container contract's file of metrics: one JSON object a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(entry, default=lambda time: time.isoformat()) + "\n" for entry in data)


def publish(data: list[dict[str, Any]], namespace: str) -> None:
    """Send them to CloudWatch with the job's own credentials.

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
