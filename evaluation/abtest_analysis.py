"""How an A/B test of two variants of an endpoint stands, at any time.

    python evaluation/abtest_analysis.py --plan plan.json --capture-uri s3://bucket/data-capture/churn-production \\
        --ground-truth-uri s3://bucket/ground-truth/churn-production --output-path DIR

Reads what was captured of both variants since the plan's start, the truth that has come in by inference id, and the
endpoint's metrics; judges by the plan, and writes

    abtest.json              the verdict with everything it rests on
    report.html, report.pdf  the same for people
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import abtest_guardrails
import abtest_report
import abtest_samples
import abtest_verdict
import abtest_words
import analysis_job
import analysis_report
import captured_traffic
from abtest_plan import Plan
from abtest_samples import Requests
from abtest_verdict import Verdict


@dataclass
class Args:
    """Command line before environment before default. Texts, as environment variables are."""

    plan: str = "plan.json"  # the test's declaration (abtest_plan.py)
    capture_uri: str = ""  # s3://<bucket>/<prefix>/<endpoint>
    ground_truth_uri: str = ""  # s3:// prefix of labels by hour of upload
    end: str = ""  # ISO 8601; requests before it count; now
    features: str = ""  # constraints.json, or a CSV file's header: names the features, which a covariate needs
    answer: str = "probability,label"  # what the fields of a CSV answer without header are, in order
    inference_attribute: str = "label"  # the answer's label or number: a column, its index, or JMESPath of JSON
    probability_attribute: str = "probability"  # likewise the probability of the positive class
    probability_threshold_attribute: str = "0.5"  # labels 1 from this probability on, where answers have no label
    output_path: str = "/opt/ml/processing/output"  # folder for the results
    job_output: str = "/opt/ml/output"  # the platform's folder for `message`


def analyse(args: Args) -> str:
    """Does all of it, and says the verdict in a sentence. Raises ValueError for options that don't fit."""
    import boto3

    plan = Plan.from_json(Path(args.plan).read_text(encoding="utf-8"))
    start, end = datetime.fromisoformat(plan.start), datetime.fromisoformat(args.end or datetime.now(UTC).isoformat())
    requests = abtest_samples.collect(_source(args, plan, end), plan)
    cloudwatch = boto3.client("cloudwatch")
    served = [abtest_guardrails.read(cloudwatch, plan.endpoint, each.name, start, end) for each in (plan.a, plan.b)]
    verdict = abtest_verdict.judge(
        plan,
        {each.name: _samples(requests, each, plan) for each in plan.metrics},
        _counts(requests, served, plan),
        abtest_guardrails.judge(served[0], served[1], plan),
    )
    output = Path(args.output_path)
    output.mkdir(parents=True, exist_ok=True)
    sentence = abtest_words.sentence(plan, verdict)
    content = {"sentence": sentence, "end": end.isoformat(), **as_json(verdict)}
    (output / "abtest.json").write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
    analysis_report.write(abtest_report.report(plan, verdict, end), output)
    return f"Completed: {sentence}"


def _source(args: Args, plan: Plan, end: datetime) -> captured_traffic.Args:
    shared = {each.name for each in dataclasses.fields(captured_traffic.Args)} & set(vars(args))
    given = {name: value for name, value in vars(args).items() if name in shared}
    return captured_traffic.Args(**given | {"start": plan.start, "end": end.isoformat()})


def _samples(requests: tuple[Requests, Requests], metric: Any, plan: Plan) -> Any:
    return tuple(abtest_samples.sample(each, metric, plan) for each in requests)


def _counts(
    requests: tuple[Requests, Requests], served: list[abtest_guardrails.Served], plan: Plan
) -> dict[str, tuple[int, int]]:
    def assigned(a: Any, b: Any) -> tuple[int, int]:
        return abtest_samples.units(a, plan).nunique(), abtest_samples.units(b, plan).nunique()

    found = {
        f"{plan.unit}s captured": assigned(*(each.captured for each in requests)),
        f"{plan.unit}s with a label": assigned(*(each.labelled for each in requests)),
    }
    # Customers ask as often as they like: how many requests they make is no matter of the split.
    return {"requests sent": (served[0].requests, served[1].requests), **found} if plan.unit == "request" else found


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Numbers that are not finite are null."""
    content: dict[str, Any] = _plain(dataclasses.asdict(verdict))
    return {"decided": verdict.decided, **content}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    try:
        return float(value) if math.isfinite(value) else None
    except TypeError:
        return str(value)  # a time


if __name__ == "__main__":
    analysis_job.start(Args, __doc__, analyse)
