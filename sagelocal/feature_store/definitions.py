"""What CreateFeatureGroup and UpdateFeatureGroup ask beyond their shapes, from their documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.feature_store import catalog
from sagelocal.feature_store.features import FRACTIONAL, STRING, VECTOR
from sagelocal.feature_store.groups import IN_MEMORY, PARTIAL, STANDARD, duration

Document = dict[str, Any]
_RESERVED = {"is_deleted", "write_time", "api_invocation_time"}
_MOST = 2500
_PROVISIONED = "Provisioned"
_UNITS = ("ProvisionedReadCapacityUnits", "ProvisionedWriteCapacityUnits")


def checked(request: Document) -> Document:
    """A copy of a CreateFeatureGroup request that can be made. Raises AwsError."""
    document = {**request}
    online, offline = request.get("OnlineStoreConfig") or {}, request.get("OfflineStoreConfig")
    if offline:
        document["OfflineStoreConfig"] = {**offline, "S3StorageConfig": {**offline["S3StorageConfig"]}}
    if not online.get("EnableOnlineStore") and not offline:
        raise validation(
            "A FeatureGroup needs an OnlineStoreConfig with EnableOnlineStore, an OfflineStoreConfig, or both."
        )
    if offline and not request.get("RoleArn"):
        raise validation("A FeatureGroup with an OfflineStoreConfig needs a RoleArn, by which it is written.")
    if offline and not offline["S3StorageConfig"]["S3Uri"].startswith("s3://"):
        raise validation(f"The offline store's S3Uri must begin with s3://: {offline['S3StorageConfig']['S3Uri']}")
    if online.get("StorageType") == IN_MEMORY and offline:
        raise validation("An InMemory online store has no offline store beside it: leave the OfflineStoreConfig out.")
    if online.get("EnableOnlineStore"):
        document["OnlineStoreConfig"] = {"StorageType": STANDARD, **online}
    _check_ttl(online.get("TtlDuration"))
    _check_features(document, request["FeatureDefinitions"], [])
    _check_keys(request)
    _check_throughput(document, request.get("ThroughputConfig"))
    return document


def changes(document: Document, request: Document) -> Document:
    """What an UpdateFeatureGroup request changes of a group's document. Raises AwsError."""
    given = [name for name in ("FeatureAdditions", "OnlineStoreConfig", "ThroughputConfig") if request.get(name)]
    if len(given) != 1:
        raise validation(
            "UpdateFeatureGroup takes one at a time of FeatureAdditions, OnlineStoreConfig, ThroughputConfig."
        )
    if additions := request.get("FeatureAdditions"):
        _check_features(document, additions, document["FeatureDefinitions"])
        return {"FeatureDefinitions": [*document["FeatureDefinitions"], *additions]}
    if request.get("OnlineStoreConfig"):
        return {"OnlineStoreConfig": _online(document, request["OnlineStoreConfig"])}
    config = {**document["ThroughputConfig"], **request["ThroughputConfig"]}
    _check_throughput(document, config)
    units = _UNITS if config["ThroughputMode"] == _PROVISIONED else ()
    return {"ThroughputConfig": {name: config[name] for name in ("ThroughputMode", *units)}}


def _online(document: Document, change: Document) -> Document:
    online = {**(document.get("OnlineStoreConfig") or {})}
    if not online.get("EnableOnlineStore"):
        raise validation(f"FeatureGroup {document['FeatureGroupName']} has no OnlineStore to update.")
    wanted = change.get("StorageType") or online["StorageType"]
    if wanted != online["StorageType"] and (online["StorageType"], wanted) != (STANDARD, PARTIAL):
        raise validation(
            f"An online store can go from {STANDARD} to {PARTIAL}, not from {online['StorageType']} to {wanted}."
        )
    online["StorageType"] = wanted
    if "TtlDuration" in change:
        ttl = {name: value for name, value in (change["TtlDuration"] or {}).items() if value is not None}
        _check_ttl(ttl)
        online.pop("TtlDuration", None)
        online |= {"TtlDuration": ttl} if ttl else {}  # without unit and value there is none any more
    return online


