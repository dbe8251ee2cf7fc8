"""botocore's service models: the specification that requests and responses are held to."""

from __future__ import annotations

import functools

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from sagelocal.api import additions


@functools.cache
def service_model(service: str) -> ServiceModel:
    """The model that boto3 itself uses for `service`, for example "sagemaker"."""
    model = Loader().load_service_model(service, "service-2")
    return ServiceModel(additions.complete(model) if service == "sagemaker" else model, service)


@functools.cache
def operation_names(service: str) -> frozenset[str]:
    return frozenset(service_model(service).operation_names)


@functools.cache
def operation_model(service: str, operation: str) -> OperationModel:
    return service_model(service).operation_model(operation)
