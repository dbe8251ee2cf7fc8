"""What stands beside an endpoint: topics, roles, pipelines, schedules and alarms, each known by a name that never
changes. What is wanted is put where it is missing or differs, and what was once wanted goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deploy import names, view
from deploy.changes import Call, Change
from deploy.state import Clients, Described, find

Request = dict[str, Any]


class Type(Protocol):
    """How resources of a kind are found, put and removed."""

    @property
    def kind(self) -> str:
        """In words."""

    def find(self, clients: Clients, name: str) -> Described | None:
        """As AWS describes it; None when there is none of ours."""

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        """Makes it, or makes of what is found what the request asks for."""

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        """Where it isn't what the request asks for, in words."""

    def remove(self, name: str, found: Described) -> tuple[Call, ...]: ...


@dataclass(frozen=True)
class Resource:
    type: Type
    name: str  # by which its type finds it: an ARN for a topic
    request: Request
    details: tuple[str, ...] = ()  # said when it is made
    first: tuple[Call, ...] = ()  # made before it is put, such as uploads that it names


Key = tuple[Type, str]
Found = Mapping[Key, Described]


def read(clients: Clients, keys: Iterable[Key]) -> dict[Key, Described]:
    """What exists of the keys, in their order."""
    described = {(kind, name): kind.find(clients, name) for kind, name in keys}
    return {key: found for key, found in described.items() if found is not None}


def deploy(wanted: Sequence[Resource], found: Found) -> list[Change]:
    """In the order in which they are wanted; then, the other way round, what is found and not wanted goes."""
    changes = [change for each in wanted if (change := _put(each, found.get((each.type, each.name))))]
    kept = {(each.type, each.name) for each in wanted}
    return changes + undeploy({key: described for key, described in found.items() if key not in kept})


def undeploy(found: Found) -> list[Change]:
    """All that is found goes, the last first."""
    return [
        Change("-", kind.kind, name, kind.remove(name, described))
        for (kind, name), described in reversed(list(found.items()))
    ]


def listed(found: Found, types: Iterable[Type]) -> list[tuple[str, list[str]]]:
    """The names that exist, by kind; kinds that have none included."""
    kinds: dict[str, list[str]] = {each.kind: [] for each in types}
    for kind, name in found:
        kinds[kind.kind].append(name)
    return list(kinds.items())


def _put(wanted: Resource, found: Described | None) -> Change | None:
    if found is None:
        calls = wanted.first + wanted.type.put(wanted.request, None)
        return Change("+", wanted.type.kind, wanted.name, calls, wanted.details)
    differs = wanted.type.differences(wanted.request, found)
    if not differs:
        return None
    return Change("~", wanted.type.kind, wanted.name, wanted.first + wanted.type.put(wanted.request, found), differs)


def ours(described: Described | None, member: str) -> Described | None:
    """None unless its description says that `mlops deploy` made it: a user's own of that name stays theirs."""
    return described if described and str(described.get(member, "")).startswith(names.MADE) else None


@dataclass(frozen=True)
class Topic:
    """Its request is CreateTopic's, with `Subscriptions`: Protocol and Endpoint each."""

    kind: str = "SNS topic"

    def find(self, clients: Clients, name: str) -> Described | None:
        sns = clients("sns")
        if not find(sns.get_topic_attributes, TopicArn=name):
            return None
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=name)
        return {"TopicArn": name, "Subscriptions": [each for page in pages for each in page["Subscriptions"]]}

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        arn = request["TopicArn"]
        missing, stale = self._changes(request, found or {})
        create = Call("sns", "create_topic", {key: request[key] for key in ("Name", "Tags")})
        return (
            *([] if found else [create]),
            *[Call("sns", "subscribe", {"TopicArn": arn, "Protocol": how, "Endpoint": who}) for how, who in missing],
            *[Call("sns", "unsubscribe", {"SubscriptionArn": each}) for each in stale.values()],
        )

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        missing, stale = self._changes(request, found)
        return (
            *[f"subscribes {how} {who}" for how, who in missing],
            *[f"unsubscribes {how} {who}" for how, who in stale],
        )

    def _changes(self, request: Request, found: Described) -> tuple[list[tuple[str, str]], dict[tuple[str, str], str]]:
        """Who is to be subscribed, and who unsubscribed by which ARN. One that waits to be confirmed counts as there,
        and has no ARN to take it back by: AWS forgets it after two days.
        """
        wanted, known = self._targets(request), self._targets(found)
        stale = {key: arn for key, arn in known.items() if key not in wanted and arn.startswith("arn:")}
        return [each for each in wanted if each not in known], stale

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        arns = [arn for arn in self._targets(found).values() if arn.startswith("arn:")]
        unsubscribed = [Call("sns", "unsubscribe", {"SubscriptionArn": each}) for each in arns]
        return (*unsubscribed, Call("sns", "delete_topic", {"TopicArn": name}))

    @staticmethod
    def _targets(described: Mapping[str, Any]) -> dict[tuple[str, str], str]:
        found = described.get("Subscriptions", [])
        return {(each["Protocol"], each["Endpoint"]): each.get("SubscriptionArn", "") for each in found}


