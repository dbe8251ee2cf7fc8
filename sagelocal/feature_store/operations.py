"""Feature groups: CreateFeatureGroup and what is asked of one afterwards."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, validation
from sagelocal.api.resources import RESOURCES
from sagelocal.feature_store import catalog, definitions, offline
from sagelocal.feature_store.database import Database
from sagelocal.store import Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
Document = dict[str, Any]
_KIND, _METADATA = "FeatureGroup", "FeatureMetadata"
_MOST_PARAMETERS = 25


def create(app: SageLocal, request: Document) -> Document:
    """Created when it returns; on AWS that takes some seconds, and minutes for an InMemory store."""
    document = definitions.checked({name: value for name, value in request.items() if name != "Tags"})
    now, name = app.now(), request["FeatureGroupName"]
    document |= {
        "CreationTime": now,
        "LastModifiedTime": now,
        "FeatureGroupStatus": "Creating",
        "ThroughputConfig": request.get("ThroughputConfig") or {"ThroughputMode": "OnDemand"},
        "NextToken": "",
        "_key": random.SystemRandom().getrandbits(53),
    }
    if config := document.get("OfflineStoreConfig"):
        _resolve(app, config, name, now)
        document |= {"OfflineStoreStatus": {"Status": "Active"}, "_offline": "Active"}
    with app.store.transaction():
        made = app.create(_KIND, document, tags=request.get("Tags"))
        _add_metadata(app, made, made["FeatureDefinitions"])
    _provide(app, made)
    return made


def _resolve(app: SageLocal, config: Document, name: str, now: float) -> None:
    """Where the offline store's files go, and the table over them."""
    settings, storage = app.settings, config["S3StorageConfig"]
    place = f"{settings.account}/sagemaker/{settings.region}/offline-store/{name}-{int(now)}/data"
    storage["ResolvedOutputS3Uri"] = f"{storage['S3Uri'].rstrip('/')}/{place}"
    if not config.setdefault("DisableGlueTableCreation", False):
        config.setdefault("DataCatalogConfig", catalog.names(name, now))


def _provide(app: SageLocal, document: Document) -> None:
    """The stores and the table of a group that is Creating."""
    name, key, layout = document["FeatureGroupName"], document["_key"], offline.layout(document)
    row = (key, layout)
    add = "INSERT OR IGNORE INTO feature_group (key, layout) VALUES (?, ?)"
    app.feature_store.database.write(lambda writer: writer.execute(add, row) and None)
    try:
        if config := document.get("OfflineStoreConfig"):
            app.s3.head_bucket(Bucket=urlsplit(config["S3StorageConfig"]["S3Uri"]).netloc)
        if catalog.has_table(document):
            catalog.make(app.settings, document)
    except (ClientError, BotoCoreError, ValueError) as error:
        app.store.update(_KIND, name, {"FeatureGroupStatus": "CreateFailed", "FailureReason": str(error)[:1024]})
    else:
        app.store.update(_KIND, name, {"FeatureGroupStatus": "Created"})
    app.feature_store.changed()


def _add_metadata(app: SageLocal, document: Document, features: list[Document]) -> None:
    """A document for each feature, as DescribeFeatureMetadata and Search show it."""
    group, now = document["FeatureGroupName"], app.now()
    for feature in features:
        name = f"{group}/{feature['FeatureName']}"
        metadata = {
            "FeatureGroupArn": document["FeatureGroupArn"],
            "FeatureGroupName": group,
            "FeatureName": feature["FeatureName"],
            "FeatureType": feature["FeatureType"],
            "CreationTime": now,
            "LastModifiedTime": now,
            "_name": name,
        }
        app.store.create(_METADATA, name, metadata, parent=group)


def describe(app: SageLocal, request: Document) -> Document:
    document = app.find(_KIND, request["FeatureGroupName"])
    if not (document.get("OnlineStoreConfig") or {}).get("EnableOnlineStore"):
        return document
    query = "SELECT coalesce(sum(length(identifier) + length(value)), 0) FROM record WHERE feature_group = ?"
    ((size,),) = app.feature_store.database.scan(query, document["_key"])
    return document | {"OnlineStoreTotalSizeBytes": size}


def list_groups(app: SageLocal, request: Document) -> Document:
    return listing.stored(app.store, RESOURCES[_KIND], request)


def update(app: SageLocal, request: Document) -> Document:
    """Done when it returns; on AWS LastUpdateStatus is InProgress for a while."""
    found = app.find(_KIND, request["FeatureGroupName"])
    if found["FeatureGroupStatus"] != "Created":
        raise validation(f"FeatureGroup {found['FeatureGroupName']} is {found['FeatureGroupStatus']}, not Created.")
    changes = definitions.changes(found, request)
    added = request.get("FeatureAdditions") or []
    with app.store.transaction():
        after = app.store.update(_KIND, found["_name"], changes | {"LastUpdateStatus": {"Status": "Successful"}})
        _add_metadata(app, after, added)
    if added:
        _adapt(app, after)
    app.feature_store.changed()
    return after


