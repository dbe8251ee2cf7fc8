"""A scorer of a use case's stream, from its names: what the Lambda function and the worker begin with."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deploy import names, streams
from deploy.scoring import Scorer
from deploy.scoring_metrics import Metrics
from deploy.scoring_model import Model
from deploy.scoring_quarantine import Quarantine
from deploy.scoring_results import Stream, Table, Topic
from deploy.scoring_states import States

THREADS = 8  # calls of a batch that don't wait for each other
CONNECTIONS = {  # of a client: kept open, so that no call waits for a handshake
    "tcp_keepalive": True,
    "max_pool_connections": THREADS,
    "connect_timeout": 5,
    "read_timeout": 65,  # longer than a model may take
    "retries": {"mode": "standard", "max_attempts": 4},
    "parameter_validation": False,  # of what this code makes itself; the services validate
}

Client = Callable[[str], Any]  # of a service


def scorer(use_case: str, stage: str, client: Client, account: str, region: str, *, validated: bool = True) -> Scorer:
    """Calls nothing yet; its `version` is still to be set."""
    endpoint = names.endpoint_name(use_case, stage)
    customers, terminals = streams.customers_group(use_case), streams.terminals_group(use_case)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="scoring")
    calls = ThreadPoolExecutor(THREADS, thread_name_prefix="scoring-calls")
    topic = f"arn:{partition(region)}:sns:{region}:{account}:{streams.alerts_topic(use_case)}"
    return Scorer(
        model=Model(client("sagemaker-runtime"), endpoint),
        states=States(
            client("sagemaker-featurestore-runtime"), {customers: "customer_id", terminals: "terminal_id"}, calls
        ),
        table=Table(client("dynamodb"), streams.scores_table(use_case)),
        stream=Stream(client("kinesis"), streams.scores_stream(use_case)),
        topic=Topic(client("sns"), topic),
        quarantine=Quarantine(client("s3"), streams.lake_bucket(use_case, account, region), use_case, calls),
        metrics=Metrics(
            client("cloudwatch"), streams.metrics_namespace(use_case), streams.transactions_stream(use_case)
        ),
        pool=pool,
        customers=customers,
        terminals=terminals,
        validated=validated,
    )


def version(sagemaker: Any, endpoint: str) -> str:
    """Of the model that an endpoint serves: its registered version, or the endpoint config of another maker.

    Raises ClientError where there is no such endpoint.
    """
    config = str(sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"])
    return names.config_version(endpoint, config) or config


def partition(region: str) -> str:
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
