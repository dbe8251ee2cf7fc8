"""SDK v3's own feature store classes on a laptop, as a notebook uses them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pandas as pd
import pytest

from sagelocal.config import Settings

DAY, FIRST = 86400.0, 1780272000.0  # 2026-06-01
TABLE = pd.DataFrame(
    {
        "customer_id": [1, 1, 2, 3],
        "moment": [FIRST, FIRST + 2 * DAY, FIRST + DAY, FIRST + 4 * DAY],
        "amount": [10.0, 30.0, 20.0, None],
        "name": list("abcd"),
    }
)


@pytest.fixture
def session(laptop: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # a DataFrame on its way to S3 is a file of the working directory
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.utils.utils import SageMakerClient
    from sagemaker.mlops.feature_store import feature_utils

    SageMakerClient.reset()  # it may be another sagelocal's
    pause = time.sleep
    monkeypatch.setattr(feature_utils.time, "sleep", lambda seconds: pause(min(seconds, 0.1)))
    yield Session(boto_session=boto3.Session(region_name=laptop.region))
    SageMakerClient.reset()


@pytest.fixture
def group(laptop: Settings, session: Any) -> Any:
    from sagemaker.core.shapes import OfflineStoreConfig, OnlineStoreConfig, S3StorageConfig
    from sagemaker.mlops.feature_store import FeatureGroupManager, load_feature_definitions_from_dataframe

    made = FeatureGroupManager.create(
        feature_group_name=f"sdk-{time.time_ns()}",
        record_identifier_feature_name="customer_id",
        event_time_feature_name="moment",
        feature_definitions=load_feature_definitions_from_dataframe(TABLE),
        online_store_config=OnlineStoreConfig(enable_online_store=True),
        offline_store_config=OfflineStoreConfig(s3_storage_config=S3StorageConfig(s3_uri=f"s3://{laptop.bucket}/sdk/")),
        role_arn=laptop.role_arn,
    )
    made.wait_for_status("Created")
    return made


def written(session: Any, group: Any, count: int) -> Any:
    """An AthenaQuery, when so many records are in the offline store."""
    from sagemaker.mlops.feature_store import create_athena_query

    athena = create_athena_query(group.feature_group_name, session)
    deadline = time.monotonic() + 60
    while len(asked(session, athena, "")) < count:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return athena


def asked(session: Any, athena: Any, more: str) -> pd.DataFrame:
    athena.run(f'SELECT * FROM "{athena.table_name}" {more}', f"s3://{session.default_bucket()}/athena")
    athena.wait()
    found: pd.DataFrame = athena.as_dataframe()
    return found


@pytest.mark.slow
def test_a_table_goes_in_and_comes_out(session: Any, group: Any) -> None:
    from sagemaker.mlops.feature_store import ingest_dataframe, list_records

    name = group.feature_group_name
    assert ingest_dataframe(feature_group_name=name, data_frame=TABLE).failed_rows == []
    batch = TABLE.assign(moment=TABLE["moment"] + 0.5)
    manager = ingest_dataframe(feature_group_name=name, data_frame=batch, max_workers=2, use_batch_write_record=True)
    assert manager.failed_rows == []
    record = group.get_record(record_identifier_value_as_string="1").record
    assert {each.feature_name: each.value_as_string for each in record} == {
        "customer_id": "1",
        "moment": str(FIRST + 2 * DAY + 0.5),
        "amount": "30.0",
        "name": "b",
    }
    assert list_records(name).record_identifiers == ["1", "2", "3"]
    group.delete_record(record_identifier_value_as_string="2", event_time=str(FIRST + 9 * DAY))
    athena = written(session, group, 9)
    found = asked(session, athena, "WHERE NOT is_deleted ORDER BY customer_id, moment")
    assert list(found["moment"][:2]) == [FIRST, FIRST + 0.5]
    assert list(found["name"]) == list("aabbccdd")
    assert found["amount"].isna().sum() == 2


@pytest.mark.slow
def test_data_sets_are_built(session: Any, group: Any) -> None:
    from sagemaker.mlops.feature_store import DatasetBuilder, ingest_dataframe

    ingest_dataframe(feature_group_name=group.feature_group_name, data_frame=TABLE, use_batch_write_record=True)
    ingest_dataframe(feature_group_name=group.feature_group_name, data_frame=TABLE, use_batch_write_record=True)
    group.delete_record(record_identifier_value_as_string="3", event_time=str(FIRST + 9 * DAY))
    written(session, group, 9)

    def built(change: Callable[[Any], Any], base: Any = group, **more: Any) -> pd.DataFrame:
        output = f"s3://{session.default_bucket()}/datasets"
        builder = DatasetBuilder.create(base=base, output_path=output, session=session, **more)
        data, _ = change(builder).to_dataframe()
        assert isinstance(data, pd.DataFrame)
        return data.sort_values([data.columns[0], data.columns[1]])

    assert list(built(lambda builder: builder)["name"]) == ["a", "b", "c"]
    assert list(built(lambda builder: builder.include_duplicated_records())["name"]) == list("aabbcc")
    assert list(built(lambda builder: builder.include_deleted_records())["name"]) == list("abcd")
    latest = built(lambda builder: builder.with_number_of_recent_records_by_record_identifier(1))
    assert list(latest["name"]) == ["b", "c"]
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert list(built(lambda builder: builder.with_event_time_range(noon))["name"]) == ["b", "c"]
    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    assert len(built(lambda builder: builder.as_of(soon))) == 3
    assert len(built(lambda builder: builder.as_of(soon - timedelta(days=1)))) == 0

    who = {"customer_id": [1, 1, 2, 2], "seen": [FIRST + DAY, FIRST + 3 * DAY, FIRST, FIRST + 8 * DAY]}
    known = built(
        lambda builder: builder.with_feature_group(group, "customer_id", ["name"]).point_in_time_accurate_join(),
        base=pd.DataFrame(who | {"label": [0, 1, 2, 3]}),
        record_identifier_feature_name="customer_id",
        event_time_identifier_feature_name="seen",
    )
    pairs = sorted(zip(known["label"], known["name.1"], strict=True))
    assert pairs == [(0, "a"), (1, "a"), (1, "b"), (3, "c")], "nothing that came after, all that came before"
