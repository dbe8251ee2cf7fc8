"""`mlops abtest`: two versions behind one endpoint, judged by what becomes of their requests.

A test is a folder in the bucket, `ab-tests/<endpoint>/<name>/`: plan.json before its first request counts, a look's
verdict in looks/ each time that somebody asks, decision.json of the first that decided, end.json when it is over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy import declaration, names, registry, staging_metrics, state, strategies
from deploy.declaration import Deployment, Kind
from evaluation.abtest_plan import Metric, Plan, Variant
from mlops import console, deployment, storage
from mlops.errors import Failure
from mlops.targets import Target
from mlops.use_cases import ROOT

REPORT = ("report.html", "report.pdf", "abtest.json")
Verdict = dict[str, Any]  # abtest.json


@dataclass(frozen=True)
class Options:
    """What the command line says of a test."""

    a: int
    b: int
    split: str = "50/50"
    metrics: tuple[str, ...] = ("accuracy",)
    effect: float = 0.02
    power: float = 0.8
    alpha: float = 0.05
    baseline: float | None = None
    max_errors: float = 0.01
    max_latency: float = 1.2
    covariate: str = ""
    unit: str = "request"


@dataclass(frozen=True)
class Running:
    """One that runs."""

    plan: Plan
    folder: str  # s3:// URI


# From beginning to end.


def start(
    target: Target, use_case: str, stage: str, options: Options, *, dry_run: bool = False, yes: bool = False
) -> Plan:
    """Puts both versions in service, then begins to count.

    Raises Failure when a test runs already or the user says no, LookupError or ValueError for versions or a declaration
    that don't allow it.
    """
    endpoint = names.endpoint_name(use_case, stage)
    if running(target, endpoint):
        raise Failure(f"An A/B test of {endpoint} runs: mlops abtest {use_case} --stage {stage} [--stop]")
    if options.a == options.b:
        raise ValueError(f"--a and --b are both version {options.a}: a test compares two.")
    declared = declaration.find(use_case, stage)
    plan = planned(target, use_case, stage, options, declared)
    show_plan(plan)
    deployment.deploy(target, use_case, stage, both(declared, plan), dry_run=dry_run, yes=yes)
    if not dry_run:
        # Captures have whole seconds, and the old fleet answered in this one.
        begun = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        time.sleep((begun - datetime.now(UTC)).total_seconds())
        plan = Plan.from_json(json.dumps(json.loads(plan.to_json()) | {"start": begun.isoformat()}))
        put(target, f"{_folder(target, endpoint)}/{plan.name}/plan.json", plan.to_json())
        console.say(f"Requests count from {begun:%H:%M:%S} UTC on.")
        console.note(f"Tell what became of them: mlops label {use_case} FILE --stage {stage}")
        console.note(f"How it stands, at any time: mlops abtest {use_case} --stage {stage}")
    return plan


def stop(target: Target, use_case: str, stage: str, *, dry_run: bool = False) -> None:
    """A gets all traffic again, whatever was found. Raises LookupError when no test runs."""
    test = find(target, use_case, stage)
    a = test.plan.a.version
    deployment.deploy(target, use_case, stage, deployment.Overrides(version=a), dry_run=dry_run, yes=True)
    if not dry_run:
        end(target, test, {"winner": "", "reason": "stopped"})
        console.say(f"The A/B test {test.plan.name} of {test.plan.endpoint} is over, undecided.")


def look(target: Target, use_case: str, stage: str, reports: Path) -> Verdict:
    """How it stands now; with a report in `reports`, and both kept with the test. Raises LookupError."""
    test = find(target, use_case, stage)
    _check_served(target, use_case, stage, test.plan)
    reports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        analyse(target, use_case, test, folder)
        verdict: Verdict = json.loads((folder / "abtest.json").read_text())
        for file in REPORT:
            put(target, f"{test.folder}/{file}", (folder / file).read_bytes())
        put(target, f"{test.folder}/looks/{datetime.now(UTC):%Y%m%dT%H%M%S%f}.json", json.dumps(verdict))
        page = reports / f"abtest-{test.plan.endpoint}.html"
        for file in REPORT[:2]:
            page.with_suffix(Path(file).suffix).write_bytes((folder / file).read_bytes())
    if verdict["decided"] and decision(target, test) is None:
        put(target, f"{test.folder}/decision.json", json.dumps(verdict))
    show(test, verdict)
    console.say(f"Report: {page}")
    if verdict["winner"]:
        console.note(f"Put it into practice: mlops promote {use_case} --winner --stage {stage}")
    return verdict


def analyse(target: Target, use_case: str, test: Running, folder: Path) -> None:
    """evaluation/abtest_analysis.py as a process of its own: scripts import each other as a job's folder holds them.

    Raises Failure with its last line.
    """
    plan, place = test.plan, target.place
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    monitoring = declaration.monitored(use_case).get(plan.endpoint.removeprefix(names.endpoint_name(use_case, "")))
    truth = (monitoring.ground_truth if monitoring else "") or names.ground_truth_uri(
        place.bucket, place.prefix, plan.endpoint
    )
    package = registry.package(target.client("sagemaker"), use_case, plan.a.version)
    arguments = {
        "plan": folder / "plan.json",
        "capture-uri": f"{names.capture_uri(place.bucket, place.prefix)}/{plan.endpoint}",
        "ground-truth-uri": truth,
        "features": registry.baseline(package, Kind.DATA_QUALITY).get("constraints", ""),
        "output-path": folder,
        "job-output": folder / "none" / "output",
    }
    script = ROOT / "evaluation" / "abtest_analysis.py"
    words = [word for name, value in arguments.items() if value for word in (f"--{name}", str(value))]
    ran = subprocess.run(
        [sys.executable, str(script), *words], env=_environment(target), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise Failure(f"{script.name}: {(ran.stderr.strip().splitlines() or ['failed'])[-1]}")


def _environment(target: Target) -> dict[str, str]:
    """The target's session may be another account's than this process's variables."""
    given = target.session.get_credentials().get_frozen_credentials()
    found = {
        "AWS_ACCESS_KEY_ID": given.access_key,
        "AWS_SECRET_ACCESS_KEY": given.secret_key,
        "AWS_SESSION_TOKEN": given.token or "",
        "AWS_DEFAULT_REGION": target.region,
        "AWS_REGION": target.region,
    }
    apart = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
    own = {name: value for name, value in os.environ.items() if name not in apart}
    return own | {name: value for name, value in found.items() if value}


