"""An offline store's table in Glue: Athena finds its Parquet files by it.

MiniStack keeps its catalog when it stops cleanly, so the tables of the feature groups that there are are put back at
its start. After DeleteFeatureGroup a table stays, as on AWS, and is then like any that was made in Glue.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sagelocal.config import Settings
from sagelocal.feature_store.features import FRACTIONAL, INTEGRAL, STRING
from sagelocal.store import Store

Document = dict[str, Any]
CATALOG, DATABASE = "AwsDataCatalog", "sagemaker_featurestore"
_TYPES = {INTEGRAL: "bigint", FRACTIONAL: "double", STRING: "string"}
_ADDED = {"write_time": "timestamp", "api_invocation_time": "timestamp", "is_deleted": "boolean"}
PARTITIONS = ("year", "month", "day", "hour")
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def names(group: str, creation: float) -> Document:
    """DataCatalogConfig of a group that gives none: a table's name that Athena needs no quotes for."""
    table = f"{group.replace('-', '_').lower()}_{int(creation)}"
    return {"TableName": table, "Catalog": CATALOG, "Database": DATABASE}


def make(settings: Settings, group: Document) -> None:
    """Raises ValueError for a table of that name that is another's."""
    glue, (database, table) = settings.client("glue"), _place(group)
    _make_database(glue, database)
    try:
        glue.create_table(DatabaseName=database, TableInput=_table(group))
    except glue.exceptions.AlreadyExistsException as error:
        found = glue.get_table(DatabaseName=database, Name=table)["Table"]
        if found["StorageDescriptor"]["Location"] != _location(group):
            raise ValueError(f"The Glue table {database}.{table} exists already") from error


def update(settings: Settings, group: Document) -> None:
    """With the features that were added; makes the table if somebody removed it."""
    glue, (database, _) = settings.client("glue"), _place(group)
    try:
        glue.update_table(DatabaseName=database, TableInput=_table(group))
    except glue.exceptions.EntityNotFoundException:
        make(settings, group)


def put_back(settings: Settings) -> None:
    """After MiniStack's start."""
    file = settings.state / "sagelocal.db"
    if not file.exists():
        return
    store = Store(file)
    try:
        groups = [each for each in store.list("FeatureGroup") if has_table(each)]
    finally:
        store.close()
    glue = settings.client("glue")
    for group in groups:
        if group["FeatureGroupStatus"] == "Created" and not _exists(glue, *_place(group)):
            make(settings, group)


def has_table(group: Document) -> bool:
    offline = group.get("OfflineStoreConfig") or {}
    return bool(offline.get("DataCatalogConfig")) and not offline.get("DisableGlueTableCreation")


def _exists(glue: Any, database: str, table: str) -> bool:
    try:
        glue.get_table(DatabaseName=database, Name=table)
    except glue.exceptions.EntityNotFoundException:
        return False
    return True


def _make_database(glue: Any, name: str) -> None:
    try:
        glue.create_database(DatabaseInput={"Name": name})
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise


def _place(group: Document) -> tuple[str, str]:
    """Glue keeps names in lower case."""
    config = group["OfflineStoreConfig"]["DataCatalogConfig"]
    return config["Database"].lower(), config["TableName"].lower()


def _location(group: Document) -> str:
    return str(group["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"])


def _table(group: Document) -> Document:
    features = {each["FeatureName"].lower(): _TYPES[each["FeatureType"]] for each in group["FeatureDefinitions"]}
    return {
        "Name": _place(group)[1],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "PartitionKeys": _columns(dict.fromkeys(PARTITIONS, "string")),
        "StorageDescriptor": {
            "Columns": _columns(features | _ADDED),
            "Location": _location(group),
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        },
    }


def _columns(types: dict[str, str]) -> list[Document]:
    return [{"Name": name, "Type": kind} for name, kind in types.items()]
