"""Invoke actions: a Lambda function gets a job, and ends it by PutJobSuccessResult or PutJobFailureResult.

On AWS the function is invoked asynchronously, and one that breaks lets its action wait until that times out. Here the
invocation is waited for, so that the action fails at once with the function's own error. A kill of sagelocal while the
function runs repeats the invocation: at least once, as AWS promises.
"""

from __future__ import annotations

import json
import time

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.cicd.codepipeline.work import Document, Outcome, Work, artifact_key, failed

_SECONDS = 24 * 3600.0  # CodePipeline's quota for a Lambda action
_CONFIGURATION = "ConfigurationError"


def run(work: Work) -> Outcome:
    function = work.configuration["FunctionName"]
    if "_outputs" not in work.record:
        bucket, name = work.bucket["location"], work.declaration["name"]
        outputs = [one["name"] for one in work.action["outputArtifacts"]]
        work.note(_outputs={one: f"s3://{bucket}/{artifact_key(name, one)}" for one in outputs})
    if "_job" not in work.record and not work.record.get("_invoked"):
        try:
            refusal = _invoke(work, function)
        except (ClientError, BotoCoreError) as error:
            return failed(f"The Lambda function {function} could not be invoked: {error}", _CONFIGURATION)
        if refusal:
            return failed(f"The Lambda function {function} ended in an error: {refusal}")
        work.note(_invoked=True)
    try:
        left = max(0.0, work.record["startTime"] + _SECONDS - time.time())
        job = work.wait(work.kind, work.id, lambda one: "_job" in one, left)["_job"]
    except TimeoutError:
        return failed(
            f"The AWS Lambda function {function} failed to return a result. Check the function to verify that it has "
            "permission to call the PutJobSuccessResult action and that it made a call to PutJobSuccessResult."
        )
    if job.get("failure"):
        return failed(job["failure"]["message"], job["failure"]["type"])
    return Outcome(
        summary=job["summary"],
        variables=job["variables"],
        artifacts={name: {"s3": s3} for name, s3 in work.record["_outputs"].items()},
    )


def _invoke(work: Work, function: str) -> str:
    """What the function broke with, "" if it did not."""
    answer = work.app.settings.client("lambda").invoke(FunctionName=function, Payload=json.dumps(_event(work)).encode())
    text = answer["Payload"].read().decode(errors="replace")
    return text[:2000] if answer.get("FunctionError") else ""


def _event(work: Work) -> Document:
    """The event of the guide's "Invoke an AWS Lambda function in a pipeline"."""
    settings = work.app.settings
    credentials = {"accessKeyId": settings.access_key, "secretAccessKey": settings.secret_key, "sessionToken": ""}
    data = {
        "actionConfiguration": {"configuration": work.configuration},
        "inputArtifacts": [
            {"name": name, "revision": one.get("commit"), "location": _location(one["s3"])}
            for name, one in work.inputs.items()
        ],
        "outputArtifacts": [
            {"name": name, "revision": None, "location": _location(s3)} for name, s3 in work.record["_outputs"].items()
        ],
        "artifactCredentials": credentials,
    }
    return {"CodePipeline.job": {"id": work.id, "accountId": settings.account, "data": data}}


def _location(s3: str) -> Document:
    bucket, _, key = s3.removeprefix("s3://").partition("/")
    return {"type": "S3", "s3Location": {"bucketName": bucket, "objectKey": key}}
