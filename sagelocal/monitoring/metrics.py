"""CloudWatch metrics that a monitoring job's container left: the service publishes them, as on AWS."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.monitoring.kinds import KINDS

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
log = logging.getLogger(__name__)
_MEMBERS = ("MetricName", "Timestamp", "Dimensions", "Value", "StatisticValues")


def publish(app: SageLocal, job: Document, folders: Sequence[Path]) -> None:
    """The lines of /opt/ml/output/metrics/cloudwatch under each /opt/ml of `folders`.

    Only of a schedule's job whose publish_cloudwatch_metrics is Enabled (developer guide, "CloudWatch metrics for bring
    your own containers"). AWS's pages spell the namespaces differently; these are the ones of the analyses.
    """
    arn, environment = job.get("MonitoringScheduleArn"), job.get("Environment") or {}
    found = app.store.by_arn(arn) if arn else None  # documents without an ARN have an empty one
    if found is None or environment.get("publish_cloudwatch_metrics") != "Enabled":
        return
    side = "Endpoints" if environment.get("sagemaker_endpoint_name") else "ModelMonitoring"
    namespace = f"aws/sagemaker/{side}/{KINDS[found[2]['MonitoringType']].metrics}"
    data = [datum for folder in folders for datum in _read(folder / "output" / "metrics" / "cloudwatch")]
    if data:
        app.metrics.put(namespace, data)


def _read(file: Path) -> list[Document]:
    if not file.is_file():
        return []
    data = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            entry = json.loads(line)
            data.append({name: entry[name] for name in _MEMBERS if entry.get(name) is not None})
        except (ValueError, TypeError, AttributeError):
            log.warning("line %d of a monitoring job's CloudWatch file is no metric: %.200s", number, line)
    return data
