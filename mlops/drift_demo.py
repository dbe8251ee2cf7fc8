"""`mlops demo drift`: traffic drifts, monitors notice, an alarm retrains, a better model takes over.

On a stage of its own, `rehearsal`, with customers who are kept apart: the first model learns from some of them, and the
others are the live traffic, each once. Drift and the labels after it are simulated (data/churn_shift.py), so in the end
both versions are rejected: no deployment may take them by mistake.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy import labels, names, retraining
from deploy.declaration import Kind
from deploy.verdicts import Verdict, ended, iso
from mlops import console, demo, deployment, executions, models, monitoring, run, storage, traffic
from mlops.errors import Failure
from mlops.targets import Target

if TYPE_CHECKING:
    import pandas as pd

USE_CASE, STAGE = "churn", "rehearsal"
LABEL, POSITIVE = "Churn", "Yes"
EARLY, USUAL, CHANGED = 4000, 300, 1500  # customers: to learn from, of the usual traffic, of the changed one
SEED = 0
PATIENCE = 900.0  # seconds that one thing may take to happen; AWS evaluates an alarm by the minute
# The early customers are like all others, and what they violate of an approved version's baseline is chance.
FIRST = {"FailOnViolation": "False", "RegisterNewBaseline": "True"}


@dataclass(frozen=True)
class Customers:
    """Raw records with their label, no customer twice."""

    early: pd.DataFrame
    usual: pd.DataFrame
    changed: pd.DataFrame  # after the change, as is `later`
    later: pd.DataFrame


Answers = list[tuple[Verdict, Path | None]]  # of the stage's monitors, with their reports


@dataclass(frozen=True)
class Story:
    """What happened, for the summary."""

    first: int  # versions
    second: int
    comparison: dict[str, Any]  # as in the candidate's evaluation.json
    usual: Answers
    changed: Answers
    later: Answers


class Narrator:
    """Numbered headings with the time since the start."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._number = 0

    def heading(self, text: str) -> None:
        self._number += 1
        console.stdout().print()
        console.stdout().print(f"{self._number}. {text}  ({self.seconds:.0f} s)", style="bold", markup=False)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def play(target: Target, reports: Path) -> None:
    """Raises Failure where the story doesn't go as told: a verdict, the gate, an alarm that doesn't come."""
    narrator, approved = Narrator(), list[int]()
    try:
        story = tell(target, reports, narrator, approved)
        narrator.heading("The circle is closed")
    finally:
        for number in approved:
            models.decide(target, USE_CASE, number, "rehearsal: learnt from simulated drift, or for it", approve=False)
    summarise(story)


def tell(target: Target, reports: Path, narrator: Narrator, approved: list[int]) -> Story:
    """Notes the versions that it approves."""
    endpoint = names.endpoint_name(USE_CASE, STAGE)
    people, sagemaker = customers(), target.client("sagemaker")
    narrator.heading(f"A first model, from {EARLY:,} customers")
    data = {"InputDataUrl": upload(target, people.early), **FIRST}
    first = version(sagemaker, run.run(target, USE_CASE, data, detach=False))
    approved.append(first)
    in_service(target, first)
    narrator.heading(f"Healthy: {USUAL} other customers ask, and later it is known who left")
    usual = look(target, ask(target, endpoint, people.usual), reports)
    expect(usual, violations=False)
    quiet(target, endpoint)
    narrator.heading(
        f"Drift, simulated: prices rise, {CHANGED:,} customers of another kind ask, and leave for other reasons"
    )
    since = datetime.now(UTC)
    changed = look(target, ask(target, endpoint, people.changed), reports)
    expect(changed, violations=True)
    narrator.heading("Alarm: EventBridge starts the retraining, once")
    told_alarms(target, endpoint)
    execution = retrained(target, endpoint, since)
    narrator.heading("Retraining on the labelled traffic")
    candidate = learned(target, execution)
    comparison = gate(target, execution)
    narrator.heading(f"Version {candidate} is approved and takes over")
    approved.append(candidate)
    in_service(target, candidate)
    narrator.heading(f"Healthy again: {USUAL} more customers after the change ask")
    later = look(target, ask(target, endpoint, people.later), reports)
    expect(later, violations=False)
    quiet(target, endpoint)
    return Story(first, candidate, comparison, usual, changed, later)


