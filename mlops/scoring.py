"""`mlops score`: the worker that scores a use case's stream, until it is stopped."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import Any

from deploy import names, scoring_setup, sources, streams
from deploy.scoring_worker import Worker
from mlops import console
from mlops.targets import Target

APPLICATION = "scorer"  # of the checkpoints
_LAPTOP_PAUSE = 0.01  # seconds between two reads of a shard, where no account's limits are shared


def work(target: Target, use_case: str, stage: str, pause: float | None = None) -> None:
    """Returns after SIGINT or SIGTERM. Raises LookupError where endpoint or stream are missing."""
    stop = threading.Event()
    worker = make(target, use_case, stage, stop, pause)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console.say(f"Scoring {streams.transactions_stream(use_case)} with {worker.scorer.model.endpoint}")
    console.note("Ctrl-C stops it; what came meanwhile is scored at the next start")
    started = time.monotonic()
    worker.run()
    console.say(f"Scored {worker.scored} records in {time.monotonic() - started:.0f} s")


def make(target: Target, use_case: str, stage: str, stop: threading.Event, pause: float | None = None) -> Worker:
    from botocore.exceptions import ClientError

    logging.disable(logging.NOTSET)  # what is tried again is said
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.WARNING)
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        from botocore.config import Config

        if service not in made:
            made[service] = target.session.client(service, config=Config(**scoring_setup.CONNECTIONS))
        return made[service]

    endpoint = names.endpoint_name(use_case, stage)
    try:
        scorer = scoring_setup.scorer(use_case, stage, client, target.account, target.region)
        client("kinesis").describe_stream_summary(StreamName=streams.transactions_stream(use_case))
    except ClientError as error:
        said = error.response["Error"]["Message"]
        raise LookupError(
            f"{said} mlops deploy {use_case} and mlops stream up {use_case} make what it needs."
        ) from None
    source = sources.KinesisSource(
        client("kinesis"),
        client("dynamodb"),
        streams.transactions_stream(use_case),
        APPLICATION,
        streams.checkpoints_table(use_case),
        pause=pause if pause is not None else _LAPTOP_PAUSE if target.settings else 1 / sources.READS_A_SECOND,
    )
    return Worker(source, scorer, stop, lambda: scoring_setup.version(client("sagemaker"), endpoint))
