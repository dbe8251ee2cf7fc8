"""Monitoring schedules: their API. List comes from the resource table; the loop starts what is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.monitoring import alerts, definitions, executions, kinds, timing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
# AWS picks a time of the day for a schedule without one.
DAILY = {"ScheduleExpression": "cron(0 0 ? * * *)"}


def create(app: SageLocal, request: Document) -> Document:
    """Pending until the loop has taken it up, which it does at once."""
    document = {"MonitoringScheduleName": request["MonitoringScheduleName"], **_configured(app, request)}
    document |= {"MonitoringScheduleStatus": "Pending", "_wanted": "Scheduled"}
    with app.store.transaction():
        created = app.create("MonitoringSchedule", document, tags=request.get("Tags"))
        app.store.update("MonitoringSchedule", created["_name"], {"_last": created["CreationTime"]})
        alerts.put(app, created["_name"])
    app.monitoring.wake()
    return {"MonitoringScheduleArn": created["MonitoringScheduleArn"]}


def update(app: SageLocal, request: Document) -> Document:
    """The new config holds from now on; one with ScheduleExpression NOW runs once more."""
    changes = {**_configured(app, request), "_last": app.now(), "_once": None}
    return _change(app, request, changes)


def start(app: SageLocal, request: Document) -> Document:
    _change(app, request, {"_wanted": "Scheduled", "_last": app.now()})
    return {}


def stop(app: SageLocal, request: Document) -> Document:
    """No execution starts any more; one that runs goes on."""
    _change(app, request, {"_wanted": "Stopped"})
    return {}


def delete(app: SageLocal, request: Document) -> Document:
    """Its executions go with it, and their jobs are stopped."""
    with app.store.transaction():
        schedule = _settled(app, request)
        running = executions.remove(app, schedule["_name"])
        alerts.remove(app, schedule["_name"])
        app.store.delete("MonitoringSchedule", schedule["_name"])
    for job in running:
        executions.stop_job(app, job)
    return {}


def describe(app: SageLocal, request: Document) -> Document:
    schedule = app.find("MonitoringSchedule", request["MonitoringScheduleName"])
    newest = executions.newest(app, schedule["_name"])
    return {**schedule, **({"LastMonitoringExecutionSummary": newest} if newest else {})}


def schedule_config(schedule: Document) -> Document:
    config: Document = schedule["MonitoringScheduleConfig"].get("ScheduleConfig") or DAILY
    return config


def source(app: SageLocal, schedule: Document) -> Document:
    """Its EndpointInput or BatchTransformInput, {} when the job definition is gone."""
    try:
        return kinds.of_schedule(app, schedule["MonitoringScheduleConfig"]).source
    except AwsError:
        return {}


def _configured(app: SageLocal, request: Document) -> Document:
    """The members of a schedule that follow from a MonitoringScheduleConfig. Raises AwsError."""
    config = request["MonitoringScheduleConfig"]
    named, inline = config.get("MonitoringJobDefinitionName"), config.get("MonitoringJobDefinition")
    if bool(named) == bool(inline):
        raise validation("Give exactly one of MonitoringJobDefinition and MonitoringJobDefinitionName.")
    if named and not config.get("MonitoringType"):
        raise validation(f"MonitoringType is required with MonitoringJobDefinitionName {named}.")
    if inline and config.get("MonitoringType", "DataQuality") != "DataQuality":
        raise validation(
            f"MonitoringType {config['MonitoringType']} needs a MonitoringJobDefinitionName: a MonitoringJobDefinition "
            "within a schedule is of data quality."
        )
    given = config.get("ScheduleConfig") or DAILY
    timing.check(given)
    definition = kinds.of_schedule(app, config)
    source = inline["MonitoringInputs"][0] if inline else {"EndpointInput": definition.source}
    definitions.check(app, definition, source)
    _check_runtime(definition, given["ScheduleExpression"])
    return {
        "MonitoringScheduleConfig": config,
        "MonitoringType": definition.kind.type,
        "EndpointName": definition.endpoint or None,
        "MonitoringJobDefinitionName": definition.name or None,
    }


def _check_runtime(definition: kinds.Definition, expression: str) -> None:
    """A merge job and its monitoring job share an hour (developer guide, "Schedule model quality monitoring jobs")."""
    hourly = expression != timing.NOW and len(timing.hours_of_day(expression)) == 24
    limit = 1800 if definition.kind.truth else 3600
    if hourly and (definition.max_runtime or 0) > limit:
        raise validation(
            f"StoppingCondition.MaxRuntimeInSeconds is {definition.max_runtime}: of an hourly {definition.kind.type} "
            f"schedule it must be {limit} at most."
        )


def _change(app: SageLocal, request: Document, changes: Document) -> Document:
    with app.store.transaction():
        schedule = _settled(app, request)
        app.store.update("MonitoringSchedule", schedule["_name"], {**changes, "MonitoringScheduleStatus": "Pending"})
    app.monitoring.wake()
    return {"MonitoringScheduleArn": schedule["MonitoringScheduleArn"]}


def _settled(app: SageLocal, request: Document) -> Document:
    """Raises AwsError for a schedule that is Pending: AWS changes and deletes none."""
    schedule = app.find("MonitoringSchedule", request["MonitoringScheduleName"])
    if schedule["MonitoringScheduleStatus"] == "Pending":
        raise validation(
            f"Monitoring schedule {schedule['MonitoringScheduleName']} is in status Pending: wait until it is not."
        )
    return schedule


OPERATIONS: dict[str, Callable[[SageLocal, Document], Document]] = {
    "CreateMonitoringSchedule": create,
    "DescribeMonitoringSchedule": describe,
    "UpdateMonitoringSchedule": update,
    "StartMonitoringSchedule": start,
    "StopMonitoringSchedule": stop,
    "DeleteMonitoringSchedule": delete,
}
