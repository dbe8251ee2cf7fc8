"""What UpdateFeatureGroup is asked when a stack's feature group changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal.stacks.types import TYPES

ROW: Any = TYPES["AWS::SageMaker::FeatureGroup"]
ID, AT = ({"FeatureName": name, "FeatureType": "String"} for name in ("id", "at"))
SCORE = {"FeatureName": "score", "FeatureType": "Fractional"}
DAY = {"Unit": "Days", "Value": 1}
BEFORE: dict[str, Any] = {
    "FeatureDefinitions": [ID, AT],
    "OnlineStoreConfig": {"EnableOnlineStore": True, "TtlDuration": DAY},
    "Tags": [{"Key": "a", "Value": "b"}],
}


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, []),
        ({"Tags": []}, []),
        ({"FeatureDefinitions": [ID, SCORE, AT]}, [{"FeatureAdditions": [SCORE]}]),
        ({"OnlineStoreConfig": {"EnableOnlineStore": True}}, [{"OnlineStoreConfig": {"TtlDuration": {}}}]),
        ({"ThroughputConfig": {"ThroughputMode": "OnDemand"}}, [{"ThroughputConfig": {"ThroughputMode": "OnDemand"}}]),
    ],
    ids=["nothing", "tags", "feature", "time to live", "throughput"],
)
def test_one_kind_of_change_at_a_time(change: dict[str, Any], asked: list[Any]) -> None:
    assert ROW.changes(BEFORE, BEFORE | change) == asked


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"FeatureDefinitions": [ID]}, "only features can be added"),
        ({"FeatureDefinitions": [ID, AT | {"FeatureType": "Fractional"}]}, "only features can be added"),
        ({"RoleArn": "other"}, "only features can be added"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": False, "TtlDuration": DAY}}, "cannot change in EnableOnlineStore"),
    ],
    ids=["gone", "type", "role", "store"],
)
def test_what_needs_another_group_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ROW.changes(BEFORE, BEFORE | change)


def test_a_group_that_is_taken_over_gets_what_it_lacks() -> None:
    found = {
        "FeatureDefinitions": [ID, AT],
        "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "Standard"},
    }
    client = SimpleNamespace(describe_feature_group=lambda FeatureGroupName: found)
    wanted = BEFORE | {"FeatureDefinitions": [ID, AT, SCORE]}
    asked = ROW.changes(ROW.present(client, "g", wanted), wanted)
    assert asked == [{"OnlineStoreConfig": {"TtlDuration": DAY}}, {"FeatureAdditions": [SCORE]}]