def _adapt(app: SageLocal, document: Document) -> None:
    """The offline store's columns to features that were added."""
    change = "UPDATE feature_group SET layout = ? WHERE key = ?"
    row = (offline.layout(document), document["_key"])
    app.feature_store.database.write(lambda writer: writer.execute(change, row) and None)
    if catalog.has_table(document):
        catalog.update(app.settings, document)


def delete(app: SageLocal, request: Document) -> Document:
    """With the online store's records. What waits for the offline store is still written, and that stays."""
    document = app.find(_KIND, request["FeatureGroupName"])
    app.store.update(_KIND, document["_name"], {"FeatureGroupStatus": "Deleting"})
    _remove(app, document)
    return {}


def _remove(app: SageLocal, document: Document) -> None:
    app.feature_store.changed()
    key = document["_key"]

    def work(writer: sqlite3.Connection) -> None:
        writer.execute("UPDATE feature_group SET deleted = 1 WHERE key = ?", (key,))
        writer.execute("DELETE FROM record WHERE feature_group = ?", (key,))

    app.feature_store.database.write(work)
    with app.store.transaction(), contextlib.suppress(Missing):
        for feature in app.store.list(_METADATA, parent=document["FeatureGroupName"]):
            app.store.delete(_METADATA, feature["_name"])
        app.store.delete(_KIND, document["_name"])


def describe_metadata(app: SageLocal, request: Document) -> Document:
    return _metadata(app, request)


def update_metadata(app: SageLocal, request: Document) -> Document:
    found = _metadata(app, request)
    given = request.get("ParameterAdditions") or []
    if any("Key" not in each or "Value" not in each for each in given):
        raise validation("Each of ParameterAdditions needs a Key and a Value.")
    additions = {each["Key"]: each["Value"] for each in given}
    removals = set(request.get("ParameterRemovals") or [])

    def edit(document: Document) -> None:
        before = {each["Key"]: each["Value"] for each in document.get("Parameters") or []}
        after = {key: value for key, value in (before | additions).items() if key not in removals}
        if len(after) > _MOST_PARAMETERS:
            raise validation(f"A feature has at most {_MOST_PARAMETERS} parameters, not {len(after)}.")
        document["Parameters"] = [{"Key": key, "Value": value} for key, value in after.items()]

    described = {"Description": request["Description"]} if request.get("Description") is not None else {}
    app.store.update(_METADATA, found["_name"], described, edit=edit)
    return {}


def _metadata(app: SageLocal, request: Document) -> Document:
    group = app.find(_KIND, request["FeatureGroupName"])
    found = app.store.find(_METADATA, f"{group['FeatureGroupName']}/{request['FeatureName']}")
    if found is None:
        said = f"Resource Not Found: FeatureGroup {group['FeatureGroupName']} has no feature {request['FeatureName']}"
        raise AwsError("ResourceNotFound", said)
    return found


def resume(app: SageLocal) -> None:
    """Ends what a kill interrupted."""
    for document in app.store.list(_KIND):
        if document["FeatureGroupStatus"] == "Creating":
            _provide(app, document)
        elif document["FeatureGroupStatus"] == "Deleting":
            _remove(app, document)
        elif document["FeatureGroupStatus"] == "Created":
            _complete(app.feature_store.database, document)


def _complete(database: Database, document: Document) -> None:
    """An update that added features is in two files; the second one may lack it."""
    (layout,) = database.read("SELECT layout FROM feature_group WHERE key = ?", document["_key"])[0]
    if json.loads(layout) != json.loads(offline.layout(document)):
        row = (offline.layout(document), document["_key"])
        change = "UPDATE feature_group SET layout = ? WHERE key = ?"
        database.write(lambda writer: writer.execute(change, row) and None)


OPERATIONS = {
    "CreateFeatureGroup": create,
    "DescribeFeatureGroup": describe,
    "ListFeatureGroups": list_groups,
    "UpdateFeatureGroup": update,
    "DeleteFeatureGroup": delete,
    "DescribeFeatureMetadata": describe_metadata,
    "UpdateFeatureMetadata": update_metadata,
}
_ICEBERG = "Leave TableFormat out, or say Glue: Parquet files that Athena reads by Glue's table."
REFUSED = {"CreateFeatureGroup": {"OfflineStoreConfig.TableFormat=Iceberg": _ICEBERG}}
