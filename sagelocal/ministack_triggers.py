"""What makes EventBridge's rules and schedules start pipelines: runs inside MiniStack's process.

MiniStack 1.5 takes a pipeline's ARN as a target and then only warns that it knows no such target. It also forgets which
schedules have fired when it stops, so that a one-time schedule would fire again at every start; reads all times as UTC;
and lets the first firing of a rate wait for one interval, where EventBridge Scheduler starts at StartDate or at once.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sagelocal.workflow.expressions import ExpressionError, look_up, parse_path, text

log = logging.getLogger(__name__)
Document = dict[str, Any]
Start = Callable[[str, list[dict[str, str]], str], None]  # pipeline ARN, parameters, token
_FIRED = "sagelocal_fired"  # when each schedule fired last, beside MiniStack's own state files
_TICK_SECONDS = 1.0
_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # before each attempt to reach sagelocal, which may be starting
_REQUEST_SECONDS = 30.0
_PRECISION = 60.0  # seconds, EventBridge Scheduler's
_saving = threading.Lock()


def install(start: Start, time_scale: float = 1.0) -> None:
    """Has pipelines started by rules and schedules, and schedules fired as EventBridge Scheduler does.

    The time scale makes the wait for a one-time schedule shorter; a calendar's and a rate's moments stay what they are.
    """
    from ministack.services import eventbridge, scheduler

    _start_pipelines(eventbridge, start)
    fired = _Fired()
    eventbridge._rule_last_fired.update(fired.of("rules"))
    tick_rules = eventbridge._tick_scheduled_rules

    def tick_scheduled_rules() -> None:
        tick_rules()
        fired.keep("rules", eventbridge._rule_last_fired)

    eventbridge._tick_scheduled_rules = tick_scheduled_rules
    eventbridge._SCHEDULER_TICK_INTERVAL = _TICK_SECONDS
    scheduler._tick_schedules = lambda: _tick_schedules(fired, time_scale)
    scheduler._SCHEDULE_TICK_INTERVAL = _TICK_SECONDS


def save(service: str) -> None:
    """Writes what MiniStack holds of a service to its state folder, from where its next start takes it."""
    from ministack.core import persistence
    from ministack.services import eventbridge, scheduler

    with _saving:
        persistence.save_state(service, {"eventbridge": eventbridge, "scheduler": scheduler}[service].get_state())


def saved_service(service: str, method: str, target: str) -> str:
    """The state that a request may have changed, "" for none. `target` is the X-Amz-Target header."""
    if service == "scheduler" and method != "GET":
        return "scheduler"
    operation = target.rpartition(".")[2]
    changing = operation.startswith(
        ("Put", "Delete", "Remove", "Enable", "Disable", "Create", "Update", "Tag", "Untag")
    )
    return "eventbridge" if service == "events" and changing and operation != "PutEvents" else ""


# Targets.


def _start_pipelines(eventbridge: Any, start: Start) -> None:
    invoke = eventbridge._invoke_target

    def invoke_target(target: Document, event: Document, rule: Document, view: Any = None) -> None:
        arn = str(target.get("Arn", ""))
        if not (arn.startswith("arn:aws:sagemaker:") and ":pipeline/" in arn):
            invoke(target, event, rule, view)
            return
        whole = (view or eventbridge._pattern_event_view(event)).event_with_detail()
        try:
            parameters = pipeline_parameters(target, whole)
        except ExpressionError as error:
            log.error("%s does not start %s: %s", rule.get("Arn"), arn, error)
            return
        # The same event to the same target starts one execution, however often it is delivered.
        identity = "\n".join([str(event["EventId"]), str(rule.get("Arn")), str(target.get("Id", "")), arn])
        token = hashlib.sha256(identity.encode()).hexdigest()
        threading.Thread(target=start, args=(arn, parameters, token), name="start-pipeline", daemon=True).start()

    eventbridge._invoke_target = invoke_target


def pipeline_parameters(target: Mapping[str, Any], event: Mapping[str, Any]) -> list[dict[str, str]]:
    """A target's SageMakerPipelineParameters, with what JSON paths (`$.detail.key`) find in the event.

    Raises ExpressionError for a path that finds nothing.
    """
    given = (target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList") or []
    return [{"Name": one["Name"], "Value": _value(one["Value"], event)} for one in given]


def _value(value: str, event: Mapping[str, Any]) -> str:
    if not value.startswith("$."):
        return value
    found = look_up(event, parse_path(value[2:]), value, "the event")
    return json.dumps(found) if isinstance(found, dict | list) else "" if found is None else text(found)


def starter(port: int, access_key: str) -> Start:
    """Starts pipelines by sagelocal's API on `port`; tries again while it isn't there."""

    def start(arn: str, parameters: list[dict[str, str]], token: str) -> None:
        request = {"PipelineName": arn, "PipelineParameters": parameters, "ClientRequestToken": token}
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                refusal = post(port, access_key, "StartPipelineExecution", request)
            except (OSError, http.client.HTTPException) as error:
                refusal = str(error)
                continue
            break
        if refusal:
            log.error("a rule or schedule could not start %s: %s", arn, refusal)

    return start


def post(port: int, access_key: str, operation: str, request: Document) -> str:
    """What sagelocal says against a call of an operation. Raises OSError when it is not there or fails."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"SageMaker.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/-/sagemaker/aws4_request",
    }
    try:
        connection.request("POST", "/", json.dumps(request), headers)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        if answer.status >= 500:
            raise OSError(f"{answer.status} {body[:500]}")
        return "" if answer.status == 200 else body[:500]
    finally:
        connection.close()


