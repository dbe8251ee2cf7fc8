"""The blocks that pipelines are built from: plain functions that return the SageMaker SDK's own steps.

What they add is this project's conventions, the same for every use case: sources under their content's hash, step
caching, retries, tags, output locations. KMS keys, VPC, network isolation and further tags come from the SDK's defaults
file (`SageMaker.ProcessingJob`, `.TrainingJob`, `.Model`, `.EndpointConfig`), so a pipeline says nothing about them.
What a block doesn't offer, a pipeline module builds with the SDK right there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

from sagemaker.core.model_registry import create_model_package_from_containers
from sagemaker.core.parameter import ParameterRange
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.training.configs import SourceCode
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import Condition, ConditionIn
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import Parameter
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.endpoint_step import EndpointConfigStep, EndpointStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep, Step, TrainingStep, TransformStep, TuningStep
from sagemaker.train.tuner import HyperparameterTuner

from deploy.names import VARIANT, aws_name, capture_config, capture_uri, tags
from pipelines.jobs import (
    CACHE,
    JOB_RETRIES,
    SERVICE_RETRIES,
    Text,
    artifact,
    channel_inputs,
    image,
    metric_regex,
    processing,
    text,
    trainer,
)
from pipelines.project import Project
from pipelines.source import REQUIREMENTS

if TYPE_CHECKING:
    from pipelines.checks import Check

Model: TypeAlias = TrainingStep | TuningStep  # what has an artifact

# A training script leaves its handler in the artifact: it serves as it is, and no repacking job is needed.
SERVING = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
CONTENT_TYPES = ["text/csv", "application/json"]
SEED = 1  # of a search; the SDK leaves out a 0


def process(
    project: Project,
    use_case: str,
    *,
    inputs: Mapping[str, Text],
    outputs: Sequence[str],
    instance_type: Text,
    framework: str = "sklearn",
    arguments: Sequence[Text] = (),
) -> ProcessingStep:
    """`processing/<use case>.py`: inputs in /opt/ml/processing/input/<name>, outputs from /opt/ml/processing/<name>."""
    return processing(
        project,
        use_case,
        "ProcessData",
        f"processing/{use_case}.py",
        inputs={name: (uri, f"/opt/ml/processing/input/{name}") for name, uri in inputs.items()},
        outputs={name: f"/opt/ml/processing/{name}" for name in outputs},
        instance_type=instance_type,
        framework=framework,
        arguments=arguments,
    )


def train(
    project: Project,
    use_case: str,
    *,
    channels: Mapping[str, Text],
    hyperparameters: Mapping[str, Any],
    instance_type: Text,
    framework: str = "xgboost",
    metrics: Sequence[str] = (),
    max_hours: int = 1,
    name: str = "Train",
    script: str = "",
) -> TrainingStep:
    """`training/<use case>.py`, or another `script` there, in script mode; `metrics` are names that it prints as
    `<name>=<number>`.

    None for XGBoost: to AWS its image is a built-in algorithm, also in script mode, and CreateTrainingJob refuses with
    "You can't override the metric definitions for Amazon SageMaker algorithms". What a script prints the way XGBoost
    itself does (`[3]<tab>validation-auc:0.84`) becomes a metric, `validation:auc`, by the image's own definitions.
    """
    if metrics and framework == "xgboost":
        raise ValueError(f"Metrics {', '.join(metrics)}: AWS defines the XGBoost image's itself and refuses others.")
    file = f"{script or use_case}.py"
    code = project.source(f"training/{file}")
    requirements = REQUIREMENTS if code.requirements else None
    source = SourceCode(source_dir=code.uri, entry_script=file, requirements=requirements)
    job = trainer(project, use_case, source, hyperparameters, instance_type, framework, max_hours)
    if metrics:
        job.with_metric_definitions([MetricDefinition(name=each, regex=metric_regex(each)) for each in metrics])
    step_args = job.train(input_data_config=channel_inputs(channels))
    return TrainingStep(name, step_args=step_args, cache_config=CACHE, retry_policies=JOB_RETRIES)


def tune(
    project: Project,
    use_case: str,
    *,
    channels: Mapping[str, Text],
    hyperparameters: Mapping[str, Any],
    ranges: Mapping[str, ParameterRange],
    objective: Text,
    instance_type: Text,
    objective_type: Text = "Maximize",
    jobs: Text = 6,
    parallel: int = 2,
    strategy: str = "Bayesian",
    framework: str = "xgboost",
    metrics: Sequence[str] = (),
    max_hours: int = 1,
    name: str = "Tune",
) -> TuningStep:
    """`training/<use case>.py`, `jobs` times with values from `ranges`; as a model it stands for the best of them.

    `metrics` as in `train`. The trials run the script by the image's own toolkit, which installs its requirements file.
    """
    source = SourceCode(source_dir=project.source_archive(f"training/{use_case}.py"), entry_script=f"{use_case}.py")
    tuner = HyperparameterTuner(
        trainer(project, use_case, source, hyperparameters, instance_type, framework, max_hours),
        objective,
        dict(ranges),
        metric_definitions=[{"Name": each, "Regex": metric_regex(each)} for each in metrics] or None,
        objective_type=objective_type,
        strategy=strategy,
        max_jobs=1,  # Tuning says how many
        max_parallel_jobs=parallel,
        random_seed=SEED,
    )
    step_args = tuner.tune(inputs=channel_inputs(channels))
    return Tuning(name, jobs, step_args=step_args, cache_config=CACHE, retry_policies=JOB_RETRIES)


class Tuning(TuningStep):
    """Whose number of trials may be a pipeline's parameter: HyperparameterTuner documents that of `max_jobs`, and the
    shape that the SDK (3.27) makes of it then takes nothing but whole numbers.
    """

    def __init__(self, name: str, jobs: Text, **given: Any) -> None:
        self.jobs = jobs
        super().__init__(name, **given)

    @property
    def arguments(self) -> dict[str, Any]:
        request: dict[str, Any] = super().arguments
        request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = self.jobs
        return request


def evaluate(
    project: Project,
    use_case: str,
    problem: str,
    *,
    model: Model,
    data: Mapping[str, Text],
    instance_type: Text,
    framework: str = "xgboost",
    arguments: Sequence[Text] = (),
    name: str = "Evaluate",
) -> ProcessingStep:
    """`evaluation/<problem>.py` over artifact and data sets; `metric()` reads the evaluation.json that it writes.

    Its output `predictions` is what checks of the model look at.
    """
    return analyse(
        project,
        use_case,
        name,
        problem,
        inputs={"model": artifact(project, use_case, model), **data},
        outputs=["evaluation", "predictions"],
        instance_type=instance_type,
        framework=framework,
        arguments=arguments,
    )


def analyse(
    project: Project,
    use_case: str,
    name: str,
    script: str,
    *,
    inputs: Mapping[str, Text],
    outputs: Sequence[str],
    instance_type: Text,
    framework: str = "sklearn",
    arguments: Sequence[Text] = (),
) -> ProcessingStep:
    """A step `name` that runs `evaluation/<script>.py`: inputs in /opt/ml/processing/input/<name>, outputs from
    /opt/ml/processing/output/<name>. `metric()` reads the evaluation.json of an output `evaluation`.
    """
    told = PropertyFile(name="evaluation", output_name="evaluation", path="evaluation.json")
    return processing(
        project,
        use_case,
        name,
        f"evaluation/{script}.py",
        inputs={name: (uri, f"/opt/ml/processing/input/{name}") for name, uri in inputs.items()},
        outputs={name: f"/opt/ml/processing/output/{name}" for name in outputs},
        instance_type=instance_type,
        framework=framework,
        arguments=arguments,
        property_files=[told] if "evaluation" in outputs else [],
    )


def output(step: ProcessingStep, name: str, *path: str) -> Text:
    """The S3 URI of a step's output, or of a file in it."""
    uri = step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri
    return Join(on="/", values=[uri, *path]) if path else uri


