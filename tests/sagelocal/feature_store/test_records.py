"""Records of the online store, by an unmodified boto3."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

Make = Callable[..., Any]
FIRST, LATER, LAST = "2026-06-01T12:00:00Z", "2026-06-01T12:00:00.001Z", "2026-06-01T12:00:00.001000001Z"
HOUR = {"Unit": "Hours", "Value": 1}


def record(identifier: str, at: str = FIRST, amount: str = "1.5", name: str = "a") -> dict[str, str]:
    return {"id": identifier, "at": at, "amount": amount, "name": name}


def values(given: dict[str, str]) -> list[dict[str, Any]]:
    return [{"FeatureName": name, "ValueAsString": value} for name, value in given.items()]


def texts(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["FeatureName"]: each["ValueAsString"] for each in found}


def ago(**time: float) -> str:
    moment = datetime.now(UTC) - timedelta(**time)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, int, str]:
    """The error's code, its HTTP status and what is said."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_the_newest_record_is_answered(make: Make) -> None:
    group = make()
    assert group.get("1") is None
    group.put(record("1"))
    assert group.get("1") == record("1")
    group.put(record("1", FIRST, "2.5"))
    assert group.get("1") == record("1"), "an equal event time is no later one"
    group.put(record("1", "2026-06-01T11:59:59Z", "3.5"))
    assert group.get("1") == record("1")
    group.put({"id": "1", "at": LATER})
    assert group.get("1") == {"id": "1", "at": LATER}, "a record replaces all of the one before"
    group.put(record("1", LAST))
    assert group.get("1") == record("1", LAST), "a nanosecond is later"
    assert group.get("2") is None


def test_some_features_and_a_group_by_its_arn(make: Make, sagemaker: Any) -> None:
    group = make()
    group.put(record("a/b ü?&=%+", name='"quoted" \\ ☂'))
    assert group.get("a/b ü?&=%+", FeatureNames=["name", "id"]) == {"id": "a/b ü?&=%+", "name": '"quoted" \\ ☂'}
    arn = sagemaker.describe_feature_group(FeatureGroupName=group.name)["FeatureGroupArn"]
    found = group.runtime.get_record(FeatureGroupName=arn, RecordIdentifierValueAsString="a/b ü?&=%+")
    assert texts(found["Record"])["amount"] == "1.5"
    said = refused(
        group.runtime.get_record, FeatureGroupName=arn, RecordIdentifierValueAsString="1", FeatureNames=["nope"]
    )
    assert said == ("ValidationError", 400, f"FeatureGroup {group.name} has no feature nope.")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (values({"at": FIRST}), "no value for id, the record identifier"),
        (values({"id": "1"}), "no value for at, the event time"),
        (values({"id": "", "at": FIRST}), "no value for id"),
        (values({"id": "1", "at": "yesterday"}), "'yesterday' is no time in ISO 8601"),
        (values({"id": "1", "at": FIRST, "nope": "1"}), "has no feature nope"),
        (values({"id": "1", "at": FIRST, "amount": "NaN"}), "amount is not valid: 'NaN' is no Fractional"),
        ([*values({"id": "1", "at": FIRST}), *values({"id": "2"})], "id is in the record more than once"),
        ([*values({"at": FIRST}), {"FeatureName": "id", "ValueAsStringList": ["1"]}], "takes a ValueAsString,"),
        (values({"id": "x" * 2049, "at": FIRST}), "longer than 2048 bytes"),
        (values({"id": "1", "at": FIRST, "name": "x" * 358_400}), "at most 350 KB"),
        (values({"id": "1", "at": FIRST, "name": "a\nb"}), "regular expression pattern: .*"),
        (values({"id": "1", "at": FIRST, "a b": "1"}), "Value 'a b' at 'record.3.member.featureName'"),
    ],
    ids=lambda given: given[:20] if isinstance(given, str) else "",
)
def test_a_record_that_breaks_a_rule_is_refused_by_name(make: Make, given: list[Any], said: str) -> None:
    group = make()
    found = refused(group.runtime.put_record, FeatureGroupName=group.name, Record=given)
    assert found[:2] == ("ValidationError", 400)
    assert said in found[2]
    assert group.runtime.list_records(FeatureGroupName=group.name)["RecordIdentifiers"] == []


