"""Alerts of monitoring schedules: in alert while enough of the newest executions failed or found violations.

Each schedule has one from its creation on, of one execution out of one until UpdateMonitoringAlert says otherwise
(developer guide, "View and edit alerts"; AWS documents neither its name nor its first numbers).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, validation
from sagelocal.api.resources import RESOURCES

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
NAME = "monitoring-alert"
_BAD = ("CompletedWithViolations", "Failed")


def put(app: SageLocal, schedule: str) -> None:
    """The alert of a new schedule."""
    now = app.now()
    document = {
        "_name": schedule,
        "MonitoringScheduleName": schedule,
        "MonitoringAlertName": NAME,
        "CreationTime": now,
        "LastModifiedTime": now,
        "AlertStatus": "OK",
        "DatapointsToAlert": 1,
        "EvaluationPeriod": 1,
        "Actions": {"ModelDashboardIndicator": {"Enabled": True}},
    }
    app.store.create("MonitoringAlert", schedule, document, parent=schedule)


def remove(app: SageLocal, schedule: str) -> None:
    app.store.delete("MonitoringAlert", schedule)
    for entry in app.store.list("MonitoringAlertHistory", parent=schedule):
        app.store.delete("MonitoringAlertHistory", entry["_name"])


def evaluate(app: SageLocal, schedule: str) -> None:
    """After an execution's end, or a change of the alert."""
    with app.store.transaction():
        alert = app.store.find("MonitoringAlert", schedule)
        if alert is None:
            return
        ended = app.store.page(
            "MonitoringExecution",
            parent=schedule,
            where=[("_ended", "present", True)],
            order="ScheduledTime",
            descending=True,
            limit=alert["EvaluationPeriod"],
        )
        bad = sum(execution["MonitoringExecutionStatus"] in _BAD for execution in ended)
        status = "InAlert" if bad >= alert["DatapointsToAlert"] else "OK"
        if status == alert["AlertStatus"]:
            return
        app.store.update("MonitoringAlert", schedule, {"AlertStatus": status})
        entry = {
            "_name": f"{schedule}/{uuid.uuid4()}",
            "MonitoringScheduleName": schedule,
            "MonitoringAlertName": alert["MonitoringAlertName"],
            "CreationTime": app.now(),
            "AlertStatus": status,
        }
        app.store.create("MonitoringAlertHistory", entry["_name"], entry, parent=schedule)


def list_alerts(app: SageLocal, request: Document) -> Document:
    app.find("MonitoringSchedule", request["MonitoringScheduleName"])
    return listing.stored(app.store, RESOURCES["MonitoringAlert"], request)


def list_history(app: SageLocal, request: Document) -> Document:
    if name := request.get("MonitoringScheduleName"):
        app.find("MonitoringSchedule", name)
    return listing.stored(app.store, RESOURCES["MonitoringAlertHistory"], request)


def update(app: SageLocal, request: Document) -> Document:
    name = request["MonitoringScheduleName"]
    schedule = app.find("MonitoringSchedule", name)
    alert = app.store.find("MonitoringAlert", schedule["_name"])
    if alert is None or alert["MonitoringAlertName"] != request["MonitoringAlertName"]:
        raise AwsError("ResourceNotFound", f"Monitoring schedule {name} has no alert {request['MonitoringAlertName']}.")
    numbers = {member: request[member] for member in ("DatapointsToAlert", "EvaluationPeriod")}
    if numbers["DatapointsToAlert"] > numbers["EvaluationPeriod"]:
        raise validation(
            f"DatapointsToAlert {numbers['DatapointsToAlert']} must not exceed EvaluationPeriod "
            f"{numbers['EvaluationPeriod']}."
        )
    app.store.update("MonitoringAlert", schedule["_name"], numbers)
    evaluate(app, schedule["_name"])
    return {"MonitoringScheduleArn": schedule["MonitoringScheduleArn"], "MonitoringAlertName": NAME}


OPERATIONS = {
    "ListMonitoringAlerts": list_alerts,
    "ListMonitoringAlertHistory": list_history,
    "UpdateMonitoringAlert": update,
}
