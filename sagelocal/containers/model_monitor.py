"""The images of Model Monitor: its container contract, run by this project's own analyses.

What they read are environment variables (developer guide, "Container contract inputs"); AWS's image is Spark with
Deequ, whose thresholds and files the scripts follow. A merge job runs `sagemaker-model-monitor-groundtruth-merger`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagelocal.api.errors import not_implemented, validation

NAME = "model-monitor"
MERGER = "sagemaker-model-monitor-groundtruth-merger"
REQUIRED = ("dataset_format", "dataset_source", "output_path")
_MERGES = ("dataset_source", "ground_truth_source", "output_path")
_SCRIPTS = {"": "data_quality.py", "DATA_QUALITY": "data_quality.py", "MODEL_QUALITY": "model_quality.py"}
_PROBLEMS = ("Regression", "BinaryClassification", "MulticlassClassification")


def script(environment: Mapping[str, str]) -> str:
    """The file in `evaluation/` that a job of this image runs; `merge` is the merge job."""
    if environment.get("ground_truth_source"):
        return "merge"
    return _SCRIPTS[environment.get("analysis_type", "")]


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError for a CreateProcessingJob request that the image cannot do."""
    environment = request.get("Environment") or {}
    merges = f"/{MERGER}" in request["AppSpecification"]["ImageUri"]
    for name in _MERGES if merges else REQUIRED:
        if not environment.get(name):
            required = ", ".join(_MERGES if merges else REQUIRED)
            raise validation(f"The {NAME} image needs the environment variable {name} (and {required}).")
    if merges:
        return
    if environment.get("ground_truth_source"):
        raise validation(f"ground_truth_source is for the image {MERGER}.")
    if environment.get("record_preprocessor_script") and not _captured(environment["dataset_format"]):
        raise not_implemented(
            f"The environment variable record_preprocessor_script of the {NAME} image for a table",
            "AWS documents what it gets of captured records only: preprocess a baseline's dataset beforehand.",
        )
    kind = environment.get("analysis_type", "")
    if kind not in _SCRIPTS:
        raise validation(f"analysis_type is {kind}: the {NAME} image knows {', '.join(filter(None, _SCRIPTS))}.")
    if kind == "MODEL_QUALITY" and environment.get("problem_type") not in _PROBLEMS:
        raise validation(
            f"problem_type is {environment.get('problem_type')}: it must be one of {', '.join(_PROBLEMS)}."
        )


def _captured(dataset_format: str) -> bool:
    try:
        return next(iter(json.loads(dataset_format))) in ("sagemakerCaptureJson", "sagemakerMergeJson")
    except (ValueError, TypeError, StopIteration):
        return False
