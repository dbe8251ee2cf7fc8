"""The Processing jobs of an execution: requests as AWS's own executions have them.

Names, paths and variables of a merge job and of the monitoring job after it follow requests that AWS's jobs logged; the
container contract is the developer guide's ("Container contract inputs").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sagelocal.containers import model_monitor
from sagelocal.jobs import processing
from sagelocal.jobs.checks import s3_uri
from sagelocal.monitoring import captures
from sagelocal.monitoring.kinds import Definition
from sagelocal.monitoring.timing import Window, iso

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_MERGED = "merge"  # where a merge job's records lie below the definition's output
_TRUTH = "/opt/ml/processing/groundtruth"
_BASELINE = "/opt/ml/processing/baseline"
_CODE = "/opt/ml/processing/code"
_CONFIG = "/opt/ml/processing/input/config"
_OUTPUT = "/opt/ml/processing/output"
_DAY = 24 * 3600


class BaselineError(Exception):
    """The baseline that a definition names is not there."""


@dataclass(frozen=True)
class Plan:
    """One execution: what, for which schedule, of which window. `suffix` ends the names of its jobs."""

    definition: Definition
    schedule: str
    arn: str  # of the schedule
    scheduled: float  # epoch seconds
    window: Window
    suffix: str

    @property
    def merged(self) -> str:
        return f"{self.definition.output['S3Uri'].rstrip('/')}/{_MERGED}"

    def results(self, scale: float) -> str:
        """<output>/<endpoint>/<schedule>/yyyy/mm/dd/hh, and the second where several come in an hour."""
        hour = datetime.fromtimestamp(self.scheduled, UTC).strftime("%Y/%m/%d/%H" + ("/%M-%S" if scale > 1 else ""))
        parts = [self.definition.output["S3Uri"].rstrip("/"), self.definition.endpoint, self.schedule, hour]
        return "/".join(part for part in parts if part)


def baselines(app: SageLocal, definition: Definition) -> dict[str, str] | None:
    """S3 URIs of `constraints` and `statistics`, as far as there are any; None while the baselining job runs.

    Raises BaselineError where the job failed or left no baseline, AwsError where it is gone.
    """
    found = {"constraints": definition.constraints, "statistics": definition.statistics}
    if definition.baselining_job:
        job = app.find("ProcessingJob", definition.baselining_job)
        if job["ProcessingJobStatus"] in ("InProgress", "Stopping"):
            return None
        if not definition.constraints:
            found |= _of_job(app, definition, job)
    return {part: uri for part, uri in found.items() if uri}


def _of_job(app: SageLocal, definition: Definition, job: Document) -> dict[str, str]:
    name = job["ProcessingJobName"]
    if job["ProcessingJobStatus"] != "Completed":
        raise BaselineError(f"The baselining job {name} is {job['ProcessingJobStatus']}, so there is no baseline.")
    folder = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"].rstrip("/")
    files = {"constraints": "analysis.json" if definition.kind.clarify else "constraints.json"}
    if definition.kind.type == "DataQuality":
        files["statistics"] = "statistics.json"
    found = {part: f"{folder}/{file}" for part, file in files.items()}
    for uri in found.values():
        if not captures.exists(app, uri):
            raise BaselineError(f"The baselining job {name} left no {uri}.")
    return found


def merge(app: SageLocal, plan: Plan) -> Document:
    """The request of the job that brings captured records and ground truth together. Raises NoDataError."""
    definition = plan.definition
    source = definition.source["LocalPath"]
    captured = captures.folders(app, definition, plan.window)
    environment = {"dataset_source": source, "ground_truth_source": _TRUTH, "output_path": _OUTPUT}
    environment |= {"dataset_format": _format(definition)} if definition.batch else {}
    registry = definition.application["ImageUri"].rpartition("/")[0]
    return _request(
        plan,
        f"groundtruth-merge-{plan.suffix}",
        image=f"{registry}/{model_monitor.MERGER}".lstrip("/"),
        environment=environment,
        inputs=[
            *_inputs("groundtruth_input", captures.truths(app, definition, plan.window), _TRUTH),
            *_inputs("endpoint_input", captured, source),
        ],
        output={"LocalPath": _OUTPUT, "S3Uri": f"{plan.merged}/{plan.suffix}", "S3UploadMode": "EndOfJob"},
    )


def monitor(app: SageLocal, plan: Plan, baseline: Mapping[str, str], merged: bool = False) -> Document:
    """The request of the monitoring job. Raises NoDataError."""
    definition = plan.definition
    source = definition.source["LocalPath"]
    if merged:
        folder = f"{plan.merged}/{plan.suffix}"
        inputs = [_input("endpoint_input_1", folder, source)]
    else:
        inputs = _inputs("endpoint_input", captures.folders(app, definition, plan.window), source)
    environment = _environment(app, plan, merged)
    for part, uri in baseline.items():
        inputs.append(_input(part, uri, f"{_BASELINE}/{part}"))
        environment[f"baseline_{part}"] = f"{_BASELINE}/{part}/{uri.rpartition('/')[2]}"
    for name, variable in (
        ("RecordPreprocessorSourceUri", "record_preprocessor_script"),
        ("PostAnalyticsProcessorSourceUri", "post_analytics_processor_script"),
    ):
        if script := definition.application.get(name):
            inputs.append(_input(variable, script, f"{_CODE}/{variable}"))
            environment[variable] = f"{_CODE}/{variable}/{script.rpartition('/')[2]}"
    if config := definition.application.get("ConfigUri"):
        inputs.append(_input("analysis_config", config, _CONFIG))
    output = {**definition.output, "S3Uri": plan.results(app.settings.time_scale)}
    output.setdefault("S3UploadMode", "Continuous")
    return _request(
        plan,
        f"{definition.kind.job}-{plan.suffix}",
        image=definition.application["ImageUri"],
        environment=environment,
        inputs=inputs,
        output=output,
    )


def start(app: SageLocal, request: Document) -> str:
    """The ARN of the execution's job, which a kill may have left there already. Raises AwsError."""
    name = request["ProcessingJobName"]
    if job := app.store.find("ProcessingJob", name):
        return str(job["ProcessingJobArn"])
    return str(processing.create_processing_job(app, request)["ProcessingJobArn"])


