"""A registered version's model card: the facts of the run that made it, in SageMaker's model card schema. Pure.

`model_cards.toml` says what no run knows. Source of the members and their lengths: the developer guide's model card
JSON schema.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import names

Document = Mapping[str, Any]
FILE = Path(__file__).parent / "model_cards.toml"
STATUSES = {"Approved": "Approved", "Rejected": "Archived", "PendingManualApproval": "PendingReview"}
_NAME, _SHORT, _LONG = 63, 1024, 2096  # letters of a group's name, of most members, of an observation
_DATASETS, _METRICS, _PARAMETERS = 15, 50, 100  # at most, in a training job's details
_EVALUATED = 10  # data sets of an evaluation, at most
_POINTS = 40  # of a curve: a card has room for 100,000 letters
_FEATURES = 15  # of an explanation that are shown
_CODE = ("code", "sm_drivers")  # channels of SDK v3 that hold no data
_HIDDEN = ("sagemaker_", "_tuning")  # begin hyperparameters that are the toolkit's own
_CURVES = {  # of an evaluation: name to the members with its x and y, and what they are called
    "receiver_operating_characteristic_curve": (("false_positive_rates", "true_positive_rates"), "ROC curve"),
    "precision_recall_curve": (("recalls", "precisions"), "precision-recall curve"),
}
_OBJECTIVES = {"auc": "AUC", "aucpr": "AUC", "accuracy": "Accuracy", "rmse": "RMSE", "mae": "MAE"}  # else Loss


@dataclass(frozen=True)
class Facts:
    """What is known of a version; everything but the package may be missing."""

    use_case: str
    package: Document  # DescribeModelPackage
    training: Document = field(default_factory=dict)  # DescribeTrainingJob of the job that made the artifact
    tuning: Document = field(default_factory=dict)  # DescribeHyperParameterTuningJob that it was a trial of
    evaluation_job: Document = field(default_factory=dict)  # DescribeProcessingJob
    evaluation: Document = field(default_factory=dict)  # evaluation.json
    bias: Mapping[str, Document] = field(default_factory=dict)  # analysis.json by the words for when it was measured
    explanation: Document = field(default_factory=dict)  # analysis.json


def name(use_case: str, version: int) -> str:
    """Of a version's card."""
    return f"{names.aws_name(use_case)}-{version}"


def declared(use_case: str, file: Path = FILE) -> dict[str, Any]:
    """What `model_cards.toml` says of a use case; nothing for one that isn't there."""
    return dict(tomllib.loads(file.read_text(encoding="utf-8")).get(names.module_name(use_case), {}))


def status(package: Document) -> str:
    """ModelCardStatus of a version's approval."""
    return STATUSES.get(package.get("ModelApprovalStatus", ""), "Draft")


def content(facts: Facts, said: Mapping[str, Any]) -> str:
    """CreateModelCard's Content. `said`: what `declared` found."""
    evaluations = [each for each in _evaluations(facts) if each.get("metric_groups") or each.get("datasets")]
    document = {
        "model_overview": {**said.get("model_overview", {}), **_overview(facts)},
        "model_package_details": _package(facts.package),
        "intended_uses": said.get("intended_uses", {"risk_rating": "Unknown"}),
        "business_details": said.get("business_details", {}),
        "training_details": _training(facts),
        "evaluation_details": evaluations,
        "additional_information": {**said.get("additional_information", {}), "custom_details": _details(facts)},
    }
    return json.dumps({key: value for key, value in document.items() if value}, ensure_ascii=False)


def _overview(facts: Facts) -> dict[str, Any]:
    package, containers = facts.package, _containers(facts.package)
    return {
        "model_id": package["ModelPackageArn"],
        "model_name": facts.use_case,
        "model_version": package["ModelPackageVersion"],
        "model_artifact": [each["ModelDataUrl"] for each in containers if "ModelDataUrl" in each],
        "inference_environment": {"container_image": [each["Image"] for each in containers]},
    }


def _containers(package: Document) -> Sequence[Document]:
    return list(package.get("InferenceSpecification", {}).get("Containers", []))


