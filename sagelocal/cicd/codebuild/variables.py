"""The variables of a build: whose value counts, and where secret ones come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.cicd.codebuild.buildspec import NAME, NO_TEXT, Buildspec

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
PLAINTEXT, PARAMETER_STORE, SECRETS_MANAGER = "PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"
_LONGEST = 128 * 1024  # bytes of "name=value" with the NUL at its end: Linux's MAX_ARG_STRLEN


class VariableError(Exception):
    """`code` is the phase context's status code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def merged(*layers: Sequence[Mapping[str, str]]) -> list[Document]:
    """Lists of {name, value, type}, of which the later ones count."""
    found = {each["name"]: {"type": PLAINTEXT, **each} for layer in layers for each in layer}
    return list(found.values())


def of_buildspec(buildspec: Buildspec) -> list[Document]:
    kinds = {
        PLAINTEXT: buildspec.env.variables,
        PARAMETER_STORE: buildspec.env.parameter_store,
        SECRETS_MANAGER: buildspec.env.secrets_manager,
    }
    return [
        {"name": name, "value": value, "type": kind} for kind, table in kinds.items() for name, value in table.items()
    ]


def resolved(app: SageLocal, listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Name -> value. Raises VariableError naming what is not in Parameter Store or Secrets Manager, or is too long."""
    found = {}
    for each in listed:
        if each["type"] == PARAMETER_STORE:
            found[each["name"]] = _parameter(app, each["value"])
        elif each["type"] == SECRETS_MANAGER:
            found[each["name"]] = _secret(app, each["value"])
        else:
            found[each["name"]] = each["value"]
    for name, value in found.items():
        if len(f"{name}={value}".encode()) >= _LONGEST:
            raise VariableError("CLIENT_ERROR", f"{name} is too long: a process gets {_LONGEST} bytes a variable")
    return found


def problem(variable: Mapping[str, object]) -> str:
    """What is wrong with one of an API's or an action's variables, "" if nothing is."""
    name, value = variable["name"], variable["value"]
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        return f"{name!r} is no name of an environment variable"
    if not isinstance(value, str) or NO_TEXT.search(value):
        return f"the value of {name} is no text that a process can have"
    if variable.get("type", PLAINTEXT) not in (PLAINTEXT, PARAMETER_STORE, SECRETS_MANAGER):
        return f"the type of {name} is {variable['type']!r}: {PLAINTEXT}, {PARAMETER_STORE} or {SECRETS_MANAGER}"
    return ""


def _parameter(app: SageLocal, name: str) -> str:
    try:
        answer = app.settings.client("ssm").get_parameters(Names=[name], WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise VariableError("Decrypted Variables Error", str(error)) from error
    if not answer["Parameters"]:
        raise VariableError("Decrypted Variables Error", f"parameter does not exist: {name}")
    return str(answer["Parameters"][0]["Value"])


def _secret(app: SageLocal, reference: str) -> str:
    """`reference` is <name or ARN>[:<JSON key>[:<version stage>[:<version id>]]]."""
    name, key, stage, version = _parts(reference)
    request = {"SecretId": name, "VersionStage": stage, "VersionId": version}
    try:
        answer = app.settings.client("secretsmanager").get_secret_value(
            **{member: value for member, value in request.items() if value}
        )
    except (BotoCoreError, ClientError) as error:
        raise VariableError("Secrets Manager Error", f"{name}: {error}") from error
    text = str(answer.get("SecretString", ""))
    if not key:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError) as error:
        raise VariableError("Secrets Manager Error", f"the secret {name} has no JSON key {key!r}") from error


def _parts(reference: str) -> tuple[str, str, str, str]:
    fields = reference.split(":")
    named = 7 if reference.startswith("arn:") else 1  # an ARN has colons itself
    rest = [*fields[named:], "", "", ""]
    return ":".join(fields[:named]), rest[0], rest[1], rest[2]


def of_codebuild(build: Document, directory: str, others: Mapping[str, str]) -> dict[str, str]:
    """CODEBUILD_*, as the guide lists them; `others` are the folders of secondary sources."""
    source = build["source"]
    logs = build["logs"]
    variables = {
        "CODEBUILD_CI": "true",
        "CODEBUILD_BUILD_ARN": build["arn"],
        "CODEBUILD_BUILD_ID": build["id"],
        "CODEBUILD_BUILD_IMAGE": build["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_INITIATOR": build["initiator"],
        "CODEBUILD_KMS_KEY_ID": build["encryptionKey"],
        "CODEBUILD_LOG_PATH": logs.get("streamName", ""),
        "CODEBUILD_RESOLVED_SOURCE_VERSION": build.get("resolvedSourceVersion", ""),
        "CODEBUILD_SOURCE_REPO_URL": source.get("location", ""),
        "CODEBUILD_SOURCE_VERSION": build.get("sourceVersion", ""),
        "CODEBUILD_SRC_DIR": directory,
        "CODEBUILD_START_TIME": str(round(build["startTime"] * 1000)),
        **{f"CODEBUILD_SRC_DIR_{name}": folder for name, folder in others.items()},
    }
    return {name: value for name, value in variables.items() if value}
