"""Feature Store's runtime on the wire: REST-JSON, as raw ASGI since a scorer sends a hundred of these a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from botocore.model import ListShape

from sagelocal.api import raw
from sagelocal.api.errors import AwsError, not_implemented
from sagelocal.api.fitness import fits
from sagelocal.api.model import operation_model
from sagelocal.api.validation import validate
from sagelocal.feature_store import runtime

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_MOST = 25 * 2**20  # bytes of a body: more than 25 records of the largest size
_JSON = {"Content-Type": "application/json"}
_GROUP = "/FeatureGroup/"
_BATCHES = {"/BatchGetRecord": "BatchGetRecord", "/BatchWriteRecord": "BatchWriteRecord"}
_OF_GROUP = {"PUT": "PutRecord", "GET": "GetRecord", "DELETE": "DeleteRecord"}
_BELOW = {"/ListRecords": "ListRecords", "/Record": "UpdateRecord"}


def answers(scope: raw.Scope) -> bool:
    """Whether a request is `Wire`'s."""
    path = scope.get("path", "")
    return bool(path.startswith(_GROUP) or path in _BATCHES)


class Wire:
    """An ASGI application for the requests that `answers` tells."""

    def __init__(self, app: SageLocal) -> None:
        self._store = app.feature_store
        self._door = raw.Door(app.settings)
        self._operations = {name: _Operation(name) for name in runtime.OPERATIONS}

    async def __call__(self, scope: raw.Scope, receive: raw.Receive, send: raw.Send) -> None:
        await raw.respond(self._answer(scope, receive), send)

    async def _answer(self, scope: raw.Scope, receive: raw.Receive) -> raw.Answer:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self._door.check(headers)
        name, group = _operation(scope["method"], scope["path"])
        operation = self._operations[name]
        body = await raw.read_body(headers, receive, _MOST)
        request = operation.request(group, scope["query_string"], body)
        try:
            answer = runtime.OPERATIONS[name](self._store, request)
            text = await asyncio.wrap_future(answer) if isinstance(answer, Future) else answer
        except AwsError as error:
            raise operation.error(error) from error
        return 200, _JSON, (text or "").encode()


def _operation(method: str, path: str) -> tuple[str, str]:
    """The operation and the group in the path. Raises AwsError."""
    if method == "POST":
        if path in _BATCHES:
            return _BATCHES[path], ""
        for end, name in _BELOW.items():
            if path.endswith(end):
                return name, path[len(_GROUP) : -len(end)]
    elif method in _OF_GROUP and path.startswith(_GROUP):
        return _OF_GROUP[method], path[len(_GROUP) :]
    raise not_implemented(f"{method} {path}")


class _Operation:
    """How an operation's request is read, from botocore's model."""

    def __init__(self, name: str) -> None:
        model = operation_model(runtime.SERVICE, name)
        shape = model.input_shape
        assert shape is not None
        self._name = name
        self._errors = {each.name for each in model.error_shapes}
        self._fits: Callable[[Any], bool] = fits(shape)
        places = {member: each.serialization.get("location") for member, each in shape.members.items()}
        self._query = {
            str(shape.members[member].serialization["name"]): (member, isinstance(shape.members[member], ListShape))
            for member, place in places.items()
            if place == "querystring"
        }
        self._elsewhere = frozenset(member for member, place in places.items() if place)
        self._in_path = "uri" in places.values()

    def request(self, group: str, query: bytes, body: bytes) -> Document:
        """A valid request. Raises AwsError."""
        found: Document = _parsed(body) if body else {}
        if self._elsewhere & found.keys():
            raise AwsError("SerializationException", f"{self._name}'s body has members that belong elsewhere.")
        if self._query and query:
            for name, values in parse_qs(query.decode("latin-1"), keep_blank_values=True).items():
                member, many = self._query.get(name, (name, False))
                found[member] = values if many else values[-1]
        if self._in_path:
            found["FeatureGroupName"] = group
        if not self._fits(found):
            validate(runtime.SERVICE, self._name, found, code="ValidationError")
        return found

    def error(self, error: AwsError) -> AwsError:
        """Of a group that is missing, PutRecord and DeleteRecord know no error but ValidationError."""
        if error.code != "ResourceNotFound" or error.code in self._errors:
            return error
        return AwsError("ValidationError", error.message)


def _parsed(body: bytes) -> Document:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter: brackets nested a thousand deep
        raise AwsError("SerializationException", f"The request body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    if b"\\u" in body or not body.isascii():
        _check_texts(found)
    return found


def _check_texts(found: Document) -> None:
    """JSON can write half of a surrogate pair, which is no text: neither SQLite nor Parquet takes one."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise AwsError("SerializationException", f"The request body has a text that is not Unicode: {error}") from error