def _environment(app: SageLocal, plan: Plan, merged: bool) -> dict[str, str]:
    definition, source = plan.definition, plan.definition.source
    told: dict[str, str] = {
        "analysis_type": definition.kind.analysis,
        "dataset_format": _format(definition, merged),
        "dataset_source": source["LocalPath"],
        "output_path": definition.output["LocalPath"],
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_monitoring_schedule_name": plan.schedule,
        "start_time": iso(plan.window.start),
        "end_time": iso(plan.window.end),
        "metric_time": iso(plan.window.start),
        **definition.environment,
    }
    if definition.endpoint:
        told["sagemaker_endpoint_name"] = definition.endpoint
        told["sagemaker_endpoint_datacapture_prefix"] = captures.destination(app, definition.endpoint)
    attributes = {
        "features_attribute": source.get("FeaturesAttribute"),
        "inference_attribute": source.get("InferenceAttribute"),
        "probability_attribute": source.get("ProbabilityAttribute"),
        "probability_threshold_attribute": source.get("ProbabilityThresholdAttribute"),
        "exclude_features_attribute": source.get("ExcludeFeaturesAttribute"),
        "problem_type": definition.application.get("ProblemType"),
    }
    return told | {name: str(value) for name, value in attributes.items() if value is not None}


def _format(definition: Definition, merged: bool = False) -> str:
    """`dataset_format`; a batch transform job's is its DatasetFormat, in the container contract's spelling."""
    if merged:
        sides = ["endpointInput", "endpointOutput"] if definition.kind.clarify else ["endpointOutput"]
        return json.dumps({"sagemakerMergeJson": {"captureIndexNames": sides}})
    if not definition.batch:
        return json.dumps({"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}})
    name, options = next(iter(definition.source["DatasetFormat"].items()), ("Csv", {}))
    return json.dumps({name.lower(): {key.lower(): value for key, value in (options or {}).items()}})


def _request(
    plan: Plan, name: str, image: str, environment: Mapping[str, str], inputs: list[Document], output: Document
) -> Document:
    definition = plan.definition
    application = definition.application
    own = image == application["ImageUri"]
    arguments: Document = {
        member: application[member]
        for member in ("ContainerEntrypoint", "ContainerArguments")
        if own and application.get(member)
    }
    return {
        "ProcessingJobName": name,
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "result", "S3Output": output}],
            **({"KmsKeyId": definition.kms_key} if definition.kms_key else {}),
        },
        "ProcessingResources": definition.resources,
        "StoppingCondition": {"MaxRuntimeInSeconds": definition.max_runtime or _DAY},
        "AppSpecification": {"ImageUri": image, **arguments},
        "Environment": dict(environment),
        **({"NetworkConfig": definition.network} if definition.network else {}),
        "RoleArn": definition.role,
        "MonitoringScheduleArn": plan.arn,
    }


def _inputs(name: str, folders: list[captures.Folder], local: str) -> list[Document]:
    return [
        _input(
            f"{name}_{number}", folder.uri, f"{local}/{folder.path}", "ManifestFile" if folder.manifest else "S3Prefix"
        )
        for number, folder in enumerate(folders, 1)
    ]


def _input(name: str, uri: str, local: str, kind: str = "S3Prefix") -> Document:
    s3_uri(uri)
    return {
        "InputName": name,
        "AppManaged": False,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": re.sub("/+", "/", local),
            "S3DataType": kind,
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }
