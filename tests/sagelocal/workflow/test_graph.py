from __future__ import annotations

import random
from typing import Any

import pytest

from sagelocal.workflow.graph import READY, Frontier, GraphError, Progress, build, rescuers, select, states

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


def chance(seed: int) -> list[Step]:
    """Twenty steps that wait for earlier ones by any trigger, some of them conditions with a branch each way."""
    draw = random.Random(seed)
    steps: list[Step] = []
    for number in range(20):
        before = draw.sample([one["Name"] for one in steps], k=min(len(steps), draw.choice([0, 1, 1, 2])))
        after = [
            one if draw.random() < 0.7 else {"Step": one, "Trigger": draw.choice(["Failed", "Any"])} for one in before
        ]
        if draw.random() < 0.2:
            branches = [step(f"{number}Yes")], [step(f"{number}No")]
            steps.append(condition(f"S{number}", *branches) | {"DependsOn": after})
        else:
            steps.append(step(f"S{number}", *after))
    return steps


@pytest.mark.parametrize("seed", range(40))
def test_what_may_start_is_the_same_step_by_step_as_from_all_records(seed: int) -> None:
    graph, draw = build(chance(seed)), random.Random(seed)
    frontier = Frontier(graph, {})
    running: list[str] = []
    while True:
        expected = [name for name, state in states(graph, frontier.started).items() if state == READY]
        limit = draw.choice([None, 1, 2])
        taken = frontier.take(limit)
        assert taken == expected[:limit]
        running += taken
        if not running:
            break
        name = running.pop(draw.randrange(len(running)))
        status = draw.choices(["Succeeded", "Failed", "Stopped"], [8, 1, 1])[0]
        outcome = draw.choice(["True", "False"]) if graph[name].type == "Condition" else ""
        frontier.end(name, Progress(status, outcome))


def test_selected_steps_wait_only_for_each_other() -> None:
    graph = build([step("A"), condition("Gate", [step("B", "A"), step("C", uses="B")], [])])
    chosen = select(graph, {"B", "C"})
    assert list(chosen) == ["B", "C"]
    assert states(chosen, {}) == {"B": "Ready", "C": "Waiting"}