# What is declared.


def planned(target: Target, use_case: str, stage: str, options: Options, declared: Deployment) -> Plan:
    """Raises ValueError for options or a stage that don't allow a test."""
    first = declared.variants[0].name
    if len(declared.variants) > 1:
        raise ValueError(f"The stage {stage} declares {len(declared.variants)} variants: a test adds B to one.")
    if declared.capture is None:
        raise ValueError(f"The stage {stage} captures no data, and a test goes by what is captured: declare capture.")
    if declared.capture.initial_sampling_percentage < 100:
        console.note(f"Only {declared.capture.initial_sampling_percentage} % of the requests are captured and count.")
    share_a, share_b = split(options.split)
    metrics = tuple(Metric(each) for each in options.metrics)
    check_judged(problem(target, use_case, options.a), metrics)
    monitoring = declaration.monitored(use_case).get(stage)
    now = datetime.now(UTC)
    return Plan(
        name=f"{now:%Y%m%dT%H%M%S}",
        endpoint=names.endpoint_name(use_case, stage),
        a=Variant(first, options.a, share_a),
        b=Variant(names.CHALLENGER, options.b, share_b),
        start=now.isoformat(),
        metrics=metrics,
        baseline=options.baseline or _baseline(target, use_case, options.a, metrics[0]),
        effect=options.effect,
        power=options.power,
        alpha=options.alpha,
        max_errors=options.max_errors,
        max_latency=options.max_latency,
        covariate=options.covariate,
        unit=options.unit,
        label=(monitoring.label if monitoring else "") or "label",
    )


