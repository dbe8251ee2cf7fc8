"""CodeBuild actions: a build with the pipeline's artifacts, waited for, and why it failed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codebuild.engine import Input, Order
from sagelocal.cicd.codepipeline import structure, variables
from sagelocal.cicd.codepipeline.work import Document, Outcome, Work, artifact_key, failed
from sagelocal.store import Missing

log = logging.getLogger(__name__)
BUILD = "CodeBuildBuild"
_LINES = 12  # of a failed command's output
_LOG_BYTES = 2**18  # of a log's end that are looked through for them
_MESSAGE_LIMIT = 4900  # characters of errorDetails' 5000
_CONTAINER = "[Container]"  # what CodeBuild's own log lines begin with
_FAILED_COMMAND = "Command did not exit successfully"


def run(work: Work) -> Outcome:
    try:
        order = _order(work)
        build = work.app.codebuild.start(order)
    except AwsError as error:
        return failed(error.message, "ConfigurationError")
    work.note(_external=build)
    try:
        document = work.wait(BUILD, build, lambda one: one["buildStatus"] != "IN_PROGRESS")
    except Missing:
        return failed(f"The build {build} was deleted.")
    if document["buildStatus"] == "SUCCEEDED":
        return Outcome(
            variables={one["name"]: one.get("value", "") for one in document.get("exportedEnvironmentVariables", [])},
            artifacts={name: {"s3": s3} for name, s3 in order.outputs.items()},
        )
    return failed(_why(work, document), summary=_sentence(document))


def _order(work: Work) -> Order:
    """Raises AwsError for variables that are no JSON."""
    inputs = work.inputs
    primary = work.configuration.get("PrimarySource") or next(iter(inputs))
    if "_outputs" not in work.record:  # the keys are chosen once, also for an action that a start takes up
        bucket, name = work.bucket["location"], work.declaration["name"]
        outputs = [one["name"] for one in work.action["outputArtifacts"]]
        work.note(_outputs={one: f"s3://{bucket}/{artifact_key(name, one)}" for one in outputs})
    return Order(
        project=work.configuration["ProjectName"],
        initiator=f"codepipeline/{work.declaration['name']}",
        inputs=[
            Input(name, "" if one.get("repository") else one["s3"], one.get("repository", ""), one.get("commit", ""))
            for name, one in inputs.items()
        ],
        primary=primary,
        outputs=work.record["_outputs"],
        variables=_environment(work),
        token=work.id,
    )


def _environment(work: Work) -> list[Document]:
    """Resolved one by one, so that a value's quotes and lines do not break the JSON that names it."""
    written = work.action["configuration"].get("EnvironmentVariables")
    if not written:
        return []
    given = structure.environment_variables(work.action["name"], written)
    return [one | {"value": variables.resolve(str(one["value"]), work.scope)} for one in given]


def _failed_phase(build: Document) -> Document:
    """The first that failed: UPLOAD_ARTIFACTS fails too when a build left no files."""
    ended = ("SUCCEEDED", "IN_PROGRESS", "QUEUED")
    phases = [one for one in build.get("phases", []) if one.get("phaseStatus", "SUCCEEDED") not in ended]
    return phases[0] if phases else {}


def _sentence(build: Document) -> str:
    """CodeBuild's words for it, as the console shows them."""
    phase = _failed_phase(build)
    said = f"Build terminated with state: {build['buildStatus']}"
    contexts = [one for one in phase.get("contexts", []) if one.get("message")]
    if contexts:
        code, message = contexts[0].get("statusCode", ""), contexts[0]["message"]
        return f"{said}. Phase: {phase['phaseType']}, Code: {code}, Message: {message}"
    return f"{said}. Phase: {phase['phaseType']}" if phase else said


def _why(work: Work, build: Document) -> str:
    said = _sentence(build)
    lines = telling(_log_end(work, build))
    if not lines:
        return said[:_MESSAGE_LIMIT]
    return f"{said}\n" + "\n".join(lines)[-(_MESSAGE_LIMIT - len(said)) :]


def _log_end(work: Work, build: Document) -> list[str]:
    try:
        with work.app.codebuild.log_file(build["id"]).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except (OSError, Missing) as error:  # a failed build is told with or without its log
        log.warning("the log of %s could not be read: %s", build["id"], error)
        return []


def telling(log_lines: Sequence[str]) -> list[str]:
    """The last lines that the failed command wrote; without one the last lines of the log."""
    ends = [number for number, line in enumerate(log_lines) if _FAILED_COMMAND in line]
    if not ends:
        return [line for line in log_lines if line.strip()][-_LINES:]
    begin = ends[0]
    while begin > 0 and not log_lines[begin - 1].startswith(_CONTAINER):
        begin -= 1
    return [line for line in log_lines[begin : ends[0]] if line.strip()][-_LINES:]
