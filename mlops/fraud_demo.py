"""`mlops demo fraud`: a fraud that nobody knew appears, is missed, is reported, is learnt, and is caught.

On a stage of its own, `rehearsal`, with a small simulated town (mlops/fraud_town.py) whose days go by in seconds.
Scorer, endpoint, Feature Store, table, labels, monitors and the pipeline are the real ones. What is not: the clock.
Days of the past are handed to the scorer as the stream would have brought them, because a stream refuses what is older
than a week; the newest days, after the promotion, go through Kinesis and the worker. In the end both versions are
rejected, as nobody should deploy what learnt from a simulation.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy import fraud_outcomes, names, scoring_setup, scoring_states, streams
from deploy.declaration import Kind
from deploy.fraud_labels import ANALYST, CHARGEBACK, FRAUD, GENUINE
from deploy.scoring import AT_ONCE, Scorer
from deploy.scoring_metrics import Metrics
from deploy.scoring_states import parts
from deploy.scoring_worker import Worker
from deploy.sources import KinesisSource, Record
from deploy.verdicts import iso
from mlops import (
    console,
    demo,
    deployment,
    fraud_challenger,
    fraud_labels,
    fraud_town,
    models,
    monitoring,
    run,
    scoring,
    storage,
    streaming,
)
from mlops.deployment import Overrides
from mlops.drift_demo import Narrator, told_alarms
from mlops.errors import Failure
from mlops.fraud_demo_end import NEW, STAGE, USE_CASE, Story, check, judged, summarise
from mlops.fraud_town import DAYS, LABELS, NEW_FRAUD, OPENING, PROMOTION, RETRAINING, STREAMED, Town
from mlops.targets import Target

if TYPE_CHECKING:
    import pandas as pd

ANALYSTS = 8  # alerts that are looked at a day
PATIENCE = 600.0  # seconds for the worker to score what was put
# Small, for a laptop: a trial a member, and members that are there in seconds.
SMALL = {
    "Members": "rules,random_forest,boosted_trees",
    "Trials": "1",
    "Imbalance": "none",
    "Resamples": "50",
    "CardsADay": "9",
}
FIRST = {
    **SMALL,
    "TrainDays": "28",
    "ValidationDays": "7",
    "TestDays": "7",
    "MinAveragePrecision": "0.5",  # a small town's days differ more than a city's
    "FailOnViolation": "False",
    "RegisterNewBaseline": "True",
}
# A week of the new fraud is labelled: half of it to learn from, the rest to choose and to judge by. Without a pause
# between them, as a week of pause would leave nothing; what is judged is later than what was learnt all the same.
AGAIN = {
    **SMALL,
    "TrainDays": "28",
    "ValidationDays": "2",
    "TestDays": "2",
    "DelayDays": "0",
    "MinAveragePrecision": "0.5",
}


def play(target: Target, reports: Path) -> None:
    """Raises Failure where the story doesn't go as told, LookupError on AWS."""
    if not target.settings:
        raise LookupError(
            "mlops demo fraud plays on a laptop alone: on AWS it would write invented frauds into the account's one "
            "table of scores. Its parts work there: mlops label, performance, retrain, challenger."
        )
    narrator, story = Narrator(), Story()
    try:
        with scoring.alone(target, USE_CASE), stopping(target):
            days = tell(target, Town.now(), reports, narrator, story)
    except KeyboardInterrupt:
        mlops = console.command()
        console.note(
            f"Interrupted. {mlops} demo {USE_CASE} begins anew, whatever is there; what is there is taken down by "
            f"{mlops} undeploy {USE_CASE} --stage {STAGE}, and all of it by {mlops} down."
        )
        raise
    finally:
        for number in story.approved:
            models.decide(target, USE_CASE, number, "rehearsal: learnt from a simulated town", approve=False)
    summarise(story, days, reports, narrator.seconds)
    check(days)