def test_a_group_that_is_not_there_and_a_store_that_it_lacks(make: Make, laptop: Any) -> None:
    group = make()
    missing = "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name nope"
    found = refused(group.runtime.put_record, FeatureGroupName="nope", Record=values(record("1")))
    assert found == ("ValidationError", 400, missing)
    found = refused(group.runtime.get_record, FeatureGroupName="nope", RecordIdentifierValueAsString="1")
    assert found == ("ResourceNotFound", 404, missing)
    found = refused(
        group.runtime.put_record,
        FeatureGroupName=group.name,
        Record=values(record("1")),
        TargetStores=["OnlineStore", "OfflineStore"],
    )
    assert found == ("ValidationError", 400, f"FeatureGroup {group.name} has no OfflineStore.")
    offline = make(offline=True, OnlineStoreConfig={})
    offline.put(record("1"))
    with pytest.raises(ClientError, match="has no OnlineStore, and records are read from that"):
        offline.get("1")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        stranger = laptop.__class__(**{**vars(laptop), "access_key": "LKIAWRONG"})
        stranger.client("sagemaker-featurestore-runtime").list_records(FeatureGroupName=group.name)


@pytest.mark.parametrize(("identifier", "said"), [("abc", "is no Integral"), ("", "no value for id"), ("1.0", "is no")])
def test_what_cannot_be_a_record_cannot_be_deleted(make: Make, identifier: str, said: str) -> None:
    """Its marker would be a row that the offline store's column does not take, and nothing after it would come."""
    group = make({"id": "Integral", "at": "String"}, offline=True)
    found = refused(
        group.runtime.delete_record,
        FeatureGroupName=group.name,
        RecordIdentifierValueAsString=identifier,
        EventTime=FIRST,
    )
    assert found[:2] == ("ValidationError", 400)
    assert said in found[2]


def test_half_a_surrogate_pair_is_no_text(make: Make) -> None:
    group = make()
    for given in (record("1", name="\ud800"), record("\udc00")):
        found = refused(group.runtime.put_record, FeatureGroupName=group.name, Record=values(given))
        assert found[:2] == ("SerializationException", 400)
    group.put(record("\U0001f600", name="☂"))
    assert group.get("\U0001f600") == record("\U0001f600", name="☂")


def test_a_record_without_a_value_of_what_is_asked_is_not_there(make: Make) -> None:
    """The API's model has no Record without a FeatureValue."""
    group = make()
    group.put({"id": "1", "at": FIRST})
    assert group.get("1", FeatureNames=["amount"]) is None
    whose = {"FeatureGroupName": group.name, "RecordIdentifiersValueAsString": ["1"], "FeatureNames": ["amount"]}
    assert group.runtime.batch_get_record(Identifiers=[whose])["Records"] == []


def test_a_record_may_outlive_the_times(make: Make) -> None:
    group = make()
    group.put(record("1"), TtlDuration={"Unit": "Weeks", "Value": 2**31 - 1})
    whose = {"FeatureGroupName": group.name, "RecordIdentifierValueAsString": "1"}
    found = group.runtime.get_record(ExpirationTimeResponse="Enabled", **whose)
    assert found["ExpiresAt"] == "9999-12-31T23:59:59.999Z"
    more = {"FeatureGroupName": group.name, "Record": values(record("1"))}
    found = refused(group.runtime.put_record, TtlDuration={"Unit": "Weeks", "Value": 10**400}, **more)
    assert found[0] == "ValidationError"


def test_a_batch_is_read_in_its_order(make: Make) -> None:
    group, other = make(), make()
    for identifier in ("1", "2", "3"):
        group.put(record(identifier))
    other.put(record("2", amount="7"))
    answer = group.runtime.batch_get_record(
        Identifiers=[
            {"FeatureGroupName": group.name, "RecordIdentifiersValueAsString": ["3", "nobody", "1", "3"]},
            {"FeatureGroupName": "nope", "RecordIdentifiersValueAsString": ["1", "2"]},
            {
                "FeatureGroupName": other.name,
                "RecordIdentifiersValueAsString": ["2"],
                "FeatureNames": ["amount"],
            },
        ]
    )
    found = [
        (each["FeatureGroupName"], each["RecordIdentifierValueAsString"], texts(each["Record"]))
        for each in answer["Records"]
    ]
    assert found == [
        (group.name, "3", record("3")),
        (group.name, "1", record("1")),
        (other.name, "2", {"amount": "7"}),
    ]
    errors = [(each["RecordIdentifierValueAsString"], each["ErrorCode"]) for each in answer["Errors"]]
    assert errors == [("1", "ResourceNotFound"), ("2", "ResourceNotFound")]
    assert answer["UnprocessedIdentifiers"] == []
    many = [{"FeatureGroupName": group.name, "RecordIdentifiersValueAsString": ["1"] * 51}] * 2
    assert "at most 100 records, not 102" in refused(group.runtime.batch_get_record, Identifiers=many)[2]


