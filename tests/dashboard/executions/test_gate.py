"""What a gate compares, read from a definition, an execution's parameters and the report of a step."""

from __future__ import annotations

from typing import Any

from dashboard.executions import gate, overview
from dashboard.executions.gate import Comparison

AVERAGE_PRECISION = "binary_classification_metrics.average_precision.value"
REPORT = {
    "binary_classification_metrics": {"average_precision": {"value": 0.657}},
    "comparison": {"current_model": "s3://b/model.tar.gz", "average_precision": {"current": 0.7}},
}


def read(path: str, step: str = "Evaluate") -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": f"Steps.{step}.PropertyFiles.evaluation"}, "Path": path}}


def definition() -> dict[str, Any]:
    """Churn's: two comparisons, a check's, and a second condition step that repeats them."""
    score, checked = read(AVERAGE_PRECISION), read("violations", "DataQuality")
    good = [
        {"Type": "GreaterThanOrEqualTo", "LeftValue": score, "RightValue": {"Get": "Parameters.Floor"}},
        {"Type": "GreaterThan", "LeftValue": score, "RightValue": read("comparison.average_precision.current")},
        {"Type": "Or", "Conditions": [{"Type": "Equals", "LeftValue": checked, "RightValue": 0}]},
    ]
    files = [{"PropertyFileName": "evaluation", "OutputName": "out", "FilePath": "evaluation.json"}]
    deploy = {"Type": "In", "QueryValue": {"Get": "Parameters.DeployTo"}, "Values": ["staging"]}
    return {
        "Parameters": [{"Name": "Floor", "Type": "Float", "DefaultValue": 0.601}],
        "Steps": [
            {"Name": "Evaluate", "Type": "Processing", "PropertyFiles": files},
            {"Name": "CheckGate", "Type": "Condition", "Arguments": {"Conditions": good}},
            {"Name": "CheckDeployTo", "Type": "Condition", "Arguments": {"Conditions": [*good, deploy]}},
        ],
    }


def compared(report: dict[str, Any], **parameters: str) -> list[Comparison]:
    return gate.comparisons(definition(), parameters, lambda step, file: report)


def test_a_gate_is_the_metric_against_the_floor_and_against_the_version_in_service() -> None:
    floor, current = compared(REPORT)
    assert floor == Comparison("CheckGate", "average precision", 0.657, "≥", 0.601, "Floor")
    assert current == Comparison("CheckGate", "average precision", 0.657, ">", 0.7, "current")
    assert (floor.holds, current.holds) == (True, False)


def test_an_executions_parameter_wins_over_the_default() -> None:
    assert compared(REPORT, Floor="0.99")[0].holds is False


def test_before_the_report_is_there_nothing_is_said_to_hold() -> None:
    found = compared({})
    assert [(each.value, each.holds) for each in found] == [(None, None), (None, None)]
    assert "not known yet" in overview.comparison(found[0])


def test_without_a_version_in_service_there_is_nothing_to_beat() -> None:
    report = REPORT | {"comparison": {"current_model": "none", "average_precision": {"current": 0.0}}}
    floor, current = compared(report)
    assert (floor.needless, current.needless) == (False, True)
    assert "the run was given no version in service to beat" in overview.comparison(current)


def test_the_files_that_gates_read() -> None:
    assert gate.reports(definition()) == [("Evaluate", "evaluation")]
    assert gate.location(definition(), "Evaluate", "evaluation") == ("out", "evaluation.json")


def test_a_position_in_a_list_is_read_and_a_wrong_path_is_no_number() -> None:
    for path, value in [("metrics[0].auc", 0.8), ("metrics[7].auc", None), ("metrics.auc", None)]:
        condition = {"Type": "LessThan", "LeftValue": read(path), "RightValue": 0.9}
        steps = [{"Name": "Gate", "Type": "Condition", "Arguments": {"Conditions": [condition]}}]
        found = gate.comparisons({"Steps": steps}, {}, lambda step, file: {"metrics": [{"auc": 0.8}]})
        assert found == [Comparison("Gate", "auc", value, "<", 0.9, "")]


def test_the_cell_says_by_colour_and_icon_whether_it_holds() -> None:
    floor, current = compared(REPORT)
    assert overview.comparison(floor) == (
        "average precision :green[:material/check_circle: **0.657**] ≥ 0.601 :gray[:small[Floor]]"
    )
    assert ":red[:material/error: **0.657**] > 0.7 of the version in service" in overview.comparison(current)