# Customers.


def customers(seed: int = SEED) -> Customers:
    """Who is who, and for whom the world has changed: the same for the same seed. The eleven who have no bill yet stay
    out: a blank is nothing that drifted.
    """
    import pandas as pd

    from data.archives import fetch
    from data.churn_shift import relabel, shift

    raw = pd.read_parquet(fetch(USE_CASE)).drop(columns="customerID")
    table = raw[raw["TotalCharges"].astype(str).str.strip() != ""].sample(frac=1, random_state=seed)
    ends = [EARLY, EARLY + USUAL, EARLY + USUAL + CHANGED, EARLY + 2 * USUAL + CHANGED]
    early, usual, *after = (table.iloc[start:end] for start, end in zip([0, *ends], ends, strict=False))
    moved = [shift(part, seed + number)[0] for number, part in enumerate(after)]
    changed, later = (part.assign(**{LABEL: relabel(part, seed + number)}) for number, part in enumerate(moved))
    return Customers(early, usual, changed, later)


def upload(target: Target, table: pd.DataFrame) -> str:
    """Under its content's hash, so that another rehearsal takes its steps from the cache."""
    body = table.to_csv(index=False).encode()
    folder = target.place.uri("data", f"{USE_CASE}-{STAGE}", hashlib.sha256(body).hexdigest()[:16])
    bucket, key = storage.split(f"{folder}/early.csv")
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


# Versions.


def version(sagemaker: Any, execution: str) -> int:
    return demo.registered_version(sagemaker, USE_CASE, execution)


def in_service(target: Target, number: int) -> None:
    models.decide(target, USE_CASE, number, "rehearsal: passed the gate", approve=True)
    deployment.deploy(target, USE_CASE, STAGE, deployment.Overrides(version=number), yes=True)


# Traffic and verdicts.


def ask(target: Target, endpoint: str, people: pd.DataFrame) -> traffic.Sent:
    """Each customer is one request; then the truth about each is uploaded as `mlops label` does it."""
    payloads = traffic.lines(people.drop(columns=LABEL).astype(str))
    sent = traffic.replay(target, endpoint, payloads)
    truth = people[LABEL].eq(POSITIVE).astype(int).astype(str)
    known = {f"{sent.batch}-{number}": value for number, value in enumerate(truth)}
    where = names.ground_truth_uri(target.place.bucket, target.place.prefix, endpoint)
    labels.upload(target.client("s3"), where, known)
    console.say(f"{len(people):,} requests and their labels; {people[LABEL].eq(POSITIVE).mean():.0%} of them left")
    return sent


def look(target: Target, sent: traffic.Sent, reports: Path) -> Answers:
    """What the monitors find in exactly these requests."""
    return monitoring.now(target, USE_CASE, STAGE, (), iso(sent.start), iso(sent.end), reports)


def expect(answers: Answers, *, violations: bool) -> None:
    for verdict, _ in answers:
        if bool(verdict.violations) != violations:
            raise Failure(
                f"{verdict.kind} was to find {'a' if violations else 'no'} violation: {monitoring.sentence(verdict)}."
            )


# Alarms and the retraining.


def alarms(target: Target, endpoint: str) -> dict[str, str]:
    """Names of the violations' alarms with their states."""
    every = [names.violations_alarm(endpoint, kind) for kind in Kind]
    found = target.client("cloudwatch").describe_alarms(AlarmNames=every)["MetricAlarms"]
    return {each["AlarmName"]: each["StateValue"] for each in found}


def told_alarms(target: Target, endpoint: str) -> None:
    until("an alarm", target, lambda: "ALARM" in alarms(target, endpoint).values())
    for name, state in alarms(target, endpoint).items():
        console.say(f"{name}: {state}")


def quiet(target: Target, endpoint: str) -> None:
    """Waits until no alarm is on: only a change to ALARM is an event."""
    with console.stderr().status("Waiting until the last violation is old enough for the alarms …"):
        until("OK of every alarm", target, lambda: "ALARM" not in alarms(target, endpoint).values())
    console.say(f"alarms: {', '.join(sorted(set(alarms(target, endpoint).values())))}")