def problem(target: Target, use_case: str, version: int) -> str:
    """What kind of problem a version solves, as its evaluation was measured; empty where that isn't known."""
    package = registry.package(target.client("sagemaker"), use_case, version)
    uri = package.get("CustomerMetadataProperties", {}).get("Evaluation", "")
    s3 = target.client("s3")
    try:
        return staging_metrics.problem(storage.read_json(s3, uri)) if uri else ""
    except s3.exceptions.ClientError:  # the bucket's life cycle took it
        return ""


def check_judged(problem: str, metrics: Sequence[Metric]) -> None:
    """Raises ValueError for what a test can't judge: it counts right and wrong answers, or what became of them."""
    if problem == staging_metrics.CLUSTERING:
        raise ValueError("Nobody ever learns the true segment of a record, so no A/B test can judge a clustering.")
    if problem == staging_metrics.REGRESSION:
        raise ValueError(
            "An A/B test compares answers that are right or wrong, and a regression's are near or far: compare the "
            "versions' errors on held-out records instead, as the dashboard's registry does."
        )
    if problem == staging_metrics.MULTICLASS and any(each.text == "brier" for each in metrics):
        raise ValueError("brier is of two classes, and this model knows more: take accuracy, or NAME=VALUE.")


def split(text: str) -> tuple[float, float]:
    """Of A and B. Raises ValueError."""
    a, slash, b = text.partition("/")
    try:
        shares = float(a), float(b)
    except ValueError:
        shares = 0.0, 0.0
    if not slash or min(shares) <= 0:
        raise ValueError(f"--split {text}: write it as 50/50, A's share first, both above 0.")
    return shares


def both(declared: Deployment, plan: Plan) -> deployment.Overrides:
    """The variants come all at once, as AWS shifts traffic only between fleets of the same variants. A rolling update
    is for one variant.
    """
    rolling = isinstance(declared.strategy, strategies.Rolling)
    return deployment.Overrides(
        version=plan.a.version,
        strategy="all-at-once" if rolling else None,
        variants=tuple(f"{each.name}={each.version}:{each.weight:g}" for each in (plan.a, plan.b)),
    )


def _baseline(target: Target, use_case: str, version: int, metric: Metric) -> float:
    """A's accuracy as it was registered; half, which needs the most records, where nothing is known."""
    package = registry.package(target.client("sagemaker"), use_case, version)
    measured = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {}).get("S3Uri", "")
    if metric.text == "accuracy" and measured:
        try:
            report = storage.read_json(target.client("s3"), measured)
            groups = [group for name, group in report.items() if name.endswith("classification_metrics")]
            value = float(next(group["accuracy"]["value"] for group in groups if "accuracy" in group))
            return min(max(value, 0.01), 0.99)
        except (StopIteration, KeyError, ValueError, target.client("s3").exceptions.ClientError):
            pass
    if metric.is_share:
        console.note(
            f"What A's {metric.name} is isn't known: sizes are those of 50 %, the most. --baseline says better."
        )
    return 0.5


# What is kept.


def running(target: Target, endpoint: str) -> Running | None:
    """The newest test that isn't over."""
    s3, where = target.client("s3"), _folder(target, endpoint)
    bucket, prefix = storage.split(f"{where}/")
    keys = [each["Key"].removeprefix(prefix) for each in storage.objects(s3, f"{where}/")]
    over = {key.partition("/")[0] for key in keys if key.endswith("/end.json")}
    open_ones = sorted(key.partition("/")[0] for key in keys if key.endswith("/plan.json"))
    left = [name for name in open_ones if name not in over]
    if not left:
        return None
    folder = f"s3://{bucket}/{prefix}{left[-1]}"
    return Running(Plan.from_json(storage.read(s3, f"{folder}/plan.json").decode()), folder)


