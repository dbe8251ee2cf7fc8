"""`mlops label` of a stream's transactions: what analysts say of alerts, and what chargebacks say days later.

Either is marked in the table of scores, and known to the terminal's state in the Feature Store from then on: its risk
counts frauds once they are LABEL_DELAY old. `truths` hands the same truth to the monitors.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from deploy import (
    fraud_captures,
    fraud_labels,
    fraud_outcomes,
    fraud_terminals,
    labels,
    names,
    scoring_states,
    streams,
)
from deploy.fraud_labels import ANALYST, CHARGEBACK, FRAUD, GENUINE, Disagreement
from mlops import console, monitoring, storage
from mlops import labels as tables
from mlops.errors import Failure
from mlops.targets import Target
from processing import fraud_windows

if TYPE_CHECKING:
    import pandas as pd

ID, LABEL, TRUTH, KNOWN_AT = "transaction_id", "label", "fraud", "labelled_at"
SHOWN = 5  # disagreements that are told one by one
_MEANINGS = {"fraud": FRAUD, "1": FRAUD, "genuine": GENUINE, "0": GENUINE}
_THREADS = 8
DAYS_BEFORE = 9  # a transaction is at most a week older than the request about it

Labels = list[tuple[int, str]]  # transactions with FRAUD or GENUINE


@dataclass
class Told:
    """What became of labels."""

    kept: Counter[str] = field(default_factory=Counter)  # by label, those that said so before among them
    unknown: list[int] = field(default_factory=list)  # transactions that were never scored
    disagreements: list[str] = field(default_factory=list)
    terminals: int = 0  # whose state changed


@dataclass(frozen=True)
class Given:
    """What `mlops label` was told."""

    file: Path | None = None
    transaction: int | None = None
    said: str | None = None
    chargebacks: str | None = None
    since: str | None = None


def label(target: Target, use_case: str, stage: str, given: Given) -> None:
    """Raises ValueError where nothing was given."""
    if given == Given():
        raise ValueError("Give a FILE, --transaction with --as, --chargebacks or --requests-since.")
    if given.transaction is not None and given.said:
        one(target, use_case, given.transaction, given.said)
    if given.file:
        file(target, use_case, given.file)
    if given.chargebacks:
        chargebacks(target, use_case, given.chargebacks)
    if given.transaction is None:  # of that one no more is wanted than what was said
        marks(target, use_case, datetime.now(UTC).date())
    if given.since:
        now, since = datetime.now(UTC), monitoring.moment(given.since)
        truths(target, use_case, stage, since, now, (now - since).days + DAYS_BEFORE, now)


def fits(path: Path) -> bool:
    """Whether a table is of transactions, and not of requests."""
    return ID in tables.read(path).columns


def one(target: Target, use_case: str, transaction: int, label: str) -> Told:
    """An analyst's word on a transaction. Raises LookupError for one that was never scored, Disagreement."""
    found = write(target, use_case, [(transaction, label)], ANALYST)
    if found.unknown:
        raise LookupError(f"Transaction {transaction} is not in {streams.scores_table(use_case)}: it was never scored.")
    if found.disagreements:
        raise Failure(found.disagreements[0])
    return tell(found)


def file(target: Target, use_case: str, path: Path) -> Told:
    """A table of analysts' labels: `transaction_id`, and `label` (fraud, genuine) or `fraud` (1, 0).

    Raises Failure for a table that cannot be used.
    """
    return tell(write(target, use_case, read(path, required=True), ANALYST))


def chargebacks(target: Target, use_case: str, source: str) -> Told:
    """Tables of chargebacks, a file or all objects under an S3 prefix: `transaction_id`, each a fraud where nothing
    else says otherwise, and perhaps `labelled_at`: what is known only later is left for later.
    """
    found: Labels = []
    if source.startswith("s3://"):
        with tempfile.TemporaryDirectory() as folder:
            bucket, _ = storage.split(source)
            for each in storage.objects(target.client("s3"), source):
                if (name := Path(each["Key"]).name) and each["Size"]:
                    uri = f"s3://{bucket}/{each['Key']}"
                    found += read(storage.download(target.client("s3"), uri, Path(folder) / name), required=False)
            if not found:
                raise Failure(f"{source} names no chargeback that is known by now.")
    else:
        if not Path(source).is_file():
            raise Failure(f"There is no file {source}. Give one, or an S3 prefix.")
        found = read(Path(source), required=False)
    return tell(write(target, use_case, found, CHARGEBACK))


def read(path: Path, required: bool, now: datetime | None = None) -> Labels:
    """Labels of a table; with `required` each row has to have one. Raises Failure for values that are none."""
    import pandas as pd

    table = tables.read(path)
    if ID not in table:
        raise Failure(f"{path} has no column {ID}, but {', '.join(map(str, table))}.")
    column = LABEL if LABEL in table else TRUTH if TRUTH in table else None
    if column is None and required:
        raise Failure(f"{path} has neither a column {LABEL} (fraud, genuine) nor {TRUTH} (1, 0).")
    if KNOWN_AT in table:
        moments = pd.to_datetime(table[KNOWN_AT], utc=True, errors="coerce")
        table = table[moments <= (now or datetime.now(UTC))]
    ids = table[ID].str.strip()
    said = table[column].str.strip().str.lower().map(_MEANINGS) if column else pd.Series(FRAUD, index=table.index)
    for wrong, what in ((~ids.str.fullmatch(r"\d+"), f"no {ID}"), (said.isna(), "neither fraud nor genuine")):
        if wrong.any():
            first = table.index[wrong][0]
            raise Failure(f"{path}: row {first + 1} ({ids[first]!r}, {table.loc[first].to_dict()}) is {what}.")
    return list(zip(ids.astype(int), said, strict=True))


