"""EventBridge events for every state change: what AWS would emit, and their delivery to MiniStack's rules.

The store writes what `for_change` returns into its outbox, in the transaction of the change itself.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sagelocal.cicd.codebuild import events as codebuild
from sagelocal.cicd.codepipeline import events as codepipeline
from sagelocal.config import LOOPBACK, Settings
from sagelocal.ministack_gate import EVENTS, TOKEN_HEADER
from sagelocal.store import Closed, Store

log = logging.getLogger(__name__)
Document = dict[str, Any]

# Which members of a kind's document are its state: a change of one of them is an event.
_STATE = {
    "ProcessingJob": ("ProcessingJobStatus",),
    "TrainingJob": ("TrainingJobStatus", "SecondaryStatus"),
    "HyperParameterTuningJob": ("HyperParameterTuningJobStatus",),
    "TransformJob": ("TransformJobStatus",),
    "PipelineExecution": ("PipelineExecutionStatus",),
    "PipelineExecutionStep": ("StepStatus",),
    # Approval and status are documented; AWS's guide says that a life cycle update fires this event, too.
    "ModelPackage": ("ModelPackageStatus", "ModelApprovalStatus", "ModelLifeCycle"),
    "Endpoint": ("EndpointStatus",),
    "FeatureGroup": ("FeatureGroupStatus", "OfflineStoreStatus"),
    "CodeBuildBuild": ("buildStatus",),
}
_SOURCES = {"CodeBuildBuild": "aws.codebuild"}  # of kinds that are not SageMaker's
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between attempts while MiniStack is away
_TRIES = 5  # of an event that MiniStack fails on
_REQUEST_SECONDS = 30.0


def for_change(kind: str, before: Document | None, after: Document | None, settings: Settings) -> list[Document]:
    """The EventBridge envelopes of one change of a document; none for a kind without events and for a deletion."""
    if after is not None and kind in codepipeline.SOURCES:
        built = codepipeline.of_change(kind, before, after, settings)
        return [_envelope(*each, settings, codepipeline.SOURCES[kind]) for each in built]
    if after is None or kind not in _STATE:
        return []
    built = []
    if before is None or any(before.get(member) != after.get(member) for member in _STATE[kind]):
        built.append(_BUILDERS[kind](before, after))
    if kind == "Endpoint" and (stages := _stages(after)) and (before is None or stages != _stages(before)):
        built.append(("SageMaker Endpoint Deployment State Change", *_endpoint(before, after)[1:]))
    if kind == "CodeBuildBuild":
        built += codebuild.phase_changes(before, after)
    return [_envelope(*each, settings, _SOURCES.get(kind, "aws.sagemaker")) for each in built]


def _envelope(detail_type: str, resources: list[str], detail: Document, settings: Settings, source: str) -> Document:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": settings.account,
        "time": _iso(time.time()),
        "region": settings.region,
        "resources": resources,
        "detail": detail,
    }


_Built = tuple[str, list[str], Document]


def _processing_job(before: Document | None, after: Document) -> _Built:
    # Shaped like DescribeProcessingJob; the guide has no sample, so times are numbers as in the endpoint's.
    return "SageMaker Processing Job State Change", [after["ProcessingJobArn"]], _described(after, _milliseconds)


def _training_job(before: Document | None, after: Document) -> _Built:
    # In the guide's sample this event's times are strings.
    detail = _described(after, lambda seconds: str(_milliseconds(seconds)))
    return "SageMaker Training Job State Change", [after["TrainingJobArn"]], detail


def _transform_job(before: Document | None, after: Document) -> _Built:
    return "SageMaker Transform Job State Change", [after["TransformJobArn"]], _described(after, _iso)


def _tuning_job(before: Document | None, after: Document) -> _Built:
    # The guide's sample writes times as strings, too; two members are only of the summary that List answers.
    shown = {name: value for name, value in after.items() if name not in ("Strategy", "ResourceLimits")}
    detail = _described(shown, lambda seconds: str(_milliseconds(seconds)))
    return "SageMaker HyperParameter Tuning Job State Change", [after["HyperParameterTuningJobArn"]], detail


def _endpoint(before: Document | None, after: Document) -> _Built:
    status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", after["EndpointStatus"]).upper()
    detail = _described(after, _milliseconds) | {"EndpointStatus": status}
    return "SageMaker Endpoint State Change", [after["EndpointArn"]], detail


def _stages(endpoint: Document) -> list[Document]:
    """What the variants of an endpoint go through, of a new config or of the one that runs: their VariantStatus."""
    pending = endpoint.get("PendingDeploymentSummary") or {}
    variants = [*endpoint.get("ProductionVariants", []), *pending.get("ProductionVariants", [])]
    return [stage for variant in variants for stage in variant.get("VariantStatus", [])]


def _feature_group(before: Document | None, after: Document) -> _Built:
    # The guide's sample has a status "Active", which the API does not have: here it is the API's.
    shown = {name: value for name, value in after.items() if name != "NextToken"}
    return "SageMaker Feature Group State Change", [after["FeatureGroupArn"]], _described(shown, _milliseconds)


def _model_package(before: Document | None, after: Document) -> _Built:
    return "SageMaker Model Package State Change", [after["ModelPackageArn"]], _described(after, _iso)


def _execution(before: Document | None, after: Document) -> _Built:
    arn, status = after["PipelineExecutionArn"], after["PipelineExecutionStatus"]
    detail = {
        "pipelineExecutionDisplayName": after.get("PipelineExecutionDisplayName"),
        "pipelineExecutionDescription": after.get("PipelineExecutionDescription"),
        "currentPipelineExecutionStatus": status,
        "previousPipelineExecutionStatus": (before or {}).get("PipelineExecutionStatus"),
        "executionStartTime": _iso(after["CreationTime"]),
        "executionEndTime": _iso(after["LastModifiedTime"])
        if status in ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")
        else None,
        "failureReason": after.get("FailureReason"),
        **_pipeline(arn),
    }
    return "SageMaker Model Building Pipeline Execution Status Change", list(_pipeline(arn).values()), _present(detail)


def _execution_step(before: Document | None, after: Document) -> _Built:
    pipeline = _pipeline(_execution_arn(after))
    detail = {
        "metadata": _camel(after.get("Metadata", {})),
        "stepStartTime": _iso_or_none(after.get("StartTime")),
        "stepEndTime": _iso_or_none(after.get("EndTime")),
        "stepName": after["StepName"],
        "stepType": after["_type"],
        "previousStepStatus": (before or {}).get("StepStatus"),
        "currentStepStatus": after["StepStatus"],
        "failureReason": after.get("FailureReason"),
        "cacheHitResult": _camel(after["CacheHitResult"]) if after.get("CacheHitResult") else None,
        **pipeline,
    }
    detail_type = "SageMaker Model Building Pipeline Execution Step Status Change"
    return detail_type, list(pipeline.values()), _present(detail)


_BUILDERS: dict[str, Callable[[Document | None, Document], _Built]] = {
    "ProcessingJob": _processing_job,
    "TrainingJob": _training_job,
    "HyperParameterTuningJob": _tuning_job,
    "TransformJob": _transform_job,
    "PipelineExecution": _execution,
    "PipelineExecutionStep": _execution_step,
    "ModelPackage": _model_package,
    "Endpoint": _endpoint,
    "FeatureGroup": _feature_group,
    "CodeBuildBuild": codebuild.state_change,
}


def _described(document: Document, write_time: Callable[[float], Any]) -> Document:
    """The document as Describe shows it, with its times (epoch seconds) written for an event."""

    def written(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: written(inner, member) for inner, member in value.items() if member is not None}
        if isinstance(value, list):
            return [written("", member) for member in value]
        if name.endswith("Time") and isinstance(value, int | float):
            return write_time(value)
        return value

    shown = {name: value for name, value in document.items() if not name.startswith("_")}
    return dict(written("", shown))


def _pipeline(execution_arn: str) -> dict[str, str]:
    return {"pipelineArn": execution_arn.split("/execution/")[0], "pipelineExecutionArn": execution_arn}


def _execution_arn(step: Document) -> str:
    """A step's key in the store is "<execution ARN>/<step name>"."""
    return str(step["_name"]).removesuffix(f"/{step['StepName']}")