def _package(package: Document) -> dict[str, Any]:
    members = {
        "model_package_arn": "ModelPackageArn",
        "model_package_description": "ModelPackageDescription",
        "model_package_status": "ModelPackageStatus",
        "approval_description": "ApprovalDescription",
        "model_approval_status": "ModelApprovalStatus",
        "model_package_group_name": "ModelPackageGroupName",
        "model_package_version": "ModelPackageVersion",
        "domain": "Domain",
        "task": "Task",
    }
    containers = [
        {"image": each["Image"], **({"model_data_url": each["ModelDataUrl"]} if "ModelDataUrl" in each else {})}
        for each in _containers(package)
    ]
    known = {ours: package[theirs] for ours, theirs in members.items() if package.get(theirs)}
    return {**known, "inference_specification": {"containers": containers}}


def _training(facts: Facts) -> dict[str, Any]:
    job = facts.training
    if not job:
        return {}
    channels = [_uri(each) for each in job.get("InputDataConfig", []) if each["ChannelName"] not in _CODE]
    raw = facts.package.get("CustomerMetadataProperties", {}).get("InputDataUrl", "")
    parameters = {
        key: str(value) for key, value in job.get("HyperParameters", {}).items() if not key.startswith(_HIDDEN)
    }
    metrics = [(each["MetricName"], each["Value"]) for each in job.get("FinalMetricDataList", [])]
    details = {
        "training_arn": job["TrainingJobArn"],
        "training_datasets": [each for each in [raw, *channels] if each][:_DATASETS],
        "training_environment": {"container_image": [job["AlgorithmSpecification"]["TrainingImage"]]},
        "training_metrics": [{"name": key, "value": value} for key, value in metrics if math.isfinite(value)][
            :_METRICS
        ],
        "hyper_parameters": [{"name": key, "value": value} for key, value in sorted(parameters.items())][:_PARAMETERS],
    }
    return {**_objective(facts.tuning), "training_job_details": details}


