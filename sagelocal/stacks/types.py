"""The resource types that a stack makes by an API: sagelocal's own, and alarms, of which PutMetricAlarm makes more
kinds than MiniStack's CloudFormation does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import StructureShape

from sagelocal.api.model import operation_model
from sagelocal.stacks.conversion import converted, unknown_properties

Document = dict[str, Any]
Client = Callable[[str], Any]  # a boto3 client of a service
Changes = Callable[[Document, Document], list[Document]]  # requests that make properties out of earlier ones
Present = Callable[[Any, str, Document], Document]  # the properties of what is there, but for what cannot change
_STACK_NAME = "aws:cloudformation:stack-name"


@dataclass(frozen=True)
class Beside:
    """A property that operations of its own set and remove."""

    put: str
    delete: str
    member: str  # of `put`'s request


@dataclass(frozen=True)
class Type:
    """How a resource type is made. Operations are AWS's names; `name` is the property that holds the physical name."""

    service: str
    create: str
    update: str  # "" where nothing can be changed in place
    delete: str
    name: str
    key: str  # the member by which `delete` finds it
    arn: str  # its ARN, without arn:aws:
    wrapped: str = ""  # the request's member that holds the properties, where they are not the request itself
    ref: str = "{name}"  # what Ref gives
    attributes: Mapping[str, str] = field(default_factory=lambda: {"Arn": "{arn}"})  # what Fn::GetAtt gives
    beside: Mapping[str, Beside] = field(default_factory=dict)
    unset: Mapping[str, Any] = field(default_factory=dict)  # what `update` is given for a property that is gone
    tags: Callable[[Any, str, str], list[Document]] = lambda client, name, arn: []
    adopts: bool = False  # whether one that no stack made is taken over
    changes: Changes | None = None  # what `update` is given, where that is not all properties
    present: Present = lambda client, name, properties: properties  # of one that is taken over, for `changes`


def _feature_group_changes(before: Document, after: Document) -> list[Document]:
    """UpdateFeatureGroup takes one kind of change at a time. Raises ValueError for those that need another group."""
    there, wanted = ({_feature(each): each for each in some["FeatureDefinitions"]} for some in (before, after))
    kept = {name: each for name, each in after.items() if name not in ("FeatureDefinitions", "Tags")}
    fixed = {name: each for name, each in before.items() if name not in ("FeatureDefinitions", "Tags")}
    requests: list[Document] = []
    for name, members in (("OnlineStoreConfig", ("TtlDuration", "StorageType")), ("ThroughputConfig", None)):
        old, new = fixed.pop(name, None) or {}, kept.pop(name, None) or {}
        changed = {each for each in {**old, **new} if old.get(each) != new.get(each)}
        gone = changed - new.keys() - {"TtlDuration"}
        if gone or changed - set(members or changed):
            raise ValueError(f"{name} of a feature group cannot change in {', '.join(sorted(changed))}.")
        if changed:
            requests.append({name: {each: new.get(each, {}) for each in changed}})
    if added := wanted.keys() - there.keys():
        requests.append({"FeatureAdditions": [each for key, each in wanted.items() if key in added]})
    if fixed != kept or there.keys() - wanted.keys():
        raise ValueError("Of a feature group only features can be added, and its stores' configuration changed.")
    return requests


def _feature(definition: Document) -> tuple[Any, ...]:
    return tuple(definition.get(name) for name in ("FeatureName", "FeatureType", "CollectionType"))


def _feature_group(client: Any, name: str, properties: Document) -> Document:
    found = client.describe_feature_group(FeatureGroupName=name)
    before = {**properties, "FeatureDefinitions": found["FeatureDefinitions"]}
    if "OnlineStoreConfig" in properties:
        ttl = found.get("OnlineStoreConfig", {}).get("TtlDuration")
        online = {each: value for each, value in properties["OnlineStoreConfig"].items() if each != "TtlDuration"}
        before["OnlineStoreConfig"] = online | ({"TtlDuration": ttl} if ttl else {})
    return before


