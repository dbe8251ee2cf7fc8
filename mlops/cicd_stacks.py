"""CloudFormation stacks by change sets: what changes is known before it happens, on AWS and on a laptop alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops import console
from mlops.errors import Failure

Review = Callable[[str, Sequence["Change"]], None]  # stack, changes; raises Failure when the user says no
_GONE = "ROLLBACK_COMPLETE"  # a stack whose first creation failed; it can only be deleted
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
_ENDED = ("_COMPLETE", "_FAILED")


@dataclass(frozen=True)
class Change:
    sign: str  # + - ~, or ! for what is replaced
    logical_id: str
    kind: str
    name: str  # its physical name, "" before it is made


class Stacks:
    """Stacks of one account and region; `poll` is the time between two looks in seconds."""

    def __init__(self, cloudformation: Any, poll: float) -> None:
        self._client = cloudformation
        self._poll = poll

    def deploy(self, name: str, body: str, parameters: Mapping[str, str], review: Review) -> bool:
        """Creates or updates a stack; whether anything changed. A parameter that is not given keeps its value.

        Raises Failure with the events that say why not.
        """
        status = self.status(name)
        if status == _GONE:
            self.delete(name)
            status = None
        new = status in (None, "REVIEW_IN_PROGRESS")
        given = self._given(body, parameters, {} if new else self.parameters(name))
        change_set = self._client.create_change_set(
            StackName=name,
            ChangeSetName=f"mlops-{time.time_ns()}",
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateBody=body,
            Parameters=given,
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],  # templates have loops
            ImportExistingResources=True,  # model package groups that registering made before the stack
        )["Id"]
        changes = self._changes(name, change_set)
        if not changes:
            self._client.delete_change_set(ChangeSetName=change_set)
            return False
        try:
            review(name, changes)
        except BaseException:
            self._client.delete_change_set(ChangeSetName=change_set)
            if new:
                self._client.delete_stack(StackName=name)  # an empty one, which waits for a review
            raise
        before = self._newest_event(name)
        self._client.execute_change_set(ChangeSetName=change_set)
        self._finish(name, before, ("CREATE_COMPLETE", "UPDATE_COMPLETE"))
        return True

    def delete(self, name: str) -> None:
        """Raises Failure with the events that say why it is still there."""
        status = self.status(name)
        if status is None:
            return
        stack = self._describe(name)["StackId"]  # a deleted stack is found by its id alone
        before = self._newest_event(stack)
        self._client.delete_stack(StackName=stack)
        self._finish(stack, before, ("DELETE_COMPLETE",))

    def status(self, name: str) -> str | None:
        """None where there is no such stack."""
        try:
            return str(self._describe(name)["StackStatus"])
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise

    def outputs(self, name: str) -> dict[str, str]:
        return {each["OutputKey"]: each["OutputValue"] for each in self._describe(name).get("Outputs", [])}

    def parameters(self, name: str) -> dict[str, str]:
        """What the stack was made with, {} for one that is not there."""
        if self.status(name) is None:
            return {}
        found = self._describe(name).get("Parameters", [])
        return {each["ParameterKey"]: each["ParameterValue"] for each in found}

    def resources(self, name: str) -> list[tuple[str, str, str]]:
        """Logical id, type and physical name of each resource."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            (each["LogicalResourceId"], each["ResourceType"], each.get("PhysicalResourceId", ""))
            for page in pages
            for each in page["StackResourceSummaries"]
        ]

    def declared(self, body: str) -> dict[str, str | None]:
        """A template's parameters with their defaults, None for one that has to be given."""
        found = self._client.get_template_summary(TemplateBody=body)["Parameters"]
        return {each["ParameterKey"]: each.get("DefaultValue") for each in found}

    def _given(self, body: str, parameters: Mapping[str, str], before: Mapping[str, str]) -> list[dict[str, Any]]:
        given: list[dict[str, Any]] = []
        for name in self.declared(body):
            if name in parameters:
                given.append({"ParameterKey": name, "ParameterValue": parameters[name]})
            elif name in before:
                given.append({"ParameterKey": name, "UsePreviousValue": True})
        return given

    def _describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.describe_stacks(StackName=name)["Stacks"][0]
        return found

    def _changes(self, name: str, change_set: str) -> list[Change]:
        while True:
            found = self._client.describe_change_set(ChangeSetName=change_set)
            if found["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            time.sleep(self._poll)
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            if any(words in reason for words in _UNCHANGED):
                return []
            raise Failure(f"The stack {name} cannot be changed: {reason}")
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
        return [_change(each["ResourceChange"]) for page in pages for each in page["Changes"]] or [
            Change("~", name, "AWS::CloudFormation::Stack", "outputs or tags")
        ]

    def _finish(self, stack: str, before: str, good: Sequence[str]) -> None:
        while True:
            found = self._describe(stack)
            if found["StackStatus"].endswith(_ENDED) and "CLEANUP" not in found["StackStatus"]:
                break
            time.sleep(self._poll)
        if found["StackStatus"] not in good:
            why = "\n".join(self._failures(stack, before)) or found.get("StackStatusReason", "")
            raise Failure(f"The stack {found['StackName']} is {found['StackStatus']}:\n{why}")

    def _newest_event(self, stack: str) -> str:
        try:
            events = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        except ClientError:
            return ""
        return str(events[0]["EventId"]) if events else ""

    def _failures(self, stack: str, before: str) -> list[str]:
        """What failed since the event `before`, in the order in which it did."""
        found: list[str] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                if event["EventId"] == before:
                    return found[::-1]
                if event["ResourceStatus"].endswith("_FAILED"):
                    reason = event.get("ResourceStatusReason", "")
                    found.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
        return found[::-1]


def _change(found: dict[str, Any]) -> Change:
    replaced = found.get("Replacement") == "True"
    sign = {"Add": "+", "Import": "+", "Remove": "-"}.get(found["Action"], "!" if replaced else "~")
    return Change(sign, found["LogicalResourceId"], found["ResourceType"], found.get("PhysicalResourceId", ""))


def reviewer(yes: bool) -> Review:
    """Shows the changes and asks on a terminal; with `yes` neither."""

    def review(stack: str, changes: Sequence[Change]) -> None:
        if yes:
            return
        console.show(
            ("", "resource", "type", "name"),
            [(each.sign, each.logical_id, each.kind, each.name) for each in changes],
            title=stack,
        )
        if sys.stdin.isatty() and sys.stdout.isatty() and input("Go on? [y/N] ").lower() not in ("y", "yes"):
            raise Failure("Nothing was changed.")

    return review