# Schedules.


class _Fired:
    """When rules and schedules fired last, kept on disk. Keys are (account, region, name)."""

    def __init__(self) -> None:
        from ministack.core import persistence

        self._all: dict[str, dict[str, Any]] = persistence.load_state(_FIRED) or {}
        self._lock = threading.Lock()

    def of(self, kind: str) -> dict[tuple[str, ...], Any]:
        return {tuple(key.split("\n")): value for key, value in self._all.get(kind, {}).items()}

    def keep(self, kind: str, fired: Mapping[tuple[str, ...], Any]) -> None:
        from ministack.core import persistence

        with self._lock:
            now = {"\n".join(key): value for key, value in fired.items()}
            if now != self._all.get(kind, {}):
                self._all[kind] = now
                persistence.save_state(_FIRED, self._all)


def _tick_schedules(fired: _Fired, time_scale: float = 1.0) -> None:
    """Fires every schedule that is due. What was due while nothing ran fires once."""
    from ministack.services import scheduler

    now, last = time.time(), fired.of("schedules")
    known = scheduler._schedules._data
    for key, schedule in list(known.items()):
        mark = last.get(key) or {}
        before = mark["at"] if mark.get("of") == schedule["LastModificationDate"] else None
        try:
            moment = due(schedule, before, now, time_scale)
        except Exception as error:  # a time zone or a date that there is not; one schedule must not hold up the others
            log.error("schedule %s never fires: %s", schedule["Arn"], error)
            moment = None
            schedule["State"] = "DISABLED"
        if moment is not None:
            _fire(key, schedule, moment)
            last[key] = {"at": now, "of": schedule["LastModificationDate"]}
        if schedule.get("ActionAfterCompletion") == "DELETE" and _is_complete(schedule, moment, now):
            known.pop(key, None)
            save("scheduler")
    fired.keep("schedules", {key: mark for key, mark in last.items() if key in known})


def _fire(key: tuple[str, str, str], schedule: Document, moment: float) -> None:
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import eventbridge

    set_request_account_id(key[0])
    set_request_region(key[1])
    # The same occurrence has the same id, so that one that is fired again after a kill starts no second execution.
    identity = f"{schedule['Arn']} {schedule['LastModificationDate']} {moment}"
    event = {
        "EventId": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": moment,
        "Resources": [schedule["Arn"]],
        "Account": key[0],
        "Region": key[1],
    }
    try:
        eventbridge._invoke_target(_with_context(schedule["Target"], schedule, event), event, schedule)
    except Exception:
        log.exception("schedule %s", schedule["Arn"])


def _with_context(target: Document, schedule: Document, event: Document) -> Document:
    """EventBridge Scheduler's context attributes in a target's input and parameters."""
    written = json.dumps(target)
    attributes = {
        "schedule-arn": schedule["Arn"],
        "scheduled-time": datetime.fromtimestamp(event["Time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": event["EventId"],
        "attempt-number": "1",
    }
    for name, value in attributes.items():
        written = written.replace(f"<aws.scheduler.{name}>", value)
    return dict(json.loads(written))


def due(schedule: Mapping[str, Any], last: float | None, now: float, time_scale: float = 1.0) -> float | None:
    """The moment (epoch seconds) for which a schedule is to fire now, None when it is not.

    `last` is when it fired last since it was made or changed. A rate begins at StartDate or, without one, at once; a
    one-time schedule knows no StartDate (EventBridge Scheduler's guide, schedule types).
    """
    from ministack.services import eventbridge, scheduler

    expression = schedule["ScheduleExpression"].strip()
    made = schedule["LastModificationDate"]
    start, end = scheduler._to_epoch(schedule.get("StartDate")), scheduler._to_epoch(schedule.get("EndDate"))
    if schedule.get("State") != "ENABLED":
        return None
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    if expression.startswith("at("):
        moment = datetime.fromisoformat(expression[3:-1].strip()).replace(tzinfo=zone).timestamp()
        waited = (now - made) * time_scale
        return moment if last is None and waited >= moment - made else None
    if end is not None and now > end:
        return None
    if interval := eventbridge._parse_rate_seconds(expression):
        begin = made if start is None else start
        steps = (now - begin) // interval
        moment = begin + steps * interval
        return moment if steps >= 0 and moment > (made - _PRECISION if last is None else last) else None
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        return None
    after = max(made, (start or 0) - 0.001) if last is None else last
    # MiniStack walks a calendar without zones, so it is given the zone's own clock.
    local = datetime.fromtimestamp(after, zone).replace(tzinfo=UTC)
    found = eventbridge._cron_next_fire(fields, local)
    if found is None:
        return None
    moment = found.replace(tzinfo=zone).timestamp()
    return moment if moment <= now else None


def _is_complete(schedule: Mapping[str, Any], moment: float | None, now: float) -> bool:
    from ministack.services import scheduler

    if schedule["ScheduleExpression"].startswith("at("):
        return moment is not None
    end = scheduler._to_epoch(schedule.get("EndDate"))
    return end is not None and now > end
