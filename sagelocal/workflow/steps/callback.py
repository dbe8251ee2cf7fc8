"""Callback steps: a message in an SQS queue carries a token, and the step waits until somebody answers with it.

The token is in the store before the message is sent. A kill between the two, or right after the message, sends it
again: at least once, as SQS delivers anyway.
"""

from __future__ import annotations

import hashlib
import json
import string
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.api.errors import AwsError, validation
from sagelocal.store import Missing
from sagelocal.workflow.steps import outputs
from sagelocal.workflow.steps.attempt import Attempt, Closing, Result, StepFailed, StepStopped

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
KIND = "PipelineCallback"  # name = the token, parent = the execution's ARN
# SageMaker's quota as commonly quoted; no primary source found.
_EXPIRES = 7 * 86400.0
_ALPHABET = string.ascii_letters + string.digits


def wait_for_answer(attempt: Attempt) -> Result:
    store, token = attempt.app.store, _token(attempt.name)
    callback = store.find(KIND, token)
    if callback is None:
        if attempt.stop_asked():
            raise StepStopped
        callback = store.create(KIND, token, _callback(attempt, token), parent=attempt.arn)
    metadata = {"Callback": {"CallbackToken": token, "SqsQueueUrl": callback["SqsQueueUrl"]}}
    attempt.executing(metadata)
    if not callback.get("_sent"):
        _send(attempt, token, metadata)
        store.update(KIND, token, {"_sent": True})
    answer = _wait(attempt, token, metadata)
    if "FailureReason" in answer:
        raise StepFailed(answer["FailureReason"], metadata=metadata)
    values = answer["OutputParameters"]
    metadata["Callback"]["OutputParameters"] = outputs.listed(values)
    return Result(metadata, {"OutputParameters": values})


def _callback(attempt: Attempt, token: str) -> Document:
    return {
        "CallbackToken": token,
        "PipelineExecutionArn": attempt.arn,
        "SqsQueueUrl": attempt.step["SqsQueueUrl"],
        "_declared": attempt.step.get("OutputParameters") or [],
    }


def _token(name: str) -> str:
    """Ten letters and digits that only this attempt has, the same after a kill."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    return "".join(_ALPHABET[number // 62**place % 62] for place in range(10))


def _send(attempt: Attempt, token: str, metadata: Document, **more: str) -> None:
    url = metadata["Callback"]["SqsQueueUrl"]
    body = {"token": token, "pipelineExecutionArn": attempt.arn, "arguments": attempt.request, **more}
    try:
        attempt.app.settings.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))
    except (ClientError, BotoCoreError) as error:
        message = error.response["Error"].get("Message") if isinstance(error, ClientError) else str(error)
        reason = f"ClientError: Failed to invoke sqs:SendMessage on {url}. Error Details: {message}"
        raise StepFailed(reason, metadata=metadata) from error


def _wait(attempt: Attempt, token: str, metadata: Document) -> Document:
    """The answer. Stop only sends a second message: the execution stops when that is answered, as AWS documents."""
    store = attempt.app.store
    timeout = max(0.0, attempt.started + _EXPIRES - attempt.app.now())
    try:
        found = store.wait(
            KIND, token, lambda one: "_answer" in one or attempt.closing() or attempt.stop_asked(), timeout
        )
        if "_answer" not in found and not attempt.closing():
            attempt.stopping()
            if not found.get("_stop_sent"):
                _send(attempt, token, metadata, status="Stopping")
                store.update(KIND, token, {"_stop_sent": True})
            found = store.wait(KIND, token, lambda one: "_answer" in one or attempt.closing(), timeout)
    except TimeoutError as error:
        raise StepFailed(
            f"ClientError: Nobody answered the callback in {_EXPIRES / 86400:g} days.", metadata=metadata
        ) from error
    if "_answer" not in found:
        raise Closing
    return dict(found["_answer"])


# The two operations that answer.


def send_success(app: SageLocal, request: Document) -> Document:
    def answer(callback: Document) -> Document:
        declared = callback["_declared"]
        given = {one["Name"]: one["Value"] for one in request.get("OutputParameters") or []}
        if unknown := given.keys() - {one["OutputName"] for one in declared}:
            raise validation(f"The callback step declares no output parameter {', '.join(sorted(unknown))}.")
        try:
            return {"OutputParameters": outputs.typed(declared, given)}
        except outputs.OutputError as error:
            raise validation(f"{error}.") from error

    return _answered(app, request, answer)


def send_failure(app: SageLocal, request: Document) -> Document:
    return _answered(app, request, lambda callback: {"FailureReason": request.get("FailureReason") or _NO_REASON})


_NO_REASON = "The callback step failed without a FailureReason."


def _answered(app: SageLocal, request: Document, answer: Any) -> Document:
    """A token takes one answer; the same ClientRequestToken again is the same answer.

    Output parameters that do not fit are refused here and leave the step waiting (AWS documents neither this nor what
    a failed step of its own would be).
    """
    token, client_token = request["CallbackToken"], request.get("ClientRequestToken")

    def edit(callback: Document) -> None:
        if "_answer" not in callback:
            callback["_answer"] = answer(callback)
            callback["_client_token"] = client_token
        elif client_token is None or callback["_client_token"] != client_token:
            raise AwsError("ConflictException", f"The callback token {token} was used already.")

    try:
        callback = app.store.update(KIND, token, edit=edit)
    except Missing as error:
        raise AwsError("ResourceNotFound", f"Pipeline callback token {token} does not exist.") from error
    return {"PipelineExecutionArn": callback["PipelineExecutionArn"]}


OPERATIONS = {
    "SendPipelineExecutionStepSuccess": send_success,
    "SendPipelineExecutionStepFailure": send_failure,
}
