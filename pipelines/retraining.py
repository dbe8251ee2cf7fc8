"""The pipeline `<endpoint>-retraining`: Collect takes the labelled traffic of a window, captured or scored, Retrain
starts the use case's pipeline on it. It has no `build`: `deploy/` makes one for each endpoint that declares a
`Retraining`.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep

from deploy.declaration import Retraining, Source
from deploy.retraining import ALARM_PARAMETER, name
from deploy.streams import scores_table
from deploy.watch import Watch
from pipelines.jobs import Text
from pipelines.monitoring import COLLECTED, collect, collect_scores, table
from pipelines.project import Project

# The SDK says so of each function that a pipeline only names.
warnings.filterwarnings("ignore", message="Lambda function won't be updated")

ANSWERS = ("outcome", "execution", "reason")  # of deploy/lambda/retraining.py


def definition(project: Project, watch: Watch, not_before: datetime, output: str, function: str) -> str:
    """As JSON. Uploads Collect's script if the bucket lacks it.

    Args:
        watch: any of the endpoint's monitors, whose declaration has a `retraining`.
        not_before: what the version in service may have learnt from is older than that.
        output: URI of the folder that executions write below.
        function: ARN of what Retrain invokes.
    """
    declared = watch.declared.retraining
    assert declared
    alarm = ParameterString(ALARM_PARAMETER, default_value="")
    run = Join(on="/", values=[output, ExecutionVariables.START_DATETIME, COLLECTED])
    by = _scores if declared.source is Source.SCORES else _captures
    collected = by(project, watch, declared, not_before, run)
    collected.property_files = [PropertyFile(name="summary", output_name=COLLECTED, path="summary.json")]
    labelled = JsonGet(step_name=collected.name, property_file="summary", json_path="labelled")
    retrain = LambdaStep(
        "Retrain",
        lambda_func=Lambda(function_arn=function),
        inputs={"data": table(collected, "recent"), "labelled": labelled, "alarm": alarm},
        outputs=[LambdaOutput(each, LambdaOutputTypeEnum.String) for each in ANSWERS],
    )
    pipeline = Pipeline(
        name=name(watch.endpoint),
        parameters=[alarm],
        steps=[collected, retrain],
        sagemaker_session=project.session,
        pipeline_experiment_config=None,  # an experiment is for models
    )
    return str(pipeline.definition())


def _captures(
    project: Project, watch: Watch, declared: Retraining, not_before: datetime, output: Text
) -> ProcessingStep:
    arguments = {
        "ground-truth-uri": watch.ground_truth,
        "label": watch.declared.label,
        "window": declared.window,
        "not-before": not_before.astimezone(UTC).isoformat(),
    }
    return collect(
        project,
        watch.use_case,
        captures=watch.captures,
        features=watch.features,
        output=output,
        arguments=arguments,
    )


def _scores(project: Project, watch: Watch, declared: Retraining, not_before: datetime, output: Text) -> ProcessingStep:
    """Also what is older than the version in service: a table needs the weeks before for its windows, and the newest
    days, by which both are judged, neither has learnt from.
    """
    arguments: dict[str, Text] = {
        "table": scores_table(watch.use_case),
        "window": declared.window,
        "as-of": ExecutionVariables.START_DATETIME,
        **({"history": declared.history} if declared.history else {}),
    }
    return collect_scores(project, watch.use_case, output=output, arguments=arguments, instance_type="ml.m5.xlarge")