def _check_ttl(ttl: Document | None) -> None:
    if ttl and not (ttl.get("Unit") and ttl.get("Value")):
        raise validation("A TtlDuration has both a Unit and a Value.")
    try:
        duration(ttl)
    except AwsError as error:
        raise validation(error.message) from error  # the runtime's code for the same is another


def _check_features(document: Document, features: Sequence[Document], before: Sequence[Document]) -> None:
    names = [each["FeatureName"] for each in (*before, *features)]
    # Glue's columns and Athena's know no case.
    counts = Counter(map(str.lower, names))
    if twice := sorted({name for name in names if counts[name.lower()] > 1}):
        raise validation(f"Feature names must differ, in more than their case: {', '.join(twice)}.")
    if reserved := sorted({name for name in names if name.lower() in _RESERVED}):
        raise validation(
            f"Feature Store adds these columns itself: {', '.join(reserved)}. Name the features otherwise."
        )
    _check_partitions(document, names)
    if len(names) > _MOST:
        raise validation(f"A FeatureGroup has at most {_MOST} features, not {len(names)}.")
    in_memory = (document.get("OnlineStoreConfig") or {}).get("StorageType") == IN_MEMORY
    for each in features:
        _check_collection(each, in_memory)
    if sum(each.get("CollectionType") == VECTOR for each in (*before, *features)) > 1:
        raise validation("A FeatureGroup has at most one feature with the CollectionType Vector.")


def _check_partitions(document: Document, names: Sequence[str]) -> None:
    """MiniStack's Glue takes such a table, and its Athena then shows a partition for the feature."""
    offline = document.get("OfflineStoreConfig") or {}
    twice = sorted({name for name in names if name.lower() in catalog.PARTITIONS})
    if twice and offline and not offline.get("DisableGlueTableCreation"):
        raise validation(
            f"The offline store's table has partitions {', '.join(catalog.PARTITIONS)}: name the features "
            f"{', '.join(twice)} otherwise, or set DisableGlueTableCreation."
        )


def _check_collection(feature: Document, in_memory: bool) -> None:
    collection, name = feature.get("CollectionType"), feature["FeatureName"]
    vector = (feature.get("CollectionConfig") or {}).get("VectorConfig")
    if collection and not in_memory:
        raise validation(f"The feature {name} is a {collection}: only an InMemory online store has collections.")
    if collection == VECTOR and (feature["FeatureType"] != FRACTIONAL or not vector):
        raise validation(f"The vector {name} must be {FRACTIONAL} and have a VectorConfig with its Dimension.")
    if vector and collection != VECTOR:
        raise validation(f"The feature {name} has a VectorConfig and is no Vector.")


def _check_keys(request: Document) -> None:
    """The two features that every record has."""
    features = {each["FeatureName"]: each for each in request["FeatureDefinitions"]}
    for member in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        name = request[member]
        if name not in features:
            raise validation(f"The {member} {name} is none of the FeatureDefinitions.")
        if features[name].get("CollectionType"):
            raise validation(f"The {member} {name} cannot be a {features[name]['CollectionType']}.")
    if request["RecordIdentifierFeatureName"] == request["EventTimeFeatureName"]:
        raise validation("The record identifier and the event time must be two features.")
    if features[request["EventTimeFeatureName"]]["FeatureType"] not in (STRING, FRACTIONAL):
        raise validation(f"The event time feature {request['EventTimeFeatureName']} must be {STRING} or {FRACTIONAL}.")


def _check_throughput(document: Document, config: Document | None) -> None:
    """A laptop counts no capacity units and refuses nothing for them; what a group may say is AWS's."""
    if not config or config.get("ThroughputMode") != _PROVISIONED:
        return
    if missing := [name for name in _UNITS if config.get(name) is None]:
        raise validation(f"The ThroughputMode {_PROVISIONED} needs {' and '.join(missing)}.")
    if (document.get("OnlineStoreConfig") or {}).get("StorageType", STANDARD) != STANDARD:
        raise validation(f"The ThroughputMode {_PROVISIONED} is for offline stores and {STANDARD} online stores.")
