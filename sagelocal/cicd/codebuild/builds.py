"""Builds: StartBuild, StopBuild, RetryBuild, their lists and documents."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codebuild import listing, log, projects, transitions, variables

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.cicd.codebuild.engine import Order

Document = dict[str, Any]
KIND = "CodeBuildBuild"
_TOKEN_SECONDS = 300  # that an idempotencyToken counts
# StartBuild's member -> that of the project which it stands in for.
_OVERRIDES = {
    "artifactsOverride": "artifacts",
    "secondaryArtifactsOverride": "secondaryArtifacts",
    "secondarySourcesOverride": "secondarySources",
    "secondarySourcesVersionOverride": "secondarySourceVersions",
    "sourceVersion": "sourceVersion",
    "cacheOverride": "cache",
    "serviceRoleOverride": "serviceRole",
    "timeoutInMinutesOverride": "timeoutInMinutes",
    "queuedTimeoutInMinutesOverride": "queuedTimeoutInMinutes",
    "encryptionKeyOverride": "encryptionKey",
    "logsConfigOverride": "logsConfig",
}
_SOURCE_OVERRIDES = {
    "sourceTypeOverride": "type",
    "sourceLocationOverride": "location",
    "gitCloneDepthOverride": "gitCloneDepth",
    "gitSubmodulesConfigOverride": "gitSubmodulesConfig",
    "buildspecOverride": "buildspec",
    "sourceAuthOverride": "auth",
    "insecureSslOverride": "insecureSsl",
    "reportBuildStatusOverride": "reportBuildStatus",
    "buildStatusConfigOverride": "buildStatusConfig",
}
_ENVIRONMENT_OVERRIDES = {
    "environmentTypeOverride": "type",
    "imageOverride": "image",
    "computeTypeOverride": "computeType",
    "privilegedModeOverride": "privilegedMode",
    "imagePullCredentialsTypeOverride": "imagePullCredentialsType",
}
_SHOWN = (
    *("sourceVersion", "source", "secondarySources", "secondarySourceVersions", "cache", "environment", "serviceRole"),
    *("timeoutInMinutes", "queuedTimeoutInMinutes", "encryptionKey", "vpcConfig"),
)


def find(app: SageLocal, id_or_arn: str) -> Document | None:
    return app.store.find(KIND, id_or_arn.split(":build/", 1)[-1])


def start_build(app: SageLocal, request: Document) -> Document:
    project = projects.find(app, request["projectName"])
    token = request.get("idempotencyToken", "")
    with app.store.transaction():
        if token and (known := _by_token(app, project["name"], token, _TOKEN_SECONDS)):
            if known["_request"] != request:
                message = "Request with same idempotency token has different parameters"
                raise AwsError("InvalidInputException", message)
            return {"build": known}
        effective = _effective(project, request)
        if effective["source"]["type"] == "CODEPIPELINE":
            raise AwsError(
                "InvalidInputException",
                f"Project {project['name']} has a source of the type CODEPIPELINE: its builds are started by a "
                "pipeline. sourceTypeOverride and artifactsOverride name another source for one build.",
            )
        who = app.settings.caller["IamIdentity"]["Arn"].partition("assumed-role/")[2]
        build = _new(app, project, effective, request, initiator=who)
    app.codebuild.submit(build["id"])
    return {"build": build}


def ordered(app: SageLocal, order: Order) -> Document:
    """The build of a pipeline's action: made, or found by the order's token."""
    with app.store.transaction():
        if order.token and (known := _by_token(app, order.project, order.token)):
            return known
        project = projects.find(app, order.project)
        effective = _effective(project, {"environmentVariablesOverride": [dict(each) for each in order.variables]})
        primary = next(each for each in order.inputs if each.name == order.primary)
        effective |= {
            "source": {**effective["source"], "type": "CODEPIPELINE", "location": None},
            "artifacts": {"type": "CODEPIPELINE"},
            "sourceVersion": _version(primary.s3, primary.commit),
            "secondarySources": [
                {"type": "CODEPIPELINE", "sourceIdentifier": each.name} for each in order.inputs if each is not primary
            ],
        }
        return _new(app, project, effective, {}, initiator=order.initiator, order=order)


def _version(s3: str, commit: str) -> str:
    return f"arn:aws:s3:::{s3.removeprefix('s3://')}" if s3 else commit


def _by_token(app: SageLocal, project: str, token: str, seconds: float = float("inf")) -> Document | None:
    found = app.store.page(KIND, parent=project, where=[("_token", "=", token)], descending=True, limit=1)
    return found[0] if found and app.now() - found[0]["startTime"] < seconds else None


def _effective(project: Document, request: Mapping[str, Any]) -> Document:
    """The project as this build sees it. Raises AwsError where the overrides do not fit."""

    def over(base: Mapping[str, Any], names: Mapping[str, str]) -> Document:
        given = {target: request[name] for name, target in names.items() if request.get(name) is not None}
        return {**base, **given}

    effective = over(project, _OVERRIDES)
    environment = over(project["environment"], _ENVIRONMENT_OVERRIDES)
    environment["environmentVariables"] = variables.merged(
        project["environment"]["environmentVariables"], request.get("environmentVariablesOverride") or []
    )
    effective |= {"source": over(project["source"], _SOURCE_OVERRIDES), "environment": environment}
    projects.check(effective)
    return effective


def _new(
    app: SageLocal,
    project: Document,
    effective: Document,
    request: Document,
    initiator: str,
    order: Order | None = None,
) -> Document:
    limit = project.get("concurrentBuildLimit", -1)  # UpdateProject's way to have none
    running = [("buildComplete", "=", False)]
    if 0 < limit <= len(app.store.page(KIND, parent=project["name"], where=running)):
        raise AwsError(
            "AccountLimitExceededException", f"Cannot have more than {limit} builds in progress for this project"
        )
    counted = app.store.update(projects.KIND, project["name"], edit=_count)
    now = app.now()
    name, settings = str(uuid.uuid4()), app.settings
    identifier = f"{project['name']}:{name}"
    build: Document = {
        "id": identifier,
        "arn": f"arn:aws:codebuild:{settings.region}:{settings.account}:build/{identifier}",
        "buildNumber": counted["_builds"],
        "startTime": now,
        "buildStatus": "IN_PROGRESS",
        "buildComplete": False,
        "projectName": project["name"],
        "phases": [],
        "initiator": initiator,
        "artifacts": {"location": ""},
        "secondaryArtifacts": [],
        "secondarySources": [],
        "secondarySourceVersions": [],
        "logs": log.places(project["name"], effective.get("logsConfig") or {}, name, settings.region, settings.account),
        **{member: effective[member] for member in _SHOWN if effective.get(member) is not None},
        "_artifacts": [effective["artifacts"], *effective.get("secondaryArtifacts", [])],
        "_order": asdict(order) if order else None,
        "_request": request,
        "_token": (order.token if order else request.get("idempotencyToken")) or None,
        "_attempt": 0,
    }
    transitions.enter(build, "SUBMITTED", now)
    transitions.leave(build, "SUCCEEDED", now)
    transitions.enter(build, "QUEUED", now)
    app.store.create(KIND, identifier, build, parent=project["name"], arn=build["arn"])
    return build


def _count(project: Document) -> None:
    project["_builds"] += 1


def stop_build(app: SageLocal, request: Document) -> Document:
    """A build that has ended is answered as it is."""
    build = find(app, request["id"])
    if build is None:
        raise AwsError("ResourceNotFoundException", f"Build cannot be found: {request['id']}")
    app.codebuild.stop(build["id"])
    return {"build": app.store.get(KIND, build["id"])}


def retry_build(app: SageLocal, request: Document) -> Document:
    """Starts a build as the other was started. Raises AwsError for one that runs, and for a pipeline's."""
    build = find(app, request.get("id", ""))
    if build is None:
        raise AwsError("ResourceNotFoundException", f"Build cannot be found: {request.get('id')}")
    if not build["buildComplete"]:
        raise AwsError(
            "InvalidInputException", f"Build {build['id']} is in progress: only a build that ended is retried"
        )
    if build["_order"]:
        message = f"Build {build['id']} was started by {build['initiator']}: retry the stage of that pipeline"
        raise AwsError("InvalidInputException", message)
    again = {name: value for name, value in build["_request"].items() if name != "idempotencyToken"}
    token = {"idempotencyToken": request["idempotencyToken"]} if request.get("idempotencyToken") else {}
    return start_build(app, {**again, **token})


