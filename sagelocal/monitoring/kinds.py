"""The four kinds of monitors, and one shape for both ways in which AWS defines a monitoring job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """`type` is MonitoringType; `analysis` what the image is told as analysis_type; `job` begins the job's name.

    AWS's own jobs are called model-quality-monitoring-<yyyymmddHHMM>-<24 hexadecimal digits>; of the other kinds'
    names no sample was found.
    """

    type: str
    analysis: str
    job: str
    metrics: str  # the last part of its CloudWatch namespace
    truth: bool = False  # whether it needs ground truth, so that a merge job comes first
    clarify: bool = False  # whether it runs the Clarify image

    @property
    def definition(self) -> str:
        """The resource's kind."""
        return f"{self.type}JobDefinition"


KINDS: Mapping[str, Kind] = {
    kind.type: kind
    for kind in (
        Kind("DataQuality", "DATA_QUALITY", "data-quality-monitoring", "data-metrics"),
        Kind("ModelQuality", "MODEL_QUALITY", "model-quality-monitoring", "model-metrics", truth=True),
        Kind("ModelBias", "MODEL_BIAS", "model-bias-monitoring", "bias-metrics", truth=True, clarify=True),
        Kind(
            "ModelExplainability",
            "MODEL_EXPLAINABILITY",
            "model-explainability-monitoring",
            "explainability-metrics",
            clarify=True,
        ),
    )
}


@dataclass(frozen=True)
class Definition:
    """A monitoring job, whether by a job definition or within a schedule. Empty texts where nothing is given."""

    kind: Kind
    name: str  # of the job definition
    source: Document  # EndpointInput or BatchTransformInput
    truth: str  # S3 URI
    baselining_job: str
    constraints: str  # S3 URI
    statistics: str  # S3 URI
    application: Document  # ImageUri …
    environment: Mapping[str, str]
    output: Document  # S3Output
    kms_key: str
    resources: Document  # {"ClusterConfig": …}
    network: Document
    role: str
    max_runtime: int | None

    @property
    def endpoint(self) -> str:
        return str(self.source.get("EndpointName", ""))

    @property
    def batch(self) -> str:
        """Where transform jobs capture, as an S3 URI; empty for an endpoint's monitor."""
        return str(self.source.get("DataCapturedDestinationS3Uri", ""))


def of_job_definition(kind: Kind, document: Document) -> Definition:
    """From a Create<Kind>JobDefinition request or what it stored."""
    own = {name.removeprefix(kind.type): value for name, value in document.items()}
    application, given = own["AppSpecification"], own["JobInput"]
    return Definition(
        name=document["JobDefinitionName"],
        truth=(given.get("GroundTruthS3Input") or {}).get("S3Uri", ""),
        application=application,
        resources=document["JobResources"],
        **_shared(kind, given, own.get("BaselineConfig"), application, own["JobOutputConfig"], document),
    )


def of_schedule(app: SageLocal, config: Document) -> Definition:
    """From a MonitoringScheduleConfig. Raises AwsError for a job definition that is not there."""
    if name := config.get("MonitoringJobDefinitionName"):
        kind = KINDS[config["MonitoringType"]]
        return of_job_definition(kind, app.find(kind.definition, name))
    inline = config["MonitoringJobDefinition"]
    return Definition(
        name="",
        truth="",
        application=inline["MonitoringAppSpecification"],
        resources=inline["MonitoringResources"],
        **_shared(
            KINDS["DataQuality"],
            inline["MonitoringInputs"][0],
            inline.get("BaselineConfig"),
            inline,
            inline["MonitoringOutputConfig"],
            inline,
        ),
    )


def _shared(
    kind: Kind, given: Document, baseline: Document | None, described: Document, output: Document, document: Document
) -> dict[str, Any]:
    """`described` holds the Environment; `document` role, network and limits."""
    baseline = baseline or {}
    return {
        "kind": kind,
        "source": given.get("EndpointInput") or given.get("BatchTransformInput") or {},
        "baselining_job": baseline.get("BaseliningJobName") or "",
        "constraints": (baseline.get("ConstraintsResource") or {}).get("S3Uri") or "",
        "statistics": (baseline.get("StatisticsResource") or {}).get("S3Uri") or "",
        "environment": described.get("Environment") or {},
        "output": output["MonitoringOutputs"][0]["S3Output"],
        "kms_key": output.get("KmsKeyId") or "",
        "network": document.get("NetworkConfig") or {},
        "role": document["RoleArn"],
        "max_runtime": (document.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds"),
    }
