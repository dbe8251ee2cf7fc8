"""Create<Kind>JobDefinition and its deletion; Describe and List come from the resource table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.containers import analyzers, family
from sagelocal.jobs import checks
from sagelocal.jobs.instances import instance
from sagelocal.monitoring import captures
from sagelocal.monitoring.kinds import KINDS, Definition, Kind, of_job_definition
from sagelocal.monitoring.timing import seconds

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
Handler = Callable[["SageLocal", Document], Document]
_LOCAL = "/opt/ml/processing"


def check(app: SageLocal, definition: Definition, one_input: Document) -> None:
    """What AWS checks beyond shapes, and that whatever the definition names is there. Raises AwsError."""
    if bool(one_input.get("EndpointInput")) == bool(one_input.get("BatchTransformInput")):
        raise validation("Give exactly one of EndpointInput and BatchTransformInput.")
    checks.below(definition.source["LocalPath"], _LOCAL, "LocalPath of the monitoring input")
    checks.below(definition.output["LocalPath"], _LOCAL, "LocalPath of the monitoring output")
    checks.s3_uri(definition.output["S3Uri"])
    for side in ("Start", "End"):
        if offset := definition.source.get(f"{side}TimeOffset"):
            seconds(offset, f"{side}TimeOffset")
    _check_image(definition)
    instance(definition.resources["ClusterConfig"]["InstanceType"])
    _check_references(app, definition)


def _check_image(definition: Definition) -> None:
    image = definition.application["ImageUri"]
    known = family(image)
    expected = "clarify" if definition.kind.clarify else "model-monitor"
    if definition.application.get("ContainerEntrypoint"):
        return
    if known.name != expected and (definition.kind.clarify or analyzers.find(image) or not known.custom):
        raise validation(
            f"ImageUri {image} is no image of a {definition.kind.type} monitor: use AWS's {expected} image"
            f"{'' if definition.kind.clarify else ' or one of your own, with its ContainerEntrypoint'}."
        )


def _check_references(app: SageLocal, definition: Definition) -> None:
    if definition.endpoint:
        captures.destination(app, definition.endpoint)
    if definition.batch:
        checks.s3_uri(definition.batch)
    if definition.truth:
        checks.s3_uri(definition.truth)
    named = {
        "ConstraintsResource.S3Uri": definition.constraints,
        "StatisticsResource.S3Uri": definition.statistics,
        **{name: definition.application.get(name, "") for name in ("ConfigUri", "RecordPreprocessorSourceUri")},
        "PostAnalyticsProcessorSourceUri": definition.application.get("PostAnalyticsProcessorSourceUri", ""),
    }
    for name, uri in named.items():
        if uri:
            _check_object(app, name, uri)
    if definition.baselining_job:
        app.find("ProcessingJob", definition.baselining_job)


def _check_object(app: SageLocal, member: str, uri: str) -> None:
    try:
        missing = "" if captures.exists(app, uri) else "no object's key begins so."
    except AwsError as error:
        missing = error.message
    if missing:
        raise validation(f"{member} {uri} is not there: {missing}")


def _create(kind: Kind) -> Handler:
    def run(app: SageLocal, request: Document) -> Document:
        definition = of_job_definition(kind, request)
        check(app, definition, request[f"{kind.type}JobInput"])
        document = {name: value for name, value in request.items() if name != "Tags"}
        name = request["JobDefinitionName"]
        # What List shows of it is called otherwise than what Describe shows.
        shown = {"MonitoringJobDefinitionName": name, "EndpointName": definition.endpoint}
        shown["MonitoringJobDefinitionArn"] = app.arn(f"{_path(kind)}/{name.lower()}")
        created = app.create(kind.definition, {**document, **shown}, tags=request.get("Tags"))
        return {"JobDefinitionArn": created["JobDefinitionArn"]}

    return run


def _delete(kind: Kind) -> Handler:
    def run(app: SageLocal, request: Document) -> Document:
        """Schedules lock their definition, as the SDK says, which waits until they are gone."""
        with app.store.transaction():
            document = app.find(kind.definition, request["JobDefinitionName"])
            name = document["JobDefinitionName"]
            for schedule in app.store.list("MonitoringSchedule"):
                if (schedule.get("MonitoringJobDefinitionName"), schedule["MonitoringType"]) == (name, kind.type):
                    raise AwsError(
                        "ValidationException",
                        f"Job definition {name} is in use by monitoring schedule "
                        f"{schedule['MonitoringScheduleName']}: delete the schedule first.",
                    )
            app.store.delete(kind.definition, document["_name"])
        return {}

    return run


def _path(kind: Kind) -> str:
    from sagelocal.api.resources import RESOURCES

    return RESOURCES[kind.definition].path


OPERATIONS: dict[str, Handler] = {
    **{f"Create{kind.definition}": _create(kind) for kind in KINDS.values()},
    **{f"Delete{kind.definition}": _delete(kind) for kind in KINDS.values()},
}
