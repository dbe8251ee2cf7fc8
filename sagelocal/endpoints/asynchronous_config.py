"""AsyncInferenceConfig: its rules, and where it puts answers and failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelocal.api.errors import not_implemented, validation
from sagelocal.jobs.checks import s3_uri

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

ANSWER_SECONDS = 3600.0  # the documented limit of InvocationTimeoutSeconds
_TOPICS = {"SUCCESS_NOTIFICATION_TOPIC": "SuccessTopic", "ERROR_NOTIFICATION_TOPIC": "ErrorTopic"}


def check(request: Document) -> None:
    """Of CreateEndpointConfig. Raises AwsError."""
    config = request.get("AsyncInferenceConfig")
    if not config:
        return
    output = config["OutputConfig"]
    for member in ("S3OutputPath", "S3FailurePath"):
        if output.get(member):
            s3_uri(output[member])
    included = notification(config).get("IncludeInferenceResponseIn") or []
    for kind in included:
        if not notification(config).get(_TOPICS[kind]):
            raise validation(f"IncludeInferenceResponseIn has {kind}, so NotificationConfig needs {_TOPICS[kind]}.")
    if not output.get("S3OutputPath") and "SUCCESS_NOTIFICATION_TOPIC" not in included:
        raise validation(
            "AsyncInferenceConfig.OutputConfig needs S3OutputPath, or SUCCESS_NOTIFICATION_TOPIC in "
            "NotificationConfig.IncludeInferenceResponseIn: else nobody could have an answer."
        )


def check_update(running: Document, plan: Document) -> None:
    """Raises AwsError for an update that changes how an endpoint is asked; whether AWS has it is not documented."""
    if bool(running.get("Async")) != bool(plan.get("Async")):
        raise not_implemented(
            f"An update from the config {running['EndpointConfigName']} to {plan['EndpointConfigName']}, of which only "
            "one has AsyncInferenceConfig,",
            "Create another endpoint.",
        )


def notification(config: Document) -> Document:
    return config["OutputConfig"].get("NotificationConfig") or {}


def test_topics(app: SageLocal, plan: Document) -> None:
    """AWS's test notification, at the creation and each update of an endpoint. Raises AwsError for a missing topic."""
    if not plan.get("Async"):
        return
    for member in ("SuccessTopic", "ErrorTopic"):
        if topic := notification(plan["Async"]).get(member):
            message = {"eventVersion": "1.0", "eventSource": "aws:sagemaker", "eventName": "TestNotification"}
            try:
                app.settings.client("sns").publish(TopicArn=topic, Message=json.dumps(message))
            except ClientError as error:
                said = error.response["Error"]["Message"]
                raise validation(f"Could not publish to the {member} {topic}: {said}") from error


def locations(config: Document, name: str, extension: str = "", filename: str = "") -> tuple[str | None, str | None]:
    """The S3 URIs of an answer and of a failure, each None where it has no path.

    AWS writes `<name>.out` and `<name>-error.out`, the name a new UUID; S3OutputPathExtension is a folder below the
    output path, Filename the name of the answer as it is.
    """
    output = config["OutputConfig"]
    folder = f"{extension.strip('/')}/" if extension else ""
    stem = filename.partition(".")[0] or name
    answers, failures = output.get("S3OutputPath"), output.get("S3FailurePath")
    return (
        f"{answers.rstrip('/')}/{folder}{filename or f'{name}.out'}" if answers else None,
        f"{failures.rstrip('/')}/{stem}-error.out" if failures else None,
    )
