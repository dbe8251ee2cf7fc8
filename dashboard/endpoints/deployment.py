"""A deployment under way: which stage it is in, what is left of its bake, and the alarms that would take it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from dashboard import account, look
from dashboard.endpoints import alarms, metrics
from dashboard.endpoints.described import Described, Found
from dashboard.endpoints.metrics import Line
from deploy import state, view
from deploy.apply import PASSING

_EVERY, _EVERY_SETTLED = 2.0, 10.0  # s
_CHANGES = ("EndpointStatus", "EndpointConfigName", "ProductionVariants")  # of what is looked at again
_STAGES = {  # VariantStatus' Status: what happens
    "Creating": "New fleet starts",
    "Updating": "Instances change",
    "ActivatingTraffic": "Traffic goes over",
    "Baking": "Baking",
    "Deleting": "Old fleet stops",
}
_BAKE = re.compile(r"Baking for (\d+) seconds")  # DescribeEndpoint's StatusMessage


@dataclass(frozen=True)
class Bake:
    seconds: int
    start: datetime

    def left(self, now: datetime) -> float:
        """Seconds, at most: an alarm ends it sooner."""
        return max(0.0, (self.start + timedelta(seconds=self.seconds) - now).total_seconds())


def show(found: Found) -> None:
    """What is under way, live; of the last one, why it failed or went back. Notices one that begins, too."""
    if found.status in PASSING:
        with st.container(border=True):
            look.live(_under_way, every=_EVERY)(found.name)
        return
    if reason := found.endpoint.get("FailureReason"):
        _failed(found, reason)
    look.live(_settled, every=_EVERY_SETTLED)(found)


def _settled(found: Found) -> None:
    endpoint = state.find(account.client("sagemaker").describe_endpoint, EndpointName=found.name)
    if endpoint is None or any(endpoint.get(each) != found.endpoint.get(each) for each in _CHANGES):
        look.again()


def _failed(found: Found, reason: str) -> None:
    said = look.plain(reason)
    if found.status == "InService":
        config = look.plain(found.endpoint["EndpointConfigName"])
        st.warning(
            f"**The last deployment went back**, {config} goes on serving. {said}",
            icon=":material/settings_backup_restore:",
        )
    else:
        st.error(f"**{found.status}.** {said}", icon=":material/error:")


def _under_way(name: str) -> None:
    endpoint = state.find(account.client("sagemaker").describe_endpoint, EndpointName=name)
    if endpoint is None or endpoint["EndpointStatus"] not in PASSING:
        look.again()
    status, pending = endpoint["EndpointStatus"], endpoint.get("PendingDeploymentSummary") or {}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{_title(endpoint, pending)}** {look.badge(status)}")
        st.caption(f"for {look.duration(pending.get('StartTime') or endpoint['LastModifiedTime'])}")
    if status != "RollingBack" and (stages := current(endpoint)):
        st.markdown(_line(stages))
    for said in messages(endpoint):
        st.caption(look.plain(said))
    if found := bake(endpoint):
        left = found.left(datetime.now(UTC))
        done = 1 - left / found.seconds if found.seconds else 1.0
        st.progress(min(1.0, done), text=f"Bakes {found.seconds} s: at most {look.span(left)} left")
    if strategy := in_words(endpoint.get("LastDeploymentConfig") or {}):
        st.caption(strategy)
    _watched(endpoint, going_back=status == "RollingBack")
    if pending and pending.get("EndpointConfigName") != endpoint["EndpointConfigName"]:
        _fleets(name, endpoint["EndpointConfigName"], pending)


def _title(endpoint: Described, pending: Described) -> str:
    now, then = view.model(endpoint["EndpointConfigName"]), pending.get("EndpointConfigName", "")
    if endpoint["EndpointStatus"] == "RollingBack":
        return look.plain(f"Going back to {now}" + (f" from {view.model(then)}" if then else ""))
    if endpoint["EndpointStatus"] == "Creating":
        return look.plain(f"{view.model(then) if then else now} is made")
    if endpoint["EndpointStatus"] == "Deleting":
        return "It is being deleted"
    if then and then != endpoint["EndpointConfigName"]:
        return look.plain(f"{now} → {view.model(then)}")
    return "Weights or instances change"


def _line(current: set[str]) -> str:
    """Markdown: what is done, under way and to come."""
    shown = [each for each in _STAGES if each != "Updating" or each in current]
    first = min((shown.index(each) for each in current if each in shown), default=0)
    words = []
    for number, each in enumerate(shown):
        if each in current:
            words.append(f":{look.BUSY}-badge[:material/sync: {_STAGES[each]}]")
        elif number < first:
            words.append(f":{look.GOOD}[:material/check: {_STAGES[each]}]")
        else:
            words.append(f":{look.IDLE}[{_STAGES[each]}]")
    return " → ".join(words)


def current(endpoint: Mapping[str, Any]) -> set[str]:
    """The stages that the variants are in: one, unless variants are at different ones."""
    return {each["Status"] for each in _states(endpoint)}


def messages(endpoint: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(each["StatusMessage"] for each in _states(endpoint) if each.get("StatusMessage")))


def bake(endpoint: Mapping[str, Any]) -> Bake | None:
    """Of the variant whose bake began last."""
    found = [
        Bake(int(match[1]), each["StartTime"])
        for each in _states(endpoint)
        if each["Status"] == "Baking" and each.get("StartTime")
        if (match := _BAKE.search(each.get("StatusMessage", "")))
    ]
    return max(found, key=lambda each: each.start, default=None)


def _states(endpoint: Mapping[str, Any]) -> list[Described]:
    """VariantStatus of the fleet that comes, else of the one that changes in place."""
    pending = endpoint.get("PendingDeploymentSummary") or {}
    variants = pending.get("ProductionVariants") or endpoint.get("ProductionVariants", [])
    return [state for each in variants for state in each.get("VariantStatus", [])]


def in_words(config: Mapping[str, Any]) -> str:
    """A DeploymentConfig: how traffic goes over, how long each part is watched, and when it is given up."""
    if blue_green := config.get("BlueGreenUpdatePolicy"):
        routing = blue_green["TrafficRoutingConfiguration"]
        wait, kept = routing.get("WaitIntervalInSeconds", 0), blue_green.get("TerminationWaitInSeconds", 0)
        words = {
            "CANARY": f"Canary: {_size(routing.get('CanarySize'))} first, baked {wait} s, then the rest",
            "LINEAR": f"Linear: {_size(routing.get('LinearStepSize'))} more after each bake of {wait} s",
        }.get(routing["Type"], "All traffic at once")
        return f"{words}; the old fleet stays {kept} s more.{_limit(blue_green)}"
    if rolling := config.get("RollingUpdatePolicy"):
        size, wait = _size(rolling["MaximumBatchSize"]), rolling["WaitIntervalInSeconds"]
        return f"Rolling: {size} at a time, each batch baked {wait} s.{_limit(rolling)}"
    return ""


def _limit(policy: Mapping[str, Any]) -> str:
    most = policy.get("MaximumExecutionTimeoutInSeconds")
    return f" Given up after {look.span(most)}." if most else ""


def _size(size: Mapping[str, Any] | None) -> str:
    if not size:
        return "a part"
    return f"{size['Value']} %" if size["Type"] == "CAPACITY_PERCENT" else f"{size['Value']} instances"


def rollback_alarms(endpoint: Mapping[str, Any]) -> list[str]:
    """Names of those that take a deployment back."""
    config = (endpoint.get("LastDeploymentConfig") or {}).get("AutoRollbackConfiguration") or {}
    return [each["AlarmName"] for each in config.get("Alarms", [])]


def _watched(endpoint: Described, *, going_back: bool) -> None:
    watched = rollback_alarms(endpoint)
    if not watched:
        st.caption("No alarm is watched: nothing would take this back.")
        return
    with look.errors():
        for each in alarms.by_name(account.client("cloudwatch"), watched):
            words = f"{look.badge(each['StateValue'])} {look.plain(each['AlarmName'])}"
            ringing = each["StateValue"] == "ALARM"
            st.markdown(words + (f": {look.plain(each.get('StateReason', ''))}" if ringing else ""))
    if going_back:
        st.caption("An alarm, or its time limit, takes it back: all requests go to the old fleet.")


def _fleets(name: str, old: str, pending: Described) -> None:
    """Requests, errors and latency of both fleets since it began."""
    start = pending.get("StartTime")
    variants = [each["VariantName"] for each in pending.get("ProductionVariants", [])]
    if not start or not variants:
        return
    with look.errors():
        rows = compared(name, (old, pending["EndpointConfigName"]), tuple(variants), start)
        if any(row["requests"] for row in rows):
            st.dataframe(rows, hide_index=True, placeholder="–", alt="Both fleets since the deployment began")


@account.kept
def compared(name: str, configs: tuple[str, str], variants: tuple[str, ...], start: datetime) -> list[dict[str, Any]]:
    """By the metrics that have the dimension EndpointConfigName."""
    asked = (("Invocations", "Sum"), ("Invocation5XXErrors", "Sum"), ("ModelLatency", "p99"))
    lines = [
        Line(metric, statistic, variant, config=config)
        for config in configs
        for variant in variants
        for metric, statistic in asked
    ]
    begin = start.replace(second=0, microsecond=0)
    values = metrics.get(account.client("cloudwatch"), metrics.query(lines, name, 60), begin, datetime.now(UTC))
    found = {line: [value for _, value in values[f"m{number}"]] for number, line in enumerate(lines)}

    def sums(config: str, metric: str) -> float:
        return sum(sum(seen) for line, seen in found.items() if (line.config, line.metric) == (config, metric))

    def slowest(config: str) -> float | None:
        seen = [
            value
            for line, each in found.items()
            if (line.config, line.metric) == (config, "ModelLatency")
            for value in each
        ]
        return round(max(seen) / 1000, 1) if seen else None

    return [
        {
            "fleet": f"{words}: {view.model(config)}",
            "requests": sums(config, "Invocations"),
            "5XX errors": sums(config, "Invocation5XXErrors"),
            "slowest p99 of a minute, ms": slowest(config),
        }
        for words, config in zip(("old", "new"), configs, strict=True)
    ]
