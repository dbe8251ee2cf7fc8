"""What the page reads of the account."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dashboard import account
from dashboard.account import kept
from deploy import names, served
from mlops import experiments, use_cases
from mlops.experiments import Entry


@dataclass(frozen=True)
class Found:
    runs: list[Entry]  # newest first
    more: bool  # whether there are older ones
    production: str  # version in service there, "" for none


@kept
def pipelines() -> list[str]:
    """The use cases that ran here, then other pipelines that did."""
    pages = account.client("sagemaker").get_paginator("list_pipelines").paginate()
    there = [each for page in pages for each in page["PipelineSummaries"] if "LastExecutionTime" in each]
    cases = {case.name for case in use_cases.find_all()}
    return sorted((each["PipelineName"] for each in there), key=lambda name: (name not in cases, name))


@kept
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


@kept
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


@kept
def logarithmic(tuning: str) -> list[str]:
    """Hyperparameters that a tuning job looked for on a logarithmic scale; none of one that is gone."""
    try:
        described = experiments.tuning_job(account.target(), tuning)
    except LookupError:
        return []
    return [name for name, scaling in experiments.scalings(described).items() if scaling == "Logarithmic"]


@kept
def tuning_jobs(pipeline: str) -> list[dict[str, Any]]:
    return experiments.tuning_jobs(account.target(), pipeline)


@kept
def tuning_job(name: str) -> dict[str, Any]:
    return experiments.tuning_job(account.target(), name)


@kept
def tuning_trials(name: str) -> list[dict[str, Any]]:
    return experiments.tuning_trials(account.target(), name)
