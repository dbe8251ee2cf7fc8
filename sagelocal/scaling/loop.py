"""What acts on scalable targets: alarms in ALARM, scheduled actions that are due, capacities out of their range.

Target tracking's alarms are real ones, in MiniStack, made as AWS makes them, so `describe_alarms` shows why something
scales; as with a step scaling policy's alarm, which its user makes, their AlarmActions name the policy.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.api.errors import AwsError
from sagelocal.scaling import activities, policies, schedules, targets
from sagelocal.scaling.decisions import Cooldowns, Wish, decide, stepped, tracked
from sagelocal.store import Closed, Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
log = logging.getLogger(__name__)
_PERIOD = 2.0  # s between two looks; AWS acts on an alarm once a minute while it lasts


class Scaler:
    """One thread, which sleeps as long as there is no scalable target."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._woken = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="scaling", daemon=True)

    def resume(self) -> None:
        """After a start: the alarms of policies are there again, if MiniStack lost them."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do now: a target, a policy or an action changed."""
        self._woken.set()

    def close(self) -> None:
        self._closing = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._guarded(self._put_alarms)
        while not self._closing:
            any_target = self._guarded(self.look)
            self._woken.wait(_PERIOD if any_target else None)
            self._woken.clear()

    def _guarded(self, work: Any) -> bool:
        try:
            return bool(work())
        except Closed:
            return False
        except (BotoCoreError, ClientError) as error:
            log.warning("scaling waits for CloudWatch: %s", error)
        except Exception:
            log.exception("scaling failed")
        return True

    def _put_alarms(self) -> None:
        found = self._app.store.list("ScalingPolicy")
        for policy in found:
            if policy["Alarms"]:
                policies.put_alarms(self._app, policy)
        policies.sweep_alarms(self._app, found)

    def look(self) -> bool:
        """Does what is to be done now; whether there are targets."""
        found = [target for target in self._app.store.list("ScalableTarget") if self._is_of_use(target)]
        alarms = self._alarms() if found and self._app.store.list("ScalingPolicy") else []
        for target in found:
            try:
                self._act(target, alarms)
            except Missing:  # deregistered just now
                continue
        self._app.metering.watch({targets.names(one) for one in found if targets.counts_invocations(self._app, one)})
        return bool(found)

    def _is_of_use(self, target: Document) -> bool:
        """Whether its endpoint is still there; else the target goes, as on AWS when an endpoint is deleted."""
        if self._app.store.find("Endpoint", targets.names(target)[0]):
            return True
        policies.deregister(self._app, target)
        return False

    def _alarms(self) -> list[Document]:
        pages = self._app.cloudwatch.get_paginator("describe_alarms").paginate(
            StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        found = [alarm for page in pages for alarm in [*page["MetricAlarms"], *page["CompositeAlarms"]]]
        return [alarm for alarm in found if alarm.get("ActionsEnabled", True)]

    def _act(self, target: Document, alarms: list[Document]) -> None:
        target = self._scheduled(target)
        current = targets.capacity(self._app, target)
        if current is None:
            return  # its endpoint is being changed, maybe by us
        target = self._finished(target, current)
        low, high = target["MinCapacity"], target["MaxCapacity"]
        if target.get("_bring") and not low <= current <= high:
            side = f"minimum capacity was set to {low}" if current < low else f"maximum capacity was set to {high}"
            self._set(target, current, Wish(min(max(current, low), high), "", "", 0.0), side)
        elif target.get("_bring"):
            self._app.store.update("ScalableTarget", target["_name"], {"_bring": None})
        else:
            self._follow(target, current, alarms)

    def _scheduled(self, target: Document) -> Document:
        """Applies the scheduled actions that are due."""
        for action in self._app.store.list("ScheduledAction", parent=target["_name"]):
            now = self._app.now()
            if schedules.due(action, now) is None:
                continue
            with self._app.store.transaction():
                self._app.store.update("ScheduledAction", action["_name"], {"_fired": now})
                if target["SuspendedState"].get("ScheduledScalingSuspended"):
                    continue
                limits = _limits(target, action["ScalableTargetAction"])
                target = self._app.store.update("ScalableTarget", target["_name"], {**limits, "_bring": True})
                activities.limits_set(self._app, target, action)
        return target

    def _finished(self, target: Document, current: int) -> Document:
        """Ends the activity that was under way: its cooldown begins."""
        for activity in activities.unfinished(self._app, target):
            reason = ""
            if current != activity["_wanted"]:
                endpoint = self._app.store.find("Endpoint", targets.names(target)[0]) or {}
                reason = endpoint.get("FailureReason") or f"the capacity is {current}"
            activities.finish(self._app, target, activity, reason)
            if not reason:
                cooldowns = _cooled(target, activity, self._app.now())
                target = self._app.store.update("ScalableTarget", target["_name"], {"_cooldowns": asdict(cooldowns)})
        return target

    def _follow(self, target: Document, current: int, alarms: list[Document]) -> None:
        """Fulfils what the policies whose alarms are in ALARM want most."""
        cooldowns, now = Cooldowns(**target.get("_cooldowns", {})), self._app.now()
        wishes, waiting = [], False
        for policy in self._app.store.list("ScalingPolicy", parent=target["_name"]):
            mine = [alarm for alarm in alarms if policy["PolicyARN"] in alarm.get("AlarmActions", [])]
            wishes += [wish for alarm in mine if (wish := _wish(policy, alarm, current, cooldowns.start(now, current)))]
            waiting |= _scales_in(policy) and not any("-AlarmLow-" in alarm["AlarmName"] for alarm in mine)
        suspended = target["SuspendedState"]
        wishes = [wish for wish in wishes if not suspended.get(_direction(wish, current))]
        low, high = target["MinCapacity"], target["MaxCapacity"]
        wish = decide(wishes, current, low, high, now, cooldowns, waiting)
        if wish:
            self._set(target, current, wish, _cause(wish))
        elif wishes and current >= high and max(one.capacity for one in wishes) > current:
            activities.not_scaled(self._app, target, _cause(wishes[0]), "AlreadyAtMaxCapacity", current)
        elif wishes and current <= low and max(one.capacity for one in wishes) < current:
            activities.not_scaled(self._app, target, _cause(wishes[0]), "AlreadyAtMinCapacity", current)

    def _set(self, target: Document, current: int, wish: Wish, cause: str) -> None:
        cooldown = self._app.settings.shortened(wish.cooldown)
        activity = activities.begin(self._app, target, wish.capacity, cause, _from=current, _cooldown=cooldown)
        try:
            targets.set_capacity(self._app, target, wish.capacity)
        except AwsError as error:
            activities.finish(self._app, target, activity, error.message)
            return
        activities.asked(self._app, target, activity)
        log.info("%s: %d to %d, as %s", target["ResourceId"], current, wish.capacity, cause)


def _wish(policy: Document, alarm: Document, current: int, start: int) -> Wish | None:
    """What a policy wants because of an alarm; `start` is the capacity that a scale-out is counted from."""
    data = json.loads(alarm.get("StateReasonData") or "{}")
    values = data.get("recentDatapoints") or []
    if not values:
        return None  # set by hand, or on missing values only
    name, alarm_name = policy["PolicyName"], alarm["AlarmName"]
    if step := policy.get("StepScalingPolicyConfiguration"):
        wanted = stepped(current, values, data["threshold"], step)
        if wanted is not None and wanted > current:
            wanted = stepped(start, values, data["threshold"], step)
        return None if wanted is None else Wish(wanted, name, alarm_name, step.get("Cooldown", policies.COOLDOWN))
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    target: float = config["TargetValue"]
    if "-AlarmHigh-" in alarm_name:
        wanted = max(current, tracked(start, values[-1], target))
        return Wish(wanted, name, alarm_name, config.get("ScaleOutCooldown", policies.COOLDOWN))
    wanted = 0 if max(values) <= 0 else min(current, tracked(current, max(values), target))
    return Wish(wanted, name, alarm_name, config.get("ScaleInCooldown", policies.COOLDOWN), tracking=True)


def _scales_in(policy: Document) -> bool:
    config = policy.get("TargetTrackingScalingPolicyConfiguration")
    return config is not None and not config.get("DisableScaleIn")


def _direction(wish: Wish, current: int) -> str:
    return "DynamicScalingOutSuspended" if wish.capacity > current else "DynamicScalingInSuspended"


def _cause(wish: Wish) -> str:
    return f"monitor alarm {wish.alarm} in state ALARM triggered policy {wish.policy}"


def _cooled(target: Document, activity: Document, now: float) -> Cooldowns:
    """The cooldowns after an activity succeeded; a scale-out ends the one of a scale-in."""
    before = Cooldowns(**target.get("_cooldowns", {}))
    until = now + activity["_cooldown"]
    if activity["_wanted"] > activity["_from"]:
        base = min(before.base, activity["_from"]) if now < before.out_until else activity["_from"]
        return Cooldowns(out_until=until, base=base)
    return Cooldowns(before.out_until, before.base, in_until=until)


def _limits(target: Document, action: Document) -> Document:
    """A scheduled action may name one limit only; the other one gives way."""
    low, high = ({**target, **action}[name] for name in ("MinCapacity", "MaxCapacity"))
    if low > high:
        low, high = (low, low) if "MinCapacity" in action else (high, high)
    return {"MinCapacity": low, "MaxCapacity": high}
