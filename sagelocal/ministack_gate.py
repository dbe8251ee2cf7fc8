"""The ASGI middleware in front of MiniStack, and every private call into MiniStack that sagelocal relies on.

`tests/sagelocal/test_ministack.py` guards each of those calls: MiniStack is pinned, and an upgrade has to pass it.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
import threading
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sagelocal import ministack_triggers
from sagelocal.api import guard
from sagelocal.api.errors import AwsError
from sagelocal.config import PRINCIPAL, SESSION

log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_HEADER = "x-sagelocal-token"
HEALTH = "/_sagelocal/health"
EVENTS = "/_sagelocal/events"
_OWN = "/_sagelocal/"
_ADMIN = ("/_ministack", "/_localstack", "/health")
_BUCKET = re.compile(r"/([a-z0-9][a-z0-9.-]{2,62})/?")
_SSE = "x-amz-server-side-encryption"
_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/aws4_request")
_ATTEMPTS = (0.0, 1.0, 2.0)  # seconds before each attempt at an event's Lambda target; AWS waits minutes
_MARKER = ".ministack-keys"  # MiniStack's own folder for keys that are no file names; it holds no object by itself


@dataclass(frozen=True)
class Orders:
    """What the child process is told at its start; `s3` is the folder of the persisted objects."""

    port: int
    sagemaker_port: int
    access_key: str
    secret_key: str
    token: str
    account: str
    role_arn: str
    s3: str
    lock: str
    time_scale: float = 1.0


class Gate:
    """Lets through who holds the key and speaks from this machine's own programs; closes MiniStack's admin paths."""

    def __init__(self, app: Asgi, orders: Orders) -> None:
        self._app = app
        self._orders = orders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        try:
            guard.check_origin(headers, self._orders.port)
            if scope["path"].startswith(_OWN) and scope["type"] == "http":
                await self._own(scope, headers, receive, send)
                return
            self._check(scope, headers)
            _name_key(scope, headers)
        except AwsError as error:
            await _refuse(scope, headers, error, send)
            return
        await self._app(scope, receive, _keep_triggers(scope, headers, self._keep_bucket(scope, send)))

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        from ministack.core.router import extract_access_key_id

        if scope["path"].startswith(_ADMIN):
            raise AwsError("AccessDenied", f"MiniStack's own path {scope['path']} is closed.", 403)
        key = extract_access_key_id(headers, _query(scope))
        if not key:
            raise AwsError("AccessDenied", 'The request is not signed: run eval "$(mlops env)" in this shell.', 403)
        if not hmac.compare_digest(key.encode(), self._orders.access_key.encode()):
            raise AwsError("AccessDenied", guard.foreign(key), 403)

    async def _own(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._orders.token.encode()):
            raise AwsError("AccessDenied", f"{scope['path']} is sagelocal's own.", 403)
        refused: list[str] = []
        if scope["path"] == EVENTS and scope["method"] == "POST":
            refused = [each["id"] for each in json.loads(await _body(receive)) if not taken(each)]
        elif scope["path"] != HEALTH:
            raise AwsError("AccessDenied", f"There is no {scope['path']}.", 403)
        await _answer(send, 200, {"Content-Type": "application/json"}, json.dumps({"refused": refused}).encode())

    def _keep_bucket(self, scope: Scope, send: Send) -> Send:
        """MiniStack forgets an empty bucket when it is killed: it takes an empty folder for a leftover at its start."""
        bucket = _BUCKET.fullmatch(scope["path"])
        if scope.get("method") != "PUT" or bucket is None or scope.get("query_string"):
            return send

        marker = Path(self._orders.s3) / self._orders.account / bucket[1] / _MARKER

        async def keep(message: MutableMapping[str, Any]) -> None:
            if message.get("status") == 200:
                marker.mkdir(parents=True, exist_ok=True)
            await send(message)

        return keep


def _name_key(scope: Scope, headers: dict[str, str]) -> None:
    """S3 encrypts by aws:kms without a key id with its own key (SDK v2 uploads so); MiniStack wants one named."""
    if headers.get(_SSE) == "aws:kms" and f"{_SSE}-aws-kms-key-id" not in headers:
        scope["headers"] = [*scope["headers"], (f"{_SSE}-aws-kms-key-id".encode(), b"alias/aws/s3")]


def _keep_triggers(scope: Scope, headers: dict[str, str], send: Send) -> Send:
    """Rules and schedules are on disk before their call is answered; MiniStack saves only when it stops cleanly."""
    service = _credential_service(headers)
    if service not in ("events", "scheduler"):
        return send
    saved = ministack_triggers.saved_service(service, scope.get("method", ""), headers.get("x-amz-target", ""))

    async def keep(message: MutableMapping[str, Any]) -> None:
        if saved and message.get("status") == 200:
            ministack_triggers.save(saved)
        await send(message)

    return keep


def _credential_service(headers: dict[str, str]) -> str:
    found = _SCOPE.search(headers.get("authorization", ""))
    return found[1] if found else ""


def taken(envelope: dict[str, Any]) -> bool:
    """Whether MiniStack took an event: one on which its matching or a rule's transformer breaks holds back no other."""
    try:
        publish(envelope)
    except Exception:
        traceback.print_exc()
        return False
    return True


