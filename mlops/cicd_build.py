"""`mlops cicd build`: what a build does after its tests. It upserts and starts the pipelines that the commits touch,
waits for them, and leaves what later steps and people need: variables, packages, summaries, reports.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy import lineage
from mlops import changed, console, errors, executions, run, storage
from mlops.changed import Changes
from mlops.errors import Failure
from mlops.executions import Step
from mlops.run import Watcher
from mlops.targets import Target
from mlops.use_cases import ROOT
from pipelines import revision

EXPORTS = "exports.sh"  # what the buildspec sources: CodeBuild exports variables of its shell
_REPORTS = ("evaluation", "check", "report")  # outputs of steps that people read
_SUBJECT = 200  # characters of a commit's first line in an execution's description


def build(target: Target, since: str | None, out: Path, *, everything: bool = False) -> None:
    """Runs the use cases touched since a revision, or since the last build that succeeded; or all of them.

    Raises Failure with the pipelines' own words when an execution does not succeed; what is in `out` is there anyway.
    """
    changes = find(target, since, everything=everything)
    changed.show(changes)
    out.mkdir(parents=True, exist_ok=True)
    (out / "changed.json").write_text(json.dumps(changes.document(), indent=1) + "\n")
    _export(out, {"EXECUTIONS": "", "MODEL_PACKAGES": ""})
    watchers: dict[str, Watcher] = {}
    try:
        for name in changes.touched:
            watchers[name] = Watcher(target, run.start(target, name, {}, None, **_named(changes)))
            console.say(f"{name}: execution {watchers[name].execution}")
    finally:
        _export(out, {"EXECUTIONS": ",".join(each.execution for each in watchers.values()), "MODEL_PACKAGES": ""})
    found = watch(watchers)
    summaries = [summary(target, name, each, found[name]) for name, each in watchers.items()]
    for each in summaries:
        _keep(target, out / each["use_case"], each, found[each["use_case"]])
    packages = [arn for each in summaries for arn in each["model_packages"]]
    executions_ = ",".join(each["execution"] for each in summaries)
    _export(out, {"EXECUTIONS": executions_, "MODEL_PACKAGES": ",".join(packages)})
    _record(target, packages, changes.head)
    _conclude(summaries)


def _record(target: Target, packages: Iterable[str], commit: str) -> None:
    """The commit goes into the lineage of what was registered. A version is no worse without it."""
    repository = revision.find(ROOT).repository
    for arn in packages:
        try:
            lineage.of_commit(target.client("sagemaker"), arn, commit, repository, changed.subject(commit))
        except (LookupError, ClientError) as error:
            console.note(f"The commit is not in the lineage of {arn}: {errors.message(error)}")


def find(target: Target, since: str | None, *, everything: bool) -> Changes:
    if everything:
        head = changed.find("HEAD").head
        return changed.everything(head, "All were asked for.")
    return changed.find(since) if since else changed.built(target)


def _named(changes: Changes) -> dict[str, str]:
    """What executions show of the build that started them."""
    who = os.environ.get("CODEBUILD_BUILD_ARN") or os.environ.get("GITHUB_RUN_ID", "")
    subject = changed.subject(changes.head)[:_SUBJECT]
    return {
        "PipelineExecutionDisplayName": f"commit-{changes.head[:12]}",
        "PipelineExecutionDescription": f"Commit {changes.head}: {subject}" + (f" (build {who})" if who else ""),
    }


def watch(watchers: dict[str, Watcher]) -> dict[str, list[Step]]:
    """Says each step's change of status on a line of its own, until all executions have ended."""
    said: set[tuple[str, str, str]] = set()
    found: dict[str, list[Step]] = {}
    running = set(watchers)
    while running:
        for name in sorted(running):
            watcher = watchers[name]
            found[name] = watcher.look()
            for step, row in zip(found[name], watcher.rows(found[name]), strict=True):
                key = (name, step.name, step.status)
                if key not in said and not step.running:
                    console.say("  ".join(part for part in (f"{name}: {row[0]:<26}{row[1]}", *row[2:]) if part))
                    said.add(key)
            if watcher.status not in executions.RUNNING:
                running.discard(name)
        if running:
            time.sleep(next(iter(watchers.values())).target.poll)
    return found


def summary(target: Target, name: str, watcher: Watcher, steps: Iterable[Step]) -> dict[str, Any]:
    """What happened, as JSON."""
    described = target.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=watcher.execution)
    return {
        "use_case": name,
        "execution": watcher.execution,
        "display_name": described.get("PipelineExecutionDisplayName"),
        "status": watcher.status,
        "failure": described.get("FailureReason"),
        "started": _time(described.get("CreationTime")),
        "ended": _time(described.get("LastModifiedTime")),
        "model_packages": [each.metadata["RegisterModel"]["Arn"] for each in steps if "RegisterModel" in each.metadata],
        "steps": [
            {
                "name": each.name,
                "status": each.status,
                "cached": each.cached,
                "started": _time(each.start),
                "ended": _time(each.end),
                "outcome": watcher.outcomes.get(each.name, ""),
                "metadata": each.metadata,
            }
            for each in steps
        ],
    }


def _time(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def _keep(target: Target, folder: Path, summary: dict[str, Any], steps: Iterable[Step]) -> None:
    """The summary, and the reports of the execution's jobs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "execution.json").write_text(json.dumps(summary, indent=1, default=str) + "\n")
    sagemaker, s3 = target.client("sagemaker"), target.client("s3")
    for step in steps:
        if step.status != "Succeeded" or not step.job or step.job[0] != "ProcessingJob":
            continue
        made = executions.outputs(executions.describe_job(sagemaker, *step.job))
        for uri in [f"{made[each].rstrip('/')}/" for each in _REPORTS if each in made]:
            prefix = storage.split(uri)[1]
            for each in storage.objects(s3, uri):
                target_path = folder / step.name / each["Key"].removeprefix(prefix)
                storage.download(s3, f"s3://{storage.split(uri)[0]}/{each['Key']}", target_path)


def _export(out: Path, variables: dict[str, str]) -> None:
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (out / EXPORTS).write_text("".join(lines))


def _conclude(summaries: list[dict[str, Any]]) -> None:
    for each in summaries:
        versions = ", ".join(arn.rsplit("/", 1)[1] for arn in each["model_packages"])
        console.say(f"{each['use_case']}: {each['status']}" + (f", version {versions}" if versions else ""))
        for arn in each["model_packages"]:
            console.say(f"  {arn}")
    bad = [each for each in summaries if each["status"] != "Succeeded"]
    if bad:
        raise Failure(" ".join(words(each) for each in bad))


def words(summary: dict[str, Any]) -> str:
    """Why an execution did not succeed, in the words of its steps."""
    said = [f"{each['name']}: {each['outcome']}" for each in summary["steps"] if each["status"] == "Failed"]
    reason = " ".join(said) or summary["failure"] or "It gives no reason."
    return f"{summary['use_case']}: execution {summary['execution'].rsplit('/', 1)[1]} {summary['status']}. {reason}"
