"""`mlops traffic`: held-out records go to an endpoint, one a request, as they are or from a population that changed."""

from __future__ import annotations

import importlib
import io
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from deploy import names, served
from evaluation import abtest_plan
from mlops import abtest, console, executions, storage
from mlops.targets import Target

if TYPE_CHECKING:
    import pandas as pd

_WORKERS = 8
_CAPTURE_SECONDS = 15.0  # a laptop captures within two seconds, AWS within minutes: there nobody waits


@dataclass(frozen=True)
class Sent:
    endpoint: str
    count: int
    start: datetime  # whole seconds around the requests
    end: datetime
    batch: str  # begins the requests' InferenceIds
    answer: str  # to the first request
    shifted: list[str] = field(default_factory=list)  # columns that were altered


def send(
    target: Target,
    use_case: str,
    stage: str,
    count: int,
    *,
    shift: bool,
    seed: int = 0,
    labels: Path | None = None,
    sticky: bool = False,
) -> Sent:
    """With `labels` the requests' ids and what became of these records go into that file, for `mlops label`. With
    `sticky` each record is a customer, whom the A/B test that runs gives the same variant each time.

    Raises LookupError when there is no execution to take records from, or no shifted population of the use case.
    """
    endpoint = names.endpoint_name(use_case, stage)
    (records, truth), changed = split_of_test(target, use_case, endpoint), list[str]()
    records = records.sample(n=count, replace=count > len(records), random_state=seed)
    truth = truth.loc[records.index]
    if shift:
        records, changed = shifted(use_case, records, seed)
    variants = _variants(target, use_case, stage, list(records.index)) if sticky else []
    sent = replay(target, endpoint, lines(records), variants)
    console.say(f"Sent {count} {'shifted' if shift else 'held-out'} records to {endpoint}")
    if shift:
        console.say(f"What changed in them: {', '.join(changed)}")
    if labels:
        truth.reset_index(drop=True).assign(inference_id=ids(sent.batch, count, variants)).to_csv(labels, index=False)
        console.say(f"Their ids and true labels: {labels}")
        console.note(f"Tell the monitors with: mlops label {use_case} {labels} --stage {stage}")
    return replace(sent, shifted=changed)


def _variants(target: Target, use_case: str, stage: str, customers: Sequence[int]) -> list[tuple[str, str]]:
    """Each one with the variant of the A/B test that runs. Raises LookupError when none does."""
    plan = abtest.find(target, use_case, stage).plan
    shares = {each.name: each.weight for each in (plan.a, plan.b)}
    known = [f"customer-{each}" for each in customers]
    return [(each, abtest_plan.assign(each, shares, plan.name)) for each in known]


def ids(batch: str, count: int, customers: Sequence[tuple[str, str]] = ()) -> list[str]:
    """InferenceIds of a batch: `<batch>-<number>`, from 0 on, and before it a customer's name and a slash."""
    plain = [f"{batch}-{number}" for number in range(count)]
    return [f"{name}/{each}" for (name, _), each in zip(customers, plain, strict=True)] if customers else plain


def replay(target: Target, endpoint: str, payloads: Sequence[str], customers: Sequence[tuple[str, str]] = ()) -> Sent:
    """A request each, all of them captured when it returns, on a laptop. `customers`: of each payload the customer's
    name and variant.
    """
    batch = f"traffic-{secrets.token_hex(4)}"
    start = datetime.now(UTC).replace(microsecond=0)
    answers = _ask(target, endpoint, payloads, ids(batch, len(payloads), customers), [each for _, each in customers])
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    if target.settings and not _captured(target, endpoint, batch, len(payloads), start):
        console.note("Not all of it is captured yet; the monitor may see less.")
    return Sent(endpoint, len(payloads), start, end, batch, answers[0])


def held_out(target: Target, use_case: str, endpoint: str = "") -> pd.DataFrame:
    """The test split with the columns of a request."""
    return split_of_test(target, use_case, endpoint)[0]