def batch_get_builds(app: SageLocal, request: Document) -> Document:
    found = {name: find(app, name) for name in request["ids"]}
    return {
        "builds": [build for build in found.values() if build],
        "buildsNotFound": [name for name, build in found.items() if not build],
    }


def list_builds(app: SageLocal, request: Document) -> Document:
    """The newest first unless `sortOrder` says otherwise."""
    names = [build["id"] for build in app.store.list(KIND)]
    return listing.page("ids", names, request, descending=request.get("sortOrder") != "ASCENDING")


def list_builds_for_project(app: SageLocal, request: Document) -> Document:
    project = projects.find(app, request["projectName"])
    names = [build["id"] for build in app.store.list(KIND, parent=project["name"])]
    return listing.page("ids", names, request, descending=request.get("sortOrder") != "ASCENDING")


def batch_delete_builds(app: SageLocal, request: Document) -> Document:
    deleted, kept = [], []
    for name in request["ids"]:
        with app.store.transaction():
            build = find(app, name)
            if build is None:
                continue
            if build["buildComplete"]:
                app.store.delete(KIND, build["id"])
                deleted.append(build["arn"])
            else:
                kept.append({"id": build["arn"], "statusCode": "BUILD_IN_PROGRESS"})
    return {"buildsDeleted": deleted, "buildsNotDeleted": kept}
