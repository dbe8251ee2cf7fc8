"""Describe, List, Delete and tags, for every row of the resource table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_names
from sagelocal.api.resources import RESOURCES, Resource

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Handler = Callable[["SageLocal", dict[str, Any]], dict[str, Any]]


def handlers() -> dict[str, Handler]:
    """Operation name -> handler, for those that the API has: a transform job can't be deleted."""
    made: dict[str, Handler] = {"AddTags": add_tags, "ListTags": list_tags, "DeleteTags": delete_tags}
    for resource in RESOURCES.values():
        made[f"Describe{resource.kind}"] = _describe(resource)
        made[f"List{resource.kind}s"] = _list(resource)
        made[f"Delete{resource.kind}"] = _delete(resource)
    return {operation: handler for operation, handler in made.items() if operation in operation_names("sagemaker")}


def _describe(resource: Resource) -> Handler:
    return lambda app, request: app.find(resource.kind, request[resource.name_field])


def _list(resource: Resource) -> Handler:
    return lambda app, request: listing.stored(app.store, resource, request)


def _delete(resource: Resource) -> Handler:
    def run(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
        document = app.find(resource.kind, request[resource.name_field])
        app.store.delete(resource.kind, document["_name"])
        return {}

    return run


def add_tags(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    arn = _known(app, request)
    app.store.set_tags(arn, {tag["Key"]: tag["Value"] for tag in request["Tags"]})
    return {"Tags": _tags(app, arn)}


def list_tags(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    return listing.page(request, _tags(app, _known(app, request)), "Tags", default=50)


def delete_tags(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    app.store.drop_tags(_known(app, request), request["TagKeys"])
    return {}


def _tags(app: SageLocal, arn: str) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in app.store.tags(arn).items()]


def _known(app: SageLocal, request: dict[str, Any]) -> str:
    arn = str(request["ResourceArn"])
    if app.store.by_arn(arn) is None:
        raise AwsError("ResourceNotFound", f"There is no resource {arn}, so it has no tags.")
    return arn
