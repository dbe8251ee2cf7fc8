"""What the monitoring part adds to the API."""

from __future__ import annotations

from sagelocal.api.refused import Paths
from sagelocal.monitoring import alerts, definitions, schedules
from sagelocal.monitoring.kinds import KINDS

OPERATIONS = {**definitions.OPERATIONS, **schedules.OPERATIONS, **alerts.OPERATIONS}
_PIPE = "A pipe has no names that AWS documents: use File."
_INLINE = "MonitoringScheduleConfig.MonitoringJobDefinition"

REFUSED: dict[str, Paths] = {
    **{
        f"Create{kind.definition}": {
            f"{kind.type}JobInput.{side}.S3InputMode=Pipe": _PIPE for side in ("EndpointInput", "BatchTransformInput")
        }
        for kind in KINDS.values()
    },
    **{
        operation: {
            f"{_INLINE}.MonitoringInputs[].{side}.S3InputMode=Pipe": _PIPE
            for side in ("EndpointInput", "BatchTransformInput")
        }
        for operation in ("CreateMonitoringSchedule", "UpdateMonitoringSchedule")
    },
}