def metric(report: ProcessingStep, path: str) -> JsonGet:
    """A number of the report's evaluation.json, `binary_classification_metrics.auc.value` for instance."""
    return JsonGet(step_name=report.name, property_file=report.property_files[0], json_path=path)


def register(
    project: Project,
    use_case: str,
    *,
    model: Model,
    report: ProcessingStep,
    checks: Sequence[Check],
    approval: Text,
    framework: str = "xgboost",
    properties: Mapping[str, Any] | None = None,
    name: str = "Register",
) -> ModelStep:
    """A version in the group named after the use case, with what its checks calculated and compared with attached.

    The evaluation has no place of its own in ModelMetrics: its address is a property, as is what the checks found.
    """
    found = {
        "Evaluation": output(report, "evaluation", "evaluation.json"),
        **{f"{each.step.name}Check": each.verdict for each in checks if each.verdict},
        **(properties or {}),
    }
    begin_model_step(project)
    step_args = create_model_package_from_containers(
        project.session,
        containers=[container(project, use_case, model, framework)],
        content_types=CONTENT_TYPES,
        response_types=CONTENT_TYPES,
        inference_instances=["ml.t2.medium", "ml.m5.large", "ml.m5.xlarge"],
        transform_instances=["ml.m5.large", "ml.m5.xlarge"],
        model_package_group_name=aws_name(use_case),
        approval_status=approval,
        model_metrics=together(each.metrics for each in checks),
        drift_check_baselines=together(each.baselines for each in checks),
        customer_metadata_properties={name: text(value) for name, value in found.items()},
        metadata_properties={
            **project.revision.metadata,
            "GeneratedBy": ExecutionVariables.PIPELINE_EXECUTION_ARN,
        },
    )
    return ModelStep(name, step_args=step_args, retry_policies=SERVICE_RETRIES)