def find(target: Target, use_case: str, stage: str) -> Running:
    """Raises LookupError with the remedy."""
    test = running(target, names.endpoint_name(use_case, stage))
    if test is None:
        raise LookupError(
            f"No A/B test of {names.endpoint_name(use_case, stage)} runs: "
            f"mlops abtest {use_case} --stage {stage} --a VERSION --b VERSION"
        )
    return test


def decision(target: Target, test: Running) -> Verdict | None:
    """The first look's that decided: the test may be stopped there, whatever comes later."""
    key = f"{test.folder}/decision.json"
    if not any(True for _ in storage.objects(target.client("s3"), key)):
        return None
    return dict(storage.read_json(target.client("s3"), key))


def end(target: Target, test: Running, content: dict[str, Any]) -> None:
    put(target, f"{test.folder}/end.json", json.dumps(content | {"time": datetime.now(UTC).isoformat()}))


def put(target: Target, uri: str, body: str | bytes) -> None:
    bucket, key = storage.split(uri)
    kinds = {".html": "text/html", ".pdf": "application/pdf", ".json": "application/json"}
    content = body if isinstance(body, bytes) else body.encode()
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=content, ContentType=kinds[Path(key).suffix])


def _folder(target: Target, endpoint: str) -> str:
    return target.place.uri("ab-tests", endpoint)


def _check_served(target: Target, use_case: str, stage: str, plan: Plan) -> None:
    """Raises Failure when something else was deployed meanwhile: what comes in is no test any more."""
    described = state.endpoint(target.client("sagemaker"), plan.endpoint)
    served = {each["VariantName"] for each in described.get("ProductionVariants", [])}
    if served != {plan.a.name, plan.b.name}:
        raise Failure(
            f"{plan.endpoint} serves {', '.join(sorted(served))}, and not A and B any more: a deployment has ended the "
            f"test {plan.name}. Close it: mlops abtest {use_case} --stage {stage} --stop"
        )


# What is shown.


def show_plan(plan: Plan) -> None:
    from evaluation import abtest_power, abtest_sequential

    share_a, share_b = plan.shares
    first = plan.metrics[0]
    baseline, sought = None, f"{plan.effect:g} standard deviations of {first.name}"
    if first.is_share:
        baseline, sought = plan.baseline, f"{100 * plan.effect:g} points of {first.name}, from {plan.baseline:.1%}"
    once = abtest_power.together(baseline, plan.effect, plan.power, plan.alpha, share_b / share_a)
    most = round(once * abtest_sequential.size_factor(plan.effect, plan.power, plan.alpha))
    console.say(
        f"{plan.endpoint}: version {plan.a.version} (A, {share_a:.0%}) against {plan.b.version} (B, {share_b:.0%})"
    )
    console.say(
        f"To find {sought}, with a chance of {plan.power:.0%}: {once:,} labelled records, if it is looked at once;"
    )
    console.say(f"with looks at any time at most about {most:,}, and fewer the larger the effect is.")


def show(test: Running, verdict: Verdict) -> None:
    plan = test.plan
    rows = [
        (
            each["metric"]["text"],
            *(_number(mean) for mean in each["means"]),
            _number(each["effect"]["value"]),
            f"{_number(each['effect']['low'])} to {_number(each['effect']['high'])}",
            _number(each["adjusted"]),
            str(each["state"]),
        )
        for each in verdict["findings"]
    ]
    rows += [
        (each["name"], _number(each["a"]), _number(each["b"]), _number(each["value"]), each["note"], "", each["state"])
        for each in verdict["guardrails"]
    ]
    a, b = f"A ({plan.a.version})", f"B ({plan.b.version})"
    console.show(("metric", a, b, "effect", "interval, at any time", "p", "B is"), rows)
    for each in verdict["ratios"]:
        console.say(f"{each['what']}: {each['counts'][0]:,} and {each['counts'][1]:,} (p = {each['p_value']:.2g})")
    console.say(str(verdict["sentence"]))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
