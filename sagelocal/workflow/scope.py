"""What the expressions of one execution see: parameters, execution variables, finished steps and files on S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelocal.jobs.transfer import TransferError, split_uri
from sagelocal.store import Store
from sagelocal.workflow.expressions import ExpressionError, Scope, evaluate, is_expression, look_up
from sagelocal.workflow.graph import Graph

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def record_name(execution_arn: str, step: str) -> str:
    """A step's key in the store."""
    return f"{execution_arn}/{step}"


def build(app: SageLocal, execution: Mapping[str, Any], graph: Graph, own: Mapping[str, str] | None = None) -> Scope:
    """`own` are the variables that only one step sees: TrainingJobName or ProcessingJobName."""
    arn = str(execution["PipelineExecutionArn"])

    def properties(step: str) -> Any:
        return step_properties(app.store, arn, step)

    def property_file(step: str, name: str) -> Any:
        return read_json(app, property_file_uri(properties(step), graph[step].step, name))

    return Scope(
        parameters=execution["_parameters"],
        execution=variables(execution, app.now()) | dict(own or {}),
        experiment=execution.get("PipelineExperimentConfig") or {},
        properties=properties,
        property_file=property_file,
        json=lambda uri: read_json(app, uri),
    )


def variables(execution: Mapping[str, Any], now: float) -> dict[str, str]:
    """The execution variables, but for those of one step; times in ISO 8601 (AWS doesn't document their format)."""
    return {
        "StartDateTime": _iso(execution["CreationTime"]),
        "CurrentDateTime": _iso(now),
        "PipelineName": execution["_pipeline"],
        "PipelineArn": execution["PipelineArn"],
        "PipelineExecutionId": execution["_id"],
        "PipelineExecutionArn": execution["PipelineExecutionArn"],
    }


def experiment(config: Mapping[str, Any] | None, execution: Mapping[str, Any]) -> dict[str, str]:
    """ExperimentName and TrialName as the definition's PipelineExperimentConfig gives them. Raises ExpressionError."""
    nothing: dict[str, Any] = {}
    scope = Scope(
        execution["_parameters"], variables(execution, execution["CreationTime"]), nothing,
        nothing.__getitem__, lambda step, name: None, nothing.__getitem__,
    )  # fmt: skip
    return {
        name: evaluate(value, scope) if is_expression(value) else value
        for name, value in (config or {}).items()
        if value
    }


def step_properties(store: Store, execution_arn: str, step: str) -> Any:
    record = store.find("PipelineExecutionStep", record_name(execution_arn, step))
    if record is None or "_properties" not in record:
        raise ExpressionError(f"Step '{step}' has no properties: it has not succeeded in this execution")
    return record["_properties"]


def property_file_uri(properties: Any, step: Mapping[str, Any], name: str) -> str:
    """Where the file of a Processing step's PropertyFiles lies, after the outputs' addresses that its job reports."""
    file = next(file for file in step["PropertyFiles"] if file["PropertyFileName"] == name)
    path = ["ProcessingOutputConfig", "Outputs", file["OutputName"], "S3Output", "S3Uri"]
    prefix = str(look_up(properties, path, f"property file '{name}'", f"the outputs of step '{step['Name']}'"))
    return f"{prefix.rstrip('/')}/{file['FilePath'].lstrip('/')}"


def read_json(app: SageLocal, uri: str) -> Any:
    """An S3 object's JSON. Raises ExpressionError naming the URI."""
    try:
        bucket, key = split_uri(uri)
        return json.loads(app.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except TransferError as error:
        raise ExpressionError(str(error)) from error
    except ClientError as error:
        raise ExpressionError(f"Cannot read {uri}: {error.response['Error'].get('Message') or error}") from error
    except ValueError as error:
        raise ExpressionError(f"{uri} is not valid JSON: {error}") from error


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
