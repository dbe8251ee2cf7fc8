"""CloudWatch alarms as AWS evaluates them: runs inside MiniStack's process.

MiniStack 1.5 evaluates an alarm over all metrics of its name, whatever their dimensions; looks at one window instead of
EvaluationPeriods; leaves an alarm in its state when values stop; knows no metric math; and forgets alarms and
dashboards when it is killed. It keeps each value by itself for two weeks, and reads all of them at each request.

Here an alarm is evaluated every two seconds over periods that end now, where AWS waits for whole minutes: what breaches
is seen within seconds.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sagelocal import metric_math, ministack_alarm_events

log = logging.getLogger(__name__)
Document = dict[str, Any]
_SAVED = "sagelocal_alarms"  # beside MiniStack's own state files
_KEPT = ("alarms", "composite_alarms", "composite_triggers", "dashboards", "resource_tags")
_TICK_SECONDS = 2.0
_HOLD_SECONDS = 60.0  # that SetAlarmState lasts at most; on AWS until the next evaluation
_MORE = 2  # periods beyond EvaluationPeriods in which values are looked for when some are missing
_TIDY_SECONDS = 60.0
_TWO_WEEKS = 14 * 24 * 3600.0
# (older than, resolution) in seconds; AWS keeps values below a minute for 3 hours, minutes for 15 days
_RESOLUTIONS = ((3 * 3600.0, 300.0), (300.0, 60.0))
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_held: dict[str, float] = {}  # alarm's ARN -> until when (epoch s) its state is as it was set


def install(publish: ministack_alarm_events.Publish) -> asyncio.Task[None]:
    """Has alarms evaluated, kept on disk and their changes published, and metrics thinned out. The caller keeps the
    task, in MiniStack's loop.
    """
    from ministack.core import persistence
    from ministack.services import cloudwatch

    cloudwatch._evaluate_alarm = functools.partial(evaluate, cloudwatch)
    cloudwatch._put_metric_alarm = _with_metrics(cloudwatch, cloudwatch._put_metric_alarm)
    cloudwatch._get_metric_data = _with_expressions(cloudwatch, cloudwatch._get_metric_data)
    cloudwatch._set_alarm_state = _holding(cloudwatch._set_alarm_state)
    cloudwatch._evict_old_metrics = _Tidying(cloudwatch)
    ministack_alarm_events.install(cloudwatch, publish)
    _keep_on_disk(cloudwatch, persistence)
    return asyncio.create_task(_tick(cloudwatch))


# Evaluation.


def evaluate(cloudwatch: Any, alarm: Document) -> None:
    """Sets the alarm's state by what its metric was, and runs the actions of a change."""
    unfinished = not alarm.get("MetricName") and not alarm.get("Metrics")  # MiniStack's own call, before they are added
    if unfinished or _held.get(alarm["AlarmArn"], 0.0) > time.time():
        return
    try:
        values = _values(cloudwatch, alarm, time.time())
    except metric_math.ExpressionError as error:
        log.error("alarm %s: %s", alarm["AlarmName"], error)
        return
    old, new = alarm["StateValue"], state(alarm, values)
    newest = [value for value in values[: alarm["EvaluationPeriods"]] if value is not None]
    alarm["StateReasonData"] = json.dumps(
        {
            "version": "1.0",
            "queryDate": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "period": alarm["Period"],
            "recentDatapoints": newest[::-1],
            "threshold": alarm["Threshold"],
        }
    )
    if old == new:
        return
    shown = ", ".join(f"{value:g}" for value in newest) or "none"
    reason = f"Threshold Crossed: the datapoints [{shown}] against {alarm['ComparisonOperator']} {alarm['Threshold']}"
    alarm |= {"StateValue": new, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
    cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def state(alarm: Mapping[str, Any], values: Sequence[float | None]) -> str:
    """The state that an alarm is in with these values, one a period and the newest first, None where there is none.

    The User Guide's "Configuring how CloudWatch alarms treat missing data": with some values missing the newest that
    there are count, and what is lacking then is filled as TreatMissingData says. Unlike AWS, older values than
    EvaluationPeriods are looked for only where TreatMissingData does not say what a missing one means.
    """
    periods = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm") or periods
    treatment = alarm.get("TreatMissingData") or "missing"
    if treatment in ("breaching", "notBreaching"):
        values = values[:periods]
    breaches = _BREACHES.get(str(alarm["ComparisonOperator"]), lambda value, threshold: False)
    real = [breaches(value, alarm["Threshold"]) for value in values if value is not None][:periods]
    missing, breaching = periods - len(real), sum(real)
    if treatment == "breaching":
        breaching += missing
    if breaching >= needed:
        return "ALARM"
    if treatment in ("breaching", "notBreaching") or len(real) - sum(real) > periods - needed:
        return "OK"
    if not real:
        return "INSUFFICIENT_DATA" if treatment == "missing" else str(alarm["StateValue"])
    if treatment == "missing" and all(real) and any(value is not None for value in values[needed - 1 :]):
        return "ALARM"  # all that there is breaches, and has since long enough
    return "OK" if treatment == "missing" and not all(real) else str(alarm["StateValue"])


def _values(cloudwatch: Any, alarm: Mapping[str, Any], now: float) -> list[float | None]:
    """The alarm's metric in the periods that end now, newest first."""
    count = alarm["EvaluationPeriods"] + _MORE
    queries = alarm.get("Metrics")
    if not queries:
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        return _series(cloudwatch, alarm, statistic, alarm["Period"], count, now)
    period = next(query["MetricStat"]["Period"] for query in queries if query.get("MetricStat"))
    return metric_math.evaluate(queries, _all_series(cloudwatch, queries, period, count, now))


def _all_series(
    cloudwatch: Any, queries: Sequence[Mapping[str, Any]], period: float, count: int, now: float
) -> dict[str, list[float | None]]:
    """The series of the queries that name a metric, by their Ids."""
    return {
        query["Id"]: _series(cloudwatch, {**stat["Metric"], "Unit": stat.get("Unit")}, stat["Stat"], period, count, now)
        for query in queries
        if (stat := query.get("MetricStat"))
    }


def _series(
    cloudwatch: Any, metric: Mapping[str, Any], statistic: str, period: float, count: int, now: float
) -> list[float | None]:
    key = (metric["Namespace"], metric["MetricName"], _dimensions(cloudwatch, metric))
    windows: list[list[Document]] = [[] for _ in range(count)]
    for point in cloudwatch._metrics.get(key) or ():
        number = int((now - point["Timestamp"]) // period)
        if 0 <= number < count and metric.get("Unit") in (None, point["Unit"]):
            windows[number].append(point)
    return [
        cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None
        for points in windows
    ]


def _dimensions(cloudwatch: Any, metric: Mapping[str, Any]) -> str:
    return str(cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or [])))


