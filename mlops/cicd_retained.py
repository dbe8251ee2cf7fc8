"""What a deleted stack would leave because it holds data (DeletionPolicy: Retain): buckets, tables and keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from mlops import console
from mlops.targets import Target

_KEY_DAYS = 30  # until KMS deletes a key; until then its deletion can be cancelled
_GONE = ("404", "NoSuchBucket")


def remove(target: Target, resources: Sequence[tuple[str, str]]) -> None:
    """Deletes buckets with all versions of their objects, tables, and keys after 30 days; says what it did and what is
    left.

    `resources`: type and physical name.
    """
    steps: dict[str, Callable[[Target, str], str]] = {
        "AWS::S3::Bucket": _bucket,
        "AWS::KMS::Key": _key,
        "AWS::DynamoDB::Table": _table,
    }
    for kind, name in resources:
        if kind in steps:
            console.say(steps[kind](target, name))
        elif kind == "AWS::SageMaker::ModelPackageGroup":
            console.say(f"The model package group {name.rpartition('/')[2]} stays with its versions.")


def _bucket(target: Target, name: str) -> str:
    s3 = target.client("s3")
    try:
        count = _empty(s3, name)
        s3.delete_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        return f"The bucket {name} was gone already."
    return f"The bucket {name} is gone with its {count} objects."


def _empty(s3: Any, bucket: str) -> int:
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        count += len(page.get("Versions", []))
    return count


def _key(target: Target, key: str) -> str:
    kms = target.client("kms")
    state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    if state != "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=_KEY_DAYS)
    return f"The key {key} is deleted in {_KEY_DAYS} days; aws kms cancel-key-deletion keeps it."


def _table(target: Target, name: str) -> str:
    dynamodb = target.client("dynamodb")
    try:
        dynamodb.delete_table(TableName=name)
    except dynamodb.exceptions.ResourceNotFoundException:
        return f"The table {name} was gone already."
    dynamodb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 2})
    return f"The table {name} is gone with its items."
