"""Names that the pipelines' deploy steps and `deploy/` must agree on. They hold on a laptop and on AWS."""

from __future__ import annotations

import re
from typing import Any

VARIANT = "AllTraffic"  # what the SageMaker SDK calls an endpoint's only variant
CHALLENGER = "B"  # the variant that an A/B test adds
PROJECT_TAG = "mlops:use-case"
MADE = "mlops deploy: "  # begins the description of our alarms: DescribeAlarms gives no tags


def aws_name(use_case: str) -> str:
    """Of what AWS calls after a use case, its pipeline and its package group, and what a user says: AWS's names have no
    underscores. Files have, being modules: `linear_regression`.
    """
    return use_case.replace("_", "-")


def module_name(use_case: str) -> str:
    """Of a use case's files."""
    return use_case.replace("-", "_")


def endpoint_name(use_case: str, stage: str) -> str:
    return f"{aws_name(use_case)}-{stage}"


def owned(endpoint: str, config: str) -> bool:
    """Whether an endpoint config was made for this endpoint: by `deploy/` (`<endpoint>-<version>-<8 hex digits>`) or
    by a pipeline's own step (`<endpoint>-<execution id>`). `churn-staging` doesn't own what `churn-staging-eu` uses.
    """
    return re.fullmatch(re.escape(endpoint) + r"-(\d+-[0-9a-f]{8}|[a-z0-9]{12})", config) is not None


def config_version(endpoint: str, config: str) -> str:
    """The version that a config of `deploy/` was made for, its first variant's; "" for a config of another maker."""
    found = re.fullmatch(re.escape(endpoint) + r"-(\d+)-[0-9a-f]{8}", config)
    return found[1] if found else ""


def capture_uri(bucket: str, prefix: str = "") -> str:
    """Where data capture writes; SageMaker adds `<endpoint>/<variant>/yyyy/mm/dd/hh/`."""
    return "s3://" + "/".join(part for part in (bucket, prefix.strip("/"), "data-capture") if part)


def ground_truth_uri(bucket: str, prefix: str, endpoint: str) -> str:
    """Where labels of an endpoint's answers are, in hour folders as Model Monitor reads them."""
    return "s3://" + "/".join(part for part in (bucket, prefix.strip("/"), "ground-truth", endpoint) if part)


def monitoring_uri(bucket: str, prefix: str, endpoint: str, *more: str) -> str:
    """Where an endpoint's monitors write."""
    return "s3://" + "/".join(part for part in (bucket, prefix.strip("/"), "monitoring", endpoint, *more) if part)


def monitor_name(endpoint: str, kind: str) -> str:
    """Of a monitor's pipeline, its schedule and the metrics' dimension `MonitoringSchedule`."""
    return f"{endpoint}-{kind}"


def monitoring_topic(endpoint: str) -> str:
    """The SNS topic that a monitor's alarm and a retraining tell."""
    return f"{endpoint}-monitoring"


def violations_alarm(endpoint: str, kind: str) -> str:
    return f"{endpoint}-{kind}-violations"


def staleness_alarm(endpoint: str) -> str:
    return f"{endpoint}-staleness"


def expiry(endpoint: str) -> str:
    """Of the schedule that deletes the endpoint in the end and, but for the region, of its role."""
    return f"{endpoint}-expiry"


def asynchronous_uri(bucket: str, prefix: str, endpoint: str) -> str:
    """Where an asynchronous endpoint writes answers; failures beside them."""
    return "s3://" + "/".join(part for part in (bucket, prefix.strip("/"), "asynchronous", endpoint) if part)


def resource_id(endpoint: str, variant: str) -> str:
    """Application Auto Scaling's name of a variant."""
    return f"endpoint/{endpoint}/variant/{variant}"


def topics(endpoint: str) -> list[str]:
    """Names of the SNS topics that an asynchronous endpoint tells of successes and errors."""
    return [f"{endpoint}-success", f"{endpoint}-error"]


def capture_config(destination: str, percentage: int = 100) -> dict[str, Any]:
    """DataCaptureConfig for an endpoint's requests and responses, all of them or a sample.

    A content type that isn't listed would be stored as base64, which the monitor cannot read as a table.
    """
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": destination,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }


def tags(use_case: str) -> list[dict[str, str]]:
    return [{"Key": PROJECT_TAG, "Value": aws_name(use_case)}]
