"""`mlops demo`, the work of `make run`: the whole loop of a use case, from raw data to the second drift verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import served
from deploy.declaration import Kind
from deploy.verdicts import Verdict
from mlops import console, deployment, executions, models, monitoring, run, serving, storage, traffic
from mlops.errors import Failure
from mlops.targets import Target

STAGE = "production"


@dataclass(frozen=True)
class Loop:
    """What the loop went through, for the summary."""

    execution: str
    package: dict[str, Any]  # DescribeModelPackage
    endpoint: str
    asked: str
    answer: str
    usual: tuple[Verdict, Path | None]
    shifted: tuple[Verdict, Path | None]
    changed: list[str]  # columns of the shifted traffic
    report: Path


def demo(target: Target, use_case: str, count: int, reports: Path) -> Loop:
    """Raises LookupError for a use case that it can't play, Failure when the pipeline fails, or when a verdict is not
    what the traffic calls for.
    """
    check_playable(use_case)
    started = time.monotonic()
    sagemaker = target.client("sagemaker")
    _heading(f"1. The pipeline of {use_case}: raw data to a registered version")
    execution = run.run(target, use_case, {}, detach=False)
    report = download_report(target, use_case, execution, reports)
    _heading("2. A person approves the version, and it goes in service")
    version = registered_version(sagemaker, use_case, execution)
    models.decide(target, use_case, version, "the demo approves what passed the gate", approve=True)
    at_once = deployment.Overrides(version=version, strategy="all-at-once")  # nobody watches the demo bake
    endpoint = deployment.deploy(target, use_case, STAGE, at_once, yes=True)
    package = served.package(sagemaker, use_case, endpoint)
    asked = traffic.lines(traffic.held_out(target, use_case).head(1))[0]
    answer = serving.ask(target, endpoint, serving.Question(asked.encode()))
    _heading("3. Held-out customers ask, and the monitor looks")
    sent = traffic.send(target, use_case, STAGE, count, shift=False)
    usual = look(target, use_case, sent, reports)
    _heading("4. The population changes, and the monitor looks again")
    moved = traffic.send(target, use_case, STAGE, count, shift=True)
    shifted = look(target, use_case, moved, reports)
    loop = Loop(execution, package, endpoint, asked, answer, usual, shifted, moved.shifted, report)
    summarise(target, use_case, loop, time.monotonic() - started)
    check(loop)
    return loop


def check_playable(use_case: str) -> None:
    """Raises LookupError, before minutes of pipeline, where no population changes: that is how the demo ends."""
    try:
        traffic.population(use_case)
    except LookupError as error:
        alone = f"mlops run {use_case}, then approve, deploy and traffic, are the loop up to there"
        raise LookupError(f"{str(error).rstrip('.')}, and the demo ends with it. {alone}.") from None


def look(target: Target, use_case: str, sent: traffic.Sent, reports: Path) -> tuple[Verdict, Path | None]:
    """The data quality monitor of the traffic that was sent."""
    window = sent.start.isoformat(), sent.end.isoformat()
    return monitoring.now(target, use_case, STAGE, [Kind.DATA_QUALITY], *window, reports)[0]


def _heading(text: str) -> None:
    console.stdout().print()
    console.stdout().print(text, style="bold", markup=False)


def download_report(target: Target, use_case: str, execution: str, reports: Path) -> Path:
    folder = executions.output(target.client("sagemaker"), execution, "Evaluate", "evaluation")
    name = f"evaluation-{execution.rsplit('/', 1)[1]}.html"
    return storage.download(target.client("s3"), f"{folder}/report.html", reports / use_case / name)


def registered_version(sagemaker: Any, use_case: str, execution: str) -> int:
    """The version that an execution registered."""
    for step in executions.steps(sagemaker, execution):
        if "RegisterModel" in step.metadata:
            return int(step.metadata["RegisterModel"]["Arn"].rsplit("/", 1)[1])
    raise LookupError(f"The execution {execution} of {use_case} registered no version.")


def summarise(target: Target, use_case: str, loop: Loop, seconds: float) -> None:
    _heading(f"The loop took {seconds:.0f} s")
    for label, value in rows(target, loop):
        console.stdout().print(f"[bold]{label:<12}[/bold]", end=" ")
        console.say(value)
    console.stdout().print()
    mlops = console.command()
    if target.settings:
        console.say("Look at all of it in a browser: make dashboard")
        console.say(f"sagelocal stays up at {target.settings.url}. Take it down with: {mlops} down")
        console.say(f'{mlops} up goes on with its state. eval "$({mlops} env)" lets aws, boto3 and the SDK work on it.')
    else:
        console.say(f"The endpoint costs money until you delete it: {mlops} undeploy {use_case} --target aws")


def rows(target: Target, loop: Loop) -> list[tuple[str, str]]:
    steps = executions.steps(target.client("sagemaker"), loop.execution)
    cached = [step.name for step in steps if step.cached]
    how = f"Succeeded, from the cache: {', '.join(cached)}" if cached else "Succeeded, every step ran"
    return [
        ("execution", f"{loop.execution} ({how})"),
        *[("tuning", executions.best_trial(target, step)) for step in steps if "TuningJob" in step.metadata],
        *[("metrics" if first else "", line) for first, line in _metric_lines(target, loop)],
        ("version", f"{loop.package['ModelPackageArn']}, {loop.package['ModelApprovalStatus']}"),
        ("endpoint", f"{loop.endpoint}, in service"),
        ("prediction", f"{loop.answer.strip()}  for  {loop.asked}"),
        ("monitor", f"held-out traffic: {monitoring.sentence(loop.usual[0])}"),
        ("", f"shifted traffic: {monitoring.sentence(loop.shifted[0])}"),
        ("reports", str(loop.report)),
        ("", str(loop.usual[1])),
        ("", str(loop.shifted[1])),
    ]


def _metric_lines(target: Target, loop: Loop) -> list[tuple[bool, str]]:
    """Metrics of the test split with their intervals, then what the gate compared."""
    folder = executions.output(target.client("sagemaker"), loop.execution, "Evaluate", "evaluation")
    report = executions.evaluation(target, folder)
    groups = [group for group in report.values() if isinstance(group, dict)]
    details = {
        name: each
        for group in groups
        for name, each in group.items()
        if isinstance(each, dict) and "value" in each  # a comparison repeats the names
    }
    lines = []
    for name, value in executions.headline(report).items():
        interval = details[name].get("confidence_interval")
        within = f" (95 % interval {interval['lower']:.3f} to {interval['upper']:.3f})" if interval else ""
        lines.append(f"{name} {value:.3f}{within}")
    properties = loop.package.get("CustomerMetadataProperties", {})
    if gate := models.metrics(properties):
        lines.append(f"gate: {', '.join(gate)}")
    if checks := models.checks(properties):
        lines.append(f"checks: {checks}")
    return [(number == 0, line) for number, line in enumerate(lines)]


def check(loop: Loop) -> None:
    """Raises Failure unless the first verdict is clean and the second names the shifted columns and only those."""
    if loop.usual[0].violations:
        raise Failure(f"The usual traffic violates the baseline: {', '.join(loop.usual[0].subjects)}.")
    if set(loop.shifted[0].subjects) != set(loop.changed):
        named = ", ".join(loop.shifted[0].subjects) or "nothing"
        raise Failure(f"The shifted columns are {', '.join(loop.changed)}, and the monitor names {named}.")