TYPES = {
    "AWS::CodeBuild::Project": Type(
        "codebuild",
        "CreateProject",
        "UpdateProject",
        "DeleteProject",
        name="Name",
        key="name",
        arn="codebuild:{region}:{account}:project/{name}",
        # UpdateProject leaves as it is what it is not given; these are CreateProject's defaults.
        unset={
            "Description": "",
            "SourceVersion": "",
            "SecondarySources": [],
            "SecondarySourceVersions": [],
            "SecondaryArtifacts": [],
            "Cache": {"Type": "NO_CACHE"},
            "LogsConfig": {},
            "TimeoutInMinutes": 60,
            "QueuedTimeoutInMinutes": 480,
            "ConcurrentBuildLimit": -1,
        },
        tags=lambda client, name, arn: client.batch_get_projects(names=[name])["projects"][0].get("tags", []),
    ),
    "AWS::CodePipeline::Pipeline": Type(
        "codepipeline",
        "CreatePipeline",
        "UpdatePipeline",
        "DeletePipeline",
        name="Name",
        key="name",
        arn="codepipeline:{region}:{account}:{name}",
        wrapped="pipeline",
        attributes={"Version": "1"},
        tags=lambda client, name, arn: client.list_tags_for_resource(resourceArn=arn).get("tags", []),
    ),
    # A pipeline makes its group at the first registration, perhaps before the stack; on AWS it had to be imported.
    "AWS::SageMaker::ModelPackageGroup": Type(
        "sagemaker",
        "CreateModelPackageGroup",
        "",
        "DeleteModelPackageGroup",
        name="ModelPackageGroupName",
        key="ModelPackageGroupName",
        arn="sagemaker:{region}:{account}:model-package-group/{name}",
        ref="{arn}",
        attributes={"ModelPackageGroupArn": "{arn}", "ModelPackageGroupStatus": "Completed"},
        beside={
            "ModelPackageGroupPolicy": Beside(
                "PutModelPackageGroupPolicy", "DeleteModelPackageGroupPolicy", "ResourcePolicy"
            )
        },
        adopts=True,
    ),
    "AWS::SageMaker::FeatureGroup": Type(
        "sagemaker",
        "CreateFeatureGroup",
        "UpdateFeatureGroup",
        "DeleteFeatureGroup",
        name="FeatureGroupName",
        key="FeatureGroupName",
        arn="sagemaker:{region}:{account}:feature-group/{name}",
        attributes={"FeatureGroupStatus": "Created"},
        tags=lambda client, name, arn: [
            {"key": each["Key"], "value": each["Value"]} for each in client.list_tags(ResourceArn=arn.lower())["Tags"]
        ],
        changes=_feature_group_changes,
        present=_feature_group,
    ),
    "AWS::CloudWatch::Alarm": Type(
        "cloudwatch",
        "PutMetricAlarm",
        "PutMetricAlarm",
        "DeleteAlarms",
        name="AlarmName",
        key="AlarmNames",
        arn="cloudwatch:{region}:{account}:alarm:{name}",
    ),
}


def problems(kind: str, logical_id: str, properties: Document) -> list[str]:
    """What is wrong with a resource before anything is made: properties that its API does not have."""
    row = TYPES[kind]
    return list(unknown_properties(_shape(row, row.create), _own(row, properties), f"{logical_id} ({kind})"))


def create(kind: str, name: str, properties: Document, client: Client, place: Mapping[str, str]) -> None:
    """Makes a resource, or takes over one that an earlier stack of that name left. Raises ValueError, ClientError."""
    row = TYPES[kind]
    try:
        _call(kind, row.create, name, properties, client)
    except ClientError as error:
        if not _is_taken(error) or not _may_adopt(row, name, properties, client, place):
            raise
        if row.changes:
            for request in row.changes(row.present(client(row.service), name, properties), properties):
                _call(kind, row.update, name, request, client)
        elif row.update:
            _call(kind, row.update, name, properties, client)
    _set_beside(row, name, {}, properties, client)


