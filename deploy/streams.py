"""Names of what a use case with a stream of events has on AWS and on a laptop: the stacks of lake.yml and
streaming.yml make them.

One of each in an account and region; whatever writes, reads, scores or shows such events takes its names here.
"""

from __future__ import annotations

from deploy.names import aws_name, module_name

# Tables of the use case's Glue database.
TRANSACTIONS = "transactions"
QUARANTINE = "quarantine"
SCORES = "scores"

# Indexes of the table of scores.
BY_DAY = "by-day"  # HASH day, RANGE scored_at
ALERTS_BY_DAY = "alerts-by-day"  # HASH alert_day, RANGE scored_at; only alerts have an alert_day

# Metrics of `metrics_namespace`, each with the dimension STREAM.
STREAM = "Stream"
RECEIVED = "Received"  # records that reached validation, a count
QUARANTINED = "Quarantined"  # those it refused, a count
SCORED = "Scored"
ALERTS = "Alerts"
UNSCORED = "Unscored"  # those that the scorer quarantined, a count
LATENCY = "Latency"  # milliseconds from the put to the score


def stack_name(use_case: str) -> str:
    """Of the CloudFormation stack with streams, deliveries, topics and alarms: cloudformation/streaming.yml."""
    return f"{aws_name(use_case)}-streaming"


def lake_stack_name(use_case: str) -> str:
    """Of the stack with what holds data, the table of scores too, which outlives the other: cloudformation/lake.yml."""
    return f"{aws_name(use_case)}-lake"


def transactions_stream(use_case: str) -> str:
    """The Kinesis data stream in, and the Firehose that lands it in the lake: one JSON object a record, partition key
    the customer's id.
    """
    return f"{aws_name(use_case)}-transactions"


def scores_stream(use_case: str) -> str:
    """The Kinesis data stream out, and the Firehose that lands it: one JSON object for each scored transaction."""
    return f"{aws_name(use_case)}-scores"


def scores_table(use_case: str) -> str:
    """The DynamoDB table of scores, by transaction_id."""
    return f"{aws_name(use_case)}-scores"


def checkpoints_table(use_case: str) -> str:
    """The DynamoDB table of how far readers are: key `reader` (`<application>/<stream>`) and `shard`. The scorer's
    lease is in it, too (scoring_lease.py).
    """
    return f"{aws_name(use_case)}-checkpoints"


def alerts_topic(use_case: str) -> str:
    """The SNS topic that is told of alerts."""
    return f"{aws_name(use_case)}-alerts"


def operations_topic(use_case: str) -> str:
    """The SNS topic that the stream's own alarms tell."""
    return f"{aws_name(use_case)}-streaming-alarms"


def validation_function(use_case: str) -> str:
    """The Lambda function by which Firehose validates what comes in."""
    return f"{aws_name(use_case)}-validation"


def scoring_function(use_case: str) -> str:
    """The Lambda function that scores, where there is one: the parameter ScorerStage."""
    return f"{aws_name(use_case)}-scorer"


def customers_group(use_case: str) -> str:
    """The feature group of customers' states, by customer_id."""
    return f"{aws_name(use_case)}-customers"


def terminals_group(use_case: str) -> str:
    """The feature group of terminals' states, by terminal_id."""
    return f"{aws_name(use_case)}-terminals"


def metrics_namespace(use_case: str) -> str:
    return f"mlops/{aws_name(use_case)}"


def database(use_case: str) -> str:
    """The Glue database; SQL would want quotes around a hyphen."""
    return module_name(use_case)


def workgroup(use_case: str) -> str:
    """The Athena workgroup, which knows where results go."""
    return aws_name(use_case)


def lake_bucket(use_case: str, account: str, region: str) -> str:
    """A bucket of its own: what is raw data has other retention, and other readers, than a project's artifacts."""
    return f"{aws_name(use_case)}-lake-{account}-{region}"


def lake_prefix(use_case: str, table: str) -> str:
    """Under which a table's objects are, `date=YYYY-MM-DD/` (and of the quarantine `reason=<code>/`) following."""
    return f"lake/{aws_name(use_case)}/{table}/"
