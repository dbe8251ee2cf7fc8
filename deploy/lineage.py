"""What delivery adds to the lineage that SageMaker records by itself: the commit that made a version, and what put the
version in service. `sagemaker` is always a boto3 client.

SageMaker's own are an artifact for each model package, an action for its approval, for each endpoint a context and for
each deployment to it an action (developer guide, "SageMaker-Created Tracking Entities"). They come some seconds after
what they are about, so they are waited for. Here, too, associations point from data to endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

COMMIT, RELEASE = "Commit", "Release"  # ArtifactType, ActionType
_PATIENCE = 30.0  # seconds


def of_commit(sagemaker: Any, package: str, commit: str, repository: str, subject: str = "") -> str:
    """The ARN of the commit's artifact, which contributed to the model package. Raises LookupError where SageMaker has
    no artifact of the package.
    """
    uri = f"{repository}@{commit}" if repository else commit
    found = artifact(sagemaker, uri)
    if not found:
        made = sagemaker.create_artifact(
            ArtifactName=commit[:12],
            Source={"SourceUri": uri},
            ArtifactType=COMMIT,
            Properties={"Subject": subject[:2500]} if subject else {},
            MetadataProperties={"CommitId": commit, **({"Repository": repository} if repository else {})},
        )
        found = str(made["ArtifactArn"])
    associate(sagemaker, found, _awaited(lambda: artifact(sagemaker, package), package), "ContributedTo")
    return found


def of_release(sagemaker: Any, endpoint: str, package: str, facts: Mapping[str, str]) -> str:
    """The ARN of an action that put the package in service at the endpoint (an ARN), between both in the graph.

    `facts`: CommitId and Repository of the code that did it, GeneratedBy (what ran it), and others that become
    properties; empty ones are left out. Raises LookupError where SageMaker has no context of the endpoint.
    """
    known = {name: value for name, value in facts.items() if value}
    metadata = {name: known.pop(name) for name in ("CommitId", "Repository", "GeneratedBy") if name in known}
    name = f"{endpoint.rsplit('/', 1)[1]}-release-{time.time_ns() // 1_000_000:x}"
    made = sagemaker.create_action(
        ActionName=name,
        ActionType=RELEASE,
        Source={"SourceUri": endpoint, "SourceType": "ARN"},
        Status="Completed",
        Properties={"ModelPackageArn": package, **known},
        **({"MetadataProperties": metadata} if metadata else {}),
    )["ActionArn"]
    served = artifact(sagemaker, package) or _artifact_of(sagemaker, package)
    associate(sagemaker, served, made, "ContributedTo")
    associate(sagemaker, made, _awaited(lambda: context(sagemaker, endpoint), endpoint), "AssociatedWith")
    return str(made)


def facts(environ: Mapping[str, str]) -> dict[str, str]:
    """What the variables of a build say of itself: CodeBuild's, its action's, or GitHub's."""

    def first(*names: str) -> str:
        return next((environ[name] for name in names if environ.get(name)), "")

    initiator, run = environ.get("CODEBUILD_INITIATOR", ""), ""
    if environ.get("GITHUB_RUN_ID"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        run = f"{server}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return {
        "CommitId": first("CODEBUILD_RESOLVED_SOURCE_VERSION", "GITHUB_SHA"),
        "Repository": first("MLOPS_REPOSITORY", "GITHUB_REPOSITORY"),
        "GeneratedBy": first("CODEBUILD_BUILD_ARN") or run,
        "Build": first("CODEBUILD_BUILD_ID") or run,
        "Pipeline": initiator.removeprefix("codepipeline/") if initiator.startswith("codepipeline/") else "",
        "PipelineExecutionId": environ.get("PIPELINE_EXECUTION_ID", ""),
        "Stage": environ.get("STAGE", ""),
    }


def _artifact_of(sagemaker: Any, package: str) -> str:
    """Of a package in another account, of which this one's lineage knows nothing."""
    return str(sagemaker.create_artifact(Source={"SourceUri": package}, ArtifactType="Model")["ArtifactArn"])


def artifact(sagemaker: Any, uri: str) -> str:
    """ "" where there is none."""
    found = sagemaker.list_artifacts(SourceUri=uri)["ArtifactSummaries"]
    return str(found[0]["ArtifactArn"]) if found else ""


def context(sagemaker: Any, uri: str) -> str:
    """ "" where there is none."""
    found = sagemaker.list_contexts(SourceUri=uri)["ContextSummaries"]
    return str(found[0]["ContextArn"]) if found else ""


def associate(sagemaker: Any, source: str, destination: str, kind: str) -> None:
    """Nothing happens when the two are associated already."""
    there = sagemaker.list_associations(SourceArn=source, DestinationArn=destination)["AssociationSummaries"]
    if not there:
        sagemaker.add_association(SourceArn=source, DestinationArn=destination, AssociationType=kind)


def _awaited(find: Callable[[], str], what: str) -> str:
    started = time.monotonic()
    while not (found := find()):
        if time.monotonic() - started > _PATIENCE:
            raise LookupError(f"SageMaker's lineage has no entity of {what} after {_PATIENCE:.0f} seconds.")
        time.sleep(1)
    return found
