"""The pipeline `<endpoint>-retraining`: Collect takes the labelled traffic of a window, Retrain starts the use case's
pipeline on it. It has no `build`: `deploy/` makes one for each endpoint that declares a `Retraining`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.mlops.workflow.pipeline import Pipeline

from deploy.retraining import ALARM_PARAMETER, name
from pipelines.monitoring import COLLECTED, collect, table
from pipelines.project import Project

# The SDK says so of each function that a pipeline only names.
warnings.filterwarnings("ignore", message="Lambda function won't be updated")

ANSWERS = ("outcome", "execution", "reason")  # of deploy/lambda/retraining.py


@dataclass(frozen=True)
class Collection:
    """What the step Collect is to fetch. URIs are S3's."""

    use_case: str
    endpoint: str
    captures: str  # URI of the endpoint's captures
    ground_truth: str  # URI of the folder above the labels' hours
    features: str  # URI of constraints.json of data quality: names and order of the features
    label: str  # column that the use case's pipeline learns to predict
    window: str  # ISO 8601 duration up to the start of the execution
    not_before: str  # ISO 8601: what the served version may have learnt from is older than that
    output: str  # URI of the folder that executions write below


def pipeline(project: Project, collection: Collection, function: str) -> Pipeline:
    """Uploads Collect's script if the bucket lacks it. `function`: ARN of the function that Retrain invokes."""
    alarm = ParameterString(ALARM_PARAMETER, default_value="")
    run = Join(on="/", values=[collection.output, ExecutionVariables.START_DATETIME, COLLECTED])
    collected = collect(
        project,
        collection.use_case,
        captures=collection.captures,
        features=collection.features,
        output=run,
        arguments={
            "ground-truth-uri": collection.ground_truth,
            "label": collection.label,
            "window": collection.window,
            "not-before": collection.not_before,
        },
    )
    collected.property_files = [PropertyFile(name="summary", output_name=COLLECTED, path="summary.json")]
    labelled = JsonGet(step_name=collected.name, property_file="summary", json_path="labelled")
    retrain = LambdaStep(
        "Retrain",
        lambda_func=Lambda(function_arn=function),
        inputs={"data": table(collected, "recent"), "labelled": labelled, "alarm": alarm},
        outputs=[LambdaOutput(each, LambdaOutputTypeEnum.String) for each in ANSWERS],
    )
    return Pipeline(
        name=name(collection.endpoint),
        parameters=[alarm],
        steps=[collected, retrain],
        sagemaker_session=project.session,
        pipeline_experiment_config=None,  # an experiment is for models
    )
