from __future__ import annotations

from typing import Any

import pytest

from sagelocal.workflow.graph import GraphError, Progress, build, rescuers, states

Step = dict[str, Any]


def step(name: str, *after: Any, uses: str = "") -> Step:
    arguments = {"x": {"Get": f"Steps.{uses}.Y"}} if uses else {}
    return {"Name": name, "Type": "Training", "Arguments": arguments, "DependsOn": list(after)}


def condition(name: str, then: list[Step], otherwise: list[Step], uses: str = "") -> Step:
    left = {"Get": f"Steps.{uses}.Y"} if uses else 1
    conditions = [{"Type": "Equals", "LeftValue": left, "RightValue": 1}]
    arguments = {"Conditions": conditions, "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def seen(steps: list[Step], **started: str) -> dict[str, str]:
    """`started` is a status, or for a condition step its outcome."""
    progress = {
        name: Progress("Succeeded", status) if status in ("True", "False") else Progress(status)
        for name, status in started.items()
    }
    return states(build(steps), progress)


def test_a_step_waits_for_what_it_names_and_what_it_refers_to() -> None:
    steps = [step("C", "B"), step("B", uses="A"), step("A")]
    assert list(build(steps)) == ["A", "B", "C"]
    assert seen(steps) == {"A": "Ready", "B": "Waiting", "C": "Waiting"}
    assert seen(steps, A="Executing")["B"] == "Waiting"
    assert seen(steps, A="Succeeded")["B"] == "Ready"


def test_only_the_taken_branch_runs_and_what_needs_the_other_never_does() -> None:
    steps = [
        step("A"),
        condition("Gate", [step("Yes", uses="A")], [step("No"), step("No2", "No")], uses="A"),
        step("Behind", "No"),
        step("Outside", "Gate"),
    ]
    assert seen(steps, A="Succeeded")["Gate"] == "Ready"
    assert seen(steps, A="Succeeded")["Yes"] == "Waiting"
    after = seen(steps, A="Succeeded", Gate="True")
    assert (after["Yes"], after["Outside"]) == ("Ready", "Ready")
    assert {after[name] for name in ("No", "No2", "Behind")} == {"Skipped"}
    assert seen(steps, A="Succeeded", Gate="False")["Yes"] == "Skipped"
    assert seen(steps, A="Succeeded", Gate="Failed")["Yes"] == "Skipped"


def test_after_a_failure_nothing_new_starts() -> None:
    steps = [step("A"), step("B"), step("C", "B"), step("D", "A")]
    assert seen(steps, A="Failed", B="Executing") == {
        "A": "Failed", "B": "Executing", "C": "Waiting", "D": "Skipped",
    }  # fmt: skip
    assert seen(steps, A="Failed", B="Succeeded")["C"] == "Skipped"


@pytest.mark.parametrize(
    ("trigger", "ready_after"),
    [
        ("Completed", {"Succeeded"}),
        ("Failed", {"Failed"}),
        ("Stopped", {"Stopped"}),
        ("Any", {"Succeeded", "Failed", "Stopped"}),
    ],
)
def test_triggers(trigger: str, ready_after: set[str]) -> None:
    steps = [step("A"), step("B", {"Step": "A", "Trigger": trigger})]
    ended = ("Succeeded", "Failed", "Stopped")
    assert {status for status in ended if seen(steps, A=status)["B"] == "Ready"} == ready_after


def test_what_follows_a_rescue_may_run_too() -> None:
    steps = [step("A"), step("Rescue", {"Step": "A", "Trigger": "Failed"}), step("Then", "Rescue"), step("Other")]
    assert rescuers(build(steps)) == {"Rescue", "Then"}
    after = seen(steps, A="Failed", Rescue="Succeeded")
    assert (after["Then"], after["Other"]) == ("Ready", "Skipped")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step("A"), step("A")], "'A' is used more than once"),
        ([step("A"), condition("G", [step("A")], [])], "'A' is used more than once"),
        ([step("A", "B")], "Step 'A' depends on step 'B', which does not exist"),
        ([step("A", uses="B")], "Step 'A' depends on step 'B', which does not exist"),
        ([step("A", "B"), step("B", "C"), step("C", "A")], "in a circle: .* -> "),
        ([step("A", uses="A")], "in a circle: A -> A"),
        ([condition("G", [step("A")], [], uses="A")], "in a circle"),
        ([step("A", "F"), {"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}], "Fail step 'F'"),
    ],
)
def test_what_is_no_graph(steps: list[Step], said: str) -> None:
    with pytest.raises(GraphError, match=said):
        build(steps)
