"""`mlops promote`: the winner of an A/B test becomes the only variant, and why is kept with the version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from deploy import declaration, registry, strategies
from deploy.state import find as described
from mlops import abtest, console, deployment
from mlops.abtest import Running, Verdict
from mlops.errors import Failure
from mlops.targets import Target

_UNKNOWN = re.compile(r"[^\w .:/=+\-@]")  # what a value of CustomerMetadataProperties may not hold


def promote(
    target: Target,
    use_case: str,
    stage: str,
    variant: str | None,
    reports: Path,
    *,
    yes: bool = False,
    reason: str = "",
) -> str:
    """The winner's letter. Raises LookupError when no test runs, Failure when it hasn't decided for this variant and
    nobody takes the responsibility with `yes` and a reason.
    """
    test = abtest.find(target, use_case, stage)
    verdict = abtest.look(target, use_case, stage, reports)
    found = _decided(target, test, verdict)
    letter = _letter(test, variant) or str(found.get("winner", ""))
    if not letter or letter != found.get("winner"):
        _refuse_unless(use_case, stage, letter, found, yes=yes, reason=reason)
    version = (test.plan.a if letter == "A" else test.plan.b).version
    why = reason or str(found["sentence"])
    for overrides in steps(declaration.find(use_case, stage), test, letter):
        deployment.deploy(target, use_case, stage, overrides, yes=True)
    record(target, use_case, test, letter, found, why)
    abtest.end(target, test, {"winner": letter, "version": version, "reason": why})
    console.say(f"{test.plan.endpoint} serves version {version} alone: {why}")
    _warn_of_newer(target, use_case, version)
    return letter


def _decided(target: Target, test: Running, verdict: Verdict) -> Verdict:
    """This look's, or an earlier one's that decided: that stays valid while nothing speaks against it."""
    earlier = abtest.decision(target, test)
    return earlier if earlier and verdict["outcome"] == "open" else verdict


def _letter(test: Running, variant: str | None) -> str:
    known = {"A": "A", "B": "B", test.plan.a.name: "A", test.plan.b.name: "B"}
    if variant and variant not in known:
        raise ValueError(
            f"The test has no variant {variant!r}: it is A ({test.plan.a.name}) or B ({test.plan.b.name})."
        )
    return known[variant] if variant else ""


def _refuse_unless(use_case: str, stage: str, letter: str, found: Verdict, *, yes: bool, reason: str) -> None:
    if letter and yes and reason:
        console.note(f"Against the test, or before it has decided: {reason}")
        return
    wanted = letter or "A or B"
    raise Failure(
        f"{found['sentence']} To promote {wanted} all the same: "
        f"mlops promote {use_case} --stage {stage} --variant {letter or 'B'} --yes --reason WHY"
    )


def steps(declared: declaration.Deployment, test: Running, letter: str) -> list[deployment.Overrides]:
    """The deployments that lead there.

    AWS shifts traffic with a strategy and alarms only between fleets of the same variants. So B's version first takes
    A's place beside B, by the declared strategy and under its alarms, and then B, which is the same by now, goes. A
    rolling update is for one variant: B goes first there.
    """
    plan = test.plan
    alone = deployment.Overrides(version=(plan.a if letter == "A" else plan.b).version)
    if letter == "A":
        return [alone]
    if isinstance(declared.strategy, strategies.Rolling):
        return [deployment.Overrides(version=plan.a.version), alone]
    same = tuple(f"{each.name}={plan.b.version}:{each.weight:g}" for each in (plan.a, plan.b))
    return [deployment.Overrides(version=plan.b.version, variants=same), alone]


def record(target: Target, use_case: str, test: Running, letter: str, found: Verdict, why: str) -> None:
    """With the winner in the registry, and in the lineage as an action that both versions contributed to.

    The winner's approval status isn't sent, and the other version is left alone: should AWS tell EventBridge of any
    change of an approved version, the delivery would deploy that one.
    """
    sagemaker, plan = target.client("sagemaker"), test.plan
    a, b = (registry.package(sagemaker, use_case, each.version) for each in (plan.a, plan.b))
    winner, first = (a if letter == "A" else b), found["findings"][0]
    value = first["effect"]["value"]
    properties = {
        "abTest": f"{plan.endpoint}/{plan.name}",
        "abTestAgainst": str((plan.b if letter == "A" else plan.a).version),
        "abTestMetric": first["metric"]["text"],
        "abTestReport": f"{test.folder}/report.html",
        **({"abTestEffect": f"{value:+.4g}"} if value is not None else {}),
    }
    properties = {key: _UNKNOWN.sub(" ", text)[:256] for key, text in properties.items()}
    said = f"{winner.get('ApprovalDescription', '')} A/B test {plan.name}: {why}".strip()
    sagemaker.update_model_package(
        ModelPackageArn=winner["ModelPackageArn"],
        CustomerMetadataProperties=properties,
        ApprovalDescription=said[-1024:],
    )
    packages = [a["ModelPackageArn"], b["ModelPackageArn"]]
    _lineage(sagemaker, test, packages, properties | {"Promoted": winner["ModelPackageArn"], "Why": why[:2500]})


def _lineage(sagemaker: Any, test: Running, packages: list[str], properties: dict[str, str]) -> None:
    plan = test.plan
    name = f"{plan.endpoint}-{plan.name}-ab-test"
    if described(sagemaker.describe_action, ActionName=name):
        return
    action = sagemaker.create_action(
        ActionName=name,
        Source={"SourceUri": f"{test.folder}/report.html", "SourceType": "ABTest"},
        ActionType="ABTest",
        Status="Completed",
        Properties=properties,
    )["ActionArn"]
    for arn in packages:
        artifacts = sagemaker.list_artifacts(SourceUri=arn)["ArtifactSummaries"]
        if artifacts:
            made = artifacts[0]["ArtifactArn"]
        else:
            made = sagemaker.create_artifact(Source={"SourceUri": arn}, ArtifactType="Model")["ArtifactArn"]
        sagemaker.add_association(SourceArn=made, DestinationArn=action, AssociationType="ContributedTo")
    endpoint = sagemaker.describe_endpoint(EndpointName=plan.endpoint)["EndpointArn"]
    for context in sagemaker.list_contexts(SourceUri=endpoint)["ContextSummaries"][:1]:
        sagemaker.add_association(
            SourceArn=action, DestinationArn=context["ContextArn"], AssociationType="AssociatedWith"
        )


def _warn_of_newer(target: Target, use_case: str, version: int) -> None:
    """A stage that declares the newest approved version would be given it by its next deployment."""
    newest = registry.latest_approved(target.client("sagemaker"), use_case)["ModelPackageVersion"]
    if newest > version:
        console.note(
            f"Version {newest} is approved and newer, so the next deployment takes it: "
            f"mlops reject {use_case} --version {newest}"
        )