@contextlib.contextmanager
def stopping(target: Target) -> Iterator[None]:
    """Ctrl-C ends the pipeline's execution, too: the version that it would register nobody would reject."""
    sagemaker, since = target.client("sagemaker"), datetime.now(UTC) - timedelta(seconds=1)
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(sagemaker.exceptions.ResourceNotFound):  # before the first one
            found = sagemaker.list_pipeline_executions(PipelineName=USE_CASE, CreatedAfter=since)
            for each in found["PipelineExecutionSummaries"]:
                if each["PipelineExecutionStatus"] == "Executing":
                    sagemaker.stop_pipeline_execution(PipelineExecutionArn=each["PipelineExecutionArn"])
                    console.note(f"It is stopped after all: {each['PipelineExecutionArn']}")
        raise


def tell(target: Target, town: Town, reports: Path, narrator: Narrator, story: Story) -> pd.DataFrame:
    """The days with their figures."""
    narrator.heading(f"Streams, tables and Feature Store; a champion from the town's first {OPENING - LABELS} days")
    streaming.up(target, USE_CASE, {}, yes=True)
    forget(target, town)
    data = upload(target, town.of(0, OPENING - LABELS))
    execution = run.run(target, USE_CASE, {"InputDataUrl": data, **FIRST}, detach=False)
    story.champion = demo.registered_version(target.client("sagemaker"), USE_CASE, execution)
    story.approved.append(story.champion)
    models.decide(target, USE_CASE, story.champion, "rehearsal: passed the gate", approve=True)
    deployment.deploy(target, USE_CASE, STAGE, Overrides(version=story.champion), yes=True)
    remember(target, town)
    narrator.heading(f"{NEW_FRAUD - OPENING} usual days")
    live(target, town, OPENING, NEW_FRAUD, story)
    narrator.heading(
        f"{town.name(NEW_FRAUD)}: thieves begin to test stolen cards, and the champion knows nothing of it"
    )
    since = datetime.now(UTC)
    live(target, town, NEW_FRAUD, RETRAINING - LABELS, story)
    until = datetime.now(UTC) + timedelta(seconds=1)
    live(target, town, RETRAINING - LABELS, RETRAINING, story)
    narrator.heading(f"{town.name(RETRAINING)}: the first week's chargebacks are in, and the monitors look at it")
    story.answers = notice(target, town, since, until, reports)
    narrator.heading("Retraining on what was scored and labelled")
    folder, _ = fraud_challenger.recent(
        target, USE_CASE, RETRAINING - OPENING, town.moment(RETRAINING), upload(target, town.of(0, OPENING))
    )
    story.challenger, _ = fraud_challenger.retrain(target, USE_CASE, STAGE, folder, AGAIN)
    narrator.heading(f"Version {story.challenger} is the challenger, in shadow of version {story.champion}")
    story.approved.append(story.challenger)
    fraud_challenger.shadow(target, USE_CASE, STAGE, story.challenger)
    since = datetime.now(UTC)
    live(target, town, RETRAINING, PROMOTION, story)
    story.comparison = fraud_challenger.compare(
        target, USE_CASE, STAGE, since, datetime.now(UTC) + timedelta(hours=1), town.moment(PROMOTION), LABELS + 3
    )
    narrator.heading(f"{town.name(PROMOTION)}: promotion")
    if not fraud_challenger.promote(target, USE_CASE, STAGE, story.comparison):
        raise Failure(f"The challenger was to win: {story.comparison['sentence']}")
    live(target, town, PROMOTION, STREAMED, story)
    narrator.heading(f"The newest {DAYS - STREAMED} days come by the stream, to the worker")
    stream(target, town, story)
    narrator.heading("A week later all is known")
    label(target, town, DAYS, DAYS + LABELS + 1)
    return judged(target, town, reports)


# What happens in a day.


def live(target: Target, town: Town, first: int, end: int, story: Story) -> None:
    """Each day's payments are scored, then analysts and chargebacks say what they know."""
    started, count, alerts = time.monotonic(), 0, set[int]()
    scorer = replace(scorer_of(target), metrics=Unpublished(None, "", ""))
    for day in range(first, end):
        payments = town.of(day, day + 1)
        count += len(payments)
        alerts |= replay(scorer, fraud_town.records(payments))
        label(target, town, day, day + 1)
    seconds = time.monotonic() - started
    story.scored["replayed"] = count / seconds
    console.say(
        f"{town.name(first)} to {town.name(end - 1)}: {count:,} payments scored and labelled in {seconds:.0f} s; "
        f"{found(town.of(first, end), alerts)}"
    )


