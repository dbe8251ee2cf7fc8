"""Endpoints: `mlops deploy`, `undeploy`, `invoke`, `traffic`, `label`, `monitor`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlops.options import (
    COUNT,
    LAPTOP,
    REPORTS,
    AllowChanges,
    Count,
    Reports,
    Stage,
    TargetOption,
    UseCase,
    Yes,
    connect,
    known,
    known_model,
)


class Shift(StrEnum):
    """The keys of deploy.strategies.STRATEGIES."""

    all_at_once = "all-at-once"
    canary = "canary"
    linear = "linear"
    rolling = "rolling"


class Broker(StrEnum):
    """Where a stream is: deploy.sources, deploy.sources_kafka."""

    kinesis = "kinesis"
    kafka = "kafka"


class Verdict(StrEnum):
    """deploy.fraud_labels' labels."""

    fraud = "fraud"
    genuine = "genuine"


class Analysis(StrEnum):
    """deploy.declaration.Kind."""

    data_quality = "data-quality"
    model_quality = "model-quality"
    model_bias = "model-bias"
    explainability = "explainability"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (deploy, undeploy, invoke, traffic, label, monitor):
        app.command()(command)


def deploy(
    use_case: UseCase,
    stage: Stage = "production",
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="The newest approved if none is named.")
    ] = None,
    strategy: Annotated[
        Shift | None, typer.Option("--strategy", help="How traffic goes over, if not as declared.")
    ] = None,
    bake: Annotated[
        int | None, typer.Option("--bake", min=0, metavar="SECONDS", help="How long each step is watched.")
    ] = None,
    instance_type: Annotated[str | None, typer.Option("--instance-type", help="Such as ml.m5.large.")] = None,
    instance_count: Annotated[int | None, typer.Option("--instance-count", min=1, help="Of each variant.")] = None,
    variant: Annotated[
        list[str] | None, typer.Option("--variant", metavar="NAME=VERSION[:WEIGHT]", help="One more, for an A/B test.")
    ] = None,
    shadow: Annotated[
        int | None, typer.Option("--shadow", min=1, metavar="VERSION", help="It gets copies, nobody its answers.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Yes = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return as soon as it has begun.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Put an approved version in service as deploy/stages.yml declares it: shows what changes and costs, then does it.

    What may cost more than the stage's ceiling needs --yes.
    """
    known_model(use_case)
    from mlops import deployment

    overrides = deployment.Overrides(
        version=version,
        strategy=strategy.value if strategy else None,
        bake=bake,
        instance_type=instance_type,
        instance_count=instance_count,
        variants=tuple(variant or ()),
        shadow=shadow,
    )
    deployment.deploy(connect(target), use_case, stage, overrides, wait=not no_wait, dry_run=dry_run, yes=yes)


def undeploy(
    use_case: UseCase,
    stage: Stage = "production",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Yes = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Take an endpoint down with all that was made for it, and list that nothing is left."""
    known(use_case)
    from mlops import deployment

    deployment.undeploy(connect(target), use_case, stage, dry_run=dry_run, yes=yes)


def invoke(
    use_case: UseCase,
    payload: Annotated[str | None, typer.Argument(help="A CSV line or JSON; a held-out record if left out.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", exists=True, dir_okay=False, help="A .csv or .json file.")
    ] = None,
    accept: Annotated[str | None, typer.Option("--accept", help="Content type of the answer.")] = None,
    variant: Annotated[str | None, typer.Option("--variant", help="Of an A/B test; else by the weights.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Of a multi-model endpoint: the archive, relative to its prefix.")
    ] = None,
    page: Annotated[bool, typer.Option("--open", help="A page with a form of the model's input.")] = False,
    allow_changes: AllowChanges = False,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Ask an endpoint; an asynchronous one's answer is waited for."""
    known_model(use_case)
    from mlops import dashboard, serving

    if page:
        dashboard.playground(connect(target), use_case, stage, allow_changes=allow_changes)
        return
    serving.invoke(connect(target), use_case, stage, payload, file, accept=accept, variant=variant, model=model)


def traffic(
    use_case: UseCase,
    shift: Annotated[bool, typer.Option("--shift", help="From a population that changed.")] = False,
    count: Count = COUNT,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice of records.")] = 0,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Write their ids and true labels to this CSV, for mlops label.")
    ] = None,
    sticky: Annotated[
        bool, typer.Option("--sticky", help="In an A/B test a record is a customer, who keeps the variant.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.1, help="Of a use case with a stream: events of now to it, so many a second."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="With --rate: for how long.")] = 60.0,
    drift: Annotated[
        str, typer.Option("--drift", metavar="KIND", help="With --rate: concept, a new fraud appears; or covariate.")
    ] = "",
    source: Annotated[Broker, typer.Option("--source", help="With --rate: where the stream is.")] = Broker.kinesis,
    brokers: Annotated[
        str, typer.Option("--brokers", metavar="HOST:PORT", help="With --source kafka.")
    ] = "127.0.0.1:9092",
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Replay held-out records of the version in service to its endpoint; with --rate, put events to a stream."""
    if rate is not None:
        from mlops import producer, streaming

        kafka = brokers if source is Broker.kafka else ""
        streaming.check(use_case)
        producer.send(connect(target), use_case, rate, seconds, drift=drift, seed=seed, labels=labels, kafka=kafka)
        return
    if drift or source is Broker.kafka:
        raise ValueError("--drift and --source go with --rate: without it, records go to the endpoint.")
    known_model(use_case)
    from mlops import traffic as command

    command.send(connect(target), use_case, stage, count, shift=shift, seed=seed, labels=labels, sticky=sticky)


def label(
    use_case: UseCase,
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A .csv, .parquet or .jsonl table.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id-column", help="The requests' ids; else inference_id, or event_id.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option("--label-column", help="What became of them; else as the monitors declare it.")
    ] = None,
    transaction: Annotated[int | None, typer.Option("--transaction", min=0, help="Of a stream, with --as.")] = None,
    said: Annotated[Verdict | None, typer.Option("--as", help="What an analyst found it to be.")] = None,
    chargebacks: Annotated[
        str | None,
        typer.Option("--chargebacks", metavar="FILE|S3_PREFIX", help="Of a stream: frauds that were reported."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--requests-since", help="Of a stream: their truth for the monitors, as 2h, 7d.")
    ] = None,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Tell the monitors what became of requests: model quality, bias and retraining learn from it.

    Of a stream's transactions (a FILE with transaction_id and label): in the table of scores and the Feature Store.
    """
    known_model(use_case)
    from mlops import fraud_labels, streaming
    from mlops import labels as command

    of_stream = use_case in streaming.use_cases()
    if file is not None and not (of_stream and fraud_labels.fits(file)):
        command.label(connect(target), use_case, stage, file, id_column, label_column)
        return
    if not of_stream and file is None and not (transaction or chargebacks or since):
        raise ValueError(f"Give a FILE: mlops label {use_case} outcomes.csv.")
    streaming.check(use_case)
    if (transaction is None) != (said is None):
        raise ValueError("--transaction and --as go together: mlops label fraud --transaction 17 --as genuine.")
    given = fraud_labels.Given(file, transaction, said and said.value, chargebacks, since)
    fraud_labels.label(connect(target), use_case, stage, given)


def monitor(
    use_case: UseCase,
    now: Annotated[bool, typer.Option("--now", help="Run them and wait, over a window that ends now.")] = False,
    kind: Annotated[list[Analysis] | None, typer.Option("--kind", help="With --now: only this one.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="With --now: ISO 8601 or 15m, 2h, 7d; else as long as declared.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="With --now, likewise; else now.")] = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit 1 on violations.")] = False,
    reports: Reports = REPORTS,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """The monitors: schedule, last run, verdict; with --now they run at once and leave an HTML report each."""
    known_model(use_case)
    if not now and (kind or since or until):
        raise ValueError("--kind, --since and --until go with --now: without it, every monitor is listed.")
    from deploy.declaration import Kind
    from mlops import monitoring
    from mlops.errors import Failure

    where = connect(target)
    if now:
        kinds = [Kind(each.value) for each in kind or []]
        found = [verdict for verdict, _ in monitoring.now(where, use_case, stage, kinds, since, until, reports)]
    else:
        found = monitoring.show(where, use_case, stage)
    if fail and any(verdict.violations for verdict in found):
        raise Failure("")