def test_a_batch_writes_what_it_can(make: Make) -> None:
    group = make()
    entries: list[dict[str, Any]] = [
        {"FeatureGroupName": group.name, "Record": values(record("1"))},
        {"FeatureGroupName": group.name, "Record": values(record("2", amount="much"))},
        {"FeatureGroupName": "nope", "Record": values(record("3"))},
        {"FeatureGroupName": group.name, "Record": values(record("1", LATER, "9")), "TargetStores": ["OnlineStore"]},
    ]
    answer = group.runtime.batch_write_record(Entries=entries)
    assert [(each["Entry"], each["ErrorCode"]) for each in answer["Errors"]] == [
        (entries[1], "ValidationError"),
        (entries[2], "ResourceNotFound"),
    ]
    assert answer["UnprocessedEntries"] == []
    assert group.get("1") == record("1", LATER, "9")
    assert group.get("2") is None


def test_a_soft_deletion_leaves_a_mark(make: Make) -> None:
    group = make()

    def delete(at: str, **more: Any) -> None:
        group.runtime.delete_record(
            FeatureGroupName=group.name, RecordIdentifierValueAsString="1", EventTime=at, **more
        )

    def listed(**more: Any) -> list[str]:
        return list(group.runtime.list_records(FeatureGroupName=group.name, **more)["RecordIdentifiers"])

    group.put(record("1", LATER))
    delete(LATER)
    assert group.get("1") == record("1", LATER), "the deletion is not later"
    delete(LAST)
    assert group.get("1") is None
    assert (listed(), listed(IncludeSoftDeletedRecords=True)) == ([], ["1"])
    group.put(record("1", LAST))
    assert group.get("1") is None, "as old as the deletion"
    group.put(record("1", "2026-06-02T00:00:00Z"))
    assert group.get("1") == record("1", "2026-06-02T00:00:00Z")


def test_a_hard_deletion_leaves_nothing(make: Make) -> None:
    group = make()
    whose = {"FeatureGroupName": group.name, "RecordIdentifierValueAsString": "1", "DeletionMode": "HardDelete"}
    group.put(record("1", LATER))
    found = refused(group.runtime.delete_record, EventTime=LATER, **whose)
    assert found[:2] == ("ValidationError", 400)
    assert found[2].startswith("EventTime: ")
    group.runtime.delete_record(EventTime=LAST, **whose)
    listed = group.runtime.list_records(FeatureGroupName=group.name, IncludeSoftDeletedRecords=True)
    assert listed["RecordIdentifiers"] == []
    group.put(record("1", FIRST))
    assert group.get("1") == record("1", FIRST), "nothing is left to compare with"