def _camel(value: Any) -> Any:
    """Pipeline events write their members in camelCase, nested ones too."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _camel(member) for name, member in value.items()}
    return [_camel(member) for member in value] if isinstance(value, list) else value


def _present(detail: Document) -> Document:
    return {name: value for name, value in detail.items() if value is not None}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else _iso(seconds)


class Delivery:
    """Posts the outbox to MiniStack, in order, at least once: an event leaves the outbox after MiniStack's answer."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._closing = threading.Event()
        self._refusals: Counter[str] = Counter()  # by event id
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """What is left is delivered after the next start. Closing the store wakes a waiting delivery."""
        self._closing.set()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closing.is_set():
            try:
                version = self._store.version
                pending = self._store.pending_events()
                if not pending:
                    self._store.changed_since(version)
                    continue
                refused = self._refused(post([envelope for _, envelope in pending], self._settings))
                self._store.delivered([number for number, envelope in pending if envelope["id"] not in refused])
                pause = _FIRST_PAUSE
                if refused:
                    self._closing.wait(pause)
            except Closed:
                return
            except (OSError, http.client.HTTPException) as error:
                log.warning("%d events wait for MiniStack: %s", len(pending), error)
                self._closing.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _refused(self, ids: list[str]) -> set[str]:
        """Those to try again. An event that MiniStack fails on every time is given up, and the log says so."""
        self._refusals.update(ids)
        again = {each for each in ids if self._refusals[each] < _TRIES}
        for each in set(ids) - again:
            log.error("MiniStack failed %d times on the event %s, which is dropped; its error is above", _TRIES, each)
            del self._refusals[each]
        return again


def post(envelopes: list[Document], settings: Settings) -> list[str]:
    """Hands envelopes to MiniStack's rules; the ids of those it failed on. Raises OSError when it takes none."""
    connection = http.client.HTTPConnection(LOOPBACK, settings.ministack_port, timeout=_REQUEST_SECONDS)
    try:
        headers = {TOKEN_HEADER: settings.internal_token, "Content-Type": "application/json"}
        connection.request("POST", EVENTS, json.dumps(envelopes), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise OSError(f"MiniStack answered {answer.status} to events: {text[:500].decode(errors='replace')}")
        return list(json.loads(text)["refused"])
    finally:
        connection.close()
