"""The image sagemaker-clarify-processing: Clarify's job contract, run by this project's own analysis.

It takes an input `analysis_config`, mostly one `dataset`, and one output `analysis_result`, no entrypoint and no
arguments (developer guide, "Configure a Clarify processing job").
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from sagelocal.api.errors import not_implemented, validation

NAME = "clarify"
_LIBRARIES = ("smclarify", "shap")


def script(environment: Mapping[str, str]) -> str:
    """The file in `evaluation/` that a job of this image runs."""
    return "clarify.py"


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError for a CreateProcessingJob request that the image cannot do."""
    inputs = [each["InputName"] for each in request.get("ProcessingInputs") or []]
    if "analysis_config" not in inputs:
        raise validation(
            f"A job of the {NAME} image needs a processing input named analysis_config, and has {', '.join(inputs)}."
        )
    if len((request.get("ProcessingOutputConfig") or {}).get("Outputs") or []) != 1:
        raise validation(f"A job of the {NAME} image has exactly one output, analysis_result.")
    if (request.get("NetworkConfig") or {}).get("EnableNetworkIsolation"):
        raise validation(f"A job of the {NAME} image calls an endpoint, so EnableNetworkIsolation must be false.")
    cluster = request["ProcessingResources"].get("ClusterConfig") or {}
    if cluster.get("InstanceCount", 1) > 1:
        raise not_implemented(f"The {NAME} image on more than one instance (its Spark mode)")
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is None:
            raise validation(
                f"The {NAME} image computes with {library}, which is not installed here: "
                "pip install 'sagemaker-mlops-template[checks]'."
            )
