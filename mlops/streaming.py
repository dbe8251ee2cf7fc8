"""`mlops stream`: what a use case's stream of events needs, by two stacks: lake.yml, which stays, and streaming.yml."""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy import names, scoring_lease, streams
from mlops import cicd_retained, console, scoring
from mlops.cicd_stacks import Change, Review, Stacks, reviewer
from mlops.errors import Failure
from mlops.targets import Target

ROOT = Path(__file__).absolute().parents[1]
_TEMPLATES = ROOT / "deploy" / "cloudformation"
_LAMBDA = ROOT / "deploy" / "lambda"
_BASELINE = "mlops-baseline"  # of deploy/cloudformation/baseline.yml with its default ProjectName
_LAPTOP = {"BufferSeconds": "5"}  # nobody waits a minute for a laptop's lake, and its objects cost nothing
_IN_ORDER = ("InstantArchiveDays", "DeepArchiveDays", "DeletionDays")
_WHEN = "events are archived, archived deeper and deleted, in this order"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in a .zip: the same code has the same hash


def use_cases() -> list[str]:
    """Those with a stream: their records can be validated."""
    found = (each.stem.removesuffix("_validation") for each in _LAMBDA.glob("*_validation.py"))
    return sorted(names.aws_name(each) for each in found)


def check(use_case: str) -> str:
    """Raises LookupError for a use case without a stream."""
    if use_case not in use_cases():
        raise LookupError(f"{use_case} has no stream of events; {', '.join(use_cases())} has one.")
    return use_case


def up(target: Target, use_case: str, given: dict[str, str], *, yes: bool = False) -> None:
    """Makes or updates the stacks. `given`: their parameters; what is not given stays, or is its default.

    Raises Failure when one cannot be made or a worker scores where a function is to, ValueError for a parameter that
    neither has, or that S3 would refuse.
    """
    stacks = Stacks(target.client("cloudformation"), target.poll)
    lake, streaming = streams.lake_stack_name(use_case), streams.stack_name(use_case)
    declared = {name: set(stacks.declared(_template(name))) for name in ("lake", "streaming")}
    if unknown := sorted(set(given) - declared["lake"] - declared["streaming"]):
        raise ValueError(f"Neither lake.yml nor streaming.yml has a parameter {', '.join(unknown)}.")
    in_order({**stacks.declared(_template("lake")), **stacks.parameters(lake), **given})
    _no_second_scorer(target, use_case, given)
    review = reviewer(yes or target.settings is not None)
    jobs = {"JobRole": target.place.role.rpartition("/")[2]}  # which collect scores for a retraining
    common = {"UseCase": names.aws_name(use_case), **_access_log(stacks), **jobs, **given}
    _deploy(stacks, lake, "lake", _only(common, declared["lake"]), review)
    parameters = {
        "CodeBucket": target.place.bucket,
        **{parameter: _upload(target, use_case, files) for parameter, files in functions(use_case).items()},
        **(_LAPTOP if target.settings else {}),
        **stacks.outputs(lake),
        **common,
    }
    _deploy(stacks, streaming, "streaming", _only(parameters, declared["streaming"]), review)
    console.say(f"{console.command()} traffic {use_case} --rate 200 --seconds 60")
    console.note(f"sends transactions to the stream {streams.transactions_stream(use_case)}.")


def in_order(parameters: Mapping[str, str | None]) -> None:
    """CloudFormation's rules compare no numbers, and S3 refuses such a lifecycle only when the stack is half made.

    Raises ValueError.
    """
    for earlier, later in itertools.pairwise(_IN_ORDER):
        first, second = parameters[earlier] or "", parameters[later] or ""
        if first.isdecimal() and second.isdecimal() and int(first) >= int(second):
            raise ValueError(f"{later}={second} has to be more than {earlier}={first}: {_WHEN}.")


def _no_second_scorer(target: Target, use_case: str, given: Mapping[str, str]) -> None:
    if not given.get("ScorerStage"):
        return
    dynamodb = target.client("dynamodb")
    try:
        found = scoring_lease.found(dynamodb, streams.checkpoints_table(use_case), scoring.APPLICATION)
    except dynamodb.exceptions.ResourceNotFoundException:
        return
    if found and not found.ended:
        raise Failure(
            f"One scorer at a time: {found.name} scores until {found.until:%H:%M:%S} UTC, if not longer. Stop that one."
        )


def functions(use_case: str) -> dict[str, dict[str, Path]]:
    """The template's parameter for the code of each Lambda function, and that code's files by their place in it."""
    module = names.module_name(use_case)
    windows = ROOT / "processing" / f"{module}_windows.py"
    validation, scorer = (_LAMBDA / f"{module}_{name}.py" for name in ("validation", "scorer"))
    found = {"ValidationCode": {each.name: each for each in (validation, windows)}}
    if scorer.exists():
        files = [windows, *(ROOT / "deploy" / f"{name}.py" for name in ("names", "streams", "sources"))]
        files += [*(ROOT / "deploy").glob("scoring*.py"), *(ROOT / "deploy").glob(f"{module}_*.py")]
        beside = {str(each.relative_to(ROOT)): each for each in sorted(files)}
        found["ScorerCode"] = {scorer.name: scorer, **beside}
    return found


