"""What Describe says of a step's job, in the same few parts for every kind of job. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    facts: dict[str, str] = field(default_factory=dict)  # instance, image, entry point …
    message: str = ""  # ExitMessage, or FailureReason
    inputs: dict[str, str] = field(default_factory=dict)  # name -> S3 URI
    outputs: dict[str, str] = field(default_factory=dict)
    hyperparameters: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def read(kind: str, described: Document) -> Job:
    """`kind` as in mlops.executions.JOBS, or Model, EndpointConfig, Endpoint, ModelPackage."""
    return Job(
        facts={name: str(value) for name, value in _facts(kind, described) if value not in ("", None)},
        message=str(described.get("ExitMessage") or described.get("FailureReason") or ""),
        inputs=dict(_inputs(described)),
        outputs=dict(_outputs(described)),
        hyperparameters=_hyperparameters(described),
        metrics={one["MetricName"]: one["Value"] for one in _metrics(described)},
    )


def _facts(kind: str, described: Document) -> Iterator[tuple[str, Any]]:
    yield "name", described.get(f"{kind}Name")
    yield "status", described.get(f"{kind}Status")
    cluster = described.get("ProcessingResources", {}).get("ClusterConfig")
    training = described.get("TrainingJobDefinition", {})
    for one in (
        cluster,
        described.get("ResourceConfig"),
        training.get("ResourceConfig"),
        described.get("TransformResources"),
    ):
        if one:
            yield "instance", f"{one.get('InstanceCount', 1)} × {one.get('InstanceType', 'of several types')}"
    for each in described.get("ProductionVariants", []):
        count = each.get("InitialInstanceCount") or each.get("CurrentInstanceCount", 1)
        yield f"variant {each['VariantName']}", " × ".join(str(one) for one in (count, each.get("InstanceType")) if one)
    for one in (described, training):
        algorithm = one.get("AlgorithmSpecification", {})
        yield "image", algorithm.get("TrainingImage") or algorithm.get("AlgorithmName")
    yield "image", described.get("AppSpecification", {}).get("ImageUri")
    yield "image", described.get("PrimaryContainer", {}).get("Image")
    yield "entry point", " ".join(described.get("AppSpecification", {}).get("ContainerEntrypoint", []))
    yield "arguments", " ".join(described.get("AppSpecification", {}).get("ContainerArguments", []))
    yield "model", described.get("ModelName") if kind == "TransformJob" else None
    yield from _tuning(described)
    yield from (("group", described.get("ModelPackageGroupName")), ("approval", described.get("ModelApprovalStatus")))


def _tuning(described: Document) -> Iterator[tuple[str, Any]]:
    if "HyperParameterTuningJobConfig" not in described:
        return
    config, counted = described["HyperParameterTuningJobConfig"], described.get("TrainingJobStatusCounters", {})
    objective = config.get("HyperParameterTuningJobObjective", {})
    yield "strategy", config.get("Strategy")
    yield "objective", " ".join(str(objective.get(part, "")) for part in ("Type", "MetricName"))
    failed = counted.get("NonRetryableError", 0) + counted.get("RetryableError", 0)
    most = config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs", "")
    yield (
        "trials",
        f"{counted.get('Completed', 0)} of {most} done, {counted.get('InProgress', 0)} running, {failed} failed",
    )
    yield "best trial", described.get("BestTrainingJob", {}).get("TrainingJobName")


def _inputs(described: Document) -> Iterator[tuple[str, str]]:
    for one in described.get("ProcessingInputs", []):
        if uri := one.get("S3Input", {}).get("S3Uri"):
            yield one["InputName"], uri
    training = described.get("TrainingJobDefinition", {})
    for channel in (*described.get("InputDataConfig", []), *training.get("InputDataConfig", [])):
        if uri := channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri"):
            yield channel.get("ChannelName", "data"), uri
    if uri := described.get("TransformInput", {}).get("DataSource", {}).get("S3DataSource", {}).get("S3Uri"):
        yield "data", uri
    for container in (described.get("PrimaryContainer", {}), *described.get("Containers", [])):
        if uri := container.get("ModelDataUrl"):
            yield "model", uri
    parameters = {**described.get("HyperParameters", {}), **training.get("StaticHyperParameters", {})}
    if uri := parameters.get("sagemaker_submit_directory", "").strip('"'):
        yield "code", uri


def _outputs(described: Document) -> Iterator[tuple[str, str]]:
    for one in described.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if uri := one.get("S3Output", {}).get("S3Uri"):
            yield one["OutputName"], uri
    model = described.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if uri := model or described.get("OutputDataConfig", {}).get("S3OutputPath"):
        yield "model", uri
    if uri := described.get("TransformOutput", {}).get("S3OutputPath"):
        yield "predictions", uri


def _metrics(described: Document) -> list[Document]:
    """Of a tuning job the objective of its best trial."""
    objective = described.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric")
    return [*described.get("FinalMetricDataList", []), *([objective] if objective else [])]


def _hyperparameters(described: Document) -> dict[str, str]:
    """Those that somebody chose, of a tuning job with its best trial's; SageMaker's own begin with sagemaker_ or _."""
    static = described.get("TrainingJobDefinition", {}).get("StaticHyperParameters", {})
    tuned = described.get("BestTrainingJob", {}).get("TunedHyperParameters", {})
    every = {**described.get("HyperParameters", {}), **static, **tuned}
    return {name: value for name, value in every.items() if not name.startswith(("sagemaker_", "_"))}
