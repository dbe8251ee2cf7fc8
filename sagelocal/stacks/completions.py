"""Properties that MiniStack's CloudFormation leaves out, set by the APIs of the services, which MiniStack has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Configure = Callable[[Any, str, Document, Document], None]  # client, physical name, properties before and after


@dataclass(frozen=True)
class Completion:
    service: str
    properties: tuple[str, ...]
    configure: Configure


_BUCKET = ("BucketEncryption", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls")
_TABLE = ("PointInTimeRecoverySpecification", "SSESpecification")
# CloudFormation's short forms of a lifecycle rule, and where S3's API has them.
_SHORT = {
    "ExpirationInDays": ("Expiration", "Days"),
    "NoncurrentVersionExpirationInDays": ("NoncurrentVersionExpiration", "NoncurrentDays"),
}
_SAME = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


def _bucket(s3: Any, bucket: str, before: Document, after: Document) -> None:
    """Sets what changed and removes what is gone. Raises ValueError for a rule that is not known here."""
    changed = {name for name in _BUCKET if before.get(name) != after.get(name)}
    if "BucketEncryption" in changed:
        rules = [
            _encryption(rule) for rule in _rules(after.get("BucketEncryption"), "ServerSideEncryptionConfiguration")
        ]
        if rules:
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
        else:
            s3.delete_bucket_encryption(Bucket=bucket)
    if "LifecycleConfiguration" in changed:
        rules = [_lifecycle(rule) for rule in _rules(after.get("LifecycleConfiguration"), "Rules")]
        if rules:
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        else:
            s3.delete_bucket_lifecycle(Bucket=bucket)
    if "LoggingConfiguration" in changed:
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=_logging(bucket, after.get("LoggingConfiguration")))
    if "OwnershipControls" in changed:
        rules = _rules(after.get("OwnershipControls"), "Rules")
        if rules:
            s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": rules})
        else:
            s3.delete_bucket_ownership_controls(Bucket=bucket)


def _rules(configuration: Document | None, member: str) -> list[Document]:
    return list((configuration or {}).get(member, []))


def _encryption(rule: Document) -> Document:
    renamed = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {renamed.get(name, name): _plain(value) for name, value in rule.items()}


def _lifecycle(rule: Document) -> Document:
    made: Document = {"Filter": {"Prefix": rule.get("Prefix", "")}}
    for name, value in rule.items():
        if name in _SHORT:
            member, unit = _SHORT[name]
            made.setdefault(member, {})[unit] = int(value)
        elif name in _SAME:
            made[name] = _plain(value)
        elif name == "Transitions":
            made[name] = [
                {"Days": int(each["TransitionInDays"]), "StorageClass": each["StorageClass"]} for each in value
            ]
        elif name == "Id":
            made["ID"] = value
        elif name != "Prefix":
            raise ValueError(f"LifecycleConfiguration: {name} is not known to sagelocal's stacks.")
    return made


def _logging(bucket: str, configuration: Document | None) -> Document:
    if not configuration:
        return {}
    target = configuration.get("DestinationBucketName", bucket)
    return {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": configuration.get("LogFilePrefix", "")}}


def _plain(value: Any) -> Any:
    """Numbers and booleans that a template gave as text."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _topic(sns: Any, topic: str, before: Document, after: Document) -> None:
    key = after.get("KmsMasterKeyId", "")
    if key != before.get("KmsMasterKeyId", ""):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)


def _stream(kinesis: Any, stream: str, before: Document, after: Document) -> None:
    encryption = after.get("StreamEncryption")
    if encryption == before.get("StreamEncryption"):
        return
    if encryption:
        kinesis.start_stream_encryption(StreamName=stream, **encryption)
    else:
        kinesis.stop_stream_encryption(StreamName=stream, **before["StreamEncryption"])


def _table(dynamodb: Any, table: str, before: Document, after: Document) -> None:
    recovery, encryption = (after.get(name) for name in _TABLE)
    if recovery != before.get("PointInTimeRecoverySpecification"):
        chosen = _plain(recovery) or {"PointInTimeRecoveryEnabled": False}
        dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=chosen)
    if encryption != before.get("SSESpecification"):
        renamed = {
            "Enabled" if name == "SSEEnabled" else name: _plain(each) for name, each in (encryption or {}).items()
        }
        dynamodb.update_table(TableName=table, SSESpecification=renamed or {"Enabled": False})


def _function(functions: Any, function: str, before: Document, after: Document) -> None:
    key, most = after.get("KmsKeyArn", ""), after.get("ReservedConcurrentExecutions")
    if key != before.get("KmsKeyArn", ""):
        functions.update_function_configuration(FunctionName=function, KMSKeyArn=key)
    if most is not None and most != before.get("ReservedConcurrentExecutions"):
        functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=int(most))
    elif most is None and before.get("ReservedConcurrentExecutions") is not None:
        functions.delete_function_concurrency(FunctionName=function)


def _catalog(glue: Any, name: str, before: Document, after: Document) -> None:
    """Raises ValueError for another account's catalog: a laptop has one account."""
    from ministack.core.responses import get_account_id

    catalog = after.get("CatalogId")
    if catalog not in (None, get_account_id()):
        raise ValueError(f"CatalogId {catalog} is another account's, and a laptop has only {get_account_id()}.")


def _nothing(client: Any, name: str, before: Document, after: Document) -> None:
    """For what MiniStack heeds when it deletes."""


COMPLETIONS = {
    "AWS::S3::Bucket": Completion("s3", _BUCKET, _bucket),
    "AWS::SNS::Topic": Completion("sns", ("KmsMasterKeyId",), _topic),
    "AWS::Kinesis::Stream": Completion("kinesis", ("StreamEncryption",), _stream),
    "AWS::DynamoDB::Table": Completion("dynamodb", _TABLE, _table),
    "AWS::Athena::WorkGroup": Completion("athena", ("RecursiveDeleteOption",), _nothing),
    "AWS::Lambda::Function": Completion("lambda", ("KmsKeyArn", "ReservedConcurrentExecutions"), _function),
    "AWS::Glue::Database": Completion("glue", ("CatalogId",), _catalog),
    "AWS::Glue::Table": Completion("glue", ("CatalogId",), _catalog),
}