def write(target: Target, use_case: str, wanted: Labels, by: str, pause: float = fraud_terminals.PAUSE) -> Told:
    """Marks each, then brings the terminals' states up to date. `pause`: seconds between two looks at these, 0 where no
    scorer works meanwhile. Raises ClientError.
    """
    found, marked = Told(), list[fraud_terminals.Label]()
    dynamodb, table, now = target.client("dynamodb"), streams.scores_table(use_case), datetime.now(UTC)

    def mark(each: tuple[int, str]) -> Any:
        try:
            return fraud_labels.mark(dynamodb, table, *each, by, now)
        except (LookupError, Disagreement) as error:
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        answers = list(pool.map(mark, wanted))
    for (number, label), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, LookupError):
            found.unknown.append(number)
        elif isinstance(answer, Disagreement):
            found.disagreements.append(str(answer))
        else:
            found.kept[label] += 1
            marked.append((int(answer["terminal_id"]), number, label == FRAUD))
    found.terminals = bring(target, use_case, marked, pause)
    return found


def marks(target: Target, use_case: str, last: date, pause: float = fraud_terminals.PAUSE) -> int:
    """Brings what the table says of alerts up to a day to their terminals' states: the dashboard marks in the table
    alone, and takes marks back there. How many terminals' states changed.
    """
    days = fraud_outcomes.days(last, fraud_windows.TERMINAL_MEMORY // fraud_windows.DAY + 1)
    found = fraud_outcomes.read(target.client("dynamodb"), streams.scores_table(use_case), days, alerts=True)
    said = [(int(each["terminal_id"]), int(each[ID]), each.get(LABEL) == FRAUD) for each in found]
    changed = bring(target, use_case, said, pause)
    if changed:
        console.say(f"Marks of the dashboard: {changed:,} terminals' states changed")
    return changed


def bring(target: Target, use_case: str, marked: Iterable[fraud_terminals.Label], pause: float) -> int:
    """How many terminals' states changed. Raises Failure where there is no feature group."""
    group = streams.terminals_group(use_case)
    with ThreadPoolExecutor(_THREADS) as pool:
        states = scoring_states.States(target.client("sagemaker-featurestore-runtime"), {group: "terminal_id"}, pool)
        try:
            return fraud_terminals.bring(states, group, marked, pause)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceNotFound", "ResourceNotFoundException"):
                raise
            raise Failure(f"There is no feature group {group}: mlops stream up {use_case} makes it.") from None


def tell(found: Told) -> Told:
    said = ", ".join(f"{count:,} {label}" for label, count in sorted(found.kept.items())) or "none"
    console.say(f"Labels: {said}; {found.terminals:,} terminals' states changed")
    if found.unknown:
        first = ", ".join(map(str, found.unknown[:SHOWN]))
        console.note(f"{len(found.unknown):,} of them were never scored, and have no label now: {first}")
    for each in found.disagreements[:SHOWN]:
        console.note(each)
    if found.disagreements:
        console.note(f"{len(found.disagreements):,} disagree: a label stays until who gave it takes it back.")
    return found


def truths(
    target: Target,
    use_case: str,
    stage: str,
    since: datetime,
    until: datetime,
    days: int,
    as_of: datetime | None = None,
) -> int:
    """Uploads the truth of the requests captured in [since, until) as ground truth, of those whose transactions' truth
    is known as of then (now), among the transactions of the last days up to it; how many requests.
    """
    moment = as_of or datetime.now(UTC)
    known = of_days(target, use_case, fraud_outcomes.days(moment.date(), days), moment)
    place, endpoint = target.place, names.endpoint_name(use_case, stage)
    captures = f"{names.capture_uri(place.bucket, place.prefix)}/{endpoint}"
    captured = fraud_captures.read(target.client("s3"), captures, names.VARIANT, since, until)
    found = fraud_captures.ground_truth(captured, known)
    if found:
        labels.upload(target.client("s3"), names.ground_truth_uri(place.bucket, place.prefix, endpoint), found)
    console.say(f"{len(found):,} captured requests of {endpoint} have labels now")
    return len(found)


def of_days(target: Target, use_case: str, days: Iterable[str], as_of: datetime) -> dict[int, int]:
    """The truth that is known, by transaction."""
    items = fraud_outcomes.read(target.client("dynamodb"), streams.scores_table(use_case), days)
    found = ((int(each[ID]), fraud_outcomes.truth(each, as_of)) for each in items)
    return {number: truth for number, truth in found if truth is not None}


def table(target: Target, use_case: str, first: date, last: date, as_of: datetime) -> pd.DataFrame:
    """Scored transactions of days, with `truth` (1, 0, NaN) as of a moment; empty where there are none."""
    import pandas as pd

    count = (last - first).days + 1
    items = fraud_outcomes.read(
        target.client("dynamodb"), streams.scores_table(use_case), fraud_outcomes.days(last, count)
    )
    rows = [
        {
            ID: int(each[ID]),
            "transaction_time": each["transaction_time"],
            "customer_id": int(each["customer_id"]),
            "terminal_id": int(each["terminal_id"]),
            **{name: float(each[name]) for name in ("amount", "x", "y", "score")},
            "alert": int(each["alert"]),
            "model": each["model"],
            "truth": fraud_outcomes.truth(each, as_of),
        }
        for each in items
    ]
    found = pd.DataFrame(rows)
    return found.astype({"truth": float}) if len(found) else found
