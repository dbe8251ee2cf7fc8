"""Customers' and terminals' states in the Feature Store: one call reads those of many, few calls write them.

A record of a feature group holds the state as JSON, for the stream, and as features of their own the windows after its
last transaction, for training. The online store keeps the record with the latest event time, which therefore never
goes back: a transaction that comes late leaves it a millisecond further on. Of two transactions of one batch the online
store needs the last one's record only; the offline store gets the windows of each.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

Key = tuple[str, int]  # feature group and identifier
READ_AT_ONCE, WRITTEN_AT_ONCE = 100, 25  # records of BatchGetRecord and of BatchWriteRecord, at most
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)  # seconds before each attempt at what a call leaves undone
MILLISECOND = timedelta(milliseconds=1)
_text = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode  # of a state, which is a tree: no cycles


class UnavailableError(RuntimeError):
    """The Feature Store didn't take or give something; the message has its own words."""


@dataclass(frozen=True, slots=True)
class Held:
    state: dict[str, Any]
    event_time: str  # ISO 8601 with milliseconds, UTC; a record has it in seconds
    features: Mapping[str, float] | None = None  # the windows; None of one that was read


@dataclass(frozen=True)
class States:
    runtime: Any  # client of sagemaker-featurestore-runtime
    identifiers: Mapping[str, str]  # of each feature group: `customer_id`, `terminal_id`
    pool: Executor

    def fetch(self, keys: Iterable[Key]) -> dict[Key, Held]:
        """Of those that exist. Raises UnavailableError, ClientError."""
        found: dict[Key, Held] = {}
        for some in each_of(self.pool, self._fetch, parts(keys, READ_AT_ONCE)):
            found |= some
        return found

    def _fetch(self, keys: Sequence[Key]) -> dict[Key, Held]:
        wanted: dict[str, list[str]] = {}
        for group, identifier in keys:
            wanted.setdefault(group, []).append(str(identifier))
        asked = [
            {"FeatureGroupName": group, "RecordIdentifiersValueAsString": each, "FeatureNames": ["state", "event_time"]}
            for group, each in wanted.items()
        ]
        found: dict[Key, Held] = {}
        for pause in _PAUSES:
            time.sleep(pause)
            answer = self.runtime.batch_get_record(Identifiers=asked)
            if errors := answer["Errors"]:
                raise UnavailableError(_said(errors[0], errors[0]["RecordIdentifierValueAsString"]))
            found |= {_key(each): _held(each["Record"]) for each in answer["Records"]}
            if not (asked := answer["UnprocessedIdentifiers"]):
                return found
        raise UnavailableError(f"The Feature Store left states unread, {len(_PAUSES)} times: {asked}")

    def write(self, changed: Mapping[Key, Held], passed: Sequence[tuple[Key, Held]] = ()) -> None:
        """`passed`: what was held before `changed` and never written, for the offline store. It goes first: where
        `changed` is in place, nothing is scored again that would bring it back.

        Raises UnavailableError, ClientError; then some may be written.
        """
        if passed:
            self._send([{**self._entry(*each, windows_only=True), "TargetStores": ["OfflineStore"]} for each in passed])
        self._send([self._entry(*each) for each in changed.items()])

    def _entry(self, key: Key, held: Held, windows_only: bool = False) -> dict[str, Any]:
        record = _record(self.identifiers[key[0]], key[1], held)
        return {
            "FeatureGroupName": key[0],
            "Record": [each for each in record if not (windows_only and each["FeatureName"] == "state")],
        }

    def _send(self, entries: Sequence[dict[str, Any]]) -> None:
        if hasattr(self.runtime, "batch_write_record"):
            each_of(self.pool, self._write, parts(entries, WRITTEN_AT_ONCE))
        else:  # an older boto3, as Lambda's runtime may have
            each_of(self.pool, lambda entry: self.runtime.put_record(**entry), entries)

    def _write(self, entries: Sequence[dict[str, Any]]) -> None:
        left = list(entries)
        for pause in _PAUSES:
            time.sleep(pause)
            answer = self.runtime.batch_write_record(Entries=left)
            if errors := answer["Errors"]:
                raise UnavailableError(_said(errors[0], errors[0]["Entry"]["Record"][0]["ValueAsString"]))
            if not (left := answer["UnprocessedEntries"]):
                return
        raise UnavailableError(f"The Feature Store left {len(left)} records unwritten, {len(_PAUSES)} times.")


def after(
    before: Held | None,
    state: dict[str, Any],
    transaction_time: str,
    features: Mapping[str, float],
    step: timedelta = 2 * MILLISECOND,
) -> Held:
    """The next of a key: its event time is the transaction's, but `step` later than the one before.

    A label steps by one millisecond: of a score and a label that follow the same state the score is the later one
    whichever is written first, and the online store keeps it. Who labels looks again.
    """
    moment = datetime.fromisoformat(transaction_time)
    if before is not None:
        moment = max(moment, datetime.fromisoformat(before.event_time) + step)
    return Held(state, written(moment), features)


def written(moment: datetime) -> str:
    """ISO 8601 with milliseconds and `Z`, as the Feature Store, the table of scores and its readers take it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def each_of(pool: Executor, work: Callable[[Any], Any], some: Iterable[Any]) -> list[Any]:
    """At the same time; a single one without the detour by another thread."""
    given = list(some)
    return [work(each) for each in given] if len(given) < 2 else list(pool.map(work, given))


def parts(everything: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(everything)
    while part := list(islice(rest, size)):
        yield part


def _key(found: Mapping[str, Any]) -> Key:
    # Asked by its ARN, a group is answered by it; here both are names.
    return found["FeatureGroupName"], int(found["RecordIdentifierValueAsString"])


def _held(record: Sequence[Mapping[str, Any]]) -> Held:
    values = {each["FeatureName"]: each["ValueAsString"] for each in record}
    moment = datetime.fromtimestamp(float(values["event_time"]), UTC)
    return Held(json.loads(values["state"]), written(moment))


def _record(name: str, identifier: int, held: Held) -> list[dict[str, str]]:
    values: dict[str, Any] = {
        name: identifier,
        # Seconds since 1970: the SDK's point-in-time joins read an event time as such, and fail on text.
        "event_time": f"{datetime.fromisoformat(held.event_time).timestamp():.3f}",
        "state": _text(held.state),
        **(held.features or {}),
    }
    return [{"FeatureName": name, "ValueAsString": str(value)} for name, value in values.items()]


def _said(error: Mapping[str, Any], identifier: str) -> str:
    group = error.get("FeatureGroupName") or error["Entry"]["FeatureGroupName"]
    return f"{group}, {identifier}: {error['ErrorCode']}: {error['ErrorMessage']}"