def publish(envelope: dict[str, Any]) -> None:
    """Puts one EventBridge envelope through MiniStack's rule matching, target dispatch and archives.

    PutEvents refuses sources that begin with `aws.`, as AWS does, and gives every event a new id; a repeated delivery
    must keep the first one's id.
    """
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import eventbridge

    set_request_account_id(envelope["account"])
    set_request_region(envelope["region"])
    record = {
        "EventId": envelope["id"],
        "Source": envelope["source"],
        "DetailType": envelope["detail-type"],
        "Detail": json.dumps(envelope["detail"]),
        "EventBusName": "default",
        "Time": int(datetime.fromisoformat(envelope["time"]).timestamp()),
        "Resources": envelope["resources"],
        "Account": envelope["account"],
        "Region": envelope["region"],
    }
    view = eventbridge._pattern_event_view(record)
    eventbridge._dispatch_event(record, view)
    eventbridge._archive_event(record, view)


def give_lambda_the_key(orders: Orders) -> None:
    """A function's process gets a key that this gate and sagelocal accept; MiniStack's own would be the account id."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        # An empty session token counts as none; leaving it out would let one of the function's own environment through.
        return {
            "AWS_ACCESS_KEY_ID": orders.access_key,
            "AWS_SECRET_ACCESS_KEY": orders.secret_key,
            "AWS_SESSION_TOKEN": "",
        }

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def know_the_key_as_the_role(orders: Orders) -> None:
    """Whoever holds the key acts as the role that jobs run under, as in Studio.

    The SDKs' `get_execution_role` then finds it. MiniStack takes the key for the account's root user, which that
    function refuses.
    """
    from ministack.core import iam_evaluator

    known = iam_evaluator.resolve_caller_identity
    role = orders.role_arn.rsplit("/", 1)[1]
    caller = {
        "accessKey": orders.access_key,
        "accountId": orders.account,
        "userArn": f"arn:aws:sts::{orders.account}:assumed-role/{role}/{SESSION}",
        "userId": f"{PRINCIPAL}:{SESSION}",
        "principalOrgId": None,
        "session": None,
    }

    def identity(access_key: str) -> dict[str, Any] | None:
        return dict(caller) if access_key == orders.access_key else known(access_key)

    iam_evaluator.resolve_caller_identity = identity


def let_logs_be_filtered_by_prefix() -> None:
    """FilterLogEvents takes `logStreamNamePrefix`, which MiniStack ignores: `aws logs tail` of one job showed all."""
    from ministack.services import cloudwatch_logs as logs

    everything = logs._filter_log_events

    def filtered(data: dict[str, Any]) -> Any:
        group = logs._log_groups.get(logs._resolve_log_group_name(data))
        if not data.get("logStreamNamePrefix") or data.get("logStreamNames") or not group:
            return everything(data)
        names = [name for name in list(group["streams"]) if name.startswith(data["logStreamNamePrefix"])]
        # No stream at all must not become all streams, which is what an empty list means there.
        return everything({**data, "logStreamNames": names or [""]})

    logs._filter_log_events = filtered


def let_athena_write_below_a_location() -> None:
    """A query's result lies where its execution says: below the OutputLocation, with or without a slash at its end.

    MiniStack puts the file's name right behind what it was given, and then the file into a folder of that name; who
    reads the result as awswrangler does, found nothing.
    """
    from ministack.services import athena

    start, save = athena._start_query_execution, athena._save_query_results

    def started(data: dict[str, Any]) -> Any:
        given = data.get("ResultConfiguration") or {}
        if location := given.get("OutputLocation"):
            data = {**data, "ResultConfiguration": {**given, "OutputLocation": location.rstrip("/") + "/"}}
        return start(data)

    async def saved(query_id: str) -> Any:
        execution = athena._executions.get(query_id)
        told = execution["ResultConfiguration"]
        folder = told["OutputLocation"].rpartition("/")[0] + "/"
        execution["ResultConfiguration"] = {**told, "OutputLocation": folder}
        try:
            return await save(query_id)
        finally:
            execution["ResultConfiguration"] = told

    athena._start_query_execution, athena._save_query_results = started, saved


def let_lambda_targets_take_turns() -> None:
    """An event's Lambda target waits for a free core, and one that fails is tried twice more, as on AWS.

    MiniStack starts them all at once and tries each once: of the dozen events of one small execution, most then found
    their function timed out in a cold start.
    """
    from ministack.services import eventbridge, lambda_svc

    cores = threading.BoundedSemaphore(os.cpu_count() or 1)

    def attempt(function: dict[str, Any], event: Any) -> None:
        for pause in _ATTEMPTS:
            time.sleep(pause)
            with cores:
                result = lambda_svc._execute_function_with_config_scope(function, event)
            if not result.get("error"):
                return
        log.warning("the event target %s failed: %s", function["config"].get("FunctionName"), result.get("body"))

    def dispatch(arn: str, payload: str) -> None:
        function, settings, name = lambda_svc._get_func_record_for_ref(arn)
        if not function or not settings:
            log.warning("an event's target, the function %s, does not exist", name)
            return
        record = lambda_svc._execution_record_for_config(function, settings)
        threading.Thread(target=attempt, args=(record, json.loads(payload)), daemon=True).start()

    eventbridge._dispatch_to_lambda = dispatch


async def _refuse(scope: Scope, headers: dict[str, str], error: AwsError, send: Send) -> None:
    """403 in the protocol of the service that was asked, so that every SDK reads code and message."""
    from ministack.core.iam_actions import access_denied_response
    from ministack.core.router import detect_service

    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    service = detect_service(scope["method"], scope["path"], headers, _query(scope))
    status, answer_headers, body = access_denied_response(
        service, "", "", str(uuid.uuid4()), error_code="AccessDenied", message=error.message, headers=headers
    )
    await _answer(send, status, answer_headers, b"" if scope["method"] == "HEAD" else body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _headers(scope: Scope) -> dict[str, str]:
    """Lower-case names; repeated ones joined as MiniStack joins them, so that both see the same key."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
