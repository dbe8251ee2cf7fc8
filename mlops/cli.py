"""`mlops`: the options of commands on pipelines and models; the others' are in `mlops/commands/`.

What a command does is in its module, imported when it runs: `mlops --help` has to be there at once, and the SageMaker
SDK alone takes two seconds.
"""

from __future__ import annotations

import logging
import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from mlops.commands import (
    abtest,
    automl,
    cards,
    changed,
    cicd,
    cost,
    dashboard,
    eda,
    endpoints,
    feedback,
    lineage,
    machine,
    new,
    scoring,
    stream,
)
from mlops.options import (
    COUNT,
    LAPTOP,
    REPORTS,
    Count,
    Execution,
    Reason,
    Reports,
    TargetOption,
    UseCase,
    Version,
    connect,
    known,
    known_model,
)

app = typer.Typer(
    name="mlops",
    help="Pipelines, models, endpoints and monitors, on this laptop or with --target aws in an AWS account.",
    epilog="-v or --verbose, anywhere: the whole trace of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    known_model(use_case)
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
    known_model(use_case)
    from mlops import models as command

    command.decide(connect(target), use_case, version, reason, approve=True)


@app.command()
def reject(use_case: UseCase, version: Version = None, reason: Reason = "", target: TargetOption = LAPTOP) -> None:
    """Reject a registered version."""
    known_model(use_case)
    from mlops import models as command

    command.decide(connect(target), use_case, version, reason, approve=False)


@app.command()
def demo(
    use_case: Annotated[
        str,
        typer.Argument(
            metavar="USE_CASE|drift", help="`drift`: from drift to a new model, with churn; `fraud`: a new one is met."
        ),
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
    if use_case == "fraud":
        if count != COUNT:
            raise typer.BadParameter("fraud has its own days of payments, and takes no --count.")
        from mlops import fraud_demo

        fraud_demo.play(connect(target), reports)
        return
    known_model(use_case)
    from mlops import demo as command

    command.demo(connect(target), use_case, count, reports)


for each in (
    endpoints,
    abtest,
    automl,
    cards,
    cost,
    changed,
    cicd,
    dashboard,
    eda,
    feedback,
    lineage,
    machine,
    new,
    scoring,
    stream,
):
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