def split_of_test(target: Target, use_case: str, endpoint: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Columns of a request, and the label's where there is one, of the test split as text: that of the execution which
    made the version that an endpoint serves, else of the last that succeeded.
    """
    sagemaker = target.client("sagemaker")
    execution = behind(sagemaker, use_case, endpoint) or executions.latest(sagemaker, use_case, "Succeeded")
    return split_of_execution(target, use_case, execution)


def split_of_execution(target: Target, use_case: str, execution: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """As `split_of_test`, of an execution's ARN. Raises LookupError when its files are gone."""
    import pandas as pd

    sagemaker, s3 = target.client("sagemaker"), target.client("s3")

    def read(name: str, **options: Any) -> pd.DataFrame:
        folder = executions.output(sagemaker, execution, "ProcessData", name)
        keys = sorted(each["Key"] for each in storage.objects(s3, f"{folder}/") if each["Key"].endswith(".csv"))
        if not keys:
            raise LookupError(f"{folder} holds no .csv file any more: mlops run {use_case}")
        bucket, _ = storage.split(folder)
        parts = [storage.read(s3, f"s3://{bucket}/{key}") for key in keys]
        return pd.concat([pd.read_csv(io.BytesIO(part), dtype=str, keep_default_na=False, **options) for part in parts])

    every = read("test").reset_index(drop=True)
    try:  # the baseline has what a request has, and no label
        asked = list(read("baseline", nrows=0).columns)
    except LookupError:  # without a label the test split itself is what a request has
        asked = list(every.columns)
    return every[asked], every.drop(columns=asked)


def behind(sagemaker: Any, use_case: str, endpoint: str) -> str:
    """ARN of the use case's execution that made the version which an endpoint serves; empty where none is known."""
    try:
        package = served.package(sagemaker, use_case, endpoint) if endpoint else {}
    except LookupError:
        return ""
    return made_by(package, use_case)


def made_by(package: Mapping[str, Any], use_case: str) -> str:
    """ARN of the use case's execution that registered a version; empty for one that came otherwise."""
    made = str(package.get("MetadataProperties", {}).get("GeneratedBy", ""))
    return made if f":pipeline/{use_case}/execution/" in made else ""


def shifted(use_case: str, records: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, list[str]]:
    table, changed = population(use_case).shift(records, seed)
    return table, list(changed)


def population(use_case: str) -> ModuleType:
    """The module that changes a use case's records. Raises LookupError where there is none."""
    name = f"data.{names.module_name(use_case)}_shift"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        file = f"{name.replace('.', '/')}.py"
        raise LookupError(f"{use_case} has no shifted population: {file} would make one.") from None


def lines(records: pd.DataFrame) -> list[str]:
    """A CSV line for each record, without a header: the endpoint goes by position."""
    return records.to_csv(index=False, header=False).splitlines()


def _ask(
    target: Target, endpoint: str, payloads: Sequence[str], named: Sequence[str], variants: Sequence[str]
) -> list[str]:
    runtime = target.client("sagemaker-runtime")

    def ask(number: int) -> str:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint,
            Body=payloads[number],
            ContentType="text/csv",
            Accept="text/csv",
            InferenceId=named[number],
            **({"TargetVariant": variants[number]} if variants else {}),
        )
        return str(response["Body"].read().decode())

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(ask, range(len(payloads))))


def _captured(target: Target, endpoint: str, batch: str, count: int, start: datetime) -> bool:
    """Whether all of a batch was captured within a few seconds."""
    s3, place = target.client("s3"), target.place
    folder = f"{names.capture_uri(place.bucket, place.prefix)}/{endpoint}/"
    needle = f"{batch}-".encode()
    counted: dict[str, int] = {}
    deadline = time.monotonic() + _CAPTURE_SECONDS
    while time.monotonic() < deadline:
        for each in storage.objects(s3, folder):
            key = each["Key"]
            if key not in counted and each["LastModified"] >= start:
                counted[key] = storage.read(s3, f"s3://{place.bucket}/{key}").count(needle)
        if sum(counted.values()) >= count:
            return True
        time.sleep(0.2)
    return False
