"""`mlops card`: a version's model card from what is known of its run, and its files as JSON and PDF."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy import model_card, names, registry
from deploy.model_card import Facts
from deploy.state import Described, find
from mlops import console, executions, storage
from mlops.executions import TUNING
from mlops.targets import Target

_SECONDS = 300.0  # that an export may take
_BIAS = {"in the training data": "PreTrainingReport", "of the model's answers": "PostTrainingReport"}


def card(target: Target, use_case: str, version: int | None, output: Path) -> tuple[Path, Path]:
    """Makes or updates the card, and downloads it as JSON and PDF. Raises LookupError when there is no such version,
    RuntimeError when the export fails.
    """
    package = _package(target.client("sagemaker"), use_case, version)
    content = model_card.content(facts(target, use_case, package), model_card.declared(use_case))
    name = model_card.name(use_case, package["ModelPackageVersion"])
    said, number = put(target, name, content, model_card.status(package), names.tags(use_case))
    console.say(f"Model card {name}: {said}")
    folder = output / use_case
    folder.mkdir(parents=True, exist_ok=True)
    written, drawn = folder / f"model-card-{name}.json", folder / f"model-card-{name}.pdf"
    written.write_text(json.dumps(json.loads(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    storage.download(target.client("s3"), _export(target, name, number), drawn)
    for file in (written, drawn):
        console.say(str(file))
    return written, drawn


def put(target: Target, name: str, content: str, status: str, tags: list[dict[str, str]]) -> tuple[str, int]:
    """What was done, in words, and the card's version. One call of AWS's changes content or status, never both."""
    sagemaker = target.client("sagemaker")
    found = find(sagemaker.describe_model_card, ModelCardName=name)
    if found is None:
        sagemaker.create_model_card(ModelCardName=name, Content=content, ModelCardStatus=status, Tags=tags)
        return f"made, {status}", 1
    said = []
    if json.loads(found["Content"]) != json.loads(content):
        sagemaker.update_model_card(ModelCardName=name, Content=content)
        said.append("new content")
    if found["ModelCardStatus"] != status:
        sagemaker.update_model_card(ModelCardName=name, ModelCardStatus=status)
        said.append(f"{found['ModelCardStatus']} → {status}")
    number = sagemaker.describe_model_card(ModelCardName=name)["ModelCardVersion"]
    return f"{', '.join(said) or 'unchanged'}, version {number}", int(number)


def facts(target: Target, use_case: str, package: Described) -> Facts:
    """What Describe calls and the run's files say of a version; what is gone is left out."""
    sagemaker = target.client("sagemaker")
    metrics = package.get("ModelMetrics", {})
    steps = _steps(sagemaker, package.get("MetadataProperties", {}).get("GeneratedBy", ""))
    training, tuning = _training(sagemaker, steps, package)
    evaluation_uri = package.get("CustomerMetadataProperties", {}).get("Evaluation", "")
    bias = {words: _json(target, _uri(metrics, "Bias", member)) for words, member in _BIAS.items()}
    return Facts(
        use_case=use_case,
        package=package,
        training=training,
        tuning=tuning,
        evaluation_job=_evaluation_job(sagemaker, steps, evaluation_uri),
        evaluation=_json(target, evaluation_uri),
        bias={words: found for words, found in bias.items() if found},
        explanation=_json(target, _uri(metrics, "Explainability", "Report")),
    )


def _package(sagemaker: Any, use_case: str, version: int | None) -> Described:
    found = {each["ModelPackageVersion"]: each["ModelPackageArn"] for each in registry.packages(sagemaker, use_case)}
    if not found:
        raise LookupError(f"The model package group {use_case} has no versions: mlops run {use_case} registers one.")
    if version not in (None, *found):
        known = ", ".join(map(str, found))
        raise LookupError(f"The model package group {use_case} has no version {version}. There are {known}.")
    return dict(sagemaker.describe_model_package(ModelPackageName=found[version or max(found)]))


def _steps(sagemaker: Any, execution: str) -> list[executions.Step]:
    if ":pipeline/" not in execution:
        return []
    try:
        return executions.steps(sagemaker, execution)
    except ClientError:  # deleted with its pipeline
        return []


def _training(sagemaker: Any, steps: list[executions.Step], package: Described) -> tuple[Described, Described]:
    """The job whose artifact the version has, and the tuning job that it was a trial of, if any."""
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    artifacts = {each.get("ModelDataUrl") for each in containers}
    for kind, name in [step.job for step in steps if step.job and step.job[0] in ("TrainingJob", TUNING)]:
        tuning = _job(sagemaker, kind, name) if kind == TUNING else {}
        for trial in _trials(sagemaker, name, tuning) if tuning else [name]:
            job = _job(sagemaker, "TrainingJob", trial)
            if job.get("ModelArtifacts", {}).get("S3ModelArtifacts") in artifacts:
                return job, tuning
    return {}, {}


def _trials(sagemaker: Any, name: str, tuning: Described) -> Iterator[str]:
    """The best one first, as it is registered most often."""
    best = tuning.get("BestTrainingJob", {}).get("TrainingJobName", "")
    if best:
        yield best
    paginator = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    for page in paginator.paginate(HyperParameterTuningJobName=tuning.get("HyperParameterTuningJobName", name)):
        yield from (each["TrainingJobName"] for each in page["TrainingJobSummaries"] if each["TrainingJobName"] != best)


def _evaluation_job(sagemaker: Any, steps: list[executions.Step], uri: str) -> Described:
    """The Processing job that wrote the evaluation."""
    for kind, name in [step.job for step in steps if step.job and step.job[0] == "ProcessingJob"]:
        job = _job(sagemaker, kind, name)
        if uri and any(uri.startswith(f"{each.rstrip('/')}/") for each in executions.outputs(job).values()):
            return job
    return {}


def _job(sagemaker: Any, kind: str, name: str) -> Described:
    return find(lambda **_: executions.describe_job(sagemaker, kind, name)) or {}


def _uri(metrics: Described, kind: str, member: str) -> str:
    return str(metrics.get(kind, {}).get(member, {}).get("S3Uri", ""))


def _json(target: Target, uri: str) -> Described:
    """Empty where there is none any more."""
    if not uri:
        return {}
    s3 = target.client("s3")
    try:
        return dict(storage.read_json(s3, uri))
    except s3.exceptions.ClientError:
        return {}


def _export(target: Target, name: str, version: int) -> str:
    """URI of the card's PDF."""
    sagemaker = target.client("sagemaker")
    arn = sagemaker.create_model_card_export_job(
        ModelCardName=name,
        ModelCardVersion=version,
        ModelCardExportJobName=f"export-{uuid.uuid4().hex[:12]}",
        OutputConfig={"S3OutputPath": target.place.uri("model-cards")},
    )["ModelCardExportJobArn"]
    deadline = time.monotonic() + _SECONDS
    while True:
        job = sagemaker.describe_model_card_export_job(ModelCardExportJobArn=arn)
        if job["Status"] == "Completed":
            return str(job["ExportArtifacts"]["S3ExportArtifacts"])
        if job["Status"] == "Failed" or time.monotonic() > deadline:
            raise RuntimeError(f"The export {arn} is {job['Status']}: {job.get('FailureReason', 'it takes too long')}.")
        time.sleep(target.poll)
