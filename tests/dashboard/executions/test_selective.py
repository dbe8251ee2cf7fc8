"""Which steps may run alone, in words, and that sagelocal says the same of them."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.executions import selective
from mlops.executions import Step
from sagelocal.workflow import graph
from sagelocal.workflow.selective import _between, _needed


def step(name: str, *needs: str, kind: str = "Processing", **more: Any) -> dict[str, Any]:
    inputs = [{"Get": f"Steps.{need}.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"} for need in needs]
    return {"Name": name, "Type": kind, "Arguments": {"ProcessingInputs": inputs}, **more}


def definition() -> dict[str, Any]:
    """Prepare -> Train -> Evaluate -> Gate -> Register, and Report after Prepare in order alone."""
    score = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.report"}, "Path": "auc"}}
    condition = {"Type": "GreaterThan", "LeftValue": score, "RightValue": 0.5}
    register = step("Register", "Train", kind="RegisterModel")
    gate = {"Conditions": [condition], "IfSteps": [register], "ElseSteps": []}
    return {
        "Steps": [
            step("Prepare"),
            step("Train", "Prepare"),
            step("Evaluate", "Train", "Prepare"),
            {"Name": "Gate", "Type": "Condition", "Arguments": gate},
            step("Report", DependsOn=["Prepare"]),
        ]
    }


def ran(**statuses: str) -> list[Step]:
    return [Step(name, status, False, None, None, {}, "") for name, status in statuses.items()]


DONE = ran(Prepare="Succeeded", Train="Succeeded", Evaluate="Failed")


def problems(*chosen: str, status: str = "Failed", steps: list[Step] = DONE) -> list[str]:
    return selective.problems(definition(), chosen, "q1w2", status, steps)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ((), ["Choose the steps to run."]),
        (("Prepare", "Evaluate"), ["Train lies between chosen steps: choose it, too."]),
        (("Prepare", "Register"), ["Train, Evaluate and Gate lie between chosen steps: choose them, too."]),
        (
            ("Gate",),
            ["Gate needs what Evaluate makes, and that did not succeed in q1w2: choose Evaluate, too."],
        ),
        (("Evaluate",), []),
        (("Train", "Evaluate", "Gate", "Register"), []),
        (("Report",), []),
    ],
)
def test_what_the_rules_forbid_is_said_in_words(chosen: tuple[str, ...], said: list[str]) -> None:
    assert problems(*chosen) == said


def test_an_execution_that_runs_lends_nothing_yet() -> None:
    assert "q1w2 still runs" in problems("Train", status="Executing")[0]
    assert problems("Prepare", status="Executing") == []  # it borrows nothing


@pytest.mark.parametrize(
    "chosen",
    [
        ("Prepare", "Evaluate"),
        ("Prepare", "Register"),
        ("Train", "Gate"),
        ("Report", "Prepare"),
        ("Register", "Report"),
    ],
)
def test_sagelocal_refuses_the_same(chosen: tuple[str, ...]) -> None:
    nodes = graph.build(definition()["Steps"])
    assert set(selective.between(definition(), chosen)) == set(_between(nodes, set(chosen)))
    assert set(selective.lenders(definition(), chosen)) == set(_needed(nodes, set(chosen)))


def test_what_failed_is_proposed_with_all_that_comes_after() -> None:
    assert selective.onwards(definition(), ["Evaluate"]) == ["Evaluate", "Gate", "Register"]


def test_a_branchs_step_without_its_condition_runs_whatever_that_would_say() -> None:
    assert selective.unconditional(definition(), ["Register", "Report"]) == {"Register": "Gate"}
    assert selective.unconditional(definition(), ["Gate", "Register"]) == {}
