"""Feature groups and the metadata of their features, by an unmodified boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings

Make = Callable[..., Any]


def feature(name: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    return {"FeatureName": name, "FeatureType": kind, **more}


OFFLINE = {"S3StorageConfig": {"S3Uri": "s3://bucket/"}}
IN_MEMORY = {"EnableOnlineStore": True, "StorageType": "InMemory"}
VECTOR: dict[str, Any] = {"CollectionType": "Vector", "CollectionConfig": {"VectorConfig": {"Dimension": 2}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"OnlineStoreConfig": {}},
            "needs an OnlineStoreConfig with EnableOnlineStore",
        ),
        ({"OfflineStoreConfig": OFFLINE}, "needs a RoleArn"),
        ({"OnlineStoreConfig": IN_MEMORY, "offline": True}, "InMemory online store has no offline store"),
        ({"RecordIdentifierFeatureName": "nope"}, "RecordIdentifierFeatureName nope is none of"),
        ({"EventTimeFeatureName": "nope"}, "EventTimeFeatureName nope is none of"),
        ({"EventTimeFeatureName": "id"}, "must be two features"),
        ({"features": {"id": "String", "at": "Integral"}}, "at must be String or Fractional"),
        ({"features": {"id": "String", "at": "String", "is_deleted": "String"}}, "Feature Store .*is_deleted"),
        ({"features": {"id": "String", "at": "String", "AT": "String"}}, "more than their case: AT, at"),
        ({"features": {"id": "String", "at": "Text"}}, "enum value set"),
        ({"offline": True, "features": {"id": "String", "at": "String", "Year": "String"}}, "features Year otherwise"),
        (
            {"FeatureDefinitions": [feature("id"), feature("at"), feature("x", CollectionType="List")]},
            "only an InMemory",
        ),
        (
            {
                "FeatureDefinitions": [feature("id"), feature("at"), feature("x", **VECTOR)],
                "OnlineStoreConfig": IN_MEMORY,
            },
            "must be Fractional and have a VectorConfig",
        ),
        ({"ThroughputConfig": {"ThroughputMode": "Provisioned"}}, "needs ProvisionedReadCapacityUnits and"),
        (
            {"offline": True, "OfflineStoreConfig": {**OFFLINE, "TableFormat": "Iceberg"}},
            "OfflineStoreConfig.TableFormat with the value Iceberg is not implemented",
        ),
        (
            {"OnlineStoreConfig": {"EnableOnlineStore": True, "TtlDuration": {"Unit": "Days"}}},
            "both a Unit and a Value",
        ),
        (
            {"offline": True, "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "https://bucket/x"}}},
            "must begin with s3://",
        ),
    ],
    ids=lambda given: "",
)
def test_a_group_that_cannot_be_is_refused(make: Make, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said) as caught:
        make(**change)
    code = caught.value.response["Error"]["Code"]
    assert code == ("UnsupportedOperationException" if "Iceberg" in said else "ValidationException")


def test_a_group_is_described_as_it_was_made(make: Make, sagemaker: Any, laptop: Settings) -> None:
    began = int(time.time())
    group = make(offline=True, Description="Who buys", Tags=[{"Key": "team", "Value": "risk"}])
    found = sagemaker.describe_feature_group(FeatureGroupName=group.name)
    assert found["FeatureGroupArn"] == f"arn:aws:sagemaker:{laptop.region}:{laptop.account}:feature-group/{group.name}"
    assert (found["FeatureGroupStatus"], found["OfflineStoreStatus"]) == ("Created", {"Status": "Active"})
    assert [each["FeatureName"] for each in found["FeatureDefinitions"]] == ["id", "at", "amount", "name"]
    assert found["OnlineStoreConfig"] == {"EnableOnlineStore": True, "StorageType": "Standard"}
    assert (found["ThroughputConfig"], found["NextToken"]) == ({"ThroughputMode": "OnDemand"}, "")
    assert (found["Description"], found["RoleArn"]) == ("Who buys", laptop.role_arn)
    made = int(found["CreationTime"].timestamp())
    assert began <= made <= time.time()
    offline = found["OfflineStoreConfig"]
    place = f"{laptop.account}/sagemaker/{laptop.region}/offline-store/{group.name}-{made}/data"
    assert offline["S3StorageConfig"]["ResolvedOutputS3Uri"] == f"s3://{laptop.bucket}/features/{place}"
    table = f"{group.name.replace('-', '_')}_{made}"
    catalog = {"TableName": table, "Catalog": "AwsDataCatalog", "Database": "sagemaker_featurestore"}
    assert offline["DataCatalogConfig"] == catalog
    assert sagemaker.list_tags(ResourceArn=found["FeatureGroupArn"])["Tags"] == [{"Key": "team", "Value": "risk"}]
    assert found["OnlineStoreTotalSizeBytes"] == 0
    group.put({"id": "1", "at": "2026-06-01T00:00:00Z"})
    assert sagemaker.describe_feature_group(FeatureGroupName=group.name)["OnlineStoreTotalSizeBytes"] > 50
    with pytest.raises(ClientError, match=rf"ResourceInUse.*FeatureGroup with name {group.name} already exists"):
        make(FeatureGroupName=group.name)


def test_a_group_whose_bucket_is_missing_fails(make: Make, sagemaker: Any, laptop: Settings) -> None:
    config = {"S3StorageConfig": {"S3Uri": "s3://nobody-has-this-bucket/x"}}
    group = make(FeatureGroupName="bucketless", OfflineStoreConfig=config, RoleArn=laptop.role_arn)
    found = sagemaker.describe_feature_group(FeatureGroupName="bucketless")
    assert found["FeatureGroupStatus"] == "CreateFailed"
    assert "404" in found["FailureReason"] or "Not Found" in found["FailureReason"]
    with pytest.raises(ClientError, match="FeatureGroup bucketless is CreateFailed"):
        group.runtime.list_records(FeatureGroupName="bucketless")
    sagemaker.delete_feature_group(FeatureGroupName="bucketless")


def test_groups_are_listed_and_searched(make: Make, sagemaker: Any) -> None:
    make(FeatureGroupName="listed-plain")
    make(FeatureGroupName="listed-offline", offline=True)

    def names(**request: Any) -> list[str]:
        answer = sagemaker.list_feature_groups(NameContains="LISTED", **request)
        return [each["FeatureGroupName"] for each in answer["FeatureGroupSummaries"]]

    assert names() == ["listed-offline", "listed-plain"]
    assert names(SortBy="Name", SortOrder="Descending", MaxResults=1) == ["listed-plain"]
    assert names(OfflineStoreStatusEquals="Active") == ["listed-offline"]
    assert names(FeatureGroupStatusEquals="Creating") == []
    by_name = {"Filters": [{"Name": "FeatureGroupName", "Operator": "Contains", "Value": "listed-off"}]}
    (hit,) = sagemaker.search(Resource="FeatureGroup", SearchExpression=by_name)["Results"]
    assert hit["FeatureGroup"]["OfflineStoreStatus"] == {"Status": "Active"}
    by_feature = {"Filters": [{"Name": "FeatureDefinitions.FeatureName", "Value": "amount"}]}
    found = sagemaker.search(Resource="FeatureGroup", SearchExpression=by_feature)["Results"]
    assert {"listed-offline", "listed-plain"} <= {each["FeatureGroup"]["FeatureGroupName"] for each in found}


def test_features_have_descriptions_and_parameters(make: Make, sagemaker: Any) -> None:
    group = make()
    whose = {"FeatureGroupName": group.name, "FeatureName": "amount"}
    sagemaker.update_feature_metadata(
        Description="in euros",
        ParameterAdditions=[{"Key": "owner", "Value": "risk"}, {"Key": "window", "Value": "30d"}],
        **whose,
    )
    sagemaker.update_feature_metadata(
        ParameterAdditions=[{"Key": "window", "Value": "7d"}], ParameterRemovals=["owner"], **whose
    )
    found = sagemaker.describe_feature_metadata(**whose)
    assert (found["FeatureType"], found["Description"]) == ("Fractional", "in euros")
    assert found["Parameters"] == [{"Key": "window", "Value": "7d"}]
    assert found["LastModifiedTime"] > found["CreationTime"]
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(25)]
    with pytest.raises(ClientError, match="at most 25 parameters, not 26"):
        sagemaker.update_feature_metadata(ParameterAdditions=many, **whose)
    with pytest.raises(ClientError, match=r"ResourceNotFound.*has no feature nope"):
        sagemaker.describe_feature_metadata(FeatureGroupName=group.name, FeatureName="nope")
    by_text = {
        "Filters": [
            {"Name": "Description", "Operator": "Contains", "Value": "euros"},
            {"Name": "FeatureGroupName", "Value": group.name},
        ]
    }
    (hit,) = sagemaker.search(Resource="FeatureMetadata", SearchExpression=by_text)["Results"]
    assert hit["FeatureMetadata"]["FeatureName"] == "amount"


def test_features_can_be_added(make: Make, sagemaker: Any, laptop: Settings) -> None:
    group = make(offline=True)
    group.put({"id": "1", "at": "2026-06-01T00:00:00Z"})
    added = [feature("score", "Fractional")]
    answer = sagemaker.update_feature_group(FeatureGroupName=group.name, FeatureAdditions=added)
    found = sagemaker.describe_feature_group(FeatureGroupName=group.name)
    assert answer["FeatureGroupArn"] == found["FeatureGroupArn"]
    assert found["LastUpdateStatus"] == {"Status": "Successful"}
    assert found["FeatureDefinitions"][-1] == added[0]
    group.put({"id": "1", "at": "2026-06-02T00:00:00Z", "score": "0.5"})
    assert group.get("1") == {"id": "1", "at": "2026-06-02T00:00:00Z", "score": "0.5"}
    catalog = found["OfflineStoreConfig"]["DataCatalogConfig"]
    table = laptop.client("glue").get_table(DatabaseName=catalog["Database"], Name=catalog["TableName"])["Table"]
    columns = {each["Name"]: each["Type"] for each in table["StorageDescriptor"]["Columns"]}
    features = {"id": "string", "at": "string", "amount": "double", "name": "string", "score": "double"}
    assert columns == features | {
        "write_time": "timestamp",
        "api_invocation_time": "timestamp",
        "is_deleted": "boolean",
    }
    assert sagemaker.describe_feature_metadata(FeatureGroupName=group.name, FeatureName="score")
    with pytest.raises(ClientError, match="more than their case: score"):
        sagemaker.update_feature_group(FeatureGroupName=group.name, FeatureAdditions=added)


def test_a_store_can_be_updated(make: Make, sagemaker: Any) -> None:
    group = make()

    def update(**change: Any) -> dict[str, Any]:
        sagemaker.update_feature_group(FeatureGroupName=group.name, **change)
        found: dict[str, Any] = sagemaker.describe_feature_group(FeatureGroupName=group.name)
        return found

    ttl = {"Unit": "Days", "Value": 2}
    assert update(OnlineStoreConfig={"TtlDuration": ttl})["OnlineStoreConfig"]["TtlDuration"] == ttl
    assert "TtlDuration" not in update(OnlineStoreConfig={"TtlDuration": {}})["OnlineStoreConfig"]
    units = {"ProvisionedReadCapacityUnits": 10, "ProvisionedWriteCapacityUnits": 5}
    config = {"ThroughputMode": "Provisioned", **units}
    assert update(ThroughputConfig=config)["ThroughputConfig"] == config
    assert update(ThroughputConfig={"ThroughputMode": "OnDemand"})["ThroughputConfig"] == {"ThroughputMode": "OnDemand"}
    assert update(OnlineStoreConfig={"StorageType": "Standard_V2"})["OnlineStoreConfig"]["StorageType"] == "Standard_V2"
    for change, said in (
        ({"OnlineStoreConfig": {"StorageType": "Standard"}}, "not from Standard_V2 to Standard"),
        ({}, "takes one"),
        ({"ThroughputConfig": config}, "is for offline stores and Standard online stores"),
        ({"ThroughputConfig": config, "OnlineStoreConfig": {"TtlDuration": ttl}}, "takes one"),
    ):
        with pytest.raises(ClientError, match=said):
            update(**change)


def test_a_deleted_group_is_gone_and_another_can_have_its_name(make: Make, sagemaker: Any) -> None:
    group = make(FeatureGroupName="again")
    group.put({"id": "1", "at": "2026-06-01T00:00:00Z"})
    sagemaker.delete_feature_group(FeatureGroupName="again")
    with pytest.raises(ClientError, match=r"ResourceNotFound.*FeatureGroup with name again"):
        sagemaker.describe_feature_group(FeatureGroupName="again")
    with pytest.raises(ClientError, match=r"ResourceNotFound.*FeatureGroup with name again"):
        group.runtime.list_records(FeatureGroupName="again")
    make(FeatureGroupName="again")
    assert group.runtime.list_records(FeatureGroupName="again")["RecordIdentifiers"] == []
    with pytest.raises(ClientError, match="ResourceNotFound"):
        sagemaker.delete_feature_group(FeatureGroupName="nope")


def test_changes_of_state_are_events(make: Make, sagemaker: Any, laptop: Settings) -> None:
    queue = laptop.client("sqs").create_queue(QueueName="feature-groups")["QueueUrl"]
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Feature Group State Change"]}
    events = laptop.client("events")
    events.put_rule(Name="feature-groups", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:{laptop.region}:{laptop.account}:feature-groups"
    events.put_targets(Rule="feature-groups", Targets=[{"Id": "queue", "Arn": arn}])
    group = make(offline=True)
    seen: list[dict[str, Any]] = []
    while len(seen) < 2:
        answer = laptop.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)
        seen += [json.loads(each["Body"]) for each in answer["Messages"]]
    assert [each["detail"]["FeatureGroupStatus"] for each in seen] == ["Creating", "Created"]
    found = sagemaker.describe_feature_group(FeatureGroupName=group.name)
    assert seen[1]["resources"] == [found["FeatureGroupArn"]]
    detail = seen[1]["detail"]
    assert detail["CreationTime"] == round(found["CreationTime"].timestamp() * 1000)
    assert detail["OfflineStoreConfig"]["DataCatalogConfig"] == found["OfflineStoreConfig"]["DataCatalogConfig"]
    assert "_key" not in detail


TEMPLATE = """
Parameters: {{ Days: {{ Type: Number, Default: 3 }} }}
Resources:
  Customers:
    Type: AWS::SageMaker::FeatureGroup
    Properties:
      FeatureGroupName: of-a-stack
      RecordIdentifierFeatureName: id
      EventTimeFeatureName: at
      FeatureDefinitions:
        - {{ FeatureName: id, FeatureType: Integral }}
        - {{ FeatureName: at, FeatureType: String }}{added}
      OnlineStoreConfig: {{ EnableOnlineStore: true, TtlDuration: {{ Unit: Days, Value: !Ref Days }} }}
      OfflineStoreConfig: {{ S3StorageConfig: {{ S3Uri: "s3://{bucket}/stack" }} }}
      RoleArn: {role}
