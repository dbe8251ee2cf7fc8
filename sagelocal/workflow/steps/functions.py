"""Lambda steps: a function that MiniStack runs is invoked with the step's inputs, and its answer is the outputs.

A kill of sagelocal while the function runs repeats the invocation: at least once. MiniStack forgets its functions when
it is killed, so that repetition then fails until the function is there again and the execution is retried. Stop waits
for the function, as on AWS; where it runs out of time meanwhile, AWS calls the execution Failed, sagelocal Stopped.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError

from sagelocal.config import LAMBDA_SECONDS
from sagelocal.workflow.steps import outputs
from sagelocal.workflow.steps.attempt import Attempt, Result, StepFailed, StepStopped

Document = dict[str, Any]
_FAULTS = {"TooManyRequestsException": "Step.THROTTLING", "ServiceException": "Step.SERVICE_FAULT"}


def invoke_function(attempt: Attempt) -> Result:
    if attempt.stop_asked():
        raise StepStopped
    function = attempt.step["FunctionArn"]
    attempt.executing({"Lambda": {"Arn": function}})
    answer = _answer(_invoke(attempt, function), function)
    declared = attempt.step.get("OutputParameters") or []
    try:
        values = outputs.typed(declared, answer if isinstance(answer, dict) else {})
    except outputs.OutputError as error:
        raise _failed(function, f"{error} in what the function returned") from error
    metadata = {"Lambda": {"Arn": function, "OutputParameters": outputs.listed(values)}}
    return Result(metadata, {"OutputParameters": values})


def _invoke(attempt: Attempt, function: str) -> Document:
    payload = json.dumps(attempt.request).encode()
    try:
        response = attempt.app.settings.client("lambda").invoke(FunctionName=function, Payload=payload)
        return {"FunctionError": response.get("FunctionError"), "Payload": response["Payload"].read()}
    except ReadTimeoutError as error:
        # The developer guide: a Lambda step runs for at most 10 minutes, whatever the function's own timeout is.
        raise _failed(function, f"it ran longer than {LAMBDA_SECONDS} s, the limit of a Lambda step") from error
    except ClientError as error:
        said = error.response["Error"]
        reason = f"Failed to invoke lambda:Invoke. Error Details: {said.get('Message') or said['Code']}"
        raise StepFailed(f"ClientError: {reason}", _FAULTS.get(said["Code"], ""), _metadata(function)) from error
    except HTTPClientError as error:  # MiniStack died under the call: this is what a retry is for
        reason = f"InternalServerError: Failed to invoke lambda:Invoke: {error}"
        raise StepFailed(reason, "Step.SERVICE_FAULT", _metadata(function)) from error


def _answer(response: Document, function: str) -> Any:
    try:
        answer = json.loads(response["Payload"] or b"null")
    except ValueError as error:
        raise _failed(function, f"it returned what is not JSON: {response['Payload'][:200]!r}") from error
    if response["FunctionError"]:
        said = answer if isinstance(answer, dict) else {}
        kind, message = said.get("errorType", response["FunctionError"]), said.get("errorMessage", answer)
        raise _failed(function, f"it ended in an error: {kind}: {message}")
    return answer


def _failed(function: str, reason: str) -> StepFailed:
    return StepFailed(f"ClientError: Lambda function {function}: {reason}.", metadata=_metadata(function))


def _metadata(function: str) -> Document:
    return {"Lambda": {"Arn": function}}
