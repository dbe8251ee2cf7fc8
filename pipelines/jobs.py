"""The kinds of job that steps are made of, with this project's conventions: `steps.py` says which job does what."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker.core import image_uris
from sagemaker.core.common_utils import resolve_value_from_config
from sagemaker.core.helper.pipeline_variable import PipelineVariable
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    StoppingCondition,
    Tag,
)
from sagemaker.core.training.configs import Compute, InputData, Networking, SourceCode
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TuningStep
from sagemaker.train.model_trainer import ModelTrainer

from deploy.names import aws_name, tags
from pipelines.project import Project
from pipelines.source import CODE

# The SDK says for each step that no job starts while a pipeline is only being described.
warnings.filterwarnings("ignore", message="Running within a PipelineSession")

Text = Any  # a str, or a pipeline variable that is one when the pipeline runs

IMAGES = {"xgboost": "3.2-0", "sklearn": "1.9-0", "pytorch": "2.10"}  # setup.py holds the first two's libraries
PYTHONS = {"pytorch": "py313"}  # of images that come with several
CACHE = CacheConfig(enable_caching=True, expire_after="P30D")
TRIES = {"interval_seconds": 30, "backoff_rate": 2.0, "max_attempts": 3}
SERVICE_RETRIES = [
    StepRetryPolicy(exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING], **TRIES)
]
JOB_RETRIES = [
    *SERVICE_RETRIES,
    SageMakerJobStepRetryPolicy(
        exception_types=[SageMakerJobExceptionTypeEnum.CAPACITY_ERROR, SageMakerJobExceptionTypeEnum.INTERNAL_ERROR],
        **TRIES,
    ),
]


@functools.cache
def image(region: str, framework: str) -> str:
    """The URI of AWS's own image: `xgboost`, `sklearn`, or of PyTorch the one to train in."""
    of = {"py_version": PYTHONS.get(framework), "instance_type": "ml.m5.large", "image_scope": "training"}
    return image_uris.retrieve(framework, region, IMAGES[framework], **of)


def processing(
    project: Project,
    use_case: str,
    name: str,
    script: str,
    *,
    inputs: Mapping[str, tuple[Text, str]],
    outputs: Mapping[str, str],
    instance_type: Text,
    framework: str,
    arguments: Sequence[Text] = (),
    environment: Mapping[str, Text] | None = None,
    property_files: Sequence[PropertyFile] = (),
    cache: CacheConfig | None = CACHE,
) -> ProcessingStep:
    """A step `name` that runs a script such as `processing/churn.py`.

    Inputs are (URI, container path) by name, outputs container paths by name.
    """
    code = project.source(script)
    processor = Processor(
        sagemaker_session=project.session,
        role=project.role,
        base_job_name=aws_name(use_case),
        image_uri=image(project.region, framework),
        entrypoint=code.command,
        instance_count=1,
        instance_type=instance_type,
        env=dict(environment) if environment else None,
        max_runtime_in_seconds=3600,
        tags=tags(use_case),
    )
    sources = {**inputs, "code": (code.uri, CODE)}
    step_args = processor.run(
        inputs=[processing_input(each, uri, path) for each, (uri, path) in sources.items()],
        outputs=[processing_output(each, path) for each, path in outputs.items()],
        arguments=list(arguments) or None,
    )
    return ProcessingStep(
        name, step_args=step_args, property_files=list(property_files), cache_config=cache, retry_policies=JOB_RETRIES
    )


def processing_input(name: str, uri: Text, path: str) -> ProcessingInput:
    source = ProcessingS3Input(
        s3_uri=uri,
        local_path=path,
        s3_data_type="S3Prefix",
        s3_input_mode="File",
        s3_data_distribution_type="FullyReplicated",
    )
    return ProcessingInput(input_name=name, s3_input=source)


def processing_output(name: str, path: str) -> ProcessingOutput:
    """Without a URI the SDK makes one for each execution, `s3://<bucket>/<pipeline>/<execution>/<step>/output/<name>`."""
    return ProcessingOutput(
        output_name=name, s3_output=ProcessingS3Output(s3_uri="", local_path=path, s3_upload_mode="EndOfJob")
    )


def trainer(
    project: Project,
    use_case: str,
    source: SourceCode,
    hyperparameters: Mapping[str, Any],
    instance_type: Text,
    framework: str,
    max_hours: int,
) -> ModelTrainer:
    return ModelTrainer(
        sagemaker_session=project.session,
        role=project.role,
        base_job_name=aws_name(use_case),
        training_image=image(project.region, framework),
        source_code=source,
        compute=Compute(
            instance_type=instance_type,
            instance_count=1,
            volume_kms_key_id=_default(project, "ResourceConfig", "VolumeKmsKeyId"),
        ),
        networking=Networking(
            subnets=_default(project, "VpcConfig", "Subnets"),
            security_group_ids=_default(project, "VpcConfig", "SecurityGroupIds"),
            enable_network_isolation=_default(project, "EnableNetworkIsolation"),
        ),
        # CreateTrainingJob takes strings only, and ModelTrainer leaves a Float or Integer parameter what it is.
        hyperparameters={each: text(value) for each, value in hyperparameters.items()},
        output_data_config=OutputDataConfig(
            s3_output_path=project.uri("models", use_case), kms_key_id=_default(project, "OutputDataConfig", "KmsKeyId")
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=max_hours * 3600),
        tags=[Tag(key=tag["Key"], value=tag["Value"]) for tag in tags(use_case)],
    )


def _default(project: Project, *path: str) -> Any:
    """What the SDK's defaults file has under SageMaker.TrainingJob: in a pipeline, ModelTrainer (3.27) passes it by."""
    where = ".".join(("SageMaker", "TrainingJob", *path))
    return resolve_value_from_config(None, where, sagemaker_session=project.session)


def channel_inputs(channels: Mapping[str, Text]) -> list[InputData]:
    return [InputData(channel_name=each, data_source=uri, content_type="text/csv") for each, uri in channels.items()]


def metric_regex(name: str) -> str:
    return f"{name}=([-+0-9.eE]+)"


def artifact(project: Project, use_case: str, model: TrainingStep | TuningStep) -> Text:
    """The model.tar.gz of a training step, or of a tuning step's best training job."""
    if isinstance(model, TuningStep):
        return model.get_top_model_s3_uri(0, project.bucket, project.key("models", use_case))
    return model.properties.ModelArtifacts.S3ModelArtifacts


def text(value: Any) -> Text:
    """A number, parameter or metric as a string, now or when the pipeline runs."""
    return value.to_string() if isinstance(value, PipelineVariable) else str(value)
