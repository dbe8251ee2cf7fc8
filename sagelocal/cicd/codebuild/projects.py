"""Projects: CreateProject, UpdateProject, DeleteProject, BatchGetProjects, ListProjects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codebuild import caches, image, listing, variables
from sagelocal.cicd.codebuild.buildspec import is_inline
from sagelocal.store import Exists

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
KIND = "CodeBuildProject"
_TIMEOUT, _QUEUED_TIMEOUT = 60, 480  # minutes, AWS's defaults
_REPLACED = (
    *("description", "source", "secondarySources", "sourceVersion", "secondarySourceVersions", "artifacts"),
    *("secondaryArtifacts", "cache", "environment", "serviceRole", "timeoutInMinutes", "queuedTimeoutInMinutes"),
    *("encryptionKey", "tags", "vpcConfig", "logsConfig", "concurrentBuildLimit"),
)

_IDENTIFIER = re.compile(r"\w{1,127}", re.ASCII)
_LOG_NAME = re.compile(r"[\w./#-]{1,512}", re.ASCII)


def arn(app: SageLocal, name: str) -> str:
    return f"arn:aws:codebuild:{app.settings.region}:{app.settings.account}:project/{name}"


def find(app: SageLocal, name_or_arn: str) -> Document:
    """Raises AwsError in AWS's words."""
    name = name_or_arn.split(":project/", 1)[-1]
    project = app.store.find(KIND, name)
    if project is None:
        raise AwsError("ResourceNotFoundException", f"Project cannot be found: {arn(app, name)}")
    return project


def create_project(app: SageLocal, request: Document) -> Document:
    name = request["name"]
    now = app.now()
    project: Document = {
        "name": name,
        "arn": arn(app, name),
        "created": now,
        "lastModified": now,
        "cache": {"type": "NO_CACHE"},
        "timeoutInMinutes": _TIMEOUT,
        "queuedTimeoutInMinutes": _QUEUED_TIMEOUT,
        "encryptionKey": f"arn:aws:kms:{app.settings.region}:{app.settings.account}:alias/aws/s3",
        "badge": {"badgeEnabled": False},
        "projectVisibility": "PRIVATE",
        "_builds": 0,
        **{member: value for member, value in request.items() if member in _REPLACED and value is not None},
    }
    check(project)
    _complete(project)
    try:
        app.store.create(KIND, name, project, arn=project["arn"])
    except Exists as error:
        raise AwsError("ResourceAlreadyExistsException", f"Project already exists: {project['arn']}") from error
    return {"project": project}


def update_project(app: SageLocal, request: Document) -> Document:
    """Members that are not given stay as they are."""
    find(app, request["name"])

    def edit(project: Document) -> None:
        project |= {member: value for member, value in request.items() if member in _REPLACED and value is not None}
        check(project)
        _complete(project)
        project["lastModified"] = app.now()

    return {"project": app.store.update(KIND, request["name"], edit=edit)}


def _complete(project: Document) -> None:
    """What AWS answers although nobody sent it."""
    project["environment"] = {
        "environmentVariables": [],
        "privilegedMode": False,
        "imagePullCredentialsType": "CODEBUILD",
        **project["environment"],
    }
    for each in project["environment"]["environmentVariables"]:
        each.setdefault("type", "PLAINTEXT")
    if project["artifacts"]["type"] == "S3":
        defaults = {"namespaceType": "NONE", "packaging": "NONE", "name": project["name"], "encryptionDisabled": False}
        project["artifacts"] = {**defaults, **project["artifacts"]}


def check(project: Document) -> None:
    """What the API's model cannot say of a project, and what does not run here. Raises AwsError."""
    image.check(project["environment"])
    for variable in project["environment"].get("environmentVariables") or []:
        if wrong := variables.problem(variable):
            raise AwsError("InvalidInputException", f"Invalid environment variables: {wrong}")
    sources, artifacts = project.get("secondarySources", []), project.get("secondaryArtifacts", [])
    for source in (project["source"], *sources):
        _check_source(source)
    for what, identifier, listed in (
        ("secondary source", "sourceIdentifier", sources),
        ("secondary artifact", "artifactIdentifier", artifacts),
    ):
        names = [each.get(identifier) or "" for each in listed]
        if not all(_IDENTIFIER.fullmatch(name) for name in names) or len(set(names)) < len(names):
            message = f"Invalid input: each {what} needs a {identifier} of its own, of letters, digits and underscores"
            raise AwsError("InvalidInputException", message)
    for artifact in (project["artifacts"], *artifacts):
        if artifact["type"] == "S3" and not artifact.get("location"):
            raise AwsError("InvalidInputException", "Invalid artifacts: location must be a bucket for the type S3")
    if (project["source"]["type"] == "CODEPIPELINE") != (project["artifacts"]["type"] == "CODEPIPELINE"):
        message = "Invalid artifacts: source and artifacts must both have the type CODEPIPELINE, or neither"
        raise AwsError("InvalidInputException", message)
    logs = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
    for member in ("groupName", "streamName"):
        if not _LOG_NAME.fullmatch(logs.get(member, "x")) or ".." in logs.get(member, ""):
            raise AwsError(
                "InvalidInputException", f"Invalid logsConfig: {member} {logs[member]!r} is no name of a log"
            )
    cache = project.get("cache") or {}
    if cache.get("type") == "S3" and not cache.get("location"):
        raise AwsError("InvalidInputException", "Invalid cache: location is required for the type S3")


def _check_source(source: Document) -> None:
    kind = source["type"]
    if kind not in ("CODEPIPELINE", "NO_SOURCE") and not source.get("location"):
        raise AwsError("InvalidInputException", f"Invalid project source: location is required for the type {kind}")
    if kind == "NO_SOURCE" and not is_inline(source.get("buildspec", "")):
        message = "Invalid project source: a source of the type NO_SOURCE needs a buildspec in the project"
        raise AwsError("InvalidInputException", message)
    if (source.get("gitSubmodulesConfig") or {}).get("fetchSubmodules"):
        raise AwsError("InvalidInputException", "gitSubmodulesConfig.fetchSubmodules is not implemented by sagelocal.")


def delete_project(app: SageLocal, request: Document) -> Document:
    """A project that is not there is no error; its builds stay."""
    name = request["name"].split(":project/", 1)[-1]
    with app.store.transaction():
        if app.store.find(KIND, name):
            app.store.delete(KIND, name)
    return {}


def invalidate_project_cache(app: SageLocal, request: Document) -> Document:
    """The local one; a cache in S3 is the user's own."""
    caches.forget(app, find(app, request["projectName"])["name"])
    return {}


def batch_get_projects(app: SageLocal, request: Document) -> Document:
    found, missing = [], []
    for name in request["names"]:
        project = app.store.find(KIND, name.split(":project/", 1)[-1])
        if project:
            found.append(project)
        else:
            missing.append(name)
    return {"projects": found, "projectsNotFound": missing}


def list_projects(app: SageLocal, request: Document) -> Document:
    """By name unless `sortBy` says otherwise."""
    member = {"CREATED_TIME": "created", "LAST_MODIFIED_TIME": "lastModified"}.get(request.get("sortBy", ""), "name")
    projects = sorted(app.store.list(KIND), key=lambda project: project[member])
    names = [project["name"] for project in projects]
    return listing.page("projects", names, request, descending=request.get("sortOrder") == "DESCENDING")
