"""`mlops`: every command's options. What a command does is in its module, imported when it runs: `mlops --help` has to
be there at once, and the SageMaker SDK alone takes two seconds.
"""

from __future__ import annotations

import logging
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlops.commands import abtest, cards, changed, cicd, cost, lineage
from mlops.options import (
    COUNT,
    LAPTOP,
    REPORTS,
    Count,
    Execution,
    Reason,
    Reports,
    Stage,
    TargetOption,
    UseCase,
    Version,
    Where,
    Yes,
    connect,
    known,
)

app = typer.Typer(
    name="mlops",
    help="Pipelines, models, endpoints and monitors, on this laptop or with --target aws in an AWS account.",
    epilog="-v or --verbose, anywhere: the whole trace of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Shift(StrEnum):
    """The keys of deploy.strategies.STRATEGIES."""

    all_at_once = "all-at-once"
    canary = "canary"
    linear = "linear"
    rolling = "rolling"


class Analysis(StrEnum):
    """deploy.declaration.Kind."""

    data_quality = "data-quality"
    model_quality = "model-quality"
    model_bias = "model-bias"
    explainability = "explainability"


class By(StrEnum):
    """pipelines.project.CHECKS."""

    ours = "ours"
    managed = "managed"


@app.command("list")
def list_use_cases() -> None:
    """The use cases."""
    from mlops import console, use_cases

    console.show(("use case", "what it is"), [(case.name, case.summary) for case in use_cases.find_all()])


@app.command()
def run(
    use_case: UseCase,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A pipeline parameter.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option("--steps", metavar="A,B", help="Only these, with an earlier execution's results.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="EXECUTION", help="With --steps: the execution; else the newest that ended."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--given", metavar="STEP.OUTPUT=VALUE", help="With --steps: a result that no execution made."),
    ] = None,
    checks: Annotated[
        By | None,
        typer.Option("--checks", help="By our jobs or AWS's check steps; else as $MLOPS_CHECKS says, or ours."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return as soon as it has started.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Upsert the pipeline, start an execution and watch its steps."""
    parameters = dict(_assignment("--param", each) for each in param or [])
    results = dict(_assignment("--given", each) for each in given or [])
    if (source or results) and not steps:
        raise ValueError("--from and --given belong to --steps: name the steps to run.")
    known(use_case)
    if checks:
        os.environ["MLOPS_CHECKS"] = checks.value
    from mlops import run as command
    from mlops.selection import Selection

    chosen = Selection([name.strip() for name in steps.split(",")], source, results) if steps else None
    command.run(connect(target), use_case, parameters, chosen, detach=detach)


def _assignment(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{option} {text}: write it as Name=value.")
    return name, value


@app.command()
def definition(use_case: UseCase, target: TargetOption = LAPTOP) -> None:
    """The pipeline's definition as JSON. Uploads its code and data if the bucket lacks them."""
    known(use_case)
    connect(target)
    from pipelines.get_pipeline_definition import definition as compiled

    print(compiled(use_case))


@app.command()
def status(
    use_case: Annotated[str | None, typer.Argument(metavar="USE_CASE", help="Only this one, with its steps.")] = None,
    target: TargetOption = LAPTOP,
) -> None:
    """Address, version, state folder, what runs, recent executions and why steps failed."""
    if use_case:
        known(use_case)
    from mlops import laptop

    laptop.status(use_case, target.value)


@app.command()
def logs(
    use_case: UseCase,
    step: Annotated[str | None, typer.Option("--step", help="Only this step, such as Tune.")] = None,
    execution: Execution = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="STAGE", help="An endpoint's log instead.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """What the jobs of an execution printed, or an endpoint's containers."""
    known(use_case)
    from mlops import logs as command

    if endpoint:
        command.endpoint(connect(target), use_case, endpoint, follow=follow)
    else:
        command.steps(connect(target), use_case, step, execution, follow=follow)


@app.command("why-not-cached")
def why_not_cached(
    execution: Annotated[str, typer.Argument(help="Id or ARN, or a pipeline's name for its newest one.")],
    step: Annotated[str, typer.Argument(help="Such as Tune.")],
    target: TargetOption = LAPTOP,
) -> None:
    """What kept a step from taking an earlier run's results: the first attribute that differs, or the rule."""
    from mlops import caching

    caching.why_not_cached(connect(target), execution, step)


@app.command()
def models(use_case: UseCase, target: TargetOption = LAPTOP) -> None:
    """The registered versions, their metrics and approval, and which endpoint serves them."""
    known(use_case)
    from mlops import models as command

    command.show(connect(target), use_case)


@app.command()
def compare(
    use_case: UseCase,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Sort by this one, such as validation:aucpr; else by the main one.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Only the newest executions.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All metrics and parameters, as JSON.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """A leaderboard of executions: metrics, parameters that differ, registered version."""
    known(use_case)
    from mlops import comparison

    comparison.compare(connect(target), use_case, metric, limit, as_json=as_json)


@app.command()
def approve(use_case: UseCase, version: Version = None, reason: Reason = "", target: TargetOption = LAPTOP) -> None:
    """Approve a registered version, so that it may be deployed."""
    known(use_case)
    from mlops import models as command

    command.decide(connect(target), use_case, version, reason, approve=True)


@app.command()
def reject(use_case: UseCase, version: Version = None, reason: Reason = "", target: TargetOption = LAPTOP) -> None:
    """Reject a registered version."""
    known(use_case)
    from mlops import models as command

    command.decide(connect(target), use_case, version, reason, approve=False)


@app.command()
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
    known(use_case)
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


@app.command()
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


@app.command()
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
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Ask an endpoint; an asynchronous one's answer is waited for."""
    known(use_case)
    from mlops import playground, serving

    if page:
        playground.show(connect(target), use_case, stage)
        return
    serving.invoke(connect(target), use_case, stage, payload, file, accept=accept, variant=variant, model=model)


@app.command()
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
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Replay held-out records of the version in service to its endpoint."""
    known(use_case)
    from mlops import traffic as command

    command.send(connect(target), use_case, stage, count, shift=shift, seed=seed, labels=labels, sticky=sticky)


@app.command()
def label(
    use_case: UseCase,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .csv, .parquet or .jsonl table.")],
    id_column: Annotated[
        str | None, typer.Option("--id-column", help="The requests' ids; else inference_id, or event_id.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option("--label-column", help="What became of them; else as the monitors declare it.")
    ] = None,
    stage: Stage = "production",
    target: TargetOption = LAPTOP,
) -> None:
    """Tell the monitors what became of requests: model quality, bias and retraining learn from it."""
    known(use_case)
    from mlops import labels as command

    command.label(connect(target), use_case, stage, file, id_column, label_column)


@app.command()
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
    known(use_case)
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


@app.command()
def interrupt(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A managed spot training job that runs.")],
    target: TargetOption = LAPTOP,
) -> None:
    """Take a managed spot training job's instances back, as AWS may at any time: it starts again."""
    from mlops import interrupt as command

    command.interrupt(connect(target), job)


@app.command()
def up(
    time_scale: Annotated[
        float | None,
        typer.Option(
            "--time-scale",
            min=1,
            help="How many times shorter bake times, cool-downs and other waits become, from this start on; 1 ends it.",
        ),
    ] = None,
) -> None:
    """Start sagelocal; every command for the laptop does so too."""
    from mlops import laptop

    laptop.up(time_scale)


@app.command()
def down() -> None:
    """Stop sagelocal and what it runs. Its state stays."""
    from mlops import laptop

    laptop.down()


@app.command()
def env(
    unset: Annotated[bool, typer.Option("--unset", help="Take them out of the shell again.")] = False,
    sts_proxy: Annotated[
        bool, typer.Option("--sts-proxy", help="Also an HTTPS proxy, for what the SDKs ask AWS's own STS address.")
    ] = False,
) -> None:
    """The variables with which aws, boto3 and the SageMaker SDK work on sagelocal: eval "$(mlops env)"."""
    from mlops import laptop

    laptop.env(unset=unset, sts_proxy=sts_proxy)


@app.command()
def doctor(target: TargetOption = LAPTOP) -> None:
    """What is missing on this machine, or in the account; changes nothing."""
    from mlops import doctor as command

    command.report(command.machine() if target is Where.laptop else command.account(connect(target)))


@app.command()
def prune(
    days: Annotated[int, typer.Option("--days", help="Keep what is younger.")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    target: TargetOption = LAPTOP,
) -> None:
    """Remove finished jobs' staging, old logs, and objects that nothing refers to any more, from this laptop."""
    from mlops import prune as command

    command.prune(connect(target), days, dry_run=dry_run)


@app.command()
def demo(
    use_case: Annotated[
        str, typer.Argument(metavar="USE_CASE|drift", help="`drift`: from drift to a new model, with churn.")
    ] = "churn",
    count: Count = COUNT,
    reports: Reports = REPORTS,
    target: TargetOption = LAPTOP,
) -> None:
    """The whole loop: pipeline, approval, production endpoint, traffic, monitor, changed traffic, monitor."""
    if use_case == "drift":
        if count != COUNT:
            raise typer.BadParameter("drift has its own numbers of requests, and takes no --count.")
        from mlops import drift_demo

        drift_demo.play(connect(target), reports)
        return
    known(use_case)
    from mlops import demo as command

    command.demo(connect(target), use_case, count, reports)


for each in (abtest, cards, changed, cicd, cost, lineage):
    each.register(app)


def main(argv: list[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 failed, 2 wrong usage, 130 interrupted. An error is one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    verbose = [each for each in options if each in ("-v", "--verbose")]
    arguments = [each for each in options if each not in verbose] + arguments[len(options) :]
    logging.disable(logging.INFO)  # botocore and the SageMaker SDK say where each of their settings came from
    try:
        app(arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if verbose:
            raise
        sys.exit(_explain(error))
    finally:
        logging.disable(logging.NOTSET)


def _explain(error: Exception) -> int:
    from mlops import errors

    if str(error) or not isinstance(error, errors.Failure):
        print(f"error: {errors.message(error)}", file=sys.stderr)
    return errors.FAILED


if __name__ == "__main__":
    main()
