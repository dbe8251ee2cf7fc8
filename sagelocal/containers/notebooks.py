"""Notebook jobs: the SDK's NotebookJobStep starts a training job with AWS's own driver as its command.

The driver is public (PyPI: sagemaker-headless-execution-driver) and runs unmodified: it executes the notebook of the
input channel with papermill, the job's hyperparameters as its parameters, and leaves the executed notebook, what
SM_OUTPUT_FORMATS asks for and its log in /opt/ml/output/data. Kernels are those of this laptop's Python.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from sagelocal.api.errors import validation

COMMAND = "amazon_sagemaker_scheduler"
_MODULES = ("sagemaker_headless_execution_driver", "ipykernel")


def check(entrypoint: Sequence[str]) -> None:
    """Raises AwsError naming the extra to install, for a notebook job where the driver is missing."""
    if list(entrypoint[:1]) == [COMMAND] and not all(importlib.util.find_spec(name) for name in _MODULES):
        raise validation(
            f"The command {COMMAND} runs notebook jobs, and its driver is not installed here: "
            "pip install 'sagemaker-mlops-template[notebooks]'."
        )
