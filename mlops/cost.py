"""`mlops cost`, and the ceiling that `mlops deploy` keeps: what a run and a month of a stage cost on AWS."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from deploy import cost, cost_run, names, prices, stages
from deploy.cost import Estimate, Measured, Traffic
from deploy.cost_run import Job
from deploy.declaration import Kind, Stage
from deploy.state import find
from mlops import console, executions
from mlops.errors import Failure
from mlops.executions import TUNING, Step
from mlops.targets import Target

START_UP = 120.0  # seconds that a job is assumed to take to fetch image and data, where no instance was started
_USES = {"ProcessingJob": "processing", "TrainingJob": "training", "TransformJob": "transform", TUNING: "training"}


def show(
    target: Target, use_case: str, stage: str, traffic: Traffic, start_up: float | None = None, *, as_json: bool = False
) -> None:
    """`stage` may be a prefix that only one has. Raises LookupError for any other."""
    chosen = stages.find(complete(stage, list(stages.of(use_case))), use_case)
    added = start_up if start_up is not None else START_UP if target.settings else 0.0
    table = prices.load()
    run, execution = of_run(target, use_case, table, added)
    month = of_month(target, use_case, chosen, table, traffic, added)
    if as_json:
        print(json.dumps(_document(target, use_case, chosen, table, {"run": run, "month": month}, execution), indent=2))
        return
    if run:
        _print(f"A run of {use_case}, as {execution} was", run)
    else:
        console.note(f"{use_case} never ran here, so a run of it can't be reckoned: mlops run {use_case}")
    _print(f"A month of {names.endpoint_name(use_case, chosen.name)}", month)
    if chosen.cost_ceiling is not None:
        console.say(f"Its ceiling is {chosen.cost_ceiling:,.2f} USD a month (deploy/stages.yml)")
    for sentence in notes(target, table):
        console.note(sentence)


def complete(stage: str, known: list[str]) -> str:
    """`production` for `prod`. Raises LookupError for what none or several begin with."""
    found = [each for each in known if each == stage] or [each for each in known if each.startswith(stage)]
    if len(found) != 1:
        which = f"may be {' or '.join(found)}" if found else "is not declared"
        raise LookupError(f"The stage {stage} {which}: deploy/stages.yml has {', '.join(known)}.")
    return found[0]


def check(target: Target, use_case: str, stage: Stage, *, yes: bool) -> str:
    """A line on a month of the stage. Raises Failure when it may cost more than the ceiling, or can't be reckoned."""
    table = prices.load()
    month = of_month(target, use_case, stage, table, Traffic(), START_UP if target.settings else 0.0)
    endpoint = names.endpoint_name(use_case, stage.name)
    said, ceiling = f"A month of {endpoint}: {_span(month)}", stage.cost_ceiling
    if ceiling is None:
        return said
    remedy = f"Raise cost_ceiling of {stage.name} in deploy/stages.yml, or deploy with --yes."
    if month.high > ceiling and not yes:
        raise Failure(
            f"A month of {endpoint} may cost {month.high:,.2f} USD, and its ceiling is {ceiling:,.2f} USD "
            f"(mlops cost {use_case} --stage {stage.name}). {remedy}"
        )
    if month.unpriced and not yes:
        raise Failure(
            f"A month of {endpoint} can't be held against its ceiling of {ceiling:,.2f} USD: deploy/prices.toml has no "
            f"price of {', '.join(month.unpriced)}. Add it with its source, or deploy with --yes."
        )
    return f"{said}, below its ceiling of {ceiling:,.2f} USD" if month.high <= ceiling else f"{said}, over its ceiling"


def notes(target: Target, table: prices.Prices) -> Iterator[str]:
    read = [each.read for each in [*table.instances.values(), *table.units.values()]]
    yield f"List prices of {table.region}, read {min(read)} to {max(read)}, without free tier (deploy/prices.toml)"
    if target.region != table.region and not target.settings:
        yield f"{target.region} has prices of its own."
    if old := table.old(date.today()):
        yield f"Older than a year: {', '.join(old)}. Look at their sources."


def of_month(
    target: Target, use_case: str, stage: Stage, table: prices.Prices, traffic: Traffic, start_up: float
) -> Estimate:
    return cost.month(stage, table, traffic, measured(target, use_case, stage), start_up)


