"""A pipeline's declaration: completed as CodePipeline shows it, or refused in a sentence that names what is wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sagelocal.api.errors import AwsError, not_implemented
from sagelocal.cicd.codebuild import variables as build_variables
from sagelocal.cicd.codepipeline import action_types, globs, variables
from sagelocal.config import Settings

Document = dict[str, Any]
APPROVAL_MINUTES = 7 * 24 * 60
_V2 = ("variables", "triggers")
_FORMATS = ("CODE_ZIP", "CODEBUILD_CLONE_REF")
_TEXT_LIMIT = 1000


def complete(declaration: Document, settings: Settings) -> Document:
    """The declaration with AWS's defaults. Raises AwsError."""
    made: Document = json.loads(json.dumps(declaration))
    made.setdefault("executionMode", "SUPERSEDED")
    made.setdefault("pipelineType", "V2" if _needs_v2(made) else "V1")
    for stage in made["stages"]:
        for action in stage["actions"]:
            action.setdefault("runOrder", 1)
            for member in ("configuration", "inputArtifacts", "outputArtifacts"):
                action.setdefault(member, {} if member == "configuration" else [])
    _check(made, settings)
    return made


def _needs_v2(declaration: Document) -> bool:
    return bool(
        any(declaration.get(member) for member in _V2)
        or declaration.get("executionMode", "SUPERSEDED") != "SUPERSEDED"
        or any(stage.get("onFailure") for stage in declaration["stages"])
    )


def actions(declaration: Document) -> Iterator[tuple[Document, Document]]:
    """Every action with its stage, as they run: stages in order, actions by runOrder."""
    for stage in declaration["stages"]:
        for action in sorted(stage["actions"], key=lambda one: one["runOrder"]):
            yield stage, action


def stage_of(declaration: Document, name: str) -> Document:
    """Raises AwsError."""
    for stage in declaration["stages"]:
        if stage["name"] == name:
            return dict(stage)
    names = ", ".join(stage["name"] for stage in declaration["stages"])
    raise AwsError(
        "StageNotFoundException",
        f"Cannot find stage '{name}' in pipeline '{declaration['name']}'; its stages are: {names}.",
    )


def sources(declaration: Document) -> list[Document]:
    return list(declaration["stages"][0]["actions"])


def store_bucket(declaration: Document, region: str) -> Document:
    """The artifact store of this region: {"type", "location", "encryptionKey"?}."""
    return dict(declaration.get("artifactStore") or declaration["artifactStores"][region])


def _structure(message: str) -> AwsError:
    return AwsError("InvalidStructureException", message)


def _action(message: str) -> AwsError:
    return AwsError("InvalidActionDeclarationException", message)


def _check(made: Document, settings: Settings) -> None:
    _check_pipeline(made, settings)
    _check_stages(made)
    for stage, action in actions(made):
        _check_action(stage, action, settings)
    _check_artifacts(made)
    _check_variables(made)
    _check_triggers(made)


def _check_pipeline(made: Document, settings: Settings) -> None:
    if made["pipelineType"] == "V1" and _needs_v2(made):
        raise _structure(
            f"Pipeline {made['name']} has variables, triggers, stage conditions or the execution mode "
            f"{made['executionMode']}, which only pipelines of type V2 have: set pipelineType to V2."
        )
    if bool(made.get("artifactStore")) == bool(made.get("artifactStores")):
        raise _structure(f"Pipeline {made['name']} must have either artifactStore or artifactStores.")
    if others := sorted(set(made.get("artifactStores", {})) - {settings.region}):
        raise not_implemented(f"An artifact store in another region ({', '.join(others)})")
    if made.get("artifactStores") == {}:
        raise _structure(f"Pipeline {made['name']} has no artifact store for its region {settings.region}.")


def _check_stages(made: Document) -> None:
    stages = made["stages"]
    if len(stages) < 2:
        raise _structure(
            f"Pipeline has only {len(stages)} stage(s). There should be a minimum of 2 stages in a pipeline"
        )
    if twice := _twice(stage["name"] for stage in stages):
        raise _structure(f"Stage names must be unique within a pipeline: {twice} has been used more than once.")
    for number, stage in enumerate(stages):
        name = stage["name"]
        if stage.get("blockers"):
            raise AwsError("InvalidBlockerDeclarationException", f"Stage {name}: blockers are reserved for later use.")
        if not stage["actions"]:
            raise AwsError("InvalidStageDeclarationException", f"Stage {name} has no actions.")
        if twice := _twice(action["name"] for action in stage["actions"]):
            message = f"Action names must be unique within a stage: {twice} has been used more than once in {name}."
            raise AwsError("InvalidStageDeclarationException", message)
        are = {action["actionTypeId"]["category"] == "Source" for action in stage["actions"]}
        if number == 0 and are != {True}:
            raise _structure(f"Pipeline {made['name']} should start with a stage that only contains source actions")
        if number > 0 and True in are:
            raise _structure(f"Source actions may only be in the first stage, and stage {name} has one.")
        _check_conditions(number, stage)