def down(target: Target, use_case: str, *, everything: bool = False, yes: bool = False) -> None:
    """Deletes the streams; with `everything` also the lake with all its objects, the scores and, in 30 days, the key.

    Raises Failure when the user says no, or for what is left.
    """
    stacks = Stacks(target.client("cloudformation"), target.poll)
    chosen = (streams.stack_name(use_case), *((streams.lake_stack_name(use_case),) if everything else ()))
    found = {name: stacks.resources(name) for name in chosen if stacks.status(name) is not None}
    if found:
        changes = [Change("-", *row) for rows in found.values() for row in rows]
        reviewer(yes or (target.settings is not None and not everything))(", ".join(found), changes)
    for name, rows in found.items():
        if name == streams.lake_stack_name(use_case):  # what the stack would leave; afterwards nothing would say what
            cicd_retained.remove(target, [(kind, physical) for _, kind, physical in rows])
        stacks.delete(name)
        console.say(f"The stack {name} is gone.")
    if not found:
        console.say(f"There is no stack {chosen[0]}.")
    if not everything:
        console.note(f"The lake and the scores stay: {console.command()} stream down {use_case} --everything")


def status(target: Target, use_case: str) -> None:
    """Says what there is, how far its readers are, and what alarms tell."""
    stacks, name = Stacks(target.client("cloudformation"), target.poll), streams.stack_name(use_case)
    found = stacks.status(name)
    if found is None:
        console.say(f"There is no stack {name}: {console.command()} stream up {use_case}")
        return
    rows = [("stack", name, found), *_streams(target, use_case), *_readers(target, use_case)]
    console.show(("", "name", ""), [*rows, *_counts(target, use_case), *_alarms(target, use_case)])


def _streams(target: Target, use_case: str) -> Iterator[tuple[str, str, str]]:
    kinesis, firehose = target.client("kinesis"), target.client("firehose")
    for stream in (streams.transactions_stream(use_case), streams.scores_stream(use_case)):
        found = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        kept = f"{found['OpenShardCount']} shards, {found['RetentionPeriodHours']} hours"
        yield "stream", stream, f"{found['StreamStatus']}, {kept}"
        delivery = firehose.describe_delivery_stream(DeliveryStreamName=stream)["DeliveryStreamDescription"]
        yield "delivery", stream, delivery["DeliveryStreamStatus"]


def _readers(target: Target, use_case: str) -> Iterator[tuple[str, str, str]]:
    """When each reader committed last, and who scores."""
    pages = target.client("dynamodb").get_paginator("scan").paginate(TableName=streams.checkpoints_table(use_case))
    newest: dict[str, str] = {}
    for item in (item for page in pages for item in page["Items"]):
        reader = item["reader"]["S"]
        if reader == scoring_lease.READER:
            yield _holder(item)
        else:
            newest[reader] = max(item["committed_at"]["S"], newest.get(reader, ""))
    for reader, moment in sorted(newest.items()):
        yield "reader", reader, f"committed {console.ago(datetime.fromisoformat(moment))}"


def _holder(item: dict[str, Any]) -> tuple[str, str, str]:
    found = scoring_lease.holder(item)
    return (
        item["shard"]["S"],
        found.name,
        f"its lease {'ended' if found.ended else 'is good'} until {found.until:%H:%M:%S} UTC",
    )


def _counts(target: Target, use_case: str) -> Iterator[tuple[str, str, str]]:
    """Of the last hour."""
    cloudwatch, end = target.client("cloudwatch"), datetime.now(UTC)
    for name in (streams.RECEIVED, streams.QUARANTINED):
        found = cloudwatch.get_metric_statistics(
            Namespace=streams.metrics_namespace(use_case),
            MetricName=name,
            Dimensions=[{"Name": streams.STREAM, "Value": streams.transactions_stream(use_case)}],
            StartTime=end - timedelta(hours=1),
            EndTime=end,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        yield "last hour", name.lower(), f"{sum(each['Sum'] for each in found):,.0f} records"


def _alarms(target: Target, use_case: str) -> Iterator[tuple[str, str, str]]:
    prefix = streams.stack_name(use_case)
    for alarm in target.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{prefix}-")["MetricAlarms"]:
        yield "alarm", alarm["AlarmName"], alarm["StateValue"]


def _access_log(stacks: Stacks) -> dict[str, str]:
    """The baseline's bucket for logs, where that stack is."""
    if stacks.status(_BASELINE) is None:
        return {}
    found = [name for logical, _, name in stacks.resources(_BASELINE) if logical == "LogBucket"]
    return {"AccessLogBucket": found[0]} if found else {}


def _upload(target: Target, use_case: str, files: Mapping[str, Path]) -> str:
    """Key of a .zip with these files, under its content's hash: code that is as it was is not deployed again."""
    body = packed(files)
    digest = hashlib.sha256(body).hexdigest()[:16]
    name = f"{Path(next(iter(files))).stem}.zip"
    parts = (target.place.prefix.strip("/"), "code", names.aws_name(use_case), digest, name)
    key = "/".join(part for part in parts if part)
    s3: Any = target.client("s3")
    s3.put_object(Bucket=target.place.bucket, Key=key, Body=body)
    return key


def packed(files: Mapping[str, Path]) -> bytes:
    """A .zip of files, by their paths in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16  # Lambda's own user has to be able to read it
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _deploy(stacks: Stacks, name: str, template: str, parameters: Mapping[str, str], review: Review) -> None:
    changed = stacks.deploy(name, _template(template), parameters, review)
    console.note(f"The stack {name} is {'up to date' if changed else 'as it was'}.")


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.yml").read_text(encoding="utf-8")


def _only(parameters: Mapping[str, str], declared: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name in declared}