def update(kind: str, name: str, before: Document, after: Document, client: Client) -> None:
    """Raises ValueError for a property that cannot change in place, ClientError."""
    row = TYPES[kind]
    own = {each for each in {**before, **after} if before.get(each) != after.get(each)} - row.beside.keys() - {"Tags"}
    if row.changes:
        for request in row.changes(before, after):
            _call(kind, row.update, name, request, client)
    elif row.update:
        gone = {each: value for each, value in row.unset.items() if each in before and each not in after}
        _call(kind, row.update, name, {**gone, **after}, client)
    elif own:
        raise ValueError(f"{', '.join(sorted(own))} of {kind} {name} cannot change: give the resource another name.")
    _set_beside(row, name, before, after, client)


def delete(kind: str, name: str, client: Client) -> None:
    """Takes a resource that is gone already for deleted. Raises ClientError."""
    row = TYPES[kind]
    try:
        _operation(client, row, row.delete)(**{row.key: [name] if row.key.endswith("s") else name})
    except ClientError as error:
        if not _is_missing(error):
            raise


def reference(kind: str, name: str, place: Mapping[str, str]) -> str:
    """What Ref gives."""
    row = TYPES[kind]
    return row.ref.format(name=name, arn=_arn(row, name, place))


def attributes(kind: str, name: str, place: Mapping[str, str]) -> dict[str, str]:
    row = TYPES[kind]
    return {key: each.format(arn=_arn(row, name, place)) for key, each in row.attributes.items()}


def _arn(row: Type, name: str, place: Mapping[str, str]) -> str:
    return f"arn:aws:{row.arn.format(name=name, **place)}"


def _call(kind: str, operation: str, name: str, properties: Document, client: Client) -> None:
    row = TYPES[kind]
    whole = _input(row, operation)
    request = converted(_shape(row, operation), {**_own(row, properties), row.name: name}, kind)
    request = {row.wrapped: request} if row.wrapped else request
    tags = {member.lower(): member for member in whole.members}.get("tags")
    if tags and properties.get("Tags"):
        request[tags] = converted(whole.members[tags], properties["Tags"], f"{kind}.Tags")
    _operation(client, row, operation)(**request)


def _own(row: Type, properties: Document) -> Document:
    return {name: each for name, each in properties.items() if name != "Tags" and name not in row.beside}


def _input(row: Type, operation: str) -> StructureShape:
    shape = operation_model(row.service, operation).input_shape
    assert isinstance(shape, StructureShape)
    return shape


def _shape(row: Type, operation: str) -> StructureShape:
    shape = _input(row, operation)
    found = shape.members[row.wrapped] if row.wrapped else shape
    assert isinstance(found, StructureShape)
    return found


def _operation(client: Client, row: Type, operation: str) -> Callable[..., Document]:
    found: Callable[..., Document] = getattr(client(row.service), xform_name(operation))
    return found


def _set_beside(row: Type, name: str, before: Document, after: Document, client: Client) -> None:
    for each, how in row.beside.items():
        value = after.get(each)
        if value is not None and value != before.get(each):
            shape = _input(row, how.put)
            request = converted(shape, {row.name: name, how.member: value}, each)
            _operation(client, row, how.put)(**request)
        elif value is None and before.get(each) is not None:
            _operation(client, row, how.delete)(**{row.name: name})


def _may_adopt(row: Type, name: str, properties: Document, client: Client, place: Mapping[str, str]) -> bool:
    """Whether an existing resource is of the same stack, which a kill before its end has made MiniStack forget."""
    if row.adopts:
        return True
    mine = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}.get(_STACK_NAME)
    found = row.tags(client(row.service), name, _arn(row, name, place))
    return mine is not None and any(tag["key"] == _STACK_NAME and tag["value"] == mine for tag in found)


def _is_taken(error: ClientError) -> bool:
    said = error.response["Error"]
    return "already exists" in said["Message"] or said["Code"] in (
        "ResourceAlreadyExistsException",
        "PipelineNameInUseException",
    )


def _is_missing(error: ClientError) -> bool:
    said = error.response["Error"]
    return "NotFound" in said["Code"] or "does not exist" in said["Message"]