def _check_conditions(number: int, stage: Document) -> None:
    name, failure = stage["name"], stage.get("onFailure", {})
    if failure.get("result") == "ROLLBACK" and number == 0:
        raise _structure(f"Stage {name} is the source stage, which cannot be rolled back.")
    if failure.get("retryConfiguration") and failure.get("result") != "RETRY":
        raise _structure(f"Stage {name} has a retryConfiguration, whose result must be RETRY.")


def _check_action(stage: Document, action: Document, settings: Settings) -> None:
    name = action["name"]
    kind = action_types.find(action)
    for member in ("outputVariables", "environmentVariables"):
        if action.get(member):
            raise _action(f"The member {member} of action {name} is of the provider Commands alone.")
    if action.get("region", settings.region) != settings.region:
        raise not_implemented(f"The region {action['region']} of action {name}, a cross-region action,")
    if action.get("timeoutInMinutes") and kind.category != "Approval":
        raise _action(f"timeoutInMinutes of action {name}: only manual approvals have one.")
    for number, (low, high), what in (
        (len(action["inputArtifacts"]), kind.inputs, "input"),
        (len(action["outputArtifacts"]), kind.outputs, "output"),
    ):
        if not low <= number <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            raise _action(f"Action {name} has {number} {what} artifacts, a {kind.provider} action has {wanted}.")
    _check_configuration(action, kind)


def _check_configuration(action: Document, kind: action_types.ActionType) -> None:
    name, given = action["name"], action["configuration"]
    for key in kind.required:
        if key not in given:
            raise _action(f"Action configuration for action '{name}' is missing required configuration '{key}'")
    for key, value in given.items():
        if key not in (*kind.required, *kind.optional):
            raise _action(
                f"Action configuration for action '{name}' contains unknown configuration '{key}'; "
                f"{kind.provider} knows: {', '.join((*kind.required, *kind.optional))}."
            )
        if not 1 <= len(value) <= _TEXT_LIMIT:
            raise _action(f"Configuration {key} of action '{name}' must have 1 to {_TEXT_LIMIT} characters.")
    if given.get("OutputArtifactFormat", "CODE_ZIP") not in _FORMATS:
        raise _action(f"OutputArtifactFormat of action '{name}' must be one of {', '.join(_FORMATS)}.")
    if kind.provider == "CodeBuild":
        _check_build(action)
    if kind.provider == "S3" and given.get("PollForSourceChanges") != "false":
        raise not_implemented(
            f"Polling the S3 source of action '{name}' for changes",
            "Set its PollForSourceChanges to false and start the pipeline by a rule of EventBridge or by hand.",
        )


def _check_build(action: Document) -> None:
    name, given = action["name"], action["configuration"]
    inputs = [one["name"] for one in action["inputArtifacts"]]
    if given.get("BatchEnabled", "false") == "true":
        raise not_implemented(f"The configuration BatchEnabled of action {name}")
    if len(inputs) > 1 and "PrimarySource" not in given:
        raise _action(f"Action '{name}' has {len(inputs)} input artifacts: PrimarySource must name one of them.")
    if given.get("PrimarySource", inputs[0]) not in inputs:
        raise _action(f"PrimarySource of action '{name}' is {given['PrimarySource']}, none of its inputs.")
    if "EnvironmentVariables" in given:
        environment_variables(name, given["EnvironmentVariables"])


def environment_variables(action: str, written: str) -> list[Document]:
    """The parsed EnvironmentVariables of a CodeBuild action. Raises AwsError."""
    try:
        found = json.loads(written)
    except ValueError as error:
        raise _action(f"EnvironmentVariables of action '{action}' is not JSON: {error}") from error
    for one in found if isinstance(found, list) else [None]:
        if not isinstance(one, dict) or not {"name", "value"} <= set(one) <= {"name", "value", "type"}:
            raise _action(
                f"EnvironmentVariables of action '{action}' must be a JSON list of objects with name, value and type."
            )
        if wrong := build_variables.problem({**one, "value": str(one["value"])}):
            raise _action(f"EnvironmentVariables of action '{action}': {wrong}.")
    return list(found)


