"""The providers of actions, as data: what AWS's action reference says of their configuration and artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, not_implemented

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


@dataclass(frozen=True)
class ActionType:
    """One provider; `variables` are those an action of it puts out, None where a build chooses them itself."""

    category: str
    provider: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    variables: frozenset[str] | None = frozenset()
    owner: str = "AWS"
    version: str = "1"


# The guide lists six variables of a connection; those of the author are in use, too.
_COMMIT = frozenset({"AuthorDate", "BranchName", "CommitId", "CommitMessage"})
_CONNECTION = _COMMIT | {"AuthorDisplayName", "AuthorEmail", "AuthorId", "ConnectionArn", "FullRepositoryName"}
_CODECOMMIT = _COMMIT | {"CommitterDate", "RepositoryName"}
_BUILD_KEYS = ("PrimarySource", "EnvironmentVariables", "BatchEnabled", "CombineArtifacts")
TYPES = (
    ActionType(
        "Source",
        "CodeStarSourceConnection",
        ("ConnectionArn", "FullRepositoryId", "BranchName"),
        ("OutputArtifactFormat", "DetectChanges"),
        (0, 0),
        (1, 1),
        _CONNECTION,
    ),
    ActionType(
        "Source",
        "CodeCommit",
        ("RepositoryName", "BranchName"),
        ("OutputArtifactFormat", "PollForSourceChanges"),
        (0, 0),
        (1, 1),
        _CODECOMMIT,
    ),
    ActionType(
        "Source",
        "S3",
        ("S3Bucket", "S3ObjectKey"),
        ("PollForSourceChanges", "AllowOverrideForS3ObjectKey"),
        (0, 0),
        (1, 1),
        frozenset({"BucketName", "ETag", "ObjectKey", "VersionId"}),
    ),
    ActionType("Build", "CodeBuild", ("ProjectName",), _BUILD_KEYS, (1, 5), (0, 5), None),
    ActionType("Test", "CodeBuild", ("ProjectName",), _BUILD_KEYS, (1, 5), (0, 5), None),
    ActionType("Invoke", "Lambda", ("FunctionName",), ("UserParameters",), (0, 5), (0, 5), None),
    ActionType("Approval", "Manual", (), ("NotificationArn", "CustomData", "ExternalEntityLink"), (0, 0), (0, 0)),
)
_KNOWN = {(one.category, one.provider): one for one in TYPES}
_REMEDIES = {
    "CloudFormation": "Let a CodeBuild action run the command that deploys.",
    "GitHub": "Use the provider CodeStarSourceConnection.",
}


def list_action_types(app: SageLocal, request: Document) -> Document:
    """Those that actions may have here; each key is one of a provider's configuration."""
    wanted = request.get("actionOwnerFilter", "AWS")
    return {"actionTypes": [_shown(one) for one in TYPES if one.owner == wanted]}


def _shown(one: ActionType) -> Document:
    def property_of(name: str) -> Document:
        return {"name": name, "required": name in one.required, "key": False, "secret": False}

    return {
        "id": {"category": one.category, "owner": one.owner, "provider": one.provider, "version": one.version},
        "settings": {},
        "actionConfigurationProperties": [property_of(name) for name in (*one.required, *one.optional)],
        "inputArtifactDetails": {"minimumCount": one.inputs[0], "maximumCount": one.inputs[1]},
        "outputArtifactDetails": {"minimumCount": one.outputs[0], "maximumCount": one.outputs[1]},
    }


def find(action: Document) -> ActionType:
    """Raises AwsError: for what AWS does not know, and by name for what sagelocal does not do."""
    given = action["actionTypeId"]
    found = _KNOWN.get((given["category"], given["provider"]))
    if found is None:
        what = f"The action provider {given['provider']} (category {given['category']}) of action {action['name']}"
        known = ", ".join(f"{one.category}/{one.provider}" for one in TYPES)
        raise not_implemented(what, _REMEDIES.get(given["provider"], "") + f" There are: {known}.")
    if (given["owner"], given["version"]) != (found.owner, found.version):
        # CodePipeline's words.
        raise AwsError(
            "InvalidActionDeclarationException",
            f"ActionType (Category: '{given['category']}', Provider: '{given['provider']}', Owner: '{given['owner']}', "
            f"Version: '{given['version']}') in action '{action['name']}' is not available; its owner is "
            f"'{found.owner}' and its version '{found.version}'.",
        )
    return found
