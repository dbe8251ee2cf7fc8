"""`mlops score`: the worker that scores a use case's stream, until it is stopped."""

from __future__ import annotations

import fcntl
import functools
import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TextIO

from botocore.config import Config
from botocore.exceptions import ClientError

from deploy import names, scoring_setup, sources, streams
from deploy.scoring import Scorer
from deploy.scoring_lease import Lease
from deploy.scoring_worker import Worker
from deploy.sources import Source
from mlops import console
from mlops.cicd_stacks import Stacks
from mlops.restarting import restarting
from mlops.targets import Target

APPLICATION = "scorer"  # of the checkpoints
_LAPTOP_PAUSE = 0.02  # seconds between two reads of a shard: rarer ones cost fewer calls, for more records each


def work(target: Target, use_case: str, stage: str, pause: float | None = None, kafka: str = "") -> None:
    """Returns after SIGINT or SIGTERM. `kafka`: brokers, in place of Kinesis.

    Raises LookupError where endpoint, stream or brokers are missing, RuntimeError where something else scores the
    stream already, or has taken it over meanwhile.
    """
    check(target, use_case, stage)
    if kafka:
        from deploy import sources_kafka

        sources_kafka.check(kafka)
    logging.disable(logging.NOTSET)  # what is tried again is said
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.WARNING)
    with alone(target, use_case):
        lease(target, use_case, target.client("dynamodb")).hold()
        client = clients(target)
        scorer = scoring_setup.scorer(use_case, stage, client, target.account, target.region, validated=not kafka)
        version = partial(scoring_setup.version, client("sagemaker"), scorer.model.endpoint)
        wait = pause if pause is not None else _LAPTOP_PAUSE if target.settings else 1 / sources.READS_A_SECOND
        source = partial(open_source, client, use_case, wait, kafka)
        holding = lease(target, use_case, client("dynamodb"))
        lost = multiprocessing.Event()  # of both processes
        console.say(f"Scoring {streams.transactions_stream(use_case)} with {scorer.model.endpoint}")
        console.note("Ctrl-C stops it; what comes meanwhile is scored at the next start")
        restarting(partial(_run, source, scorer, version, holding, lost))
    if lost.is_set():
        raise RuntimeError("Another scorer took over while this machine stood still: see who in mlops stream status.")


def _run(
    source: Callable[[], Source],
    scorer: Scorer,
    version: Callable[[], str],
    holding: Lease,
    lost: Any,  # multiprocessing's Event
    stop: threading.Event,
) -> None:
    def end() -> None:
        lost.set()
        stop.set()

    started, worker = time.monotonic(), Worker(source(), scorer, version)
    with holding.kept(end):
        worker.run(stop)
        worker.source.close()
    console.say(f"Scored {worker.scored} records in {time.monotonic() - started:.0f} s")


def lease(target: Target, use_case: str, dynamodb: Any) -> Lease:
    """On a laptop its holder is the laptop: `alone` tells its processes apart, and knows at once when one is killed."""
    process = "" if target.settings else f", process {os.getpid()}"
    holder = f"mlops score on {socket.gethostname()}{process}"
    return Lease(dynamodb, streams.checkpoints_table(use_case), APPLICATION, holder)


def check(target: Target, use_case: str, stage: str) -> None:
    """Raises LookupError where endpoint or stream are missing, RuntimeError where a function scores the stream."""
    missing = f"mlops deploy {use_case} --stage {stage} and mlops stream up {use_case} make what it needs."
    try:
        target.client("sagemaker").describe_endpoint(EndpointName=names.endpoint_name(use_case, stage))
        target.client("kinesis").describe_stream_summary(StreamName=streams.transactions_stream(use_case))
    except ClientError as error:
        raise LookupError(f"{error.response['Error']['Message']} {missing}") from None
    found = Stacks(target.client("cloudformation"), target.poll).parameters(streams.stack_name(use_case))
    if served := found.get("ScorerStage"):
        raise RuntimeError(
            f"The function {streams.scoring_function(use_case)} scores this stream by the endpoint "
            f"{names.endpoint_name(use_case, served)}, and one scorer works at a time: "
            f"{console.command()} stream up {use_case} --parameter ScorerStage= takes it away."
        )


def clients(target: Target) -> Callable[[str], Any]:
    """Makes clients of its own, one a service, none of which has a connection yet."""

    @functools.cache
    def client(service: str) -> Any:
        return target.session.client(service, config=Config(**scoring_setup.CONNECTIONS))

    return client


def open_source(client: Callable[[str], Any], use_case: str, pause: float, kafka: str) -> Source:
    stream = streams.transactions_stream(use_case)
    if kafka:
        from deploy.sources_kafka import KafkaSource

        return KafkaSource(kafka, stream, APPLICATION)
    table = streams.checkpoints_table(use_case)
    return sources.KinesisSource(client("kinesis"), client("dynamodb"), stream, APPLICATION, table, pause=pause)


@contextmanager
def alone(target: Target, use_case: str) -> Iterator[None]:
    """Of this laptop's processes: a lock that goes with its process. Raises RuntimeError where another one has it."""
    if target.settings is None:
        yield
        return
    with (target.settings.state / f"{names.aws_name(use_case)}-scorer.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError(
                f"Something scores {use_case} on this laptop already, process {_owner(file)}: stop that one first."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _owner(file: TextIO) -> str:
    file.seek(0)
    return file.read() or "unknown"