def retrained(target: Target, endpoint: str, since: datetime) -> str:
    """ARN of the use case's execution that the retraining pipeline started since then."""
    sagemaker, name = target.client("sagemaker"), retraining.name(endpoint)

    def started() -> list[dict[str, Any]]:
        # CreationTime has whole seconds at some places.
        listed = sagemaker.list_pipeline_executions(PipelineName=name, CreatedAfter=since - timedelta(seconds=1))
        return list(listed["PipelineExecutionSummaries"])

    until(f"an execution of {name}", target, lambda: bool(started()))
    outcomes = []
    for each in reversed(started()):
        ended(sagemaker, each["PipelineExecutionArn"], target.poll)
        outcomes.append(outcome(sagemaker, each["PipelineExecutionArn"]))
        console.say(f"{each['PipelineExecutionArn'].split(':pipeline/')[1]}: {outcomes[-1]['reason']}")
    found = [each["execution"] for each in outcomes if each["outcome"] == "started"]
    if not found:
        raise Failure(f"{name} started nothing: {outcomes[-1]['reason']}")
    return found[0]


def outcome(sagemaker: Any, execution: str) -> dict[str, str]:
    """What the step Retrain answered. Raises Failure when there is no answer."""
    for step in executions.steps(sagemaker, execution):
        if "Lambda" in step.metadata and step.status == "Succeeded":
            return {each["Name"]: each["Value"] for each in step.metadata["Lambda"]["OutputParameters"]}
        if step.status == "Failed":
            raise Failure(f"{step.name} of {execution} failed: {step.failure}")
    raise Failure(f"{execution} ended without an answer.")


def learned(target: Target, execution: str) -> int:
    """The version that it registered. Raises Failure when the gate or a step refused."""
    console.note(f"Execution {execution}")
    _, status = run.watch(target, execution)
    if status != "Succeeded":
        raise Failure(f"The retraining {execution} ended as {status}: mlops status {USE_CASE}")
    return version(target.client("sagemaker"), execution)


def gate(target: Target, execution: str) -> dict[str, Any]:
    """Both models on the retraining's test split, as the gate saw them."""
    folder = executions.output(target.client("sagemaker"), execution, "Evaluate", "evaluation")
    found = dict(executions.evaluation(target, folder)["comparison"])
    rows = []
    for name in ("average_precision", "auc"):
        lead = found[name]["lead"]
        within = lead["confidence_interval"]
        words = f"{lead['value']:+.3f} ({within['lower']:+.3f} to {within['upper']:+.3f})"
        rows.append((name, f"{found[name]['current']:.3f}", f"{found[name]['candidate']:.3f}", words))
    title = f"{found['records']} of these customers, whom neither model has learnt from"
    console.show(("metric", "in service", "candidate", "lead (95 % interval)"), rows, title=title)
    return found


def until(what: str, target: Target, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not come in {PATIENCE / 60:.0f} minutes.")
        time.sleep(target.poll)


# The end.


def summarise(story: Story) -> None:
    score = story.comparison["average_precision"]
    rows = [
        ("healthy", _all(story.usual)),
        ("drift", _all(story.changed)),
        (
            "versions",
            f"{story.first} → {story.second}, average precision {score['current']:.3f} → {score['candidate']:.3f}",
        ),
        ("healthy again", _all(story.later)),
    ]
    for label, value in rows:
        console.stdout().print(f"[bold]{label:<14}[/bold]", end=" ")
        console.say(value)
    for verdict, page in [*story.usual, *story.changed, *story.later]:
        console.say(f"{'report':<14} {page} ({verdict.kind})")
    mlops = console.command()
    console.say("Drift and the labels after it were simulated; both versions are rejected, so nothing deploys them.")
    console.say(f"The stage stays up: {mlops} monitor {USE_CASE} --stage {STAGE}")
    console.say(f"Take it down with: {mlops} undeploy {USE_CASE} --stage {STAGE}")


def _all(answers: Answers) -> str:
    return "; ".join(f"{verdict.kind}: {monitoring.sentence(verdict)}" for verdict, _ in answers)
