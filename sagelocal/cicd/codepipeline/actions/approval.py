"""Manual approvals: told to a topic, then waited for as long as the action allows."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.cicd.codepipeline.work import Document, Outcome, Work, failed

log = logging.getLogger(__name__)


def run(work: Work) -> Outcome:
    expires = work.record["_expires"]
    topic = work.configuration.get("NotificationArn")
    if topic and not work.record.get("_notified"):
        try:
            work.app.settings.client("sns").publish(
                TopicArn=topic, Subject=_subject(work), Message=json.dumps(_message(work, expires))
            )
        except (ClientError, BotoCoreError) as error:
            return failed(f"The topic {topic} could not be told of the approval: {error}", "ConfigurationError")
        work.note(_notified=True)
    try:
        found = work.wait(work.kind, work.id, lambda one: "_answer" in one, max(0.0, expires - time.time()) + 0.001)
    except TimeoutError:
        found = work.app.store.get(work.kind, work.id)  # none is taken from now on, but one may just have been
    if "_answer" not in found:
        return failed("Nobody approved or rejected it in time: the approval timed out.", "JobFailed")
    answer = found["_answer"]
    if answer["status"] == "Approved":
        return Outcome(summary=answer["summary"])
    said = f": {answer['summary']}" if answer["summary"] else "."
    return failed(f"Rejected by {answer['by']}{said}", "JobFailed", answer["summary"])


def _subject(work: Work) -> str:
    return f"APPROVAL NEEDED: AWS CodePipeline {work.declaration['name']} for action {work.action['name']}"[:100]


def _message(work: Work, expires: float) -> Document:
    """CodePipeline's own JSON for topics (guide, "JSON data format for manual approval notifications")."""
    region, name = work.app.settings.region, work.declaration["name"]
    console = f"https://console.aws.amazon.com/codepipeline/home?region={region}#/view/{name}"
    stage, action, token = work.record["stageName"], work.action["name"], work.record["_token"]
    return {
        "region": region,
        "consoleLink": console,
        "approval": {
            "pipelineName": name,
            "stageName": stage,
            "actionName": action,
            "token": token,
            "expires": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%MZ"),
            "externalEntityLink": work.configuration.get("ExternalEntityLink"),
            "approvalReviewLink": f"{console}/{stage}/{action}/approve/{token}",
            "customData": work.configuration.get("CustomData"),
        },
    }
