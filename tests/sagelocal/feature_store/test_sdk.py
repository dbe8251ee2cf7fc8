"""SDK v3's own feature store classes on a laptop, as a notebook uses them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
import yaml
from scoring_world import CUSTOMERS, TERMINALS, World, scorer

from deploy import fraud_terminals
from deploy.scoring_states import States
from deploy.sources import Position, Record
from processing import fraud_windows
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


LAKE = Path(__file__).parents[3] / "deploy" / "cloudformation" / "lake.yml"


def fraud_group(laptop: Settings, logical_id: str, name: str) -> None:
    """As the stack declares it."""
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    made = yaml.safe_load(LAKE.read_text())["Resources"][logical_id]["Properties"]
    names = ("RecordIdentifierFeatureName", "EventTimeFeatureName", "FeatureDefinitions")
    laptop.client("sagemaker").create_feature_group(
        FeatureGroupName=name,
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{laptop.bucket}/fraud/"}},
        RoleArn=laptop.role_arn,
        **{each: made[each] for each in names},
    )


def payments(count: int = 120, days: int = 24) -> pd.DataFrame:
    """No two of one second."""
    rng = np.random.default_rng(3)
    at = FIRST + np.sort(rng.choice(days * 86_400, count, replace=False))
    return pd.DataFrame(
        {
            "transaction_id": range(1, count + 1),
            "transaction_time": pd.to_datetime(at, unit="s").astype("datetime64[us]"),
            "customer_id": rng.integers(0, 4, count),
            "terminal_id": rng.integers(0, 3, count),
            "amount": rng.integers(100, 9_000, count) / 100,
            "x": rng.integers(0, 1_000, count) / 10,
            "y": rng.integers(0, 1_000, count) / 10,
            "fraud": rng.integers(0, 2, count),
            "seen": at,
        }
    )


@pytest.mark.slow
def test_a_point_in_time_join_gives_what_each_transaction_was_scored_on(
    laptop: Settings, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(LAKE.parents[2] / "processing"))  # as the job has it
    from fraud_features import batch
    from sagemaker.core.resources import FeatureGroup
    from sagemaker.mlops.feature_store import DatasetBuilder

    fraud_group(laptop, "CustomersGroup", CUSTOMERS)
    fraud_group(laptop, "TerminalsGroup", TERMINALS)
    table = payments()
    lines = table.assign(transaction_time=table["transaction_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    events = [json.dumps({name: row[name] for name in fraud_windows.FIELDS}) for row in lines.to_dict("records")]
    records = [
        Record("1", line.encode(), datetime.fromtimestamp(at, UTC), Position("s", str(number)))
        for number, (line, at) in enumerate(zip(events, table["seen"], strict=True))
    ]
    with ThreadPoolExecutor(4) as pool:
        runtime = laptop.client("sagemaker-featurestore-runtime")
        states = States(runtime, {CUSTOMERS: "customer_id", TERMINALS: "terminal_id"}, pool)
        working = replace(scorer(World()), states=states)
        for start in range(0, len(table), 20):  # four days: labels come before they count
            working.keep(working.score(records[start : start + 20]))
            told = table.iloc[start : start + 20]
            said = zip(told["terminal_id"], told["transaction_id"], told["fraud"] == 1, strict=True)
            assert fraud_terminals.bring(states, TERMINALS, [(int(a), int(b), bool(c)) for a, b, c in said], pause=0)
    groups = [FeatureGroup.get(feature_group_name=name) for name in (CUSTOMERS, TERMINALS)]
    for group, more in zip(groups, (0, 3 * 6), strict=True):
        written(session, group, len(table) + more)

    windows = [
        [name for name in fraud_windows.FEATURES if name.startswith(kind)] for kind in ("customer_", "terminal_")
    ]
    builder = DatasetBuilder.create(
        base=table[["transaction_id", "customer_id", "terminal_id", "seen"]],
        output_path=f"s3://{session.default_bucket()}/datasets",
        session=session,
        record_identifier_feature_name="transaction_id",
        event_time_identifier_feature_name="seen",
    )
    for group, names, key in zip(groups, windows, ("customer_id", "terminal_id"), strict=True):
        builder = builder.with_feature_group(group, key, list(names))  # it appends to the list
    # Counted by the base's identifier: one record of each group for each transaction.
    newest = builder.point_in_time_accurate_join().with_number_of_recent_records_by_record_identifier(1)
    joined, _ = newest.to_dataframe()
    assert len(joined) == len(table)
    latest = joined.sort_values("transaction_id")
    found = latest[[f"{name}.{number}" for number, names in enumerate(windows, 1) for name in names]]
    expected = batch(table)[[name for names in windows for name in names]]
    assert expected["terminal_7d_risk"].nunique() > 10
    np.testing.assert_allclose(found.to_numpy(float), expected.to_numpy(float), rtol=1e-12)
