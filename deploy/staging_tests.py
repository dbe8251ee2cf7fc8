"""What an endpoint is asked after a deployment to staging, and what it has to answer. Plain data in, plain data out;
`mlops cicd test` brings the records and keeps the results.

The answers are those of the template's handlers: `{"predictions": [{…}]}` as JSON, a line a record as CSV, with the
same values in the same order; what is an object in JSON, such as a probability for each class, CSV leaves out.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError

from deploy import staging_metrics
from deploy.declaration import Limits

CSV, JSON = "text/csv", "application/json"
_A_REQUEST = 500  # records, where many are asked about at once
_SAME = 1e-6  # between the numbers of two content types
HUGE = 26 * 1024 * 1024  # bytes: more than the 25 MB that a real-time endpoint takes
_WARM = 5  # requests before the load, which a new model server answers slower


class FailedError(Exception):
    """What an answer should have been and was."""


class SkippedError(Exception):
    """Why there was nothing to test."""


@dataclass(frozen=True)
class Answer:
    status: int  # HTTP's, of the model's container where that answered; 0: nobody did
    content_type: str
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Result:
    group: str
    name: str
    seconds: float
    said: str = ""  # what was measured; why it failed or was skipped
    outcome: str = "passed"  # failed, skipped


@dataclass(frozen=True)
class Question:
    """What the tests go by."""

    records: pd.DataFrame  # held-out records with the columns of a request, as text
    truth: pd.Series  # of the records, as text; empty where nobody knows, as of segments
    content_types: Sequence[str]  # that the version declares
    response_types: Sequence[str]
    evaluation: Mapping[str, Any] | None  # evaluation.json of the version; None where it has none
    limits: Limits


class Endpoint:
    """Asks, and takes an error for an answer with its status."""

    def __init__(self, runtime: Any, name: str, **chosen: str) -> None:
        """`chosen`: InvokeEndpoint's TargetVariant or TargetModel. The client must not repeat requests by itself."""
        self._runtime = runtime
        self._name = name
        self._chosen = chosen

    def ask(self, body: bytes, content_type: str = CSV, accept: str = CSV) -> Answer:
        started = time.perf_counter()
        try:
            response = self._runtime.invoke_endpoint(
                EndpointName=self._name, Body=body, ContentType=content_type, Accept=accept, **self._chosen
            )
            answered = response["Body"].read()
        except ClientError as error:
            found: Any = error.response
            status = found.get("OriginalStatusCode") or found["ResponseMetadata"]["HTTPStatusCode"]
            return Answer(status, "", found["Error"]["Message"].encode(), time.perf_counter() - started)
        except BotoCoreError as error:
            return Answer(0, "", str(error).encode(), time.perf_counter() - started)
        kind = response["ContentType"].partition(";")[0].strip()
        return Answer(200, kind, answered, time.perf_counter() - started)


def run(endpoint: Endpoint, question: Question, say: Callable[[Result], None]) -> list[Result]:
    """Every test, one after the other; a test that fails stops none of the others."""
    found = []
    for group, name, test in [*_schema(question), *_metrics(), *_latency(), *_bad_input(question), *_alive()]:
        started = time.perf_counter()
        try:
            result = Result(group, name, 0.0, test(endpoint, question))
        except FailedError as error:
            result = Result(group, name, 0.0, str(error), "failed")
        except SkippedError as error:
            result = Result(group, name, 0.0, str(error), "skipped")
        result = Result(group, name, time.perf_counter() - started, result.said, result.outcome)
        found.append(result)
        say(result)
    return found


Test = Callable[[Endpoint, Question], str]  # what it measured, in words; raises FailedError or SkippedError
Named = tuple[str, str, Test]


def payload(records: pd.DataFrame, content_type: str) -> bytes:
    """Raises SkippedError for a type that the tests can't write."""
    if content_type == CSV:
        return records.to_csv(index=False, header=False).encode()
    if content_type == JSON:
        return json.dumps({"instances": typed(records)}).encode()
    raise SkippedError(f"These tests write {CSV} and {JSON}, and no {content_type}.")


def typed(records: pd.DataFrame) -> list[dict[str, Any]]:
    """Records with numbers where a column holds nothing else, and null for what is blank."""
    numbers = {name: pd.to_numeric(records[name], errors="coerce") for name in numeric(records)}
    rows = records.assign(**numbers).to_dict("records")
    return [{str(key): None if _blank(value) else value for key, value in row.items()} for row in rows]


def _blank(value: Any) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))