def measured(target: Target, use_case: str, stage: Stage) -> dict[Kind, Measured]:
    """Of each monitor that ran as a pipeline, its newest execution that succeeded."""
    found: dict[Kind, Measured] = {}
    for kind in stage.monitoring.monitors() if stage.monitoring else {}:
        name = names.monitor_name(names.endpoint_name(use_case, stage.name), kind)
        try:
            execution = executions.latest(target.client("sagemaker"), name, "Succeeded")
        except LookupError:
            continue
        jobs = [job for step in executions.steps(target.client("sagemaker"), execution) for job in _jobs(target, step)]
        dimensions = [{"Name": "MonitoringSchedule", "Value": name}]
        pages = target.client("cloudwatch").get_paginator("list_metrics").paginate(Dimensions=dimensions)
        metrics = sum(len(page["Metrics"]) for page in pages)
        found[kind] = Measured(sum(each.seconds * each.instance_count for each in jobs), metrics)
    return found


def of_run(target: Target, use_case: str, table: prices.Prices, start_up: float) -> tuple[Estimate | None, str]:
    """The newest execution that ran a job, and its id; none for a pipeline that never did."""
    sagemaker = target.client("sagemaker")
    try:
        recent = executions.recent(sagemaker, use_case, 20)
    except LookupError:
        recent = []
    for each in recent:
        steps = executions.steps(sagemaker, each["PipelineExecutionArn"])
        if jobs := [job for step in steps for job in _jobs(target, step)]:
            cached = sum(step.cached or step.lent for step in steps)
            return cost_run.run(jobs, cached, table, start_up), each["PipelineExecutionArn"].rsplit("/", 1)[1]
    return None, ""


def _jobs(target: Target, step: Step) -> Iterator[Job]:
    """What a step ran; nothing for one that took another execution's results."""
    if step.cached or step.lent or step.job is None:
        return
    sagemaker, (kind, name) = target.client("sagemaker"), step.job
    job = find(lambda **_: executions.describe_job(sagemaker, kind, name))
    if job is None:
        return
    if kind == TUNING:
        yield from _trials(sagemaker, step.name, name)
    else:
        yield _described(step.name, kind, job)


def _trials(sagemaker: Any, step: str, tuning_job: str) -> Iterator[Job]:
    """A Job for all trials on instances of one kind."""
    paginator = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    pages = paginator.paginate(HyperParameterTuningJobName=tuning_job)
    listed = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    groups: dict[tuple[str, int, float], list[Job]] = {}
    for name in listed:
        job = _described(step, "TrainingJob", executions.describe_job(sagemaker, "TrainingJob", name))
        groups.setdefault((job.instance_type, job.instance_count, job.volume_gb), []).append(job)
    for group in groups.values():
        seconds = sum(each.seconds for each in group)
        yield dataclasses.replace(group[0], seconds=seconds, jobs=len(group))


def _described(step: str, kind: str, job: dict[str, Any]) -> Job:
    cluster = job.get("ResourceConfig") or job.get("TransformResources") or job["ProcessingResources"]["ClusterConfig"]
    began, ended = (job.get(f"{kind.removesuffix('Job')}{moment}Time") for moment in ("Start", "End"))
    seconds = (ended - began).total_seconds() if began and ended else 0.0
    return Job(
        step,
        _USES[kind],
        str(cluster.get("InstanceType", "several instance groups")),
        int(cluster.get("InstanceCount", 1)),
        float(job.get("BillableTimeInSeconds", seconds)),
        float(cluster.get("VolumeSizeInGB", 0)),
    )


def _span(estimate: Estimate) -> str:
    low, high = (f"{each:,.2f}" for each in (estimate.low, estimate.high))
    found = f"{low} USD" if low == high else f"{low} to {high} USD"
    return found + (f" and what {', '.join(estimate.unpriced)} costs" if estimate.unpriced else "")


def _print(title: str, estimate: Estimate) -> None:
    rows = [(each.what, _money(each.low), _money(each.high), each.how) for each in estimate.lines]
    rows.append(("together", _money(estimate.low), _money(estimate.high), ""))
    console.show(("what", "USD at least", "at most", "how"), rows, title=title)
    for sentence in estimate.assumed:
        console.say(sentence)
    if estimate.unpriced:
        console.say(f"Without a price in deploy/prices.toml, and left out: {', '.join(estimate.unpriced)}.")


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else f"{amount:.4f}"


def _document(
    target: Target,
    use_case: str,
    stage: Stage,
    table: prices.Prices,
    estimates: dict[str, Estimate | None],
    execution: str,
) -> dict[str, Any]:
    found = {
        name: {**dataclasses.asdict(each), "low": each.low, "high": each.high, "unpriced": each.unpriced}
        for name, each in estimates.items()
        if each
    }
    return {
        "use_case": use_case,
        "stage": stage.name,
        "currency": "USD",
        "prices_of": table.region,
        "execution": execution,
        "cost_ceiling": stage.cost_ceiling,
        **found,
        "notes": list(notes(target, table)),
    }
