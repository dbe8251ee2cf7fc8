"""A definition's steps as a graph: what waits for what, what is drawn of it, and how far an execution has come."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.executions import graph
from mlops.executions import Step

Document = dict[str, Any]


def step(name: str, kind: str = "Processing", **more: Any) -> Document:
    return {"Name": name, "Type": kind, "Arguments": {}, **more}


def using(name: str, *paths: str, **more: Any) -> Document:
    inputs = [{"S3Input": {"S3Uri": {"Get": path}}} for path in paths]
    return step(name, **more) | {"Arguments": {"ProcessingInputs": inputs}}


def condition(name: str, left: Any, then: list[Document], otherwise: list[Document], **more: Any) -> Document:
    conditions = [{"Type": "Equals", "LeftValue": left, "RightValue": 1}]
    return step(name, "Condition", **more) | {
        "Arguments": {"Conditions": conditions, "IfSteps": then, "ElseSteps": otherwise}
    }


def ran(name: str, status: str = "Succeeded", **metadata: Any) -> Step:
    return Step(name, status, cached=False, start=None, end=None, metadata=metadata, failure="")


SCORE = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.report"}, "Path": "auc"}}
DEFINITION = {
    "Steps": [
        condition("Gate", SCORE, [step("Register", "RegisterModel")], [step("TooLow", "Fail")]),
        using("Evaluate", "Steps.Train.ModelArtifacts.S3ModelArtifacts", "Steps.Prepare.x", "Parameters.Raw"),
        using("Train", "Steps.Prepare.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"),
        step("Prepare"),
        step("Last", DependsOn=["Register", {"Step": "Train", "Trigger": "Failed"}]),
    ]
}


def test_a_step_comes_after_all_that_it_waits_for() -> None:
    shape = graph.build(DEFINITION)
    assert list(shape) == ["Prepare", "Train", "Evaluate", "Gate", "Register", "TooLow", "Last"]
    assert shape["Evaluate"].upstream == ["Train", "Prepare"]
    assert shape["Gate"].upstream == ["Evaluate"]
    assert shape["Register"].branch == ("Gate", "True")


def test_what_a_longer_way_says_too_is_not_drawn() -> None:
    assert graph.edges(graph.build(DEFINITION)) == [
        ("Prepare", "Train", ""),
        ("Train", "Evaluate", ""),
        ("Evaluate", "Gate", ""),
        ("Gate", "Register", "if"),
        ("Gate", "TooLow", "else"),
        ("Register", "Last", ""),
    ]


def test_a_trigger_is_said_on_the_way() -> None:
    rescue = step("Rescue", DependsOn=[{"Step": "Train", "Trigger": "Failed"}])
    assert graph.edges(graph.build({"Steps": [step("Train"), rescue]})) == [("Train", "Rescue", "if it fails")]


def test_a_loops_body_is_within_its_step() -> None:
    body = [using("Fit", "ForEach.CurrentItem", "Steps.Prepare.x"), using("Score", "Steps.Fit.x", DependsOn=["Fit"])]
    loop = step("Each", "ForEach") | {"Arguments": {"IterableItems": ["1"], "ForEachBody": body}}
    assert graph.edges(graph.build({"Steps": [loop, step("Prepare")]})) == [("Prepare", "Each", "")]


@pytest.mark.parametrize("definition", [{}, {"Steps": None}, {"Steps": [{"Name": "Odd"}]}])
def test_a_definition_may_lack_what_it_should_have(definition: Document) -> None:
    assert graph.edges(graph.build(definition)) == []


def test_steps_in_a_circle_and_unknown_ones_stop_nothing() -> None:
    shape = graph.build({"Steps": [step("A", DependsOn=["B"]), step("B", DependsOn=["A", "Nobody"])]})
    assert set(shape) == {"A", "B"}
    assert len(graph.edges(shape)) == 1


def test_the_branch_not_taken_and_what_needs_it_are_told_from_what_waits() -> None:
    shape = graph.build(DEFINITION)
    started = {name: ran(name) for name in ("Prepare", "Train", "Evaluate")}
    started["Gate"] = ran("Gate", Condition={"Outcome": "False"})
    found = graph.states(shape, started, running=True)
    assert found["Register"] == found["Last"] == graph.NOT_TAKEN
    assert found["TooLow"] == graph.WAITING
    assert graph.states(shape, started, running=False)["TooLow"] == graph.NOT_RUN


def test_before_the_condition_both_branches_wait() -> None:
    found = graph.states(graph.build(DEFINITION), {"Prepare": ran("Prepare", "Executing")}, running=True)
    assert found["Prepare"] == "Executing"
    assert {found[name] for name in ("Train", "Register", "TooLow")} == {graph.WAITING}


def test_of_a_selective_execution_the_others_do_not_wait() -> None:
    found = graph.states(graph.build(DEFINITION), {"Prepare": ran("Prepare")}, running=True, selected=["Train"])
    assert (found["Prepare"], found["Train"], found["Gate"]) == ("Succeeded", graph.WAITING, graph.NOT_SELECTED)
