"""What the page reads of the account."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dashboard import account
from dashboard.experiments.runs import Metric
from deploy import names, served
from mlops import experiments, tuning, use_cases
from mlops.experiments import Entry


@dataclass(frozen=True)
class Found:
    runs: list[Entry]  # newest first
    more: bool  # whether there are older ones
    production: str  # version in service there, "" for none


@account.kept
def pipelines() -> list[str]:
    """The use cases that ran here, then other pipelines that did."""
    pages = account.client("sagemaker").get_paginator("list_pipelines").paginate()
    there = [each for page in pages for each in page["PipelineSummaries"] if "LastExecutionTime" in each]
    cases = {case.name for case in use_cases.find_all()}
    return sorted((each["PipelineName"] for each in there), key=lambda name: (name not in cases, name))


@account.kept
def executions(pipeline: str, count: int) -> Found:
    """The newest `count`."""
    target = account.target()
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(_production, target.client("sagemaker"), pipeline)
        runs: list[Entry] = []
        token = ""
        while len(runs) < count:
            page = experiments.page(target, pipeline, size=min(count - len(runs), experiments.PAGE), token=token)
            runs, token = [*runs, *page.entries], page.token
            if not token:
                break
        return Found(runs, bool(token), serving.result())


@account.kept
def training_jobs(pipeline: str, execution: str, count: int) -> Found:
    """The newest `count` of a pipeline's executions, or of one."""
    target = account.target()
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(_production, target.client("sagemaker"), pipeline)
        runs = experiments.training_jobs(target, pipeline, execution=execution, limit=count + 1)
        return Found(runs[:count], len(runs) > count, serving.result())


def _production(sagemaker: Any, pipeline: str) -> str:
    try:
        containers = served.containers(sagemaker, names.endpoint_name(pipeline, "production"))
    except LookupError:
        return ""
    packages = [each["ModelPackageName"] for each in containers if "ModelPackageName" in each]
    return str(packages[0].rsplit("/", 1)[1]) if packages else ""


@dataclass(frozen=True)
class Searched:
    """How a tuning job looked for what."""

    metric: Metric | None = None
    logarithmic: tuple[str, ...] = ()  # hyperparameters with a logarithmic scale


@account.kept
def searched(name: str) -> Searched:
    """Of a tuning job; nothing of one that is gone, or of ""."""
    try:
        return search(tuning.describe(account.target(), name)) if name else Searched()
    except LookupError:
        return Searched()


def search(described: dict[str, Any]) -> Searched:
    goal = tuning.objective(described)
    metric = Metric(goal["MetricName"], lower=goal["Type"] == "Minimize") if goal else None
    scalings = tuning.scalings(described).items()
    return Searched(metric, tuple(parameter for parameter, scaling in scalings if scaling == "Logarithmic"))


@account.kept
def tuning_jobs(pipeline: str) -> list[dict[str, Any]]:
    return tuning.jobs(account.target(), pipeline)


@dataclass(frozen=True)
class Tuned:
    described: dict[str, Any]
    trials: list[Entry]  # in the order in which they started

    @property
    def name(self) -> str:
        return str(self.described["HyperParameterTuningJobName"])

    @property
    def status(self) -> str:
        return str(self.described["HyperParameterTuningJobStatus"])

    @property
    def running(self) -> bool:
        return self.status in ("InProgress", "Stopping")


@account.kept
def tuned(name: str) -> Tuned:
    return tuned_now(name)


def tuned_now(name: str) -> Tuned:
    """Of a job under way, whose numbers change faster than what is kept."""
    described = tuning.describe(account.target(), name)
    return Tuned(described, tuning.trials(account.target(), described))