def numeric(records: pd.DataFrame) -> list[str]:
    """Columns that hold nothing but numbers and blanks."""
    text = {name: records[name].str.strip() for name in records}
    return [name for name, column in text.items() if pd.to_numeric(column[column != ""], errors="coerce").notna().all()]


def read(answer: Answer) -> pd.DataFrame:
    """The predictions as text, a row a record. Raises FailedError for what is none of the template's forms."""
    if answer.status != 200:
        raise FailedError(f"status {answer.status}: {beginning(answer)}")
    try:
        if answer.content_type == JSON:
            table = pd.DataFrame([_single(each) for each in json.loads(answer.body)["predictions"]])
        else:
            table = pd.DataFrame(list(csv.reader(io.StringIO(answer.body.decode()))))
        if table.isna().any(axis=None):
            raise ValueError("a prediction lacks a value")
        return table.astype(str)
    except (ValueError, KeyError, TypeError) as error:
        why = f"{beginning(answer)!r} is no list of predictions as {answer.content_type}: {error}"
        raise FailedError(f"the answer {why}") from error


def _single(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Without what CSV has no place for."""
    return {name: value for name, value in prediction.items() if not isinstance(value, dict | list)}


def beginning(answer: Answer) -> str:
    """Of what was answered, on one line."""
    return " ".join(answer.body[:300].decode(errors="replace").split())


def _schema(question: Question) -> list[Named]:
    return [
        ("schema", f"{sent} answered as {wanted}", _answered(sent, wanted))
        for sent in question.content_types
        for wanted in question.response_types
    ]


def _answered(sent: str, wanted: str) -> Test:
    def test(endpoint: Endpoint, question: Question) -> str:
        records = question.records.head(5)
        answer = endpoint.ask(payload(records, sent), sent, wanted)
        found = read(answer)
        if answer.content_type != wanted:
            raise FailedError(f"the answer is {answer.content_type}, and {wanted} was asked for")
        if len(found) != len(records):
            raise FailedError(f"{len(found)} predictions for {len(records)} records")
        if any(_infinite(found[name]) for name in found):
            raise FailedError(f"the predictions hold what is no finite number: {found.to_dict('list')}")
        if wrong := _wrong(found, question):
            raise FailedError(wrong)
        first = read(endpoint.ask(payload(records, CSV), CSV, CSV))
        if not _same(first, found):
            raise FailedError(f"the answers are not those of {CSV}: {found.to_dict('list')}, {first.to_dict('list')}")
        return f"{len(found)} predictions of {', '.join(map(str, found))}"

    return test


def _wrong(found: pd.DataFrame, question: Question) -> str:
    try:
        return staging_metrics.wrong(found, question.evaluation)
    except ValueError as error:
        return f"the predictions hold text where a number belongs: {error}"


def _infinite(column: pd.Series) -> bool:
    """Whether it holds what stands for a number and is none, among text or numbers."""
    values = pd.to_numeric(column, errors="coerce")
    return bool(np.isinf(values).any() or column.str.lower().eq("nan").any())


def _same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Numbers but for rounding, text to the letter."""
    if first.shape != second.shape:
        return False
    for one, other in zip(first, second, strict=True):
        try:
            pair = staging_metrics.numbers(first[one]), staging_metrics.numbers(second[other])
        except ValueError:
            if list(first[one]) != list(second[other]):
                return False
            continue
        if not np.allclose(*pair, atol=_SAME, rtol=_SAME):
            return False
    return True


def _metrics() -> list[Named]:
    return [("held-out metrics", "as registered", _as_registered)]


def _as_registered(endpoint: Endpoint, question: Question) -> str:
    evaluation = question.evaluation or {}
    kind = staging_metrics.problem(evaluation)
    if not kind:
        raise SkippedError("The version has no metrics in an evaluation.json: there is nothing to compare with.")
    if question.truth.empty and kind != staging_metrics.CLUSTERING:
        raise SkippedError("The held-out records have no label: there is nothing to measure.")
    limits, count = question.limits, len(question.records)
    chosen = question.records.sample(n=min(limits.records, count), random_state=0)
    parts = [chosen[start : start + _A_REQUEST] for start in range(0, len(chosen), _A_REQUEST)]
    found = pd.concat([read(endpoint.ask(payload(part, CSV))) for part in parts], ignore_index=True)
    if len(found) != len(chosen):
        raise FailedError(f"{len(found)} predictions for {len(chosen)} records")
    measured = _measured(found, question.truth.reindex(chosen.index), evaluation)
    # Of fewer records than were judged, a metric differs by chance.
    chance = 0.0 if len(chosen) == count else 3 * math.sqrt(count / len(chosen))
    wrong, most = [], 0.0
    for name, each in measured.items():
        size = max(1.0, abs(each.expected))  # an error in dollars is as exact as its size allows
        gap = abs(each.value - each.expected) / size
        most = max(most, gap)
        if gap > limits.tolerance + chance * each.deviation / size:
            wrong.append(f"{name} is {each.value:.4f}, and {each.expected:.4f} is registered")
    if wrong:
        raise FailedError(f"of {len(chosen)} held-out records {'; '.join(wrong)} (tolerance {limits.tolerance:g})")
    return f"{len(measured)} metrics of {len(chosen)} held-out records, at most {most:.4f} from the registered ones"


def _measured(
    found: pd.DataFrame, truth: pd.Series, evaluation: Mapping[str, Any]
) -> dict[str, staging_metrics.Compared]:
    try:
        return staging_metrics.compared(found, truth, evaluation)
    except (ValueError, KeyError) as error:
        first = ", ".join(map(str, found.iloc[0]))
        kind = staging_metrics.problem(evaluation)
        raise FailedError(f"the answers, such as {first}, are none of a {kind} model: {error}") from error


def _latency() -> list[Named]:
    return [("latency", "under a short load", _under_load)]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    return {f"p{each}": float(np.percentile(seconds, each)) * 1000 for each in (50, 95, 99)}


def _under_load(endpoint: Endpoint, question: Question) -> str:
    limits = question.limits
    lines = question.records.to_csv(index=False, header=False).splitlines()
    for number in range(_WARM):
        endpoint.ask(lines[number % len(lines)].encode())
    with ThreadPoolExecutor(limits.workers) as pool:
        bodies = [lines[number % len(lines)].encode() for number in range(limits.requests)]
        answers = list(pool.map(endpoint.ask, bodies))
    if failed := [each for each in answers if each.status != 200]:
        raise FailedError(f"{len(failed)} of {len(answers)} requests failed, the first with status {failed[0].status}")
    found = percentiles([each.seconds for each in answers])
    measured = ", ".join(f"{name} {value:.1f} ms" for name, value in found.items())
    load = f"{measured} of {len(answers)} requests, {limits.workers} at a time"
    if any(value > getattr(limits, name) for name, value in found.items()):
        allowed = ", ".join(f"{name} {getattr(limits, name):g} ms" for name in found)
        raise FailedError(f"{load}; allowed are {allowed}")
    return load


def _bad_input(question: Question) -> list[Named]:
    return [("bad input", name, _refused(make)) for name, make in _BAD.items()]


Bad = Callable[[Question], tuple[bytes, str]]  # body and content type


def _refused(make: Bad) -> Test:
    def test(endpoint: Endpoint, question: Question) -> str:
        body, content_type = make(question)
        answer = endpoint.ask(body, content_type, question.response_types[0])
        if not 400 <= answer.status < 500:
            raise FailedError(f"status {answer.status} where a 4xx was due: {beginning(answer)}")
        return f"status {answer.status}"

    return test


def _unknown_column(question: Question) -> tuple[bytes, str]:
    records = question.records.head(1).assign(**{"no such column": "1"})
    return _with_header(records), CSV


def _missing_column(question: Question) -> tuple[bytes, str]:
    return _with_header(question.records.head(1).iloc[:, 1:]), CSV


def _text_for_a_number(question: Question) -> tuple[bytes, str]:
    if not (columns := numeric(question.records)):
        raise SkippedError("No column holds numbers.")
    # In all of them: a code such as 020 is a category, and no text is wrong there.
    return _with_header(question.records.head(1).assign(**dict.fromkeys(columns, "many"))), CSV


def _with_header(records: pd.DataFrame) -> bytes:
    return records.to_csv(index=False).encode()


_BAD: dict[str, Bad] = {
    "an unknown column": _unknown_column,
    "a missing column": _missing_column,
    "text for a number": _text_for_a_number,
    "an empty body": lambda question: (b"", CSV),
    "a body that is no JSON": lambda question: (b'{"instances": [', JSON),
    "a record of a million values": lambda question: (b"1," * 1_000_000, CSV),
    "a huge body": lambda question: (b"1," * (HUGE // 2), CSV),
    "another content type": lambda question: (b"<record/>", "application/xml"),
}


def _alive() -> list[Named]:
    return [("bad input", "the endpoint answers after it", _as_before)]


def _as_before(endpoint: Endpoint, question: Question) -> str:
    found = read(endpoint.ask(payload(question.records.head(1), CSV)))
    return f"{len(found)} prediction"