Outputs: {{ Name: {{ Value: !Ref Customers }} }}
"""


def test_a_stack_makes_one(sagemaker: Any, laptop: Settings) -> None:
    stacks = laptop.client("cloudformation")

    def deployed(operation: str, added: str = "", days: int = 3) -> dict[str, Any]:
        body = TEMPLATE.format(bucket=laptop.bucket, role=laptop.role_arn, added=added)
        parameters = [{"ParameterKey": "Days", "ParameterValue": str(days)}]
        getattr(stacks, f"{operation}_stack")(StackName="features", TemplateBody=body, Parameters=parameters)
        stacks.get_waiter(f"stack_{operation}_complete").wait(StackName="features", WaiterConfig={"Delay": 0.1})
        (stack,) = stacks.describe_stacks(StackName="features")["Stacks"]
        assert stack["Outputs"][0]["OutputValue"] == "of-a-stack"
        found: dict[str, Any] = sagemaker.describe_feature_group(FeatureGroupName="of-a-stack")
        return found

    assert deployed("create")["OnlineStoreConfig"]["TtlDuration"] == {"Unit": "Days", "Value": 3}
    found = deployed("update", "\n        - { FeatureName: score, FeatureType: Fractional }", 5)
    assert found["FeatureDefinitions"][-1] == {"FeatureName": "score", "FeatureType": "Fractional"}
    assert found["OnlineStoreConfig"]["TtlDuration"] == {"Unit": "Days", "Value": 5}
    tags = sagemaker.list_tags(ResourceArn=found["FeatureGroupArn"])["Tags"]
    assert {"Key": "aws:cloudformation:stack-name", "Value": "features"} in tags, "by which a next stack takes it over"
    stacks.delete_stack(StackName="features")
    stacks.get_waiter("stack_delete_complete").wait(StackName="features", WaiterConfig={"Delay": 0.1})
    with pytest.raises(ClientError, match="ResourceNotFound"):
        sagemaker.describe_feature_group(FeatureGroupName="of-a-stack")
