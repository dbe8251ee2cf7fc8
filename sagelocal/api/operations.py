"""Every operation that sagelocal answers. The list of parts below is the architecture."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sagelocal.api import generic
from sagelocal.api.errors import AwsError, not_implemented
from sagelocal.api.model import operation_model, operation_names
from sagelocal.api.projection import project
from sagelocal.api.refused import Paths, refuse
from sagelocal.api.validation import validate

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


@functools.cache
def handlers() -> dict[str, generic.Handler]:
    """Operation name -> behaviour; a part's own behaviour wins over the generic one."""
    from sagelocal import registry
    from sagelocal.endpoints import operations as endpoints
    from sagelocal.experiments import operations as experiments
    from sagelocal.feature_store import operations as feature_store
    from sagelocal.jobs import processing, training, transform
    from sagelocal.jobs.automl import operations as automl
    from sagelocal.jobs.tuning import operations as tuning
    from sagelocal.lineage import operations as lineage
    from sagelocal.model_cards import operations as model_cards
    from sagelocal.monitoring import operations as monitoring
    from sagelocal.search import operations as search
    from sagelocal.workflow import operations as workflow
    from sagelocal.workflow.steps import callback

    return {
        **generic.handlers(),
        **processing.OPERATIONS,
        **training.OPERATIONS,
        **tuning.OPERATIONS,
        **automl.OPERATIONS,
        **transform.OPERATIONS,
        **workflow.OPERATIONS,
        **callback.OPERATIONS,
        **registry.OPERATIONS,
        **endpoints.OPERATIONS,
        **experiments.OPERATIONS,
        **feature_store.OPERATIONS,
        **lineage.OPERATIONS,
        **model_cards.OPERATIONS,
        **monitoring.OPERATIONS,
        **search.OPERATIONS,
    }


@functools.cache
def refused() -> dict[str, Paths]:
    """Operation name -> the members of its request that sagelocal refuses."""
    from sagelocal import registry
    from sagelocal.endpoints import operations as endpoints
    from sagelocal.feature_store import operations as feature_store
    from sagelocal.jobs import processing, training
    from sagelocal.jobs.automl import operations as automl
    from sagelocal.jobs.tuning import operations as tuning
    from sagelocal.monitoring import operations as monitoring
    from sagelocal.search import operations as search
    from sagelocal.workflow import operations as workflow

    return {
        **processing.REFUSED,
        **training.REFUSED,
        **tuning.REFUSED,
        **automl.REFUSED,
        **workflow.REFUSED,
        **registry.REFUSED,
        **endpoints.REFUSED,
        **feature_store.REFUSED,
        **monitoring.REFUSED,
        **search.REFUSED,
    }


def call(app: SageLocal, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Validates, runs and projects one SageMaker operation. Raises AwsError."""
    if operation not in operation_names("sagemaker"):
        raise AwsError("UnknownOperationException", f"SageMaker has no operation {operation}.", 404)
    handler = handlers().get(operation)
    if handler is None:
        raise not_implemented(f"The operation {operation}")
    validate("sagemaker", operation, request)
    refuse(request, refused().get(operation, {}))
    answer = handler(app, request)
    return project(operation_model("sagemaker", operation).output_shape, answer)


def call_metrics(app: SageLocal, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """The same of SageMaker Metrics, a service of its own: BatchPutMetrics and BatchGetMetrics."""
    from sagelocal.experiments import metrics

    validate("sagemaker-metrics", operation, request)
    answer = metrics.OPERATIONS[operation](app, request)
    return project(operation_model("sagemaker-metrics", operation).output_shape, answer)
