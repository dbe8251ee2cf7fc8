"""The image sagemaker-model-monitor-analyzer: Model Monitor's container contract, run by this project's own analyses.

What it reads are environment variables (developer guide, "Container contract inputs"); AWS's image is Spark with Deequ,
whose thresholds and files the scripts follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagelocal.api.errors import not_implemented, validation

NAME = "model-monitor"
REQUIRED = ("dataset_format", "dataset_source", "output_path")
_REFUSED = ("record_preprocessor_script", "post_analytics_processor_script")
_SCRIPTS = {"": "data_quality.py", "DATA_QUALITY": "data_quality.py", "MODEL_QUALITY": "model_quality.py"}
_PROBLEMS = ("Regression", "BinaryClassification", "MulticlassClassification")


def script(environment: Mapping[str, str]) -> str:
    """The file in `evaluation/` that a job of this image runs."""
    return _SCRIPTS[environment.get("analysis_type", "")]


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError for a CreateProcessingJob request that the image cannot do."""
    environment = request.get("Environment") or {}
    for name in REQUIRED:
        if not environment.get(name):
            raise validation(f"The {NAME} image needs the environment variable {name} (and {', '.join(REQUIRED)}).")
    for name in _REFUSED:
        if environment.get(name):
            raise not_implemented(f"The environment variable {name} of the {NAME} image")
    kind = environment.get("analysis_type", "")
    if kind not in _SCRIPTS:
        raise validation(f"analysis_type is {kind}: the {NAME} image knows {', '.join(filter(None, _SCRIPTS))}.")
    if kind == "MODEL_QUALITY" and environment.get("problem_type") not in _PROBLEMS:
        raise validation(
            f"problem_type is {environment.get('problem_type')}: it must be one of {', '.join(_PROBLEMS)}."
        )
