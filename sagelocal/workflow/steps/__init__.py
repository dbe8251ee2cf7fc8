"""What each step type does: one function a type, each safe to call again after a kill.

A function finds what an earlier call of the same attempt has created (by the name or token that was in the store before
the call) instead of creating it twice.
"""

from __future__ import annotations

from collections.abc import Callable

from sagelocal.workflow.steps import (
    callback,
    checks,
    cleanup,
    control,
    endpoints,
    foreach,
    functions,
    jobs,
    lineage,
    models,
    transform,
    tuning,
)
from sagelocal.workflow.steps.attempt import Attempt, Result

RUN: dict[str, Callable[[Attempt], Result]] = {
    "Processing": jobs.run_processing,
    "Training": jobs.run_training,
    "Transform": transform.run_transform,
    "Tuning": tuning.run_tuning,
    "AutoML": jobs.run_automl,
    "Model": models.create_model,
    "RegisterModel": models.register_model,
    "EndpointConfig": endpoints.create_endpoint_config,
    "Endpoint": endpoints.deploy_endpoint,
    "Condition": control.decide,
    "Fail": control.fail,
    "QualityCheck": checks.check_quality,
    "ClarifyCheck": checks.check_with_clarify,
    "Lambda": functions.invoke_function,
    "Callback": callback.wait_for_answer,
    "ForEach": foreach.run_iterations,
    "Lineage": lineage.record,
    "Cleanup": cleanup.delete_outputs,
}
