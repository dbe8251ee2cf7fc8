"""The pipelines that monitors run: Collect fetches a window of captured traffic, Check analyses it.

    <endpoint>-<kind>  =  Collect (evaluation/captured_traffic.py)  →  Check (the kind's analysis)

A schedule starts them without parameters: the window then ends `delay` before the execution began. WindowStart and
WindowEnd (ISO 8601) ask for another one. Nothing is cached: S3 keeps changing under the same address.
"""

from __future__ import annotations

from collections.abc import Mapping

from sagemaker.core.processing import Processor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Output
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep

from deploy.declaration import Kind
from deploy.names import module_name, tags
from deploy.watch import Watch
from pipelines.checks import EXPLAINERS
from pipelines.jobs import JOB_RETRIES, Text, image, processing_input
from pipelines.project import Project
from pipelines.source import CODE

INPUT, OUTPUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
COLLECTED, CHECKED = "collected", "check"  # outputs, and folders under the execution's start
WINDOW = ("WindowStart", "WindowEnd")  # parameters
SCRIPTS = {
    Kind.DATA_QUALITY: "evaluation/data_quality.py",
    Kind.MODEL_QUALITY: "evaluation/model_quality.py",
    Kind.MODEL_BIAS: "evaluation/bias.py",
}
# Collect's options by ProblemType: what an answer without a header consists of, and which part of it was predicted.
ANSWERS = {
    "Regression": {
        "answer": "prediction,lower,upper",
        "inference-attribute": "prediction",
        "probability-attribute": "",
    },
    "Clustering": {"answer": "label,name", "inference-attribute": "name", "probability-attribute": ""},
}
ANSWERED = "answered"  # features with the answer
TABLES = {  # of what Collect writes: what each kind looks at
    Kind.DATA_QUALITY: "features",
    Kind.MODEL_QUALITY: "labelled",
    Kind.MODEL_BIAS: "labelled",
    Kind.EXPLAINABILITY: "features",
}


def definition(project: Project, watch: Watch) -> str:
    """As JSON. Uploads the scripts if the bucket lacks them."""
    return str(pipeline(project, watch).definition())


def pipeline(project: Project, watch: Watch) -> Pipeline:
    start, end = (ParameterString(each, default_value="") for each in WINDOW)
    run = Join(on="/", values=[watch.output, ExecutionVariables.START_DATETIME])
    arguments = {
        "start": start,
        "end": end,
        "window": watch.monitor.window,
        "delay": watch.monitor.delay,
        "at": ExecutionVariables.START_DATETIME,
        "probability-threshold-attribute": f"{watch.declared.probability_threshold:g}",
    }
    arguments |= ANSWERS.get(watch.declared.problem_type, {})
    if named := watch.declared.inference_attribute:
        arguments |= {"inference-attribute": named, "answer": f"probability,{named}"}
    if watch.declared.answer:
        arguments["answer-column"] = watch.declared.answer
        if watch.declared.problem_type == "BinaryClassification":  # whose label is its threshold's as much as its own
            arguments["answered"] = "probability"
    if watch.declared.optional:
        arguments["optional"] = ",".join(watch.declared.optional)
    if TABLES[watch.kind] == "labelled":
        arguments |= {"ground-truth-uri": watch.ground_truth, "label": watch.declared.label, "require-labels": "true"}
    collected = collect(
        project,
        watch.use_case,
        captures=watch.captures,
        features=watch.features,
        output=Join(on="/", values=[run, COLLECTED]),
        arguments=arguments,
        instance_type=watch.monitor.instance_type,
    )
    steps = [collected, _check(project, watch, collected, Join(on="/", values=[run, CHECKED]))]
    return Pipeline(
        name=watch.name,
        parameters=[start, end],
        steps=steps,
        sagemaker_session=project.session,
        pipeline_experiment_config=None,  # an experiment is for models
    )


def collect(
    project: Project,
    use_case: str,
    *,
    captures: Text,
    features: Text,
    output: Text,
    arguments: Mapping[str, Text],
    instance_type: Text = "ml.m5.large",
) -> ProcessingStep:
    """The step Collect: `arguments` are captured_traffic.py's options; its folders are output `collected`."""
    named = {"capture-uri": captures, "features": f"{INPUT}/features", "output-path": OUTPUT, **arguments}
    return _job(
        project,
        use_case,
        "Collect",
        "evaluation/captured_traffic.py",
        inputs={"features": (features, f"{INPUT}/features")},
        output=(COLLECTED, output),
        arguments=named,
        instance_type=instance_type,
    )