@dataclass(frozen=True)
class Role:
    """Its request is CreateRole's with both policies as documents: `AssumeRolePolicyDocument`, and `Policy` inline."""

    kind: str = "IAM role"

    def find(self, clients: Clients, name: str) -> Described | None:
        iam = clients("iam")
        role = find(iam.get_role, RoleName=name)
        if role is None or ours(role["Role"], "Description") is None:
            return None
        policy = find(iam.get_role_policy, RoleName=name, PolicyName=name) or {}
        return {**role["Role"], "Policy": policy.get("PolicyDocument")}

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        name, trust = request["RoleName"], json.dumps(request["AssumeRolePolicyDocument"])
        create = {key: value for key, value in request.items() if key != "Policy"} | {"AssumeRolePolicyDocument": trust}
        trusts = {"RoleName": name, "PolicyDocument": trust}
        inline = {"RoleName": name, "PolicyName": name, "PolicyDocument": json.dumps(request["Policy"])}
        return (
            Call("iam", "update_assume_role_policy", trusts) if found else Call("iam", "create_role", create),
            *([_bounded(request)] if found and _is_unbounded(request, found) else []),
            Call("iam", "put_role_policy", inline),
        )

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        compared = {"AssumeRolePolicyDocument": "who may take it", "Policy": "what it may do"}
        differs = tuple(words for key, words in compared.items() if _document(found.get(key)) != request[key])
        return (*differs, *(["the limit of what it may do"] if _is_unbounded(request, found) else []))

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        policy = [Call("iam", "delete_role_policy", {"RoleName": name, "PolicyName": name})] if found["Policy"] else []
        return (*policy, Call("iam", "delete_role", {"RoleName": name}))


def _bounded(request: Request) -> Call:
    limit = {key: request[key] for key in ("RoleName", "PermissionsBoundary")}
    return Call("iam", "put_role_permissions_boundary", limit)


def _is_unbounded(request: Request, found: Described) -> bool:
    """Whether it lacks the wanted limit; one that isn't wanted stays, as whoever set it may have had a reason."""
    has = (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return "PermissionsBoundary" in request and has != request["PermissionsBoundary"]


def _document(policy: Any) -> Any:
    """boto3 decodes IAM's policies, other clients and stand-ins for AWS leave them text."""
    return json.loads(policy) if isinstance(policy, str) else policy


@dataclass(frozen=True)
class Pipeline:
    """Its request is CreatePipeline's."""

    kind: str = "pipeline"

    def find(self, clients: Clients, name: str) -> Described | None:
        return ours(find(clients("sagemaker").describe_pipeline, PipelineName=name), "PipelineDescription")

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        if found is None:
            return (Call("sagemaker", "create_pipeline", request),)
        return (Call("sagemaker", "update_pipeline", {key: request[key] for key in request if key != "Tags"}),)

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        wanted, existing = json.loads(request["PipelineDefinition"]), json.loads(found["PipelineDefinition"])
        changed = [f"its {part.lower()}" for part in wanted if wanted[part] != existing.get(part)]
        return (*changed, *(["its role"] if request["RoleArn"] != found.get("RoleArn") else []))

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        return (Call("sagemaker", "delete_pipeline", {"PipelineName": name}),)


@dataclass(frozen=True)
class Schedule:
    """Of EventBridge Scheduler, in its default group; its request is CreateSchedule's, which UpdateSchedule repeats."""

    kind: str = "schedule"

    def find(self, clients: Clients, name: str) -> Described | None:
        return ours(find(clients("scheduler").get_schedule, Name=name), "Description")

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        return (Call("scheduler", "update_schedule" if found else "create_schedule", request),)

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        return view.differences(request, found)

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        return (Call("scheduler", "delete_schedule", {"Name": name}),)


@dataclass(frozen=True)
class MetricAlarm:
    """Its request is PutMetricAlarm's."""

    kind: str = "alarm"

    def find(self, clients: Clients, name: str) -> Described | None:
        found = clients("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return ours(found[0], "AlarmDescription") if found else None

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        return (Call("cloudwatch", "put_metric_alarm", request),)

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        return view.differences(request, found)

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        return (Call("cloudwatch", "delete_alarms", {"AlarmNames": [name]}),)


TOPIC, ROLE, PIPELINE, SCHEDULE, ALARM = Topic(), Role(), Pipeline(), Schedule(), MetricAlarm()