def found(payments: pd.DataFrame, alerts: set[int]) -> str:
    """Which of the frauds among some payments got an alert, in words."""
    told = []
    for name, frauds in (
        ("frauds of known kinds", payments[payments["scenario"].isin([1, 2, 3])]),
        ("of the new kind", payments[payments["scenario"] == NEW]),
    ):
        if len(frauds):
            caught = int(frauds["transaction_id"].isin(alerts).sum())
            told.append(f"{caught} of {len(frauds)} {name}")
    return f"alerts found {' and '.join(told) or 'nothing, as there was no fraud'}"


def scorer_of(target: Target) -> Scorer:
    client = scoring.clients(target)
    found = scoring_setup.scorer(USE_CASE, STAGE, client, target.account, target.region)
    return replace(found, version=scoring_setup.version(client("sagemaker"), found.model.endpoint))


class Unpublished(Metrics):
    """Forgets what it is told: the latency of a day that is replayed would be months."""

    due = False

    def count(self, name: str, number: int) -> None: ...

    def latency(self, milliseconds: float) -> None: ...

    def publish(self) -> None: ...


def replay(scorer: Scorer, records: list[Record]) -> set[int]:
    """Transactions with an alert. While a batch is kept the next one is scored, as the worker does it."""
    alerts: set[int] = set()
    with ThreadPoolExecutor(1) as keeper:
        kept = None
        for part in parts(records, AT_ONCE):
            batch = scorer.score(part)
            alerts |= {each["transaction_id"] for each in batch.items if each["alert"]}
            if kept:
                kept.result()
            kept = keeper.submit(scorer.keep, batch)
        if kept:
            kept.result()
    if batch.refused:
        raise Failure(f"The scorer refused a payment: {batch.refused[0].text}")
    return alerts


def label(target: Target, town: Town, first: int, end: int) -> None:
    """What became known between the beginnings of two days: frauds that customers reported, then, of the day before,
    what analysts say of the alerts that rank highest.
    """
    frauds = town.reported(first, end)
    fraud_labels.write(target, USE_CASE, [(int(each), FRAUD) for each in frauds["transaction_id"]], CHARGEBACK, pause=0)
    if first >= DAYS:
        return
    day = town.moment(first).date()
    alerts = fraud_labels.table(target, USE_CASE, day, day, town.moment(end))
    mine = alerts[alerts["transaction_id"].isin(town.truth.keys()) & (alerts["alert"] == 1) & alerts["truth"].isna()]
    chosen = mine.sort_values("score", ascending=False)["transaction_id"].head(ANALYSTS)
    said = [(int(each), FRAUD if town.truth[int(each)] else GENUINE) for each in chosen]
    fraud_labels.write(target, USE_CASE, said, ANALYST, pause=0)


def remember(target: Target, town: Town) -> None:
    """The Feature Store as a scorer would have left it that had seen the days before the opening."""
    customers, terminals = streams.customers_group(USE_CASE), streams.terminals_group(USE_CASE)
    found = fraud_town.states(town.of(OPENING - 45, OPENING), customers, terminals)
    with ThreadPoolExecutor(scoring_setup.THREADS) as pool:
        runtime = target.client("sagemaker-featurestore-runtime")
        names_of = {customers: "customer_id", terminals: "terminal_id"}
        scoring_states.States(runtime, names_of, pool).write(found)
    console.say(f"Feature Store: the last 45 days of {len(found):,} customers and terminals")


def notice(target: Target, town: Town, since: datetime, until: datetime, reports: Path) -> list[Any]:
    """What the monitors say of the requests of these (real) moments, whose truth is known by the retraining's day.

    Raises Failure where the model quality monitor has nothing to say against it.
    """
    fraud_labels.truths(target, USE_CASE, STAGE, since, until, RETRAINING - OPENING, town.moment(RETRAINING))
    kinds = [Kind.DATA_QUALITY, Kind.MODEL_QUALITY]
    found = monitoring.now(target, USE_CASE, STAGE, kinds, iso(since), iso(until), reports)
    if not any(verdict.violations for verdict, _ in found if verdict.kind == Kind.MODEL_QUALITY):
        raise Failure("The model quality monitor was to find that frauds are missed, and found nothing.")
    told_alarms(target, names.endpoint_name(USE_CASE, STAGE))
    return found


