"""`mlops run`: upsert the pipeline, start an execution, watch its steps."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlops import console, executions
from mlops import selection as selections
from mlops.errors import Failure
from mlops.executions import Step
from mlops.selection import Selection
from mlops.targets import Target

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = ("step", "status", "took", "outcome")


@dataclass
class Watcher:
    """Looks at a running execution; what a finished step made is asked for once."""

    target: Target
    execution: str
    outcomes: dict[str, str] = field(default_factory=dict)
    status: str = "Executing"

    def look(self) -> list[Step]:
        sagemaker = self.target.client("sagemaker")
        # The status first: steps listed after the end are all of them.
        self.status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=self.execution)[
            "PipelineExecutionStatus"
        ]
        found = executions.steps(sagemaker, self.execution)
        for step in found:
            if not step.running and step.name not in self.outcomes:
                self.outcomes[step.name] = executions.outcome(self.target, step)
        return found

    def rows(self, steps: Iterable[Step]) -> list[tuple[Any, ...]]:
        return [(step.name, step.shown_status, _took(step), self.outcomes.get(step.name, "")) for step in steps]


def _took(step: Step) -> str:
    return "" if step.cached or step.lent else console.duration(step.start, step.end)


def run(
    target: Target,
    use_case: str,
    parameters: dict[str, str],
    selection: Selection | None = None,
    *,
    detach: bool,
    raw: str = "",
) -> str:
    """The execution's ARN; `raw` is the URI of a table of the user's own. Raises Failure when it ends as anything but
    Succeeded, LookupError for a parameter that the pipeline doesn't have.
    """
    with console.stderr().status("Building the pipeline (the SageMaker SDK takes a moment to import) …"):
        execution = start(target, use_case, parameters, selection, raw=raw)
    console.note(f"Execution {execution}")
    if detach:
        console.say(execution)
        console.note(f"Watch it with: mlops status {use_case}")
        return execution
    try:
        steps, status = watch(target, execution)
    except KeyboardInterrupt:
        console.note(f"It goes on without you: mlops status {use_case}")
        raise
    summarise(target, steps)
    if status != "Succeeded":
        raise Failure(f"The execution {execution.rsplit('/', 1)[1]} ended as {status}.")
    return execution


def start(
    target: Target,
    use_case: str,
    parameters: dict[str, str],
    selection: Selection | None = None,
    *,
    raw: str = "",
    **named: str,
) -> str:
    """The new execution's ARN; `named` are its PipelineExecutionDisplayName and -Description."""
    from pipelines import run_pipeline
    from pipelines.project import Project

    project = replace(Project.from_environment(target.session), raw=raw)
    pipeline = run_pipeline.load(use_case, project)
    known = sorted(each.name for each in pipeline.parameters)
    if unknown := sorted(set(parameters) - set(known)):
        raise LookupError(f"{use_case} has no parameter {', '.join(unknown)}. It has: {', '.join(known)}.")
    sagemaker = target.client("sagemaker")
    run_pipeline.upsert(pipeline, project)
    if selection is None:
        return run_pipeline.start(sagemaker, pipeline.name, parameters, **named)
    source = selections.find_source(sagemaker, pipeline.name, selection)
    if source:
        console.note(f"What other steps made is taken from {source}, and so are parameters that are not given")
    version = selections.version_with(sagemaker, pipeline.name, selection.given)
    more: dict[str, Any] = {"SelectiveExecutionConfig": selections.request(selection, source), **named}
    if version:
        more["PipelineVersionId"] = version
    return run_pipeline.start(
        sagemaker, pipeline.name, selections.parameters(sagemaker, source, known) | parameters, **more
    )


def watch(target: Target, execution: str) -> tuple[list[Step], str]:
    """The steps and the status in which the execution ended. In a terminal the table is live, elsewhere each change is
    a line.
    """
    watcher = Watcher(target, execution)
    if console.stdout().is_terminal:
        return _watch_live(watcher), watcher.status
    return _watch_lines(watcher), watcher.status


def _watch_live(watcher: Watcher) -> list[Step]:
    from rich.live import Live

    def draw(steps: list[Step]) -> Table:
        return console.table(HEADINGS, watcher.rows(steps))

    steps = watcher.look()
    with Live(draw(steps), console=console.stdout(), auto_refresh=False) as live:
        while watcher.status in executions.RUNNING:
            time.sleep(watcher.target.poll)
            steps = watcher.look()
            live.update(draw(steps), refresh=True)
    return steps


def _watch_lines(watcher: Watcher) -> list[Step]:
    said: dict[str, str] = {}
    while True:
        steps = watcher.look()
        for step, (name, status, took, outcome) in zip(steps, watcher.rows(steps), strict=True):
            if said.get(name) != status and not step.running:
                console.say("  ".join(part for part in (f"{name:<26}{status}", took, outcome) if part))
                said[name] = status
        if watcher.status not in executions.RUNNING:
            return steps
        time.sleep(watcher.target.poll)


def summarise(target: Target, steps: list[Step]) -> None:
    cached = [step.name for step in steps if step.cached]
    if cached:
        console.say(f"Taken from the cache, as neither code, data nor parameters changed: {', '.join(cached)}")
    shown = [step for step in steps if step.status == "Failed"] or [
        step for step in steps if not step.cached and not step.lent
    ]
    for step in shown:
        for group, prefix in executions.log_streams(target, step):
            console.note(f"log of {step.name}: {executions.log_link(target, group, prefix)}")