def collect_scores(
    project: Project, use_case: str, *, output: Text, arguments: Mapping[str, Text], instance_type: Text
) -> ProcessingStep:
    """The step Collect of a use case with a stream: `arguments` are the options of its processing/<name>_recent.py."""
    return _job(
        project,
        use_case,
        "Collect",
        f"processing/{module_name(use_case)}_recent.py",
        inputs={},
        output=(COLLECTED, output),
        arguments={"output-path": OUTPUT, "region": project.region, **arguments},
        instance_type=instance_type,
    )


def table(collected: ProcessingStep, name: str) -> Text:
    """URI of a table that Collect wrote: features, answered, predictions, labelled or recent."""
    uri = collected.properties.ProcessingOutputConfig.Outputs[COLLECTED].S3Output.S3Uri
    return Join(on="/", values=[uri, name])


def _check(project: Project, watch: Watch, collected: ProcessingStep, output: Text) -> ProcessingStep:
    answered = watch.kind is Kind.DATA_QUALITY and watch.declared.answer
    looked_at = table(collected, ANSWERED if answered else TABLES[watch.kind])
    inputs: dict[str, tuple[Text, str]] = {"data": (looked_at, f"{INPUT}/data")}
    inputs |= {part: (uri, f"{INPUT}/{part}") for part, uri in watch.baseline.items()}
    if watch.kind is Kind.EXPLAINABILITY:
        inputs["model"] = (watch.model, f"{INPUT}/model")
    return _job(
        project,
        watch.use_case,
        "Check",
        _script(watch),
        inputs=inputs,
        output=(CHECKED, output),
        environment={name: value for name, value in _environment(watch).items() if value},
        instance_type=watch.monitor.instance_type,
        container=watch.image if watch.kind is Kind.EXPLAINABILITY else "",  # which opens the model
    )


def _script(watch: Watch) -> str:
    """Models in any image but XGBoost's are explained by the library shap."""
    if watch.kind is Kind.EXPLAINABILITY:
        return f"evaluation/{EXPLAINERS['xgboost' if 'xgboost' in watch.image else 'sklearn']}.py"
    return SCRIPTS[watch.kind]


def _environment(watch: Watch) -> dict[str, str]:
    """The analysis's options. Bias and explainability find data, config and model where Clarify has them."""
    files = {part: f"{INPUT}/{part}/{uri.rsplit('/', 1)[-1]}" for part, uri in watch.baseline.items()}
    shared = {
        "baseline_statistics": files.get("statistics", ""),
        "baseline_constraints": files["constraints"],
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": watch.endpoint,
        "sagemaker_monitoring_schedule_name": watch.name,
        "model_registered": watch.registered,
    }
    if watch.kind is Kind.MODEL_BIAS:
        return {**shared, "config": files["config"], "stage": "post_training"}
    if watch.kind is Kind.EXPLAINABILITY:
        return {**shared, "config": files["config"]}
    table = {
        "dataset_source": f"{INPUT}/data",
        "dataset_format": '{"csv": {"header": true}}',
        "output_path": OUTPUT,
    }
    if watch.kind is Kind.DATA_QUALITY:
        return {**shared, **table}
    binary = watch.declared.problem_type == "BinaryClassification"
    return {
        **shared,
        **table,
        "analysis_type": "MODEL_QUALITY",
        "problem_type": watch.declared.problem_type,
        "inference_attribute": "predicted_label",
        "probability_attribute": "probability" if binary else "",
        "ground_truth_attribute": watch.declared.label,
    }


def _job(
    project: Project,
    use_case: str,
    name: str,
    script: str,
    *,
    inputs: Mapping[str, tuple[Text, str]],
    output: tuple[str, Text],
    arguments: Mapping[str, Text] | None = None,
    environment: Mapping[str, Text] | None = None,
    instance_type: Text,
    container: str = "",
) -> ProcessingStep:
    """A Processing step whose only output, folder OUTPUT, has a name and a URI."""
    code = project.source(script)
    processor = Processor(
        sagemaker_session=project.session,
        role=project.role,
        base_job_name=use_case,
        image_uri=container or image(project.region, "sklearn"),
        entrypoint=code.command,
        instance_count=1,
        instance_type=instance_type,
        env=dict(environment) if environment else None,
        max_runtime_in_seconds=3600,
        tags=tags(use_case),
    )
    target, uri = output
    sources: list[ProcessingInput] = [processing_input(each, where, path) for each, (where, path) in inputs.items()]
    step_args = processor.run(
        inputs=[*sources, processing_input("code", code.uri, CODE)],
        outputs=[
            ProcessingOutput(
                output_name=target,
                s3_output=ProcessingS3Output(s3_uri=uri, local_path=OUTPUT, s3_upload_mode="EndOfJob"),
            )
        ],
        arguments=[part for each, value in (arguments or {}).items() for part in (f"--{each}", value)] or None,
    )
    return ProcessingStep(name, step_args=step_args, retry_policies=JOB_RETRIES)