def test_records_end_with_their_time_to_live(make: Make) -> None:
    group = make(OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": {"Unit": "Minutes", "Value": 30}})
    group.put(record("lives", ago(minutes=20)))
    group.put(record("ended", ago(minutes=40)))
    group.put(record("own", ago(minutes=40)), TtlDuration=HOUR)
    whose = {"FeatureGroupName": group.name, "RecordIdentifiersValueAsString": ["lives", "ended", "own"]}
    answer = group.runtime.batch_get_record(Identifiers=[whose], ExpirationTimeResponse="Enabled")
    ends = {each["RecordIdentifierValueAsString"]: each["ExpiresAt"] for each in answer["Records"]}
    assert set(ends) == {"lives", "own"}
    for end, minutes in ((ends["lives"], 10), (ends["own"], 20)):
        left = datetime.fromisoformat(end) - datetime.now(UTC)
        assert timedelta(minutes=minutes - 1) < left <= timedelta(minutes=minutes)
    assert "ExpiresAt" not in group.runtime.batch_get_record(Identifiers=[whose])["Records"][0]
    group.put(record("ended", ago(hours=9)), TtlDuration={"Unit": "Weeks", "Value": 1})
    assert group.get("ended") is not None, "an older record takes the place of one that has ended"
    assert group.runtime.list_records(FeatureGroupName=group.name)["RecordIdentifiers"] == ["ended", "lives", "own"]


def test_an_update_changes_some_features(make: Make) -> None:
    group = make(OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": "Standard_V2"})
    whose = {"FeatureGroupName": group.name, "RecordIdentifierValueAsString": "1"}
    found = refused(group.runtime.update_record, Features=values({"amount": "2"}), **whose)
    assert found[:2] == ("ResourceNotFound", 404)
    group.put(record("1", LATER), TtlDuration={"Unit": "Weeks", "Value": 999})
    group.runtime.update_record(Features=values({"amount": "2"}), **whose)
    assert group.get("1") == record("1", LATER, "2")
    group.runtime.update_record(Features=values({"amount": "3", "at": LATER}), **whose)
    group.runtime.update_record(Features=values({"name": "b", "at": LAST, "id": "1"}), **whose)
    assert group.get("1") == record("1", LAST, "3", "b")
    found = refused(group.runtime.update_record, Features=values({"amount": "4", "at": FIRST}), **whose)
    assert found[:2] == ("ConflictException", 409)
    assert group.get("1") == record("1", LAST, "3", "b")
    for features, said in (
        (values({"id": "2"}), "cannot change id"),
        (values({"amount": "x"}), "is no Fractional"),
    ):
        assert said in refused(group.runtime.update_record, Features=features, **whose)[2]
    with_ttl = {"Features": values({"amount": "5"}), "TtlDuration": HOUR}
    assert "needs a value of at" in refused(group.runtime.update_record, **with_ttl, **whose)[2]
    offline = {"Features": values({"amount": "5"}), "TargetStores": ["OfflineStore"]}
    assert refused(group.runtime.update_record, **offline, **whose)[:2] == ("ValidationError", 400)
    plain = make()
    found = refused(
        group.runtime.update_record, Features=values({"amount": "2"}), **whose | {"FeatureGroupName": plain.name}
    )
    assert "needs the StorageType Standard_V2 or InMemory" in found[2]


def test_collections_of_an_in_memory_store(make: Make) -> None:
    definitions = [
        {"FeatureName": "id", "FeatureType": "Integral"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
        {"FeatureName": "kinds", "FeatureType": "String", "CollectionType": "Set"},
        {
            "FeatureName": "place",
            "FeatureType": "Fractional",
            "CollectionType": "Vector",
            "CollectionConfig": {"VectorConfig": {"Dimension": 2}},
        },
    ]
    store = {"EnableOnlineStore": True, "StorageType": "InMemory"}
    group = make(FeatureDefinitions=definitions, OnlineStoreConfig=store)
    kinds = {"FeatureName": "kinds", "ValueAsStringList": ["b", "a", "b"]}
    place = {"FeatureName": "place", "ValueAsStringList": ["1.5", "-2"]}
    given = [*values({"id": "7", "at": "1780317296.5"}), kinds, place]
    group.runtime.put_record(FeatureGroupName=group.name, Record=given)
    found = group.runtime.get_record(FeatureGroupName=group.name, RecordIdentifierValueAsString="7")["Record"]
    assert found == [*given[:2], kinds | {"ValueAsStringList": ["b", "a"]}, place]


def test_records_are_listed_page_by_page_while_others_come(make: Make) -> None:
    group = make()
    identifiers = sorted(f"r{number}" for number in range(23))
    for first in range(0, 23, 12):
        some = identifiers[first : first + 12]
        entries = [{"FeatureGroupName": group.name, "Record": values(record(each))} for each in some]
        group.runtime.batch_write_record(Entries=entries)
    pages = group.runtime.get_paginator("list_records").paginate(
        FeatureGroupName=group.name, PaginationConfig={"PageSize": 10}
    )
    found = []
    for page in pages:
        assert len(page["RecordIdentifiers"]) <= 10
        found += page["RecordIdentifiers"]
        group.put(record("a-late-one"))
    assert found == identifiers
    assert "pagination token" in refused(group.runtime.list_records, FeatureGroupName=group.name, NextToken="x")[2]


def test_many_writers_leave_the_newest(make: Make) -> None:
    group = make()
    moments = [f"2026-06-01T12:00:{second:02d}Z" for second in range(40)]

    def write(at: str) -> None:
        group.put(record("1", at, name=at))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [*moments[::2], *moments[1::2]]))
    assert group.get("1") == record("1", moments[-1], name=moments[-1])
