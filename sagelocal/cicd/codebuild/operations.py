"""CodeBuild's operations: JSON 1.1 with the target CodeBuild_20161006, on sagelocal's port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api import service
from sagelocal.api.refused import Paths

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
SERVICE = "codebuild"
OPERATIONS: dict[str, service.Handler] = {}
REFUSED: dict[str, Paths] = {}


def call(app: SageLocal, operation: str, request: Document) -> Document:
    """Validates, runs and projects one operation. Raises AwsError."""
    return service.call(app, SERVICE, operation, request, OPERATIONS, REFUSED, code="InvalidInputException")
