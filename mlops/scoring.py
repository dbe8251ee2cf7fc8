"""`mlops score`: the worker that scores a use case's stream, until it is stopped."""

from __future__ import annotations

import fcntl
import functools
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from deploy import names, scoring_setup, sources, streams
from deploy.scoring_worker import Worker
from mlops import console
from mlops.restarting import restarting
from mlops.targets import Target

APPLICATION = "scorer"  # of the checkpoints
_LAPTOP_PAUSE = 0.01  # seconds between two reads of a shard, where no account's limits are shared


def work(target: Target, use_case: str, stage: str, pause: float | None = None) -> None:
    """Returns after SIGINT or SIGTERM. Raises LookupError where endpoint or stream are missing, RuntimeError where this
    laptop's stream is being scored already.
    """
    check(target, use_case, stage)
    logging.disable(logging.NOTSET)  # what is tried again is said
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.WARNING)
    with alone(target, use_case):
        worker = make(target, use_case, stage, pause)
        console.say(f"Scoring {streams.transactions_stream(use_case)} with {worker.scorer.model.endpoint}")
        console.note("Ctrl-C stops it; what comes meanwhile is scored at the next start")
        restarting(partial(_run, worker))


def _run(worker: Worker, stop: threading.Event) -> None:
    started = time.monotonic()
    worker.run(stop)
    console.say(f"Scored {worker.scored} records in {time.monotonic() - started:.0f} s")


def check(target: Target, use_case: str, stage: str) -> None:
    """Raises LookupError where endpoint or stream are missing."""
    missing = f"mlops deploy {use_case} --stage {stage} and mlops stream up {use_case} make what it needs."
    try:
        target.client("sagemaker").describe_endpoint(EndpointName=names.endpoint_name(use_case, stage))
        target.client("kinesis").describe_stream_summary(StreamName=streams.transactions_stream(use_case))
    except ClientError as error:
        raise LookupError(f"{error.response['Error']['Message']} {missing}") from None


def make(target: Target, use_case: str, stage: str, pause: float | None = None) -> Worker:
    """With clients of its own, none of which has a connection yet."""

    @functools.cache
    def client(service: str) -> Any:
        return target.session.client(service, config=Config(**scoring_setup.CONNECTIONS))

    source = sources.KinesisSource(
        client("kinesis"),
        client("dynamodb"),
        streams.transactions_stream(use_case),
        APPLICATION,
        streams.checkpoints_table(use_case),
        pause=pause if pause is not None else _LAPTOP_PAUSE if target.settings else 1 / sources.READS_A_SECOND,
    )
    scorer = scoring_setup.scorer(use_case, stage, client, target.account, target.region)
    return Worker(source, scorer, partial(scoring_setup.version, client("sagemaker"), scorer.model.endpoint))


@contextmanager
def alone(target: Target, use_case: str) -> Iterator[None]:
    """Two at once would each go on from states that the other has changed. On AWS nothing but its reader sees to it."""
    if target.settings is None:
        yield
        return
    with (target.settings.state / f"{names.aws_name(use_case)}-scorer.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError(f"Another mlops score {use_case} runs on this laptop: stop that one first.") from None
        yield
