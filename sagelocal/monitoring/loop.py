"""The thread that makes schedules come true: it starts what is due and follows what runs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from sagelocal.monitoring import executions, schedules, timing
from sagelocal.store import Closed, Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
log = logging.getLogger(__name__)
_FOLLOW = 0.5  # s between looks while an execution is under way
_LONGEST = 60.0  # s: a laptop's clock jumps when it wakes


class Monitor:
    """Sleeps until the next execution is due; without schedules until it is woken."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._woken = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="monitoring", daemon=True)

    def resume(self) -> None:
        """After a start: what came due meanwhile comes once, and executions go on."""
        self._thread.start()

    def wake(self) -> None:
        """A schedule was made or changed."""
        self._woken.set()

    def close(self) -> None:
        self._closing = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._woken.clear()
            try:
                pause = self.look()
            except Closed:
                return
            except Exception:
                log.exception("monitoring schedules")
                pause = _LONGEST
            self._woken.wait(pause)

    def look(self) -> float | None:
        """Does what is to be done now; seconds until there is more, None when there is no schedule."""
        pauses = [pause for schedule in self._app.store.list("MonitoringSchedule") if (pause := self._tick(schedule))]
        for execution in executions.unfinished(self._app):
            try:
                executions.advance(self._app, execution)
            except Missing:  # its schedule was deleted just now
                continue
            pauses.append(_FOLLOW)
        return min(pauses, default=None)

    def _tick(self, schedule: Document) -> float | None:
        app = self._app
        try:
            if schedule["MonitoringScheduleStatus"] == "Pending":
                changes = {"MonitoringScheduleStatus": schedule["_wanted"]}
                schedule = app.store.update("MonitoringSchedule", schedule["_name"], changes)
            if schedule["MonitoringScheduleStatus"] != "Scheduled":
                return None
            return self._due(schedule)
        except Missing:
            return None

    def _due(self, schedule: Document) -> float | None:
        """Starts the execution that is due; seconds until the next may be, None when there is no next."""
        app, given = self._app, schedules.schedule_config(schedule)
        expression, last, now = given["ScheduleExpression"], schedule["_last"], app.now()
        scale = app.settings.time_scale
        if expression == timing.NOW:
            moment = None if schedule.get("_once") else last
        else:
            moment = timing.due(expression, last, now, scale)
        if moment is not None:
            source = schedules.source(app, schedule)
            window = timing.window(given, source, moment, last, scale)
            with app.store.transaction():
                now_is = app.store.get("MonitoringSchedule", schedule["_name"])
                if now_is["_last"] != last or now_is["MonitoringScheduleStatus"] != "Scheduled":
                    return _FOLLOW  # changed just now
                executions.begin(app, schedule, moment, window)
                app.store.update("MonitoringSchedule", schedule["_name"], {"_last": moment, "_once": moment})
            last = moment
        if expression == timing.NOW:
            return None
        return max(_FOLLOW, min(_LONGEST, timing.next_after(expression, last, now, scale) - now))
