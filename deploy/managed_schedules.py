"""Model Monitor's schedules as resources, each with the job definition that it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from deploy import names
from deploy.changes import Call
from deploy.resources import Request
from deploy.state import Clients, Described, find

KINDS = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")


@dataclass(frozen=True)
class MonitoringSchedule:
    """Its request is CreateMonitoringSchedule's, with `Definition`: Create<type>JobDefinition's.

    A job definition can't be changed and is named after what is in it, `<schedule>-<8 hexadecimal digits>`: another
    one is made, the schedule changed to it, and the old one deleted.
    """

    kind: str = "monitoring schedule"

    def find(self, clients: Clients, name: str) -> Described | None:
        """With `Definitions`: (type, name) of the job definitions that were made for it, of left-over ones too."""
        sagemaker = clients("sagemaker")
        found = find(sagemaker.describe_monitoring_schedule, MonitoringScheduleName=name) or {}
        if found and not _ours(sagemaker, found["MonitoringScheduleArn"]):
            return None
        definitions = [(type_, each) for type_ in KINDS for each in _definitions(sagemaker, type_, name)]
        return {**found, "Definitions": definitions} if found or definitions else None

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        definition, existing = request["Definition"], (found or {}).get("Definitions", [])
        key = (request["MonitoringScheduleConfig"]["MonitoringType"], definition["JobDefinitionName"])
        schedule = {member: value for member, value in request.items() if member != "Definition"}
        if "MonitoringScheduleArn" in (found or {}):
            calls = [Call("sagemaker", "update_monitoring_schedule", _without(schedule, "Tags"))]
        else:
            calls = [Call("sagemaker", "create_monitoring_schedule", schedule)]
        if key not in existing:
            calls.insert(0, Call("sagemaker", _operation("Create", key[0]), definition))
        return (*calls, *[_delete(each) for each in existing if each != key])

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        wanted, config = request["MonitoringScheduleConfig"], found.get("MonitoringScheduleConfig", {})
        expressions = [each.get("ScheduleConfig", {}).get("ScheduleExpression") for each in (config, wanted)]
        definition = (wanted["MonitoringType"], wanted["MonitoringJobDefinitionName"])
        return (
            *([f"when {expressions[0]} → {expressions[1]}"] if expressions[0] != expressions[1] else []),
            *(
                ["its job definition"]
                if config.get("MonitoringJobDefinitionName") != definition[1] or found["Definitions"] != [definition]
                else []
            ),
        )

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        request = {"MonitoringScheduleName": name}
        gone = [Call("sagemaker", "delete_monitoring_schedule", request)] if "MonitoringScheduleArn" in found else []
        return (*gone, *[_delete(each) for each in found["Definitions"]])


def definition_name(schedule: str, digest: str) -> str:
    return f"{schedule}-{digest}"


def _definitions(sagemaker: Any, type_: str, schedule: str) -> list[str]:
    pages = sagemaker.get_paginator(_operation("List", f"{type_}", "s")).paginate(NameContains=f"{schedule}-")
    listed = [each["MonitoringJobDefinitionName"] for page in pages for each in page["JobDefinitionSummaries"]]
    return [each for each in listed if re.fullmatch(re.escape(schedule) + "-[0-9a-f]{8}", each)]


def _ours(sagemaker: Any, arn: str) -> bool:
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    return any(each["Key"] == names.PROJECT_TAG for each in tags)


def _delete(definition: tuple[str, str]) -> Call:
    return Call("sagemaker", _operation("Delete", definition[0]), {"JobDefinitionName": definition[1]})


def _operation(verb: str, type_: str, plural: str = "") -> str:
    return str(xform_name(f"{verb}{type_}JobDefinition{plural}"))


def _without(request: Mapping[str, Any], member: str) -> Request:
    return {key: value for key, value in request.items() if key != member}


MONITORING_SCHEDULE = MonitoringSchedule()
