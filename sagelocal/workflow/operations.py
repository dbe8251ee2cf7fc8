"""The operations of pipelines and their executions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, validation
from sagelocal.api.refused import paths
from sagelocal.api.resources import Resource
from sagelocal.workflow import definition, graph, parameters, scope, selective
from sagelocal.workflow.attempts import CACHE, STEP, random_id
from sagelocal.workflow.execution import KIND, RUNNING
from sagelocal.workflow.steps import callback

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
VERSION = "PipelineVersion"
_EXECUTIONS = Resource(KIND, "execution", "PipelineExecutionSummaries", "PipelineExecutionStatus", order="Descending")
_VERSIONS = Resource(VERSION, "version", "PipelineVersionSummaries", order="Descending")


def create_pipeline(app: SageLocal, request: Document) -> Document:
    """A repeated ClientRequestToken answers the pipeline that the first request made."""
    name = request["PipelineName"]
    found = app.store.find("Pipeline", name)
    if found and found["_token"] == request["ClientRequestToken"]:
        return found
    text = _definition_text(app, request)
    if text is None:
        raise validation("Either PipelineDefinition or PipelineDefinitionS3Location must be given.")
    definition.parse(text)
    document = {
        "PipelineDisplayName": name,
        **{key: value for key, value in request.items() if key in _KEPT},
        "PipelineName": name,
        "PipelineDefinition": text,
        "PipelineStatus": "Active",
        "CreatedBy": app.settings.caller,
        "LastModifiedBy": app.settings.caller,
        "_token": request["ClientRequestToken"],
        "_version": 1,
    }
    with app.store.transaction():
        pipeline = app.create("Pipeline", document, tags=request.get("Tags"))
        _add_version(app, pipeline)
    return pipeline


_KEPT = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


def update_pipeline(app: SageLocal, request: Document) -> Document:
    """A new definition is a new version; what is not given stays."""
    name = app.find("Pipeline", request["PipelineName"])["PipelineName"]
    changes = {key: value for key, value in request.items() if key in _KEPT}
    text = _definition_text(app, request)
    if text is not None:
        definition.parse(text)
        changes["PipelineDefinition"] = text
    with app.store.transaction():
        if text is not None:
            changes["_version"] = app.store.get("Pipeline", name)["_version"] + 1
        pipeline = app.store.update("Pipeline", name, changes)
        if text is not None:
            _add_version(app, pipeline)
    return pipeline | {"PipelineVersionId": pipeline["_version"]}


def _definition_text(app: SageLocal, request: Document) -> str | None:
    location = request.get("PipelineDefinitionS3Location")
    if location is None:
        return request.get("PipelineDefinition")
    if "PipelineDefinition" in request:
        raise validation("Only one of PipelineDefinition and PipelineDefinitionS3Location may be given.")
    where = {"Bucket": location["Bucket"], "Key": location["ObjectKey"]}
    if "VersionId" in location:
        where["VersionId"] = location["VersionId"]
    try:
        answer = app.s3.get_object(**where)
    except ClientError as error:
        uri = f"s3://{where['Bucket']}/{where['Key']}"
        raise validation(
            f"Unable to read the pipeline definition at {uri}: {error.response['Error'].get('Message')}"
        ) from error
    if answer["ContentLength"] > definition.MAX_BYTES:
        raise validation(f"The pipeline definition must be at most {definition.MAX_BYTES} bytes.")
    try:
        return str(answer["Body"].read().decode())
    except UnicodeDecodeError as error:
        raise validation(f"Unable to parse pipeline definition. It is not UTF-8: {error}.") from error


def _add_version(app: SageLocal, pipeline: Document) -> None:
    number = pipeline["_version"]
    document = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineVersionId": number,
        "PipelineDefinition": pipeline["PipelineDefinition"],
        "CreationTime": app.now(),
    }
    app.store.create(VERSION, _version_key(pipeline, number), document, parent=pipeline["PipelineName"])


def _version_key(pipeline: Document, number: int) -> str:
    return f"{pipeline['PipelineArn']}/version/{number}"


def _version(app: SageLocal, pipeline: Document, number: int) -> Document:
    found = app.store.find(VERSION, _version_key(pipeline, number))
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline '{pipeline['PipelineArn']}' has no version {number}.")
    return found


def describe_pipeline(app: SageLocal, request: Document) -> Document:
    pipeline = app.find("Pipeline", request["PipelineName"])
    version = _version(app, pipeline, request.get("PipelineVersionId", pipeline["_version"]))
    names = ("PipelineDefinition", "PipelineVersionDisplayName", "PipelineVersionDescription")
    return pipeline | {name: version[name] for name in names if name in version}


def delete_pipeline(app: SageLocal, request: Document) -> Document:
    """With all its executions, as on AWS; refused while one of them runs."""
    pipeline = app.find("Pipeline", request["PipelineName"])
    name = pipeline["PipelineName"]
    with app.store.transaction():
        executions = app.store.list(KIND, parent=name)
        if running := [one["PipelineExecutionArn"] for one in executions if one["PipelineExecutionStatus"] in RUNNING]:
            raise AwsError(
                "ConflictException",
                f"Pipeline {name} has running executions: {', '.join(running)}. Stop them first.",
            )
        for execution in executions:
            for step in app.store.list(STEP, parent=execution["PipelineExecutionArn"]):
                app.store.delete(STEP, step["_name"])
            for waiting in app.store.list(callback.KIND, parent=execution["PipelineExecutionArn"]):
                app.store.delete(callback.KIND, waiting["CallbackToken"])
            app.store.delete(KIND, execution["PipelineExecutionArn"])
        for version in app.store.list(VERSION, parent=name):
            app.store.delete(VERSION, _version_key(pipeline, version["PipelineVersionId"]))
        for entry in app.store.list(CACHE, parent=name):
            app.store.delete(CACHE, entry["_name"])
        app.store.delete("Pipeline", name)
    return pipeline


def list_pipeline_versions(app: SageLocal, request: Document) -> Document:
    name = app.find("Pipeline", request["PipelineName"])["PipelineName"]
    return listing.stored(app.store, _VERSIONS, request, name)


def update_pipeline_version(app: SageLocal, request: Document) -> Document:
    pipeline = app.find("Pipeline", request["PipelineArn"])
    version = _version(app, pipeline, request["PipelineVersionId"])
    changes = {key: value for key, value in request.items() if key.startswith("PipelineVersionD")}
    app.store.update(VERSION, _version_key(pipeline, version["PipelineVersionId"]), changes)
    return request


def start_pipeline_execution(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        pipeline = app.find("Pipeline", request["PipelineName"])
        name, token = pipeline["PipelineName"], request["ClientRequestToken"]
        if again := app.store.page(KIND, parent=name, where=[("_token", "=", token)], limit=1):
            return again[0]
        number = request.get("PipelineVersionId", pipeline["_version"])
        version = _version(app, pipeline, number)
        parsed = json.loads(version["PipelineDefinition"])  # checked when it became a version
        execution = _execution(app, request, pipeline, number, parsed)
        arn = execution["PipelineExecutionArn"]
        lent = _select(app, request, execution, parsed)
        app.store.create(KIND, arn, execution, parent=name, arn=arn)
        for record in lent:
            app.store.create(STEP, record["_name"], record, parent=arn)
        app.store.update(VERSION, _version_key(pipeline, number), {"LastExecutionPipelineExecutionArn": arn})
        now, changed = execution["CreationTime"], pipeline["LastModifiedTime"]
        app.store.update("Pipeline", name, {"LastRunTime": now, "LastExecutionTime": now, "LastModifiedTime": changed})
    app.workflow.start(arn)
    return execution


def _execution(app: SageLocal, request: Document, pipeline: Document, number: int, parsed: Document) -> Document:
    now, name = app.now(), random_id(12)
    execution = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": f"{pipeline['PipelineArn']}/execution/{name}",
        "PipelineExecutionDisplayName": request.get("PipelineExecutionDisplayName", f"execution-{round(now * 1000)}"),
        "PipelineExecutionDescription": request.get("PipelineExecutionDescription"),
        "PipelineExecutionStatus": "Executing",
        "ParallelismConfiguration": request.get("ParallelismConfiguration", pipeline.get("ParallelismConfiguration")),
        "PipelineVersionId": number,
        "CreationTime": now,
        "LastModifiedTime": now,
        "CreatedBy": app.settings.caller,
        "LastModifiedBy": app.settings.caller,
        "_id": name,
        "_pipeline": pipeline["PipelineName"],
        "_version": _version_key(pipeline, number),
        "_token": request["ClientRequestToken"],
        "_parameters": parameters.values(parsed.get("Parameters") or [], request.get("PipelineParameters", [])),
    }
    execution["PipelineExperimentConfig"] = scope.experiment(parsed.get("PipelineExperimentConfig"), execution) or None
    return execution


def _select(app: SageLocal, request: Document, execution: Document, parsed: Document) -> list[Document]:
    """Notes the steps that a selective execution runs; the records of those that it reuses."""
    config = request.get("SelectiveExecutionConfig")
    if config is None:
        return []
    nodes, arn = graph.build(parsed["Steps"]), execution["PipelineExecutionArn"]
    names, records = selective.plan(app, config, execution["PipelineArn"], nodes)
    execution |= {"SelectiveExecutionConfig": config, "_selected": names}
    source = config.get("SourcePipelineExecutionArn", "")
    return [selective.reused(record, source, arn, execution["CreationTime"]) for record in records]


def _find(app: SageLocal, request: Document) -> Document:
    arn = request["PipelineExecutionArn"]
    found = app.store.find(KIND, arn)
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline execution with ARN '{arn}' does not exist.")
    return found


def stop_pipeline_execution(app: SageLocal, request: Document) -> Document:
    """Answers at once; running jobs are stopped and then the execution is Stopped. Stopping twice changes nothing."""
    with app.store.transaction():
        execution = _find(app, request)
        arn, status = execution["PipelineExecutionArn"], execution["PipelineExecutionStatus"]
        if status not in RUNNING:
            raise validation(
                f"Pipeline execution with ARN {arn} is {status}: only executions that are Executing can be stopped."
            )
        app.store.update(KIND, arn, {"PipelineExecutionStatus": "Stopping"})
    app.workflow.stop(arn)
    return execution


def retry_pipeline_execution(app: SageLocal, request: Document) -> Document:
    """The same execution goes on from where it failed: what succeeded stays, what failed or was stopped runs again."""
    with app.store.transaction():
        execution = _find(app, request)
        arn, status = execution["PipelineExecutionArn"], execution["PipelineExecutionStatus"]
        if execution.get("_retry_token") == request["ClientRequestToken"]:
            return execution
        if status not in ("Failed", "Stopped"):
            raise validation(
                f"Pipeline execution with ARN {arn} is {status}: only Failed and Stopped executions can be retried."
            )
        unfinished = [step for step in app.store.list(STEP, parent=arn) if step["StepStatus"] != "Succeeded"]
        if ended := [step["StepName"] for step in unfinished if step["_type"] == "Fail"]:
            raise validation(
                f"Pipeline execution with ARN {arn} was ended by Fail step '{ended[0]}' and cannot be retried."
            )
        for step in unfinished:
            app.store.delete(STEP, step["_name"])
        changes: Document = {"PipelineExecutionStatus": "Executing", "FailureReason": None}
        if "ParallelismConfiguration" in request:
            changes["ParallelismConfiguration"] = request["ParallelismConfiguration"]
        app.store.update(KIND, arn, changes | {"_retry_token": request["ClientRequestToken"]})
    app.workflow.start(arn)
    return execution


def describe_pipeline_execution(app: SageLocal, request: Document) -> Document:
    return _find(app, request)


def update_pipeline_execution(app: SageLocal, request: Document) -> Document:
    execution = _find(app, request)
    changes = {key: value for key, value in request.items() if key != "PipelineExecutionArn"}
    return app.store.update(KIND, execution["PipelineExecutionArn"], changes)


def list_pipeline_executions(app: SageLocal, request: Document) -> Document:
    name = app.find("Pipeline", request["PipelineName"])["PipelineName"]
    answer = listing.stored(app.store, _EXECUTIONS, request, name)
    for one in answer[_EXECUTIONS.summaries]:
        one |= {"StartTime": one["CreationTime"], "PipelineExecutionFailureReason": one.get("FailureReason")}
    return answer


def list_pipeline_execution_steps(app: SageLocal, request: Document) -> Document:
    """Latest first unless asked otherwise; a step that has not started is not in the list."""
    if "PipelineExecutionArn" not in request:
        raise validation("PipelineExecutionArn must be given.")
    found = app.store.list(STEP, parent=_find(app, request)["PipelineExecutionArn"])
    if request.get("SortOrder", "Descending") == "Descending":
        found.reverse()
    return listing.page(request, found, "PipelineExecutionSteps")


def list_pipeline_parameters_for_execution(app: SageLocal, request: Document) -> Document:
    found = parameters.listed(_find(app, request)["_parameters"])
    return listing.page(request, found, "PipelineParameters")


def describe_pipeline_definition_for_execution(app: SageLocal, request: Document) -> Document:
    return app.store.get(VERSION, _find(app, request)["_version"])


OPERATIONS = {
    "CreatePipeline": create_pipeline,
    "UpdatePipeline": update_pipeline,
    "DescribePipeline": describe_pipeline,
    "DeletePipeline": delete_pipeline,
    "ListPipelineVersions": list_pipeline_versions,
    "UpdatePipelineVersion": update_pipeline_version,
    "StartPipelineExecution": start_pipeline_execution,
    "StopPipelineExecution": stop_pipeline_execution,
    "RetryPipelineExecution": retry_pipeline_execution,
    "UpdatePipelineExecution": update_pipeline_execution,
    "DescribePipelineExecution": describe_pipeline_execution,
    "ListPipelineExecutions": list_pipeline_executions,
    "ListPipelineExecutionSteps": list_pipeline_execution_steps,
    "ListPipelineParametersForExecution": list_pipeline_parameters_for_execution,
    "DescribePipelineDefinitionForExecution": describe_pipeline_definition_for_execution,
}

REFUSED = {"StartPipelineExecution": paths("MlflowExperimentName")}