def _uri(channel: Document) -> str:
    return str(channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri", ""))


def _objective(tuning: Document) -> dict[str, Any]:
    config = tuning.get("HyperParameterTuningJobConfig", {})
    objective = config.get("HyperParameterTuningJobObjective")
    if not objective:
        return {}
    metric = str(objective["MetricName"])
    facet = _OBJECTIVES.get(metric.rpartition(":")[2], "Loss")
    counted = sum(tuning.get("TrainingJobStatusCounters", {}).values())
    said = f"The best of {counted} training jobs by {metric}, searched by strategy {config.get('Strategy', 'unknown')}."
    function = {"function": objective["Type"], "facet": facet, "condition": metric[:_NAME]}
    return {"objective_function": {"function": function, "notes": said}}


def _evaluations(facts: Facts) -> Iterator[dict[str, Any]]:
    yield {
        "name": "Held-out records",
        **_job(facts.evaluation_job),
        "metric_groups": list(_groups(facts.evaluation)),
    }
    for when, analysis in facts.bias.items():
        groups = list(_bias(analysis))
        yield {"name": f"Bias {when}"[:_NAME], "metric_groups": groups}
    yield {"name": "Explanation", "metric_groups": list(_explained(facts.explanation))}


def _job(job: Document) -> dict[str, Any]:
    if not job:
        return {}
    inputs = {each["InputName"]: each.get("S3Input", {}).get("S3Uri", "") for each in job.get("ProcessingInputs", [])}
    datasets = [uri for each, uri in inputs.items() if uri and each != "code"][:_EVALUATED]
    return {"evaluation_job_arn": job["ProcessingJobArn"], "datasets": datasets}


def _groups(evaluation: Document) -> Iterator[dict[str, Any]]:
    """A group for each `<problem>_metrics` of an evaluation.json."""
    for key, metrics in evaluation.items():
        if not key.endswith("_metrics") or not isinstance(metrics, Mapping):
            continue
        data = [_number(metric, value) for metric, value in metrics.items() if _is_number(value)]
        data += [_matrix(metric, value) for metric, value in metrics.items() if metric == "confusion_matrix"]
        for metric, ((x, y), label) in _CURVES.items():
            if metric in metrics:
                data.append(_curve(label, metrics[metric][x], metrics[metric][y], x, y))
        yield {"name": _words(key.removesuffix("_metrics"))[:_NAME], "metric_data": data}


def _is_number(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("value"), int | float) and math.isfinite(value["value"])


def _number(metric: str, found: Document) -> dict[str, Any]:
    made: dict[str, Any] = {"name": metric, "type": "number", "value": found["value"]}
    if interval := found.get("confidence_interval"):
        made["notes"] = f"{interval['level']:.0%} interval {interval['lower']:.4g} to {interval['upper']:.4g}"
    elif isinstance(found.get("standard_deviation"), int | float):
        made["notes"] = f"standard error {found['standard_deviation']:.3g}"
    return made


def _matrix(metric: str, found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Of `{actual: {predicted: count}}`."""
    predicted = list(next(iter(found.values())))
    return {
        "name": _words(metric),
        "type": "matrix",
        "value": [[row[each] for each in predicted] for row in found.values()],
        "x_axis_name": [f"predicted {each}" for each in predicted],
        "y_axis_name": [f"is {each}" for each in found],
        "notes": "A row a true class, a column a predicted one.",
    }


def _curve(label: str, x: Sequence[float], y: Sequence[float], x_name: str, y_name: str) -> dict[str, Any]:
    """Thinned evenly, with both ends."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    step = max(1, (len(points) - 1) / (_POINTS - 1))
    kept = sorted({round(number * step) for number in range(_POINTS)} & set(range(len(points))))
    return {
        "name": label,
        "type": "linear_graph",
        "value": [[round(each, 5) for each in points[place]] for place in kept],
        "x_axis_name": _words(x_name).lower(),
        "y_axis_name": _words(y_name).lower(),
    }


def _bias(analysis: Document) -> Iterator[dict[str, Any]]:
    """A group for each value of a facet."""
    for key, measured in analysis.items():
        if not key.endswith("_bias_metrics"):
            continue
        for facet, values in measured["facets"].items():
            for value in values:
                data = [
                    {**_number(each["name"], each), "notes": _described(each)}
                    for each in value["metrics"]
                    if _is_number(each)
                ]
                yield {"name": f"{facet} {value['value_or_threshold']}"[:_NAME], "metric_data": data}


def _described(metric: Document) -> str:
    error = metric.get("standard_deviation")
    said = str(metric.get("description", ""))
    return (f"{said}, standard error {error:.3g}" if isinstance(error, int | float) else said)[:_SHORT]


def _explained(analysis: Document) -> Iterator[dict[str, Any]]:
    """The features that count most, by method and label."""
    for method, labels in analysis.get("explanations", {}).items():
        for label, found in labels.items():
            values = found.get("global_shap_values")
            if not isinstance(values, Mapping):
                continue
            most = sorted(values.items(), key=lambda each: -each[1])[:_FEATURES]
            chart = {
                "name": "mean absolute SHAP values",
                "type": "bar_chart",
                "value": [value for _, value in most],
                "x_axis_name": [feature for feature, _ in most],
                "y_axis_name": "mean of |SHAP value|",
            }
            yield {"name": f"{_words(method)}, {label}"[:_NAME], "metric_data": [chart]}


def _details(facts: Facts) -> dict[str, str]:
    package = facts.package
    metadata = package.get("MetadataProperties", {})
    named = {
        "Commit": metadata.get("CommitId", ""),
        "Pipeline execution": metadata.get("GeneratedBy", ""),
        "Registered": str(package.get("CreationTime", "")),
        "Approval": package.get("ModelApprovalStatus", ""),
        "Approved or rejected because": package.get("ApprovalDescription", ""),
        **package.get("CustomerMetadataProperties", {}),
        **{f"Report: {key}": uri for key, uri in _reports(package.get("ModelMetrics", {}))},
    }
    return {key: str(value)[:_SHORT] for key, value in named.items() if value}


def _reports(metrics: Document) -> Iterator[tuple[str, str]]:
    """URIs of the reports and baselines that the version was registered with."""
    for kind, parts in metrics.items():
        for part, source in parts.items():
            yield f"{kind} {part}", source["S3Uri"]


def _words(key: str) -> str:
    spaced = key.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
