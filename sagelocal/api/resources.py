"""The resource types: one row each. Describe, List, Delete and tags follow from a row; only behaviour is code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Resource:
    """How AWS names one resource type, and its words for one that is missing or exists already.

    In the messages `{name}` is the name and `{arn}` the ARN. `order` is the List operation's documented default.
    """

    kind: str
    path: str  # the ARN's resource part before the name
    summaries: str  # the List response's member
    status: str = ""
    order: str = "Ascending"
    missing: tuple[str, str] = ("ValidationException", "")
    exists: tuple[str, str] = ("ValidationException", "")
    filters: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({})
    )  # request member -> document member
    noun: str = ""  # what the members with its name and ARN are called after, where that is not `kind`

    @property
    def name_field(self) -> str:
        return f"{self.noun or self.kind}Name"

    @property
    def arn_field(self) -> str:
        return f"{self.noun or self.kind}Arn"


def _job_definition(kind: str, path: str) -> Resource:
    """AWS's words for these were not found, but for the error's code in the API reference."""
    return Resource(
        kind,
        path,
        "JobDefinitionSummaries",
        order="Descending",
        missing=("ResourceNotFound", "Could not find job definition {name}."),
        exists=("ResourceInUse", "Job definition {arn} already exists."),
        filters=MappingProxyType({"EndpointName": "EndpointName"}),
        noun="JobDefinition",
    )


RESOURCES: dict[str, Resource] = {
    row.kind: row
    for row in (
        Resource(
            "ProcessingJob",
            "processing-job",
            "ProcessingJobSummaries",
            "ProcessingJobStatus",
            missing=("ValidationException", "Could not find requested job with name: {name}"),
            exists=(
                "ResourceInUse",
                "Job name must be unique within an AWS account and region, and a job with this name already exists "
                "({arn})",
            ),
        ),
        Resource(
            "TrainingJob",
            "training-job",
            "TrainingJobSummaries",
            "TrainingJobStatus",
            missing=("ValidationException", "Requested resource not found. There is no training job {name}."),
            exists=(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with this name "
                "already exists ({arn})",
            ),
        ),
        Resource(
            "TransformJob",
            "transform-job",
            "TransformJobSummaries",
            "TransformJobStatus",
            order="Descending",
            missing=("ResourceNotFound", "Could not find requested job with name: {name}"),
            exists=(
                "ResourceInUse",
                "Job name must be unique within an AWS account and region, and a job with this name already exists "
                "({arn})",
            ),
        ),
        Resource(
            "HyperParameterTuningJob",
            "hyper-parameter-tuning-job",
            "HyperParameterTuningJobSummaries",
            "HyperParameterTuningJobStatus",
            missing=(
                "ResourceNotFound",
                "Amazon SageMaker can't find a tuning job called {name}. Type another name.",
            ),
            exists=(
                "ResourceInUse",
                "A hyperparameter tuning job with the name, {name}, already exists. Choose a different name.",
            ),
        ),
        Resource(  # AWS's words for these were not found, but for the errors' codes in the API reference
            "AutoMLJob",
            "automl-job",
            "AutoMLJobSummaries",
            "AutoMLJobStatus",
            order="Descending",
            missing=("ResourceNotFound", "Could not find AutoML job with name: {name}"),
            exists=("ResourceInUse", "An AutoML job with the name {name} already exists ({arn})"),
        ),
        Resource(
            "Pipeline",
            "pipeline",
            "PipelineSummaries",
            "PipelineStatus",
            order="Descending",
            missing=("ResourceNotFound", "Pipeline '{arn}' does not exist."),
            exists=(
                "ValidationException",
                "Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already "
                "exists.",
            ),
        ),
        Resource(
            "ModelPackageGroup",
            "model-package-group",
            "ModelPackageGroupSummaryList",
            "ModelPackageGroupStatus",
            missing=("ValidationException", "ModelPackageGroup {arn} does not exist."),
            exists=("ValidationException", "Model Package Group already exists: {arn}"),
        ),
        Resource(
            "ModelPackage",
            "model-package",
            "ModelPackageSummaryList",
            "ModelPackageStatus",
            missing=("ValidationException", "ModelPackage {arn} does not exist."),
            exists=("ConflictException", "Model Package already exists: {arn}"),
            filters=MappingProxyType({"ModelApprovalStatus": "ModelApprovalStatus"}),
        ),
        Resource(
            "Model",
            "model",
            "Models",
            order="Descending",
            missing=("ValidationException", 'Could not find model "{arn}".'),
            exists=("ValidationException", 'Cannot create already existing model "{arn}".'),
        ),
        Resource(
            "EndpointConfig",
            "endpoint-config",
            "EndpointConfigs",
            order="Descending",
            missing=("ValidationException", 'Could not find endpoint configuration "{arn}".'),
            exists=("ValidationException", 'Cannot create already existing endpoint configuration "{arn}".'),
        ),
        Resource(
            "Endpoint",
            "endpoint",
            "Endpoints",
            "EndpointStatus",
            order="Descending",
            missing=("ValidationException", 'Could not find endpoint "{arn}".'),
            exists=("ValidationException", 'Cannot create already existing endpoint "{arn}".'),
        ),
        Resource(
            "Experiment",
            "experiment",
            "ExperimentSummaries",
            order="Descending",
            missing=("ResourceNotFound", "Experiment '{arn}' does not exist."),
            exists=(
                "ValidationException",
                "Experiment names must be unique within an AWS account and region. Experiment with name ({name}) "
                "already exists.",
            ),
        ),
        Resource(
            "Trial",
            "experiment-trial",
            "TrialSummaries",
            order="Descending",
            missing=("ResourceNotFound", "Trial '{arn}' does not exist."),
            exists=(
                "ValidationException",
                "Trial names must be unique within an AWS account and region. Trial with name ({name}) already exists.",
            ),
        ),
        Resource(
            "TrialComponent",
            "experiment-trial-component",
            "TrialComponentSummaries",
            order="Descending",
            missing=("ResourceNotFound", "Trial component '{arn}' does not exist."),
            exists=(
                "ValidationException",
                "Trial component names must be unique within an AWS account and region. Trial component with name "
                "({name}) already exists.",
            ),
        ),
        Resource(
            "Artifact",
            "artifact",
            "ArtifactSummaries",
            order="Descending",
            missing=("ResourceNotFound", "Artifact '{arn}' does not exist."),
            exists=("ValidationException", "An artifact of this source already exists: {arn}"),
            filters=MappingProxyType({"ArtifactType": "ArtifactType"}),
        ),
        Resource(
            "Action",
            "action",
            "ActionSummaries",
            order="Descending",
            missing=("ResourceNotFound", "Action '{arn}' does not exist."),
            exists=(
                "ValidationException",
                "Action names must be unique within an AWS account and region. Action with name ({name}) already "
                "exists.",
            ),
            filters=MappingProxyType({"ActionType": "ActionType"}),
        ),
        Resource(
            "Context",
            "context",
            "ContextSummaries",
            order="Descending",
            missing=("ResourceNotFound", "Context '{arn}' does not exist."),
            exists=(
                "ValidationException",
                "Context names must be unique within an AWS account and region. Context with name ({name}) already "
                "exists.",
            ),
            filters=MappingProxyType({"ContextType": "ContextType"}),
        ),
        Resource(
            "ModelCard",
            "model-card",
            "ModelCardSummaries",
            "ModelCardStatus",
            order="Descending",
            missing=("ResourceNotFound", "Model card {arn} does not exist."),
            exists=("ConflictException", "Model card {arn} already exists."),
            filters=MappingProxyType({"ModelCardStatus": "ModelCardStatus"}),
        ),
        Resource(
            "ModelCardExportJob",
            "model-card",
            "ModelCardExportJobSummaries",
            "Status",
            order="Descending",
            missing=("ResourceNotFound", "Model card export job {arn} does not exist."),
            exists=("ConflictException", "Model card export job {arn} already exists."),
        ),
        _job_definition("DataQualityJobDefinition", "data-quality-job-definition"),
        _job_definition("ModelQualityJobDefinition", "model-quality-job-definition"),
        _job_definition("ModelBiasJobDefinition", "model-bias-job-definition"),
        _job_definition("ModelExplainabilityJobDefinition", "model-explainability-job-definition"),
        Resource(
            "MonitoringSchedule",
            "monitoring-schedule",
            "MonitoringScheduleSummaries",
            "MonitoringScheduleStatus",
            order="Descending",
            missing=("ResourceNotFound", "Monitoring schedule {arn} not found."),
            exists=("ResourceInUse", "Monitoring schedule {arn} already exists."),
            filters=MappingProxyType(
                {
                    "EndpointName": "EndpointName",
                    "MonitoringJobDefinitionName": "MonitoringJobDefinitionName",
                    "MonitoringTypeEquals": "MonitoringType",
                }
            ),
        ),
        Resource(
            "MonitoringExecution",
            "monitoring-execution",
            "MonitoringExecutionSummaries",
            "MonitoringExecutionStatus",
            order="Descending",
            filters=MappingProxyType(
                {
                    "MonitoringScheduleName": "MonitoringScheduleName",
                    "EndpointName": "EndpointName",
                    "MonitoringJobDefinitionName": "MonitoringJobDefinitionName",
                    "MonitoringTypeEquals": "MonitoringType",
                }
            ),
        ),
        Resource(
            "MonitoringAlert",
            "monitoring-alert",
            "MonitoringAlertSummaries",
            "AlertStatus",
            order="Descending",
            filters=MappingProxyType({"MonitoringScheduleName": "MonitoringScheduleName"}),
        ),
        Resource(
            "FeatureGroup",
            "feature-group",
            "FeatureGroupSummaries",
            "FeatureGroupStatus",
            order="Descending",
            missing=(
                "ResourceNotFound",
                "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}",
            ),
            exists=(
                "ResourceInUse",
                "Resource Already Exists: FeatureGroup with name {name} already exists. Choose a different name.",
            ),
            filters=MappingProxyType(
                {"FeatureGroupStatusEquals": "FeatureGroupStatus", "OfflineStoreStatusEquals": "_offline"}
            ),
        ),
        Resource(
            "MonitoringAlertHistory",
            "monitoring-alert-history",
            "MonitoringAlertHistory",
            "AlertStatus",
            order="Descending",
            filters=MappingProxyType(
                {"MonitoringScheduleName": "MonitoringScheduleName", "MonitoringAlertName": "MonitoringAlertName"}
            ),
        ),
    )
}