async def _tick(cloudwatch: Any) -> None:
    """Evaluates all alarms again and again: values that stop are no request."""
    from ministack.core.responses import request_scope

    while True:
        await asyncio.sleep(_TICK_SECONDS)
        for account, region in {key[:2] for key in cloudwatch._alarms._data}:
            with request_scope(account, region):
                cloudwatch._evaluate_all_alarms()


# Requests.

Handler = Callable[..., Any]


def _with_metrics(cloudwatch: Any, put: Handler) -> Handler:
    """PutMetricAlarm takes Metrics; MiniStack drops them."""

    def put_metric_alarm(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Any:
        queries = body.get("Metrics")
        try:
            if any(str(name).startswith("Metrics.") for name in params):
                raise metric_math.ExpressionError("Metrics in the Query protocol are not implemented: send CBOR")
            if queries:
                metric_math.check(queries)
        except metric_math.ExpressionError as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        answer = put(params, body, is_cbor, is_json)
        if answer[0] == 200 and queries:
            alarm = cloudwatch._alarms[body["AlarmName"]]
            alarm["Metrics"] = queries
            cloudwatch._evaluate_alarm(alarm)
        return answer

    return put_metric_alarm


def _with_expressions(cloudwatch: Any, get: Handler) -> Handler:
    """GetMetricData answers expressions; MiniStack says that it does not."""

    def get_metric_data(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Any:
        queries = body.get("MetricDataQueries") or []
        if not any(query.get("Expression") for query in queries):
            return get(params, body, is_cbor, is_json)
        start, end = (cloudwatch._parse_ts(body[name]) for name in ("StartTime", "EndTime"))
        period = min([stat["Period"] for query in queries if (stat := query.get("MetricStat"))] or [60])
        first = start // period * period
        count = max(1, int((end - first + period - 1) // period))
        # A value at the very end of a period is the next one's.
        series = _all_series(cloudwatch, queries, period, count, first + count * period - 1e-6)
        results = []
        for query in queries:
            if not query.get("ReturnData", True):
                continue
            alone = [{**one, "ReturnData": one is query} for one in queries]
            try:
                found = metric_math.evaluate(alone, series)
            except metric_math.ExpressionError as error:
                said = f"Error in expression '{query['Id']}' [{error}]"
                return cloudwatch._error("ValidationError", said, 400, use_json=is_json, use_cbor=is_cbor)
            present = [(number, value) for number, value in enumerate(found) if value is not None]
            times = [cloudwatch._ts_iso(first + (count - 1 - number) * period) for number, _ in present]
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label", query["Id"]),
                    "Timestamps": times,
                    "Values": [value for _, value in present],
                    "StatusCode": "Complete",
                }
            )
        if is_cbor:
            shaped = [cloudwatch._cbor_metric_data_result(result) for result in results]
            return cloudwatch._cbor_ok({"MetricDataResults": shaped})
        return cloudwatch._json_ok({"MetricDataResults": results})

    return get_metric_data


def _holding(set_state: Handler) -> Handler:
    """SetAlarmState lasts a while, as on AWS, and not only until the next tick."""

    def set_alarm_state(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Any:
        from ministack.services import cloudwatch

        answer = set_state(params, body, is_cbor, is_json)
        name = body.get("AlarmName") if is_cbor or is_json else cloudwatch._p(params, "AlarmName")
        if answer[0] == 200 and (alarm := cloudwatch._alarms.get(name)):
            _held[alarm["AlarmArn"]] = time.time() + min(_HOLD_SECONDS, float(alarm.get("Period", _HOLD_SECONDS)))
        return answer

    return set_alarm_state


# Disk.


def _keep_on_disk(cloudwatch: Any, persistence: Any) -> None:
    """Alarms and dashboards are on disk before their call is answered; MiniStack saves only when it stops cleanly."""
    get_state, load = cloudwatch.get_state, cloudwatch.load_persisted_state

    def save() -> None:
        persistence.save_state(_SAVED, {name: getattr(cloudwatch, f"_{name}") for name in _KEPT})

    def state_without_alarms() -> Document:
        save()
        return _without_alarms(get_state())

    def saving(handler: Handler) -> Handler:
        def answered(*arguments: Any, **named: Any) -> Any:
            answer = handler(*arguments, **named)
            if answer[0] == 200:
                save()
            return answer

        return answered

    for name in (
        *("_put_metric_alarm", "_put_composite_alarm", "_delete_alarms", "_enable_alarm_actions"),
        *("_disable_alarm_actions", "_put_dashboard", "_delete_dashboards", "_tag_resource", "_untag_resource"),
    ):
        setattr(cloudwatch, name, saving(getattr(cloudwatch, name)))
    saved = persistence.load_state(_SAVED)
    if saved:
        load(saved)
        cloudwatch.load_persisted_state = lambda state: load(_without_alarms(state))
    cloudwatch.get_state = state_without_alarms


def _without_alarms(state: Mapping[str, Any]) -> Document:
    return {name: value for name, value in state.items() if name not in _KEPT}


class _Tidying:
    """In place of MiniStack's eviction at every request: once a minute, and old values are put together by the minute.

    Values that are equal become one with a count, so percentiles stay as they were; only their time is coarser.
    """

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch
        self._next = 0.0

    def __call__(self) -> None:
        now = time.time()
        if now < self._next:
            return
        self._next = now + _TIDY_SECONDS
        metrics = self._cloudwatch._metrics._data
        for key in list(metrics):
            kept = thinned(metrics[key], now)
            if kept:
                metrics[key] = kept
            else:
                del metrics[key]


def thinned(points: Sequence[Document], now: float) -> list[Document]:
    """MiniStack's points with those of long ago put together, and without those older than two weeks."""
    kept: list[Document] = []
    merged: dict[tuple[Any, ...], Document] = {}
    for point in points:
        age = now - point["Timestamp"]
        if age > _TWO_WEEKS:
            continue
        resolution = next((step for older, step in _RESOLUTIONS if age > older), 0.0)
        if not resolution or "_stat" in point:
            kept.append(point)
            continue
        moment = point["Timestamp"] // resolution * resolution
        key = (moment, point["Value"], point["Unit"])
        if (same := merged.get(key)) is None:
            merged[key] = {**point, "Timestamp": moment, "Count": point.get("Count", 1.0)}
        else:
            same["Count"] += point.get("Count", 1.0)
    return [*merged.values(), *kept]
