"""`mlops cicd test`: what the test action between staging and the approval runs. Leaves in `out`: junit.xml,
comparison.html and .pdf, and exports.sh with SUMMARY and COMPARISON_URL, which the approval shows.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from deploy import names, served, stages, staging_tests
from deploy.declaration import Mode, Stage
from deploy.staging_tests import Endpoint, Question, Result
from mlops import cicd_comparison, cicd_release, console, junit, storage, traffic, use_cases
from mlops.errors import Failure
from mlops.targets import Target

if TYPE_CHECKING:
    import pandas as pd

EXPORTS = "exports.sh"
EVALUATION = "Evaluation"  # a version's property: the URI of its evaluation.json
_SUMMARY = 500  # characters; an approval's CustomData takes 1,000


def test(target: Target, stage_name: str, package_arn: str, out: Path) -> None:
    """Raises Failure when a test fails, after all have run and the results are written."""
    package = target.client("sagemaker").describe_model_package(ModelPackageName=package_arn)
    use_case = use_cases.check(package["ModelPackageGroupName"])
    stage = stages.find(stage_name, use_case)
    there = cicd_release.enter(target, stage)
    name = names.endpoint_name(use_case, stage.name)
    check_served(there.client("sagemaker"), name, package_arn)
    question = asked(target, use_case, package, stage)
    results = staging_tests.run(_endpoint(there, name, stage), question, _say)
    junit.write(results, f"{use_case}.{stage.name}", out / "junit.xml")
    verdict = cicd_comparison.write(target, use_case, package, stage, results, out)
    said, link = summary(use_case, results, verdict), cicd_comparison.publish(target, package, out)
    export(out, {"SUMMARY": said, "COMPARISON_URL": link})
    console.say(said)
    console.say(link)
    if failed := [each for each in results if each.outcome == "failed"]:
        first = f"{failed[0].group}, {failed[0].name}: {failed[0].said}"
        raise Failure(f"{len(failed)} of {len(results)} tests of {name} failed, the first is {first}")


def check_served(sagemaker: Any, endpoint: str, package_arn: str) -> None:
    """Raises LookupError for an endpoint that serves other versions: tests of those would say nothing of this one."""
    found = [each.get("ModelPackageName") for each in served.containers(sagemaker, endpoint)]
    if package_arn not in found:
        others = ", ".join(map(str, found))
        raise LookupError(f"Endpoint {endpoint} serves {others}, and not {package_arn}: release it first.")


def _endpoint(there: Target, name: str, stage: Stage) -> Endpoint:
    """Asked without botocore's own second attempts, which would hide what fails."""
    deployment = stage.deployment
    if deployment.mode in (Mode.ASYNCHRONOUS, Mode.MULTI_MODEL):
        raise ValueError(f"{name} is {deployment.mode}, and these tests ask real-time and serverless endpoints.")
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=70)
    runtime = there.session.client("sagemaker-runtime", config=config)
    several = {"TargetVariant": deployment.variants[0].name} if len(deployment.variants) > 1 else {}
    return Endpoint(runtime, name, **several)


def asked(target: Target, use_case: str, package: Mapping[str, Any], stage: Stage) -> Question:
    """Raises LookupError for a version whose held-out records are not known."""
    execution = traffic.made_by(package, use_case)
    if not execution:
        why = f"was not made by an execution of the pipeline {use_case}: no held-out records of it are known"
        raise LookupError(f"{package['ModelPackageArn']} {why}.")
    records, truth = traffic.split_of_execution(target, use_case, execution)
    uri = package.get("CustomerMetadataProperties", {}).get(EVALUATION, "")
    evaluation = storage.read_json(target.client("s3"), uri) if uri else None
    specification = package["InferenceSpecification"]
    return Question(
        records,
        _label(truth, evaluation),
        specification["SupportedContentTypes"],
        specification["SupportedResponseMIMETypes"],
        evaluation,
        stage.tests,
    )


def _label(truth: pd.DataFrame, evaluation: Mapping[str, Any] | None) -> pd.Series:
    """What became of the records; empty where their table doesn't say, as of segments."""
    label = (evaluation or {}).get("model", {}).get("label")
    found = [label] if label in truth else list(truth)[:1]
    return truth[found[0]] if found else truth.index.to_series()[:0].astype(str)


def _say(result: Result) -> None:
    console.say(f"{result.outcome:<8}{result.group}: {result.name}: {result.said}")


def summary(use_case: str, results: Sequence[Result], verdict: str) -> str:
    """A sentence or two for whoever approves."""
    skipped = [f"Not tested: {each.group}, {each.said}" for each in results if each.outcome == "skipped"]
    text = " ".join([f"{use_case}: {verdict}", *skipped])
    return text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1]}…"


def export(out: Path, variables: Mapping[str, str]) -> None:
    """CodeBuild exports variables of its shell, which reads this."""
    out.mkdir(parents=True, exist_ok=True)
    (out / EXPORTS).write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))
