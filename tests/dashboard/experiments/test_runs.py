from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.experiments import charts, runs
from dashboard.experiments.runs import Metric
from mlops.experiments import Entry

START = datetime(2026, 3, 2, tzinfo=UTC)
AUC, LOSS = Metric.named("auc"), Metric.named("validation:logloss")


def run(
    name: str, after: int, auc: float | None, *, version: str = "", job: str = "", tuning: str = "", **parameters: str
) -> Entry:
    metrics = {} if auc is None else {"auc": auc, "validation:logloss": 1 - auc}
    started = START + timedelta(minutes=after)
    ended = started + timedelta(minutes=1)
    goal = "validation:logloss"
    return Entry(name, "Succeeded", started, ended, version, metrics, parameters, job, tuning, goal)


FOUND = [
    run("c", 3, None, eta="0.3", kind="x"),
    run("b", 2, 0.9, version="2", eta="0.2", kind="y"),
    run("a", 1, 0.8, version="1", eta="0.1", kind="x"),
]


def test_directions_follow_the_metric() -> None:
    assert (AUC.lower, LOSS.lower, LOSS.direction) == (False, True, "lower is better")
    assert [each.execution for each in runs.ranked(FOUND, AUC)] == ["b", "a", "c"]
    assert [each.execution for each in runs.ranked(FOUND, Metric("auc", lower=True))] == ["a", "b", "c"]
    assert [each.execution for each in runs.ranked(FOUND, None)] == ["c", "b", "a"]


def test_the_objective_is_a_training_jobs_first_metric() -> None:
    assert runs.metrics(FOUND, jobs=False) == ["auc", "validation:logloss"]
    assert runs.metrics(FOUND, jobs=True) == ["validation:logloss", "auc"]
    assert runs.metrics([], jobs=True) == []


def test_the_best_and_the_one_in_service_are_marked() -> None:
    table = runs.table(runs.ranked(FOUND, AUC), AUC, "1", jobs=False)
    assert list(zip(table["Execution"], table["Mark"], strict=True)) == [
        ("b", "Best"),
        ("a", "In production"),
        ("c", ""),
    ]
    same = runs.table(FOUND, AUC, "2", jobs=False)
    assert list(same["Mark"]) == ["", "Best, In production", ""]
    assert list(runs.table(FOUND[:1], AUC, "", jobs=False)["Mark"]) == [""]  # no metric, no best


def test_a_table_has_the_metric_first_and_the_parameters_that_differ() -> None:
    fixed = [run("a", 1, 0.8, eta="0.1", seed="1", kind="x"), run("b", 2, 0.9, eta="0.2", seed="1", kind="y")]
    table = runs.table(fixed, LOSS, "", jobs=False)
    assert list(table.columns) == [
        *("Mark", "Execution", "Status", "Version", "validation:logloss", "auc", "Started", "Took", "eta", "kind")
    ]
    assert (list(table["eta"]), list(table["Took"])) == ([0.1, 0.2], [60.0, 60.0])
    jobs = runs.table([run("a", 1, 0.8, job="j-1")], LOSS, "", jobs=True)
    assert list(jobs.columns)[:3] == ["Mark", "Training job", "Execution"]


def test_the_file_has_every_metric_and_parameter() -> None:
    first, *rest = csv.DictReader(io.StringIO(runs.csv(FOUND, "2")))
    assert (first["execution"], first["metric:auc"], first["parameter:eta"]) == ("c", "", "0.3")
    assert [each["in_production"] for each in (first, *rest)] == ["False", "True", "False"]
    assert rest[0]["started"] == "2026-03-02T00:02:00+00:00"


@pytest.mark.parametrize(("lower", "expected"), [(True, [3.0, 3.0, 1.0]), (False, [3.0, 4.0, 4.0])])
def test_the_best_so_far_only_gets_better(lower: bool, expected: list[float]) -> None:
    found = list(runs.best_so_far([("", "a", 3.0), ("", "b", 4.0), ("", "c", 1.0)], lower=lower))
    assert [each[4] for each in found] == expected
    assert [each[2] for each in found] == [1, 2, 3]


def test_tuning_jobs_are_each_for_itself() -> None:
    both = [
        run("e", after, auc, job=f"{tuning}-{after}", tuning=tuning)
        for after, (tuning, auc) in enumerate([("s", 0.7), ("t", 0.6), ("s", 0.6), ("t", 0.8)])
    ]
    table = runs.progress(both, AUC, jobs=True)
    assert list(table.itertuples(index=False, name=None)) == [
        ("s", "s-0", 1, 0.7, 0.7), ("t", "t-1", 1, 0.6, 0.6), ("s", "s-2", 2, 0.6, 0.7), ("t", "t-3", 2, 0.8, 0.8)
    ]  # fmt: skip
    many = [run("e", number, 0.5, job=str(number), tuning=str(number)) for number in range(7)]
    assert set(runs.progress(many, AUC, jobs=True)["series"]) == {""}


def test_a_metric_against_a_parameter() -> None:
    table = runs.against(FOUND, AUC, "eta", jobs=False)
    assert list(table.itertuples(index=False, name=None)) == [("b", 0.2, 0.9, True), ("a", 0.1, 0.8, False)]
    assert list(runs.against(FOUND, AUC, "kind", jobs=False)["value"]) == ["y", "x"]
    assert runs.against(FOUND, AUC, "nope", jobs=False).empty


def test_a_line_runs_over_all_axes() -> None:
    made, points = runs.coordinates(FOUND, AUC, ["eta", "kind"], ["eta"], jobs=False)
    assert [(axis.name, axis.kind) for axis in made] == [("eta", "log"), ("kind", "category"), ("auc", "linear")]
    assert list(points[points["run"] == "b"]["y"]) == [1.0, 1.0, 1.0]
    assert dict(zip(points["run"], points["rank"], strict=True)) == {"b": 1, "a": 2}  # c has no metric, and no line
    assert set(points[points["run"] == "a"]["label"]) == {"0.1", "x", "0.8"}


def test_a_thousand_lines_make_a_chart() -> None:
    many = [
        run(str(number), number, number / 1000, eta=str(number + 1), kind=str(number % 3)) for number in range(1000)
    ]
    made, points = runs.coordinates(many, AUC, ["eta", "kind"], ["eta"], jobs=False)
    drawn: dict[str, Any] = charts.parallel(made, points, AUC, 5).to_dict()
    faint = drawn["layer"][0]["mark"]["opacity"]
    assert (len(points), faint < 0.1) == (3000, True)


def test_scatters_follow_the_scale_of_the_search() -> None:
    table = runs.against(FOUND, AUC, "eta", jobs=False)
    assert '"type": "log"' in charts.scatter(table, AUC, "eta", logarithmic=True).to_json()
    assert '"type": "log"' not in charts.scatter(table, AUC, "eta", logarithmic=False).to_json()
    assert '"field": "value", "title": "kind", "type": "nominal"' in " ".join(
        charts.scatter(runs.against(FOUND, AUC, "kind", jobs=False), AUC, "kind", logarithmic=False).to_json().split()
    )