# Data and the pipeline.


def upload(target: Target, payments: pd.DataFrame) -> str:
    """URI of a table in the lake's form, labels and all."""
    body = payments.drop(columns="labelled_at").to_parquet(index=False)
    key = f"data/{USE_CASE}-{STAGE}/{payments['transaction_id'].iloc[0]}-{len(payments)}/payments.parquet"
    target.client("s3").put_object(Bucket=target.place.bucket, Key=key, Body=body)
    return f"s3://{target.place.bucket}/{key}"


def forget(target: Target, town: Town) -> None:
    """Takes payments of earlier rehearsals from the table of scores, or this one's pipeline would learn from them.
    Which they are the uploads' names say.
    """
    s3, dynamodb, table = target.client("s3"), target.client("dynamodb"), streams.scores_table(USE_CASE)
    uploads = storage.objects(s3, f"s3://{target.place.bucket}/data/{USE_CASE}-{STAGE}/")
    runs = {int(each["Key"].split("/")[-2].split("-")[0]) // fraud_town.A_RUN for each in uploads}
    if not runs:
        return
    days = fraud_outcomes.days(town.moment(DAYS).date(), DAYS + 1)
    numbers = (int(each["transaction_id"]) for each in fraud_outcomes.read(dynamodb, table, days))
    old = [number for number in numbers if number // fraud_town.A_RUN in runs]

    def delete(part: list[int]) -> None:
        left = {table: [{"DeleteRequest": {"Key": {"transaction_id": {"N": str(number)}}}} for number in part]}
        while left:
            left = dynamodb.batch_write_item(RequestItems=left).get("UnprocessedItems", {})

    with ThreadPoolExecutor(scoring_setup.THREADS) as pool:
        list(pool.map(delete, parts(old, 25)))  # as many as BatchWriteItem takes
    if old:
        console.say(f"{len(old):,} payments of earlier rehearsals are gone from {table}")


# The stream.


class FromNow(KinesisSource):
    """What comes after it was opened."""

    def _iterator(self, shard: str, after: str) -> str:
        if after:
            return super()._iterator(shard, after)
        found = self.kinesis.get_shard_iterator(StreamName=self.stream, ShardId=shard, ShardIteratorType="LATEST")
        return str(found["ShardIterator"])


def stream(target: Target, town: Town, story: Story) -> None:
    """Puts the newest days into the stream and waits until the worker has scored them. Raises Failure for any lost."""
    payments = town.of(STREAMED, DAYS)
    stop = threading.Event()
    kinesis, name = target.client("kinesis"), streams.transactions_stream(USE_CASE)
    reader, table = f"{STAGE}-{payments['transaction_id'].iloc[0]}", streams.checkpoints_table(USE_CASE)
    source = FromNow(kinesis, target.client("dynamodb"), name, reader, table, pause=0.01)
    source.poll(0)
    scorer = scorer_of(target)
    worker = Worker(source, scorer, lambda: scorer.version)
    thread = threading.Thread(target=worker.run, args=(stop,), name="worker")
    thread.start()
    started = time.monotonic()
    try:
        for part in parts(fraud_town.records(payments), 100):
            put(kinesis, name, part)
        while worker.scored < len(payments) and time.monotonic() < started + PATIENCE:
            time.sleep(0.2)
    finally:
        stop.set()
        thread.join()
    seconds = time.monotonic() - started
    if worker.scored < len(payments):
        raise Failure(f"{worker.scored:,} of {len(payments):,} payments were scored in {PATIENCE / 60:.0f} minutes.")
    story.scored["streamed"] = len(payments) / seconds
    console.say(f"{len(payments):,} payments put, scored and kept in {seconds:.0f} s")
    for day in range(STREAMED, DAYS):
        label(target, town, day, day + 1)


def put(kinesis: Any, name: str, records: list[Record]) -> None:
    """In order. Raises Failure when the stream takes some not."""
    answer = kinesis.put_records(
        StreamName=name, Records=[{"Data": each.data, "PartitionKey": each.key} for each in records]
    )
    if answer["FailedRecordCount"]:
        raise Failure(f"The stream {name} refused {answer['FailedRecordCount']} records.")
