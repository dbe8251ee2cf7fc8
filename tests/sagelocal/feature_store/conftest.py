"""One sagelocal for these tests, whose offline store is written several times a second."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal import config, server
from sagelocal.config import Settings

_numbers = itertools.count()
FEATURES = {"id": "String", "at": "String", "amount": "Fractional", "name": "String"}


@pytest.fixture(scope="package")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = config.keep_time_scale(config.load(tmp_path_factory.mktemp("state")), 25)
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.fixture
def sagemaker(laptop: Settings) -> Any:
    return laptop.client("sagemaker")


@pytest.fixture
def runtime(laptop: Settings) -> Any:
    return laptop.client("sagemaker-featurestore-runtime")


@pytest.fixture
def make(laptop: Settings) -> Callable[..., Any]:
    """Makes a feature group and answers with what writes to it and reads from it, as texts by feature."""

    def made(features: dict[str, str] = FEATURES, offline: bool = False, **more: Any) -> Any:
        name = more.get("FeatureGroupName") or f"group-{next(_numbers)}"
        config = {"S3StorageConfig": {"S3Uri": f"s3://{laptop.bucket}/features/"}}
        laptop.client("sagemaker").create_feature_group(
            **{
                "FeatureGroupName": name,
                "RecordIdentifierFeatureName": "id",
                "EventTimeFeatureName": "at",
                "FeatureDefinitions": [{"FeatureName": one, "FeatureType": kind} for one, kind in features.items()],
                "OnlineStoreConfig": {"EnableOnlineStore": True},
                **({"OfflineStoreConfig": config, "RoleArn": laptop.role_arn} if offline else {}),
                **more,
            }
        )
        runtime = laptop.client("sagemaker-featurestore-runtime")

        def put(record: dict[str, str], **given: Any) -> None:
            values = [{"FeatureName": feature, "ValueAsString": value} for feature, value in record.items()]
            runtime.put_record(FeatureGroupName=name, Record=values, **given)

        def get(identifier: str, **given: Any) -> dict[str, Any] | None:
            found = runtime.get_record(FeatureGroupName=name, RecordIdentifierValueAsString=identifier, **given)
            if "Record" not in found:
                return None
            return {each["FeatureName"]: each["ValueAsString"] for each in found["Record"]}

        return SimpleNamespace(name=name, put=put, get=get, runtime=runtime)

    return made