def _check_artifacts(made: Document) -> None:
    """An artifact is there for actions of later stages and of later run orders of its own stage."""
    known: set[str] = set()
    for stage in made["stages"]:
        for order in sorted({action["runOrder"] for action in stage["actions"]}):
            group = [action for action in stage["actions"] if action["runOrder"] == order]
            for action in group:
                for given in action["inputArtifacts"]:
                    if given["name"] not in known:
                        raise _action(
                            f"Input Artifact Bundle {given['name']} in action {action['name']} is not declared as "
                            "Output Artifact Bundle in any of the preceding actions"
                        )
            for action in group:
                for given in action["outputArtifacts"]:
                    if given["name"] in known:
                        message = f"{given['name']} has been used more than once"
                        raise _action(f"Output Artifact Bundle name must be unique within the pipeline. {message}.")
                    known.add(given["name"])


def _check_variables(made: Document) -> None:
    declared = [one["name"] for one in made.get("variables", [])]
    if twice := _twice(declared):
        raise _structure(f"Pipeline variable names must be unique: {twice} has been used more than once.")
    if twice := _twice(action["namespace"] for _, action in actions(made) if action.get("namespace")):
        raise _structure(f"Namespaces must be unique within the pipeline: {twice} has been used more than once.")
    known: dict[str, frozenset[str] | None] = {
        variables.EXECUTION: variables.EXECUTION_KEYS,
        variables.PIPELINE: frozenset(declared),
    }
    for stage in made["stages"]:
        for order in sorted({action["runOrder"] for action in stage["actions"]}):
            group = [action for action in stage["actions"] if action["runOrder"] == order]
            for action in group:
                _check_references(stage, action, known)
            for action in group:
                if namespace := action.get("namespace"):
                    if namespace in (variables.EXECUTION, variables.PIPELINE):
                        raise _structure(f"The namespace {namespace} of action {action['name']} is CodePipeline's own.")
                    known[namespace] = action_types.find(action).variables


def _check_references(stage: Document, action: Document, known: dict[str, frozenset[str] | None]) -> None:
    for key, value in action["configuration"].items():
        for written, namespace, name in variables.references(value):
            where = (
                f"StageName=[{stage['name']}], ActionName=[{action['name']}], ActionConfigurationKey=[{key}], "
                f"VariableReferenceText=[{written}]"
            )
            if not namespace:
                message = "Valid format for a pipeline execution variable reference is a namespace and a key separated"
                raise _structure(f"{message} by a period (.): {where}.")
            if namespace not in known:
                raise _structure(
                    "The following pipeline execution variables are referencing a namespace that does not exist or "
                    f"that no preceding action has: {where}."
                )
            keys = known[namespace]
            if keys is not None and name not in keys:
                there = f"there are: {', '.join(sorted(keys)) or 'none'}"
                raise _structure(f"There is no variable {name} in the namespace {namespace} ({there}): {where}.")


def _check_triggers(made: Document) -> None:
    connections = {
        action["name"]: action
        for action in sources(made)
        if action["actionTypeId"]["provider"] == "CodeStarSourceConnection"
    }
    names = [trigger["gitConfiguration"]["sourceActionName"] for trigger in made.get("triggers", [])]
    if twice := _twice(names):
        raise _structure(f"Only one trigger configuration a source action is allowed: {twice} has more.")
    for trigger in made.get("triggers", []):
        git = trigger["gitConfiguration"]
        if git["sourceActionName"] not in connections:
            raise _structure(
                f"The trigger's sourceActionName {git['sourceActionName']} is no source action with the provider "
                f"CodeStarSourceConnection; there are: {', '.join(connections) or 'none'}."
            )
        for pushed in git.get("push", []):
            _check_push(pushed)


def _check_push(pushed: Document) -> None:
    """The guide's valid combinations: tags, branches, branches with file paths."""
    given = {member for member in ("tags", "branches", "filePaths") if pushed.get(member)}
    if given not in ({"tags"}, {"branches"}, {"branches", "filePaths"}):
        raise _structure(
            f"A push filter has {' and '.join(sorted(given)) or 'nothing'}; valid are tags, branches, or branches with "
            "filePaths."
        )
    for member in given:
        patterns = [*pushed[member].get("includes", []), *pushed[member].get("excludes", [])]
        if not patterns:
            raise _structure(f"The push filter {member} has neither includes nor excludes.")
        for pattern in patterns:
            try:
                globs.matches(pattern, "")
            except re.error as error:
                raise _structure(
                    f"The push filter {member} has the pattern {pattern!r}, which is none: {error}."
                ) from error


def _twice(names: Any) -> str:
    return next((name for name, number in Counter(names).items() if number > 1), "")
