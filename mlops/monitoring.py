"""`mlops monitor`: is the captured traffic still like the training data?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy import monitor, names, registry, served, state
from mlops import console, storage
from mlops.targets import Target
from mlops.use_cases import ROOT
from pipelines.source import bundle

SCRIPT = "evaluation/data_quality.py"
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def run(
    target: Target, use_case: str, stage: str, since: str | None, until: str | None, reports: Path
) -> tuple[monitor.Verdict, Path]:
    """Runs the job over the window and prints its verdict; also gives the downloaded report's path.

    The window starts where the last one of this endpoint ended (a day ago if there was none) and ends now.
    """
    sagemaker, s3, place = target.client("sagemaker"), target.client("s3"), target.place
    endpoint = names.endpoint_name(use_case, stage)
    package = served.package(sagemaker, use_case, endpoint)
    described = state.endpoint(sagemaker, endpoint)
    end = _ceil(moment(until)) if until else _ceil(datetime.now(UTC))
    start = moment(since) if since else last_window_end(sagemaker, endpoint) or end - timedelta(days=1)
    statistics, constraints = registry.data_quality_baseline(package)
    source = bundle(ROOT, SCRIPT)
    with console.stderr().status(f"Comparing the traffic of {endpoint} since {start:%Y-%m-%d %H:%M:%S} UTC …"):
        verdict = monitor.run(
            sagemaker,
            s3,
            use_case=use_case,
            endpoint=endpoint,
            variants=[variant["VariantName"] for variant in described["ProductionVariants"]],
            role=place.role,
            image=package["InferenceSpecification"]["Containers"][0]["Image"],
            code=source.upload(s3, place.bucket, place.prefix),
            entrypoint=source.command,
            statistics=statistics,
            constraints=constraints,
            capture_uri=names.capture_uri(place.bucket, place.prefix),
            output_uri=place.uri("monitoring"),
            start=start,
            end=end,
        )
    page = storage.download(s3, verdict.report_uri, reports / use_case / f"{verdict.job}.html")
    show(endpoint, verdict, page)
    return verdict, page


def show(endpoint: str, verdict: monitor.Verdict, page: Path) -> None:
    if verdict.violations:
        console.show(
            ("feature", "check", "what"),
            [(v["feature_name"], v["constraint_check_type"], v["description"]) for v in verdict.violations],
        )
    console.say(f"{endpoint}: {sentence(verdict)}")
    console.say(f"report: {page}")


def sentence(verdict: monitor.Verdict) -> str:
    if not verdict.violations:
        return "no violation, the traffic is like the training data"
    return f"{len(verdict.violations)} violations: {', '.join(verdict.features)}"


def last_window_end(sagemaker: Any, endpoint: str) -> datetime | None:
    """Where the newest completed monitoring job of an endpoint stopped looking."""
    listed = sagemaker.list_processing_jobs(
        NameContains=f"{endpoint[:34]}-monitor-",
        StatusEquals="Completed",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ProcessingJobSummaries"]
    for each in listed:
        environment = sagemaker.describe_processing_job(ProcessingJobName=each["ProcessingJobName"])["Environment"]
        if environment.get("sagemaker_endpoint_name") == endpoint:
            return moment(environment["end_time"])
    return None


def moment(text: str) -> datetime:
    """ISO 8601 (UTC unless it says otherwise), or how long ago: `90s`, `15m`, `2h`, `7d`."""
    if ago := re.fullmatch(r"(\d+)\s*(s|m|min|h|d)", text.strip()):
        return datetime.now(UTC).replace(microsecond=0) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: give 2026-03-02T10:00:00Z, or how long ago, as 15m, 2h, 7d.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ceil(when: datetime) -> datetime:
    """The next whole second: capture times have no fractions, and the window's end is not part of it."""
    return when if when.microsecond == 0 else when.replace(microsecond=0) + timedelta(seconds=1)