def together(parts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]] | None:
    whole: dict[str, dict[str, Any]] = {}
    for part in parts:
        for member, leaves in part.items():
            whole.setdefault(member, {}).update(leaves)
    return whole or None


def container(project: Project, use_case: str, model: Model, framework: str) -> dict[str, Any]:
    url = artifact(project, use_case, model)
    return {"Image": image(project.region, framework), "ModelDataUrl": url, "Environment": dict(SERVING)}


def begin_model_step(project: Project) -> None:
    """The SDK's session gathers a model step's request in a context that its ModelBuilder opens; ours needs none."""
    project.session.context = None
    project.session.init_model_step_arguments(SimpleNamespace(sagemaker_session=project.session))


def create_model(
    project: Project, use_case: str, model: Model, framework: str = "xgboost", name: str = "CreateModel"
) -> ModelStep:
    begin_model_step(project)
    definition = container(project, use_case, model, framework)
    project.session.create_model(aws_name(use_case), role=project.role, container_defs=definition, tags=tags(use_case))
    return ModelStep(name, step_args=project.session.context, retry_policies=SERVICE_RETRIES)


def transform(
    project: Project,
    use_case: str,
    *,
    model: Model,
    data: Text,
    instance_type: Text,
    framework: str = "xgboost",
    output_filter: str = "$",
    name: str = "Transform",
) -> list[Step]:
    """A model and a batch transform job of it over CSV files without headers; answers stand beside their records."""
    create = create_model(project, use_case, model, framework, name=f"CreateModelTo{name}")
    transformer = Transformer(
        model_name=create.properties.ModelName,
        instance_count=1,
        instance_type=instance_type,
        assemble_with="Line",
        accept="text/csv",
        sagemaker_session=project.session,
        tags=tags(use_case),
    )
    step_args = transformer.transform(
        data, content_type="text/csv", split_type="Line", join_source="Input", output_filter=output_filter
    )
    return [create, TransformStep(name, step_args=step_args, cache_config=CACHE, retry_policies=JOB_RETRIES)]


def when(
    name: str, conditions: Sequence[Condition], *, then: Sequence[Step], otherwise: Sequence[Step] = ()
) -> ConditionStep:
    """Steps that run only if all conditions hold, and others that run if not."""
    return ConditionStep(name, conditions=list(conditions), if_steps=list(then), else_steps=list(otherwise))


def fail(*message: Text, name: str = "GateFailed") -> FailStep:
    """Ends the execution as Failed; the parts of the message may be metrics and parameters."""
    return FailStep(name, error_message=Join(on=" ", values=list(message)))


def deploy_when(
    project: Project,
    use_case: str,
    *,
    conditions: Sequence[Condition],
    stage: Parameter,
    stages: Sequence[str],
    model: Model,
    instance_type: Text,
    framework: str = "xgboost",
) -> ConditionStep:
    """Endpoint `<use case>-<stage>` with data capture, if the conditions hold and the parameter names one of `stages`.

    A condition step of its own that repeats the gate's conditions: AWS has refused a condition step inside a branch,
    and dependencies on a condition step too (aws/sagemaker-python-sdk issue 3565). Two that know nothing of each other
    have always been valid.
    """
    name = [aws_name(use_case), stage]  # deploy.names.endpoint_name, when the pipeline runs
    create = create_model(project, use_case, model, framework)
    variant = {
        "VariantName": VARIANT,
        "ModelName": create.properties.ModelName,
        "InitialInstanceCount": 1,
        "InstanceType": instance_type,
        "InitialVariantWeight": 1.0,
    }
    config = project.session.create_endpoint_config(
        # Configs cannot be changed: a name for each execution, by which deploy/ later knows it as the endpoint's.
        name=Join(on="-", values=[*name, ExecutionVariables.PIPELINE_EXECUTION_ID]),
        production_variants=[variant],
        data_capture_config_dict=capture_config(capture_uri(project.bucket, project.prefix)),
        tags=tags(use_case),
    )
    create_config = EndpointConfigStep("CreateEndpointConfig", step_args=config, retry_policies=SERVICE_RETRIES)
    endpoint = project.session.create_endpoint(
        Join(on="-", values=name), create_config.properties.EndpointConfigName, tags=tags(use_case)
    )
    return when(
        "CheckDeployTo",
        [*conditions, ConditionIn(stage, list(stages))],
        then=[create, create_config, EndpointStep("CreateEndpoint", step_args=endpoint)],
    )


def pipeline(project: Project, use_case: str, *, parameters: Sequence[Parameter], steps: Sequence[Step]) -> Pipeline:
    whole = {"parameters": list(parameters), "steps": list(steps)}
    return Pipeline(name=aws_name(use_case), **whole, sagemaker_session=project.session)
