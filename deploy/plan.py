"""From what exists to what is wanted: the changes, in an order that AWS allows. Pure; `apply` makes the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy import endpoint_changes, scaling_changes, view
from deploy.changes import Call, Change, delete
from deploy.state import State, models_of
from deploy.wanted import CAPACITY, Request, Wanted

KEPT = 2  # configs an endpoint keeps: the one in use, and the one before it to go back to


def deploy(wanted: Wanted, state: State) -> list[Change]:
    """No change when all is as wanted. Raises ValueError for what AWS can't change in an endpoint.

    Scaling that is in the way goes before the endpoint changes, alarms come before it (an update names them), scaling
    after it (a target needs its variant), and at last goes what nothing uses any more.
    """
    return [
        *scaling_changes.before(wanted, state),
        *_topics(wanted, state),
        *_models(wanted, state),
        *_config(wanted, state),
        *_alarms(wanted, state),
        *endpoint_changes.deploy(wanted, state),
        *scaling_changes.after(wanted, state),
        *_superseded(wanted, state),
    ]


def undeploy(state: State) -> list[Change]:
    """Everything of an endpoint goes; what it captured and answered stays in S3, what it logged in CloudWatch Logs."""
    return [
        *scaling_changes.removed(state.schedules, state.policies, state.targets),
        *endpoint_changes.undeploy(state),
        *[_unalarmed(each["AlarmName"]) for each in state.alarms if _is_ours(each)],
        *[delete("endpoint config", "endpoint_config", "EndpointConfigName", each) for each in state.configs],
        *[delete("model", "model", "ModelName", each) for each in state.models],
        *[_untopic(each) for each in state.topics],
    ]


def _topics(wanted: Wanted, state: State) -> list[Change]:
    existing = {arn.rsplit(":", 1)[1] for arn in state.topics}
    return [
        Change("+", "SNS topic", name, (Call("sns", "create_topic", {"Name": name, "Tags": wanted.tags}),))
        for name in wanted.topics
        if name not in existing
    ]


def _models(wanted: Wanted, state: State) -> list[Change]:
    return [
        Change("+", "model", each["ModelName"], (Call("sagemaker", "create_model", each),), view.containers(each))
        for each in wanted.models
        if each["ModelName"] not in state.models
    ]


def _config(wanted: Wanted, state: State) -> list[Change]:
    """One that exists under the name differs in weights and counts at most; it is made anew unless it serves."""
    name = wanted.config_name
    existing = state.configs.get(name)
    if existing and (state.serves(name) or _capacity(existing) == _capacity(wanted.config)):
        return []
    create = Call("sagemaker", "create_endpoint_config", wanted.config)
    if existing is None:
        return [Change("+", "endpoint config", name, (create,))]
    calls = (Call("sagemaker", "delete_endpoint_config", {"EndpointConfigName": name}), create)
    return [Change("~", "endpoint config", name, calls, ("made anew, with other weights or counts",))]


def _capacity(config: Mapping[str, Any]) -> dict[str, list[Any]]:
    # AWS keeps weights in single precision.
    return {
        name: [round(each.get(member, 0.0), 6) for member in CAPACITY] for name, each in view.variants(config).items()
    }


def _alarms(wanted: Wanted, state: State) -> list[Change]:
    existing = {each["AlarmName"]: each for each in state.alarms}
    changes = [_alarm(each, existing.get(each["AlarmName"]), wanted, state) for each in wanted.alarms]
    return [each for each in changes if each]


def _alarm(alarm: Request, before: Mapping[str, Any] | None, wanted: Wanted, state: State) -> Change | None:
    name, put = alarm["AlarmName"], Call("cloudwatch", "put_metric_alarm", alarm)
    if before is None:
        return Change("+", "alarm", name, (put,), (view.alarm(alarm),))
    if before.get("StateValue") == "ALARM" and not state.serves(wanted.config_name):
        # Put over an alarm, CloudWatch keeps its state, and the update would be rolled back as it starts.
        calls = (Call("cloudwatch", "delete_alarms", {"AlarmNames": [name]}), put)
        return Change("~", "alarm", name, calls, ("made anew: it is in ALARM from an earlier try",))
    differs = view.differences(alarm, before)
    return Change("~", "alarm", name, (put,), differs) if differs else None


def _superseded(wanted: Wanted, state: State) -> list[Change]:
    """Alarms that aren't wanted, and all configs but the wanted and the newest other one with the models that only they
    use.
    """
    alarms = {each["AlarmName"] for each in [*wanted.alarms, *wanted.wake_alarms]}
    others = [name for name in state.configs if name != wanted.config_name]
    others.sort(key=lambda name: not state.serves(name))  # the one in use until now is what one goes back to
    kept, dropped = others[: KEPT - 1], others[KEPT - 1 :]
    in_use = models_of(wanted.config) | {model for name in kept for model in models_of(state.configs[name])}
    return [
        *[_unalarmed(each["AlarmName"]) for each in state.alarms if _is_ours(each) and each["AlarmName"] not in alarms],
        *[delete("endpoint config", "endpoint_config", "EndpointConfigName", each) for each in dropped],
        *[delete("model", "model", "ModelName", each) for each in state.models if each not in in_use],
    ]


def _is_ours(alarm: Mapping[str, Any]) -> bool:
    return not str(alarm["AlarmName"]).startswith("TargetTracking-")  # those go with their policy


def _unalarmed(name: str) -> Change:
    return Change("-", "alarm", name, (Call("cloudwatch", "delete_alarms", {"AlarmNames": [name]}),))


def _untopic(arn: str) -> Change:
    return Change("-", "SNS topic", arn, (Call("sns", "delete_topic", {"TopicArn": arn}),))
