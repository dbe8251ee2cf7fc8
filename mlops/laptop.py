"""`mlops up`, `down`, `env` and `status`."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from mlops import console, executions, targets
from mlops.targets import Target
from mlops.use_cases import find_all

if TYPE_CHECKING:
    from sagelocal.config import Settings


def up(time_scale: float | None = None) -> None:
    """Raises RuntimeError where a sagelocal with another time scale runs, or none starts."""
    from sagelocal import config, server

    settings = config.load()
    if time_scale is not None and time_scale != settings.time_scale:
        if server.status(settings)["running"]:
            raise RuntimeError(
                f"sagelocal runs with time scale {settings.time_scale:g}: mlops down, then mlops up --time-scale "
                f"{time_scale:g}."
            )
        settings = config.keep_time_scale(settings, time_scale)
    server.up(settings)
    if settings.time_scale != 1:
        console.note(f"Waits are {settings.time_scale:g} times shorter than on AWS (mlops up --time-scale 1 ends it).")
    console.say(f"sagelocal answers at {settings.url}, its state is in {settings.state}")
    console.note('eval "$(mlops env)" lets aws, boto3 and the SageMaker SDK work on it; mlops down stops it')


def down() -> None:
    from sagelocal import config, server

    settings = config.load()
    server.down(settings)
    console.say(f"sagelocal is down; its state stays in {settings.state}, and mlops up goes on with it")


def env(*, unset: bool, sts_proxy: bool = False) -> None:
    """Shell code on stdout, for `eval`. Only the STS proxy needs a running sagelocal, and starts it.

    Raises ValueError where the shell has an HTTPS proxy already, RuntimeError where the STS proxy can't start.
    """
    if unset:
        names, restored = targets.unset_variables(os.environ)
        if names:
            print("unset " + " ".join(sorted(names)))
    else:
        from sagelocal import config

        settings = config.load()
        restored = targets.shell_variables(settings, os.environ)
        if sts_proxy:
            restored |= _sts_proxy(settings)
        # What would win over the above, if the user's shell has it.
        print("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN")
    for name, value in sorted(restored.items()):
        print(f"export {name}={shlex.quote(value)}")


def _sts_proxy(settings: Settings) -> dict[str, str]:
    from sagelocal import server
    from sagelocal.api import local
    from sagelocal.sts_proxy import access

    added = access.variables(settings, os.environ)
    server.up(settings)
    local.start_sts_proxy(settings)
    console.note('HTTPS of this shell goes through sagelocal from now on, until: eval "$(mlops env --unset)"')
    return added


def status(use_case: str | None, target_name: str) -> None:
    if target_name == targets.LAPTOP:
        from sagelocal import config, server

        settings = config.load()
        found = server.status(settings)
        _show_server(found)
        if not found["running"]:
            return
    target = targets.connect(target_name)
    _show_endpoints(target)
    cases = [case.name for case in find_all()]
    for name in [use_case] if use_case else cases:
        _show_executions(target, name, steps=use_case is not None)
    if target.settings and not use_case:  # an account may hold other people's by the hundred
        _show_other_pipelines(target, cases)
        _show_failed_jobs(target)


def _show_server(found: dict[str, Any]) -> None:
    state = f"up, process {found['pid']}" if found["running"] else "down (mlops up starts it)"
    rows = [
        ("sagelocal", f"{found['version']}, {state}"),
        ("address", f"{found['address']} (SageMaker), {found['ministack']} (everything else, by MiniStack)"),
        ("state", found["state"]),
        ("account", f"{found['account']}, {found['region']}"),
        *([("time", f"waits are {found['time_scale']:g} times shorter")] if found["time_scale"] != 1 else []),
        ("log", found["log"]),
    ]
    for kind, statuses in found["resources"].items():
        rows.append((kind, ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))))
    width = max(len(label) for label, _ in rows)
    for label, value in rows:  # not a table, which would cut paths off where the terminal is narrow
        console.say(f"{label:<{width}}  {value}")


def _show_endpoints(target: Target) -> None:
    pages = target.client("sagemaker").get_paginator("list_endpoints").paginate()
    rows = [
        (e["EndpointName"], e["EndpointStatus"], console.ago(e["LastModifiedTime"]), _end(target, e["EndpointName"]))
        for p in pages
        for e in p["Endpoints"]
    ]
    if any(end for *_, end in rows):
        console.show(("endpoint", "status", "changed", "is deleted"), rows)
    elif rows:
        console.show(("endpoint", "status", "changed"), [row[:3] for row in rows])


def _end(target: Target, endpoint: str) -> str:
    """When its time to live is over, if it has one of ours."""
    from deploy import names, resources, time_to_live

    schedule = resources.SCHEDULE.find(target.client, names.expiry(endpoint))
    if schedule is None:
        return ""
    end = time_to_live.ends(schedule, target.settings.time_scale if target.settings else 1.0)
    return f"{console.until(end)} ({end:%Y-%m-%d %H:%M} UTC)"


def _show_other_pipelines(target: Target, cases: list[str]) -> None:
    pages = target.client("sagemaker").get_paginator("list_pipelines").paginate()
    for name in [each["PipelineName"] for page in pages for each in page["PipelineSummaries"]]:
        if name not in cases:
            _show_executions(target, name, steps=False)


def _show_failed_jobs(target: Target, count: int = 5) -> None:
    """The newest failed jobs that no pipeline started: a pipeline's are with its executions."""
    sagemaker = target.client("sagemaker")
    rows = []
    for kind in ("ProcessingJob", "TrainingJob", "TransformJob"):
        query = {"StatusEquals": "Failed", "SortBy": "CreationTime", "SortOrder": "Descending"}
        pages = sagemaker.get_paginator(xform_name(f"List{kind}s")).paginate(**query)
        found = [each for page in pages for each in page[f"{kind}Summaries"]]
        for each in [each for each in found if not each[f"{kind}Name"].startswith("pipelines-")][:count]:
            name = each[f"{kind}Name"]
            job = executions.describe_job(sagemaker, kind, name)
            if "TuningJobArn" not in job:  # one of many trials, which the tuning job has reckoned with
                rows.append((each["CreationTime"], name, job.get("FailureReason", "")))
    rows = [(name, console.ago(made), reason) for made, name, reason in sorted(rows, reverse=True)[:count]]
    if rows:
        console.show(("job", "started", "why it failed"), rows, title="failed jobs outside pipelines")


def _show_executions(target: Target, use_case: str, *, steps: bool) -> None:
    """The newest executions; under each that failed, the steps that did and why."""
    sagemaker = target.client("sagemaker")
    try:
        found = executions.recent(sagemaker, use_case)
    except LookupError:
        console.note(f"{use_case} never ran here: mlops run {use_case}")
        return
    rows = []
    for each in found:
        arn = each["PipelineExecutionArn"]
        failed = [step for step in executions.steps(sagemaker, arn) if step.status == "Failed"]
        why = [f"{step.name}: {executions.outcome(target, step)}" for step in failed]
        started = console.ago(each["StartTime"])
        rows.append((arn.rsplit("/", 1)[1], each["PipelineExecutionStatus"], started, "\n".join(why)))
    console.show(("execution", "status", "started", "failed steps"), rows, title=use_case)
    if steps and found:
        from mlops.run import HEADINGS, Watcher

        watcher = Watcher(target, found[0]["PipelineExecutionArn"])
        console.show(HEADINGS, watcher.rows(watcher.look()), title="steps of the newest")
