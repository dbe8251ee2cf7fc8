"""`mlops cicd release`, what a deploy action of CodePipeline runs: a version goes into a stage, and nobody is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

from botocore.exceptions import ClientError

from deploy import accounts, lineage, stages, state, view
from deploy.declaration import Stage
from mlops import console, deployment, errors, use_cases
from mlops.deployment import Overrides
from mlops.errors import Failure
from mlops.targets import Target

# Tags of an endpoint, and the variables of a build that they are taken from.
TAGS = {
    "mlops:commit": "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "mlops:pipeline-execution": "PIPELINE_EXECUTION_ID",
    "mlops:build": "CODEBUILD_BUILD_ID",
}


def release(target: Target, stage_name: str, package_arn: str) -> str:
    """Puts the version in service as the stage declares it and returns the endpoint's name, when all waits are over.

    Raises Failure with the reason for a version that isn't approved (any more), and for an update that went back.
    """
    registry = target.client("sagemaker")
    package = registry.describe_model_package(ModelPackageName=package_arn)
    use_case = use_cases.check(package["ModelPackageGroupName"])
    stage = stages.find(stage_name, use_case)
    check_approved(package)
    there = enter(target, stage)
    take_place(stage, os.environ)
    version = package["ModelPackageVersion"]
    console.say(f"Version {version} of {use_case} goes to {stage.name}: account {there.account}, {there.region}")
    alarms = Alarms(there.client("cloudwatch"))
    overrides = Overrides(version=package["ModelPackageArn"])
    try:
        endpoint = deployment.deploy(there, use_case, stage.name, overrides, registry_client=registry, watch=alarms)
    except RuntimeError as error:
        why = ". ".join([str(error).rstrip("."), *alarms.said()])
        raise Failure(f"Version {version} of {use_case} is not in service: {why}") from error
    if stage.monitoring is None or not stage.monitoring.captures:
        mark(there, endpoint, os.environ)
        record(there, endpoint, package["ModelPackageArn"], os.environ)
        show(there, endpoint)
    return endpoint


def check_approved(package: Mapping[str, Any]) -> None:
    status = package.get("ModelApprovalStatus")
    if status != "Approved":
        why = f" ({package['ApprovalDescription']})" if package.get("ApprovalDescription") else ""
        raise Failure(f"{package['ModelPackageArn']} is {status} now{why}: nothing was deployed.")


def enter(target: Target, stage: Stage) -> Target:
    """The target in the stage's account and region."""
    session = accounts.enter(target.session, stage)
    if session is target.session:
        return target
    account = session.client("sts").get_caller_identity()["Account"]
    return Target(target.name, account, session.region_name, session, target.settings)


def take_place(stage: Stage, environ: MutableMapping[str, str]) -> None:
    """Role and bucket of the stage go before those of the build, for whatever this process makes there."""
    found = {"SAGEMAKER_ROLE_ARN": stage.execution_role, "MLOPS_BUCKET": stage.bucket}
    environ.update({name: value for name, value in found.items() if value})


def share(target: Target, use_case: str) -> None:
    """Puts the resource policy of the use case's group, for the stages that are in other accounts than the target's."""
    declared = stages.of(use_case).values()
    others = sorted({each.account for each in declared if each.account not in ("", target.account)})
    if not others:
        console.say(f"deploy/stages.yml has no stage of {use_case} in another account than {target.account}")
        return
    accounts.share(target.client("sagemaker"), use_case, others)
    console.say(f"Versions of {use_case} may be used by {', '.join(others)}")


class Alarms:
    """Of an update: those of its new config that were in ALARM while it went, with what they saw then."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch
        self._config = ""
        self._seen: dict[str, str] = {}

    def __call__(self, endpoint: state.Described) -> None:
        self._config = (endpoint.get("PendingDeploymentSummary") or {}).get("EndpointConfigName") or self._config
        self._look()

    def _look(self) -> None:
        if not self._config:
            return
        found = self._cloudwatch.describe_alarms(AlarmNamePrefix=f"{self._config}-", StateValue="ALARM")
        for each in found["MetricAlarms"]:
            self._seen[each["AlarmName"]] = f"{view.alarm(each)}: {each['StateReason'].rstrip('.')}."

    def said(self) -> list[str]:
        """After an update; one that went back fast may not have been looked at in between."""
        self._look()
        return [f"Alarm {name}, {said}" for name, said in self._seen.items()]


def mark(target: Target, endpoint: str, environ: Mapping[str, str]) -> None:
    """Tags the endpoint with what put this version there, as far as the build's variables say."""
    found = {tag: environ[variable] for tag, variable in TAGS.items() if environ.get(variable)}
    if not found:
        return
    sagemaker = target.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": key, "Value": value[:256]} for key, value in found.items()])


def record(target: Target, endpoint: str, package: str, environ: Mapping[str, str]) -> None:
    """Puts the release into the lineage, where all of them stay: tags are of the newest alone. What serves, serves."""
    sagemaker = target.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    try:
        lineage.of_release(sagemaker, arn, package, lineage.facts(environ))
    except (LookupError, ClientError) as error:
        console.note(f"The release is not in the lineage: {errors.message(error)}")


def show(target: Target, endpoint: str) -> None:
    """What is in service now."""
    sagemaker = target.client("sagemaker")
    described = state.endpoint(sagemaker, endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    console.say(f"{endpoint} is {described['EndpointStatus']} with {described['EndpointConfigName']}")
    for label, text in view.labels(config, described).items():
        console.say(f"  {label}: {text}")
