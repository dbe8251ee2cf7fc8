"""Two kinds of resources that a retraining needs: a Lambda function, and a rule of EventBridge."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.changes import Call
from deploy.resources import Request, ours
from deploy.state import Clients, Described, find


@dataclass(frozen=True)
class Function:
    """Its request is CreateFunction's, with `Permission`: AddPermission's but for the name."""

    kind: str = "Lambda function"

    def find(self, clients: Clients, name: str) -> Described | None:
        functions = clients("lambda")
        found = ours((find(functions.get_function, FunctionName=name) or {}).get("Configuration"), "Description")
        if found is None:
            return None
        policy = json.loads((find(functions.get_policy, FunctionName=name) or {}).get("Policy", "{}"))
        return {**found, "Statements": [each["Sid"] for each in policy.get("Statement", [])]}

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        """Anew where it differs: AWS takes code and configuration one by one, and the second once the first is done."""
        create = {key: value for key, value in request.items() if key != "Permission"}
        permit = {"FunctionName": request["FunctionName"], **request["Permission"]}
        gone = self.remove(request["FunctionName"], found) if found else ()
        return (*gone, Call("lambda", "create_function", create), Call("lambda", "add_permission", permit))

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        sha256 = base64.b64encode(hashlib.sha256(request["Code"]["ZipFile"]).digest()).decode()
        plain = [key for key in ("Runtime", "Handler", "Role", "Timeout") if request[key] != found.get(key)]
        variables = found.get("Environment", {}).get("Variables")
        return (
            *[f"its {each.lower()}" for each in plain],
            *(["its code"] if sha256 != found["CodeSha256"] else []),
            *(["its environment"] if request["Environment"]["Variables"] != variables else []),
            *(["who may invoke it"] if request["Permission"]["StatementId"] not in found["Statements"] else []),
        )

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        return (Call("lambda", "delete_function", {"FunctionName": name}),)


@dataclass(frozen=True)
class Rule:
    """Of EventBridge's default bus. Its request is PutRule's, with the pattern as a document and `Targets`."""

    kind: str = "EventBridge rule"

    def find(self, clients: Clients, name: str) -> Described | None:
        events = clients("events")
        found = ours(find(events.describe_rule, Name=name), "Description")
        return found and {**found, "Targets": events.list_targets_by_rule(Rule=name)["Targets"]}

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        # PutRule takes tags when it makes a rule only.
        left_out = {"Targets", "Tags"} if found else {"Targets"}
        rule = {key: value for key, value in request.items() if key not in left_out}
        rule["EventPattern"] = json.dumps(request["EventPattern"])
        stale = self._ids(found or {}) - self._ids(request)
        removed = [Call("events", "remove_targets", {"Rule": request["Name"], "Ids": sorted(stale)})] if stale else []
        targets = Call("events", "put_targets", {"Rule": request["Name"], "Targets": request["Targets"]})
        return (Call("events", "put_rule", rule), *removed, targets)

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        return (
            *(["what it waits for"] if json.loads(found["EventPattern"]) != request["EventPattern"] else []),
            *([f"its state {found['State']}"] if found["State"] != request["State"] else []),
            *(["what it starts"] if found["Targets"] != request["Targets"] else []),
        )

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        ids = sorted(self._ids(found))
        emptied = [Call("events", "remove_targets", {"Rule": name, "Ids": ids})] if ids else []
        return (*emptied, Call("events", "delete_rule", {"Name": name}))

    @staticmethod
    def _ids(described: Mapping[str, Any]) -> set[str]:
        return {each["Id"] for each in described.get("Targets", [])}


FUNCTION, RULE = Function(), Rule()
