"""Metrics of bias: published values, smclarify's own functions, drift beyond chance, and what tables can hold."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import analysis_config
import analysis_data
import bias
import bias_counts
import bias_metrics
import bias_smclarify

METHODS = {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": "all"}}
STAGES = ("pre_training", "post_training")
Measure = Callable[..., dict[str, Any]]


@pytest.fixture
def measured(tmp_path: Path) -> Callable[..., bias.Bias]:
    """Bias of a table by the column `sex`, which is read from a CSV file."""

    def measure(frame: pd.DataFrame, stage: str = "pre_training", facet: Any = ("F",), **config: Any) -> bias.Bias:
        frame.to_csv(tmp_path / "data.csv", index=False)
        facets = [{"name_or_index": "sex"} | ({"value_or_threshold": list(facet)} if facet else {})]
        whole = {
            "label": "label", "label_values_or_threshold": [1], "facet": facets, "methods": METHODS,
            **({"predicted_label": "predicted"} if "predicted" in frame else {}), **config,
        }  # fmt: skip
        return bias.measure(whole, analysis_data.load(whole, tmp_path / "data.csv"), stage)

    return measure


def values(found: bias.Bias, group: int = 0) -> dict[str, float]:
    return {each.name: each.value for each in found.groups[group].metrics}


def people(rows: int = 400, favour: float = 0.3, seed: int = 0) -> pd.DataFrame:
    """Two sexes, of which M has the label, and the prediction, more often by `favour`."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"sex": random.choice(["F", "M"], rows), "group": random.choice(list("abc"), rows)})
    chance = 0.3 + favour * (frame["sex"] == "M")
    return frame.assign(label=(random.random(rows) < chance) * 1, predicted=(random.random(rows) < chance) * 1)


def test_values_of_smclarifys_own_tests(measured: Callable[..., bias.Bias]) -> None:
    """The table of 12 and its values: tests/unit/bias/metrics/test_metrics.py of aws/amazon-sagemaker-clarify."""
    frame = pd.DataFrame(
        {
            "sex": list("MFFMFMFFMMFF"),
            "label": [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0],
            "predicted": [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0],
        }
    )
    published = {
        "F": {"DI": 10 / 7, "DCA": 1 / 4, "DCR": 1 / 3, "RD": -2 / 3, "AD": -13 / 35, "DAR": -1 / 2},
        "M": {"DI": 7 / 10, "DCA": -1 / 4, "DCR": -1 / 3, "RD": 2 / 3, "AD": 13 / 35, "DAR": 1 / 2},
    }
    for sex, expected in published.items():
        found = values(measured(frame, "post_training", [sex]))
        assert {name: found[name] for name in expected} == pytest.approx(expected)
        assert values(measured(frame, facet=[sex]))["CI"] == pytest.approx(-1 / 6 if sex == "F" else 1 / 6)
    never = frame.assign(predicted=[0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1])  # M has no positive prediction
    assert values(measured(never, "post_training"))["DI"] == math.inf
    assert measured(never, "post_training").document["facets"]["sex"][0]["metrics"][4]["value"] == "Infinity"
    few = pd.DataFrame({"sex": ["F", *"MMMMM"], "label": [1, 1, 1, 2, 2, 2]})
    found = values(measured(few))
    assert found["KL"] == pytest.approx(0.4 * math.log(0.4))  # of the only label that both have, in nats
    assert found["LP"] == pytest.approx(0.6)
    assert values(measured(pd.DataFrame({"sex": list("aabb"), "label": [1, 1, 0, 1]}), facet="a"))["DPL"] == -0.5


def test_values_of_fairlearn(measured: Callable[..., bias.Bias]) -> None:
    """Its user guide, "Performing a Fairness Assessment": differences and ratios between groups, as here."""
    fairlearn = pytest.importorskip("fairlearn.metrics")
    frame = people(seed=3)
    found = values(measured(frame, "post_training"))
    by = {"y_true": frame["label"], "y_pred": frame["predicted"], "sensitive_features": frame["sex"]}
    assert abs(found["DPPL"]) == pytest.approx(fairlearn.demographic_parity_difference(**by))
    assert found["DI"] == pytest.approx(fairlearn.demographic_parity_ratio(**by))  # F has fewer
    assert abs(found["RD"]) == pytest.approx(fairlearn.true_positive_rate_difference(**by))
    assert abs(found["SD"]) == pytest.approx(fairlearn.false_positive_rate_difference(**by))


def test_an_admission_that_favours_nobody_in_any_department(measured: Callable[..., bias.Bias]) -> None:
    """Berkeley's six largest departments of 1973 (Bickel, Hammel and O'Connell, Science 187, 1975, table 1).

    Women were admitted less often (30 % to 45 %), but not within departments: the conditional disparity is nearly 0.
    """
    rows = []
    admissions = {
        "A": (512, 313, 89, 19), "B": (353, 207, 17, 8), "C": (120, 205, 202, 391), "D": (138, 279, 131, 244),
        "E": (53, 138, 94, 299), "F": (22, 351, 24, 317),
    }  # fmt: skip
    for department, counts in admissions.items():
        kinds = [("M", 1), ("M", 0), ("F", 1), ("F", 0)]
        for (sex, label), count in zip(kinds, counts, strict=True):
            rows += [(sex, label, department)] * count
    frame = pd.DataFrame(rows, columns=["sex", "label", "department"])
    found = values(measured(frame, group_variable="department"))
    assert found["DPL"] == pytest.approx(1198 / 2691 - 557 / 1835)
    assert found["CI"] == pytest.approx((2691 - 1835) / 4526)
    assert (
        abs(found["CDDL"])
        < 0.02
        < values(measured(frame.assign(department="all"), group_variable="department"))["CDDL"]
    )


@pytest.mark.parametrize("most", [0, bias_metrics.MOST_WORK])
@pytest.mark.parametrize("seed", range(4))
def test_every_metric_is_smclarifys(
    measured: Callable[..., bias.Bias], monkeypatch: pytest.MonkeyPatch, seed: int, most: int
) -> None:
    from smclarify.bias import report

    monkeypatch.setattr(bias_metrics, "MOST_WORK", most)
    logging.getLogger("smclarify").setLevel(logging.CRITICAL)
    random = np.random.default_rng(seed)
    frame = people(60, seed=seed)
    frame["label"] = np.where(random.random(60) < [0.1, 0.3, 0.9, 1.0][seed], "yes", "no")
    frame["predicted"] = np.where(random.random(60) < [0.9, 0.3, 0.05, 0.5][seed], "yes", "no")
    for stage in STAGES:
        truth = report.LabelColumn("label", frame["label"], ["yes"])
        answer = report.LabelColumn("predicted", frame["predicted"], ["yes"]) if stage == "post_training" else None
        expected = report.bias_report(
            frame.drop(columns="predicted"), report.FacetColumn("sex"), truth, report.StageType[stage.upper()],
            predicted_label_column=answer, group_variable=frame["group"],
        )  # fmt: skip
        found = measured(frame, stage, None, label_values_or_threshold=["yes"], group_variable="group")
        groups = {each["value_or_threshold"]: each["metrics"] for each in found.document["facets"]["sex"]}
        for each in expected:
            for mine, theirs in zip(groups[each["value_or_threshold"]], each["metrics"], strict=True):
                assert [mine["name"], mine["description"]] == [theirs["name"], theirs["description"]]
                value = theirs["value"]
                assert mine["value"] == (pytest.approx(value) if isinstance(value, float | int) else value), mine[
                    "name"
                ]


def test_formulas_are_smclarifys_functions() -> None:
    random = np.random.default_rng(0)
    for sparse in np.linspace(0.1, 0.9, 12):
        cells = random.integers(1, 40, (2, 2, 2, 3)) * (random.random((2, 2, 2, 3)) > sparse)
        names = [name for name, metric in bias_metrics.METRICS.items() if metric.formula]
        names = [name for name in names if not bias_metrics._problem(name, cells, grouped=True)]
        theirs = bias_smclarify.values(names, cells)
        assert {name: bias_metrics.by_formula(name, cells) for name in names} == pytest.approx(theirs)


def test_many_records_are_not_asked_of_smclarify(
    measured: Callable[..., bias.Bias], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = measured(people(), "post_training")
    monkeypatch.setattr(bias_metrics, "MOST_WORK", 100)
    monkeypatch.setattr(bias_smclarify, "values", None)
    assert values(measured(people(), "post_training")) == pytest.approx(values(few), nan_ok=True)


def test_smclarify_does_not_wait_for_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("sklearn", "smclarify")]:
        monkeypatch.delitem(sys.modules, name)
    assert bias_smclarify.values(["DI"], np.ones((2, 2, 2, 1), int)) == {"DI": 1.0}
    assert "sklearn" not in sys.modules
    monkeypatch.undo()
    assert bias_smclarify._later("sklearn.neighbors", "KNeighborsClassifier")(n_neighbors=3).n_neighbors == 3


def test_the_flip_test_is_smclarifys(measured: Callable[..., bias.Bias]) -> None:
    from smclarify.bias.metrics import FT

    random = np.random.default_rng(0)
    frame = people(80).drop(columns="group").assign(x=random.normal(size=80), y=random.integers(0, 9, 80))
    expected = FT(frame[["x", "y"]], frame["sex"] == "F", frame["predicted"] == 1)
    assert values(measured(frame, "post_training"))["FT"] == pytest.approx(expected)
    favoured = frame.assign(predicted=(frame["sex"] == "F") * 1)  # smclarify's sign: the developer guide has the other
    assert values(measured(favoured, "post_training"))["FT"] == 1


def test_intervals_are_those_of_resampled_records(measured: Callable[..., bias.Bias]) -> None:
    frame = people(300)
    counted = {each.name: each for each in measured(frame, "post_training").groups[0].metrics}
    random = np.random.default_rng(1)
    codes = ((frame["sex"] == "F") * 4 + frame["label"] * 2 + frame["predicted"]).to_numpy()
    samples = []
    for _ in range(300):
        cells = np.bincount(codes[random.integers(0, len(codes), len(codes))], minlength=8).reshape(1, 2, 2, 2, 1)
        samples.append([float(bias_metrics.METRICS[name].formula(cells)[0]) for name in ("DPPL", "DI", "RD", "AD")])  # type: ignore[misc]
    deviations = dict(zip(("DPPL", "DI", "RD", "AD"), np.std(samples, axis=0), strict=True))
    for name, deviation in deviations.items():
        assert counted[name].deviation == pytest.approx(deviation, rel=0.15)
        low, high = counted[name].interval
        assert low < counted[name].value < high


def test_drift_is_what_chance_does_not_explain(measured: Callable[..., bias.Bias]) -> None:
    fair, unfair = (measured(people(2000, favour), "post_training") for favour in (0.0, 0.4))
    again = measured(people(2000, 0.0, seed=7), "post_training")
    assert bias.compare(again, {fair.key: fair.document}) == []
    assert bias.compare(fair, {unfair.key: unfair.document}) == []  # it got better
    found = bias.compare(unfair, {fair.key: fair.document})
    assert {
        name: each[name] for each in found if each["metric_name"] == "DPPL" for name in each if name != "description"
    } == {"facet": "sex", "facet_value": "F", "metric_name": "DPPL", "constraint_check_type": "bias_drift_check"}
    assert bias.compare(unfair, {"pre_training_bias_metrics": {}}) == []


def test_thresholds_of_continuous_columns(measured: Callable[..., bias.Bias]) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": random.integers(18, 80, 500), "label": random.random(500)})
    frame.loc[0, "sex"] = 79
    found = measured(frame, facet=[40], label_values_or_threshold=[0.5])
    older, positive = frame["sex"] > 40, frame["label"] > 0.5
    assert [found.groups[0].text, found.groups[0].value] == ["(40, 79]", "40"]
    assert values(found)["DPL"] == pytest.approx(positive[~older].mean() - positive[older].mean())
    later = measured(frame[frame["sex"] < 79], facet=[40], label_values_or_threshold=[0.5])
    assert bias_metrics.earlier(found.document, later.groups[0])  # another maximum, the same group
    twice = measured(frame, facet=[40, 40], label_values_or_threshold=[0.5])
    assert twice.groups[0].counts.sum(axis=(1, 2)).tolist()[1] == (frame["sex"] == 40).sum()


def test_few_records_with_numbers_for_labels(measured: Callable[..., bias.Bias]) -> None:
    frame = pd.DataFrame({"sex": [0, 0, 0, 1, 1, 1], "label": [0, 0, 1, 1, 1, 0]})
    assert values(measured(frame, facet=[0]))["DPL"] == pytest.approx(1 / 3)
    assert values(measured(frame.astype(float), facet=["0"]))["DPL"] == pytest.approx(1 / 3)
    truths = frame.assign(label=frame["label"] == 1)
    assert values(measured(truths, facet=[0], label_values_or_threshold=[True]))["DPL"] == pytest.approx(1 / 3)


def test_three_labels_are_the_listed_ones_and_the_others(measured: Callable[..., bias.Bias]) -> None:
    frame = pd.DataFrame({"sex": list("FFFFMMMM"), "label": ["a", "b", "c", "c", "a", "b", "a", "c"]})
    assert values(measured(frame, label_values_or_threshold=["a", "b"]))["DPL"] == pytest.approx(1 / 4)


def test_missing_values_are_counted_and_left_out(measured: Callable[..., bias.Bias]) -> None:
    frame = people(200)
    gaps = pd.concat([frame, pd.DataFrame({"sex": [None, "F"], "label": [1, None], "predicted": [1, 1]})])
    found = measured(gaps, "post_training")
    assert values(found) == pytest.approx(values(measured(frame, "post_training")), nan_ok=True)
    assert found.counts.left_out == {"sex": 1, "label": 1}


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        (pd.DataFrame({"sex": ["F"] * 9, "label": [0, 1, 1] * 3}), "DPL", "outside of the facet's group"),
        (pd.DataFrame({"sex": ["M"] * 9, "label": [0, 1, 1] * 3}), "CI", "no record is in the facet's group"),
        (pd.DataFrame({"sex": ["M", "F"], "label": [0, 1]}), "KL", "no label in common"),
    ],
)
def test_a_metric_that_has_no_value_says_why(
    measured: Callable[..., bias.Bias], frame: pd.DataFrame, code: str, said: str
) -> None:
    metrics = {each["name"]: each for each in measured(frame).document["facets"]["sex"][0]["metrics"]}
    assert metrics[code]["value"] is None
    assert said in metrics[code]["error"]


def test_a_label_or_a_prediction_that_never_changes(measured: Callable[..., bias.Bias]) -> None:
    frame = people(100).assign(label=0)
    found = values(measured(frame, group_variable="group"))
    assert [found["DPL"], found["TVD"]] == [0, 0]
    assert math.isnan(found["CDDL"])  # nobody is accepted
    found = values(measured(people(100).assign(predicted=1), "post_training"))
    assert [found["DI"], found["DPPL"], found["RD"], found["DCR"]] == [1, 0, 0, 0]


def test_what_no_analysis_can_be_made_of(measured: Callable[..., bias.Bias]) -> None:
    many = pd.DataFrame({"sex": [f"person {number}" for number in range(10_000)], "label": [0, 1] * 5000})
    with pytest.raises(ValueError, match=r"facet sex has 10000 values, and 200 at most .* give its value_or_threshold"):
        measured(many, facet=None)
    assert values(measured(many, facet=["person 3"]))["CI"] == pytest.approx(9998 / 10_000)
    with pytest.raises(ValueError, match="predicted label predicted has none of the values of label"):
        measured(people().assign(predicted=0.37), "post_training")
    with pytest.raises(ValueError, match="has continuous numbers, so its threshold 'old' must be one"):
        measured(pd.DataFrame({"sex": np.linspace(0, 1, 50), "label": [0, 1] * 25}), facet=["old"])
    with pytest.raises(ValueError, match="the dataset has no records"):
        measured(people(0))
    with pytest.raises(ValueError, match="'age' of the analysis config is no column; the dataset has sex, group"):
        measured(people(), facet=["F"], group_variable="age")


def test_intersections_of_facets(tmp_path: Path) -> None:
    frame = people(600).assign(age=lambda table: np.arange(len(table)) % 60 + 20)
    frame.to_csv(tmp_path / "data.csv", index=False)
    config = {
        "label": "label", "label_values_or_threshold": [1], "methods": METHODS,
        "facet": [
            {"name_or_index": "sex", "value_or_threshold": ["F"]}, {"name_or_index": "age", "value_or_threshold": [60]},
        ],
    }  # fmt: skip
    table = analysis_data.load(config, tmp_path / "data.csv")
    both = bias.measure(config, table, "pre_training", intersections=True).groups[2]
    members = (frame["sex"] == "F") & (frame["age"] > 60)
    assert [both.facet, both.value] == ["sex & age", "F & 60"]
    expected = frame["label"][~members].mean() - frame["label"][members].mean()
    assert {each.name: each.value for each in both.metrics}["DPL"] == pytest.approx(expected)


def test_parts_of_a_file_and_of_several_files_are_one_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = people(3000)
    (tmp_path / "csv").mkdir()
    (tmp_path / "parquet").mkdir()
    for number, part in enumerate((frame[:1000], frame[1000:])):
        part.to_csv(tmp_path / "csv" / f"{number}.csv", index=False)
        part.to_parquet(tmp_path / "parquet" / f"{number}.parquet", index=False)
    monkeypatch.setattr(analysis_data, "BLOCK", 4096)
    monkeypatch.setattr(analysis_data, "ROWS", 700)
    facet = [{"name_or_index": "sex", "value_or_threshold": ["F"]}]
    config = {"label": "label", "label_values_or_threshold": [1], "facet": facet, "methods": METHODS}
    cells = []
    for kind, folder in (("text/csv", "csv"), ("application/x-parquet", "parquet")):
        table = analysis_data.load({**config, "dataset_type": kind}, tmp_path / folder)
        cells.append(bias_counts.count(config, table, False).cells[0])
    assert cells[0].tolist() == cells[1].tolist()
    assert cells[0].sum() == 3000


Run = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs bias.py over a table; the folder with its results."""
    (tmp_path / "opt").mkdir()

    def run(frame: pd.DataFrame, name: str, *options: str) -> Path:
        frame.to_csv(tmp_path / "data.csv", index=False)
        facet = [{"name_or_index": "sex", "value_or_threshold": ["F"]}]
        config = {"label": "label", "label_values_or_threshold": [1], "facet": facet, "predicted_label": "predicted"}
        methods = {**METHODS, "report": {"name": "fairness", "title": "Fair?"}}
        (tmp_path / "config.json").write_text(json.dumps({**config, "methods": methods}))
        output = tmp_path / name
        paths = {"config": "config.json", "data": "data.csv", "output": name, "job-output": "opt/output"}
        arguments = [each for option, path in paths.items() for each in (f"--{option}", str(tmp_path / path))]
        monkeypatch.setattr(sys, "argv", ["bias.py", *arguments, "--stage", "post_training", *options])
        bias.main()
        return output

    return run


def test_a_check_leaves_baseline_and_verdict(script: Run, tmp_path: Path) -> None:
    first = script(people(2000, 0.0), "first")
    check = json.loads((first / "check.json").read_text())
    assert [check["violations"], check["registered"], check["compared_with"]] == [0, "new", None]
    assert not (first / "constraint_violations.json").exists()
    baseline = first / "drift_check_baseline" / "analysis.json"
    assert baseline.read_bytes() == (first / "analysis.json").read_bytes()
    second = script(people(2000, 0.4), "second", "--baseline-constraints", str(baseline))
    violations = json.loads((second / "constraint_violations.json").read_text())["violations"]
    check = json.loads((second / "check.json").read_text())
    assert check["violations"] == len(violations) > 0
    assert (second / "drift_check_baseline" / "analysis.json").read_bytes() == baseline.read_bytes()
    page = (second / "fairness.html").read_text()
    assert "<title>Fair?</title>" in page
    assert "sex = F is farther from fair than in the baseline (" in page
    assert "points less often than the others; in the baseline it was" in page
    assert (second / "fairness.pdf").read_bytes().startswith(b"%PDF")
    message = (tmp_path / "opt" / "output" / "message").read_text()
    assert message.startswith(f"CompletedWithViolations: Job completed successfully with {len(violations)} violations.")


def test_a_monitor_publishes_by_facet(script: Run, tmp_path: Path) -> None:
    names = ("--sagemaker-endpoint-name", "churn", "--sagemaker-monitoring-schedule-name", "churn-model-bias")
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps({"version": "1.0", "post_training_bias_metrics": {"facets": {}}}))
    compared = ("--baseline-constraints", str(baseline), "--end-time", "2026-01-02T03:00:00Z")
    output = script(people(300), "monitor", *names, *compared)
    assert not (output / "check.json").exists()
    lines = (tmp_path / "opt" / "output" / "metrics" / "cloudwatch").read_text().splitlines()
    metrics = {each["MetricName"]: each for each in map(json.loads, lines)}
    assert metrics["violations"]["Value"] == 0
    dimensions = {each["Name"]: each["Value"] for each in metrics["bias_metric_DPPL"]["Dimensions"]}
    assert dimensions == {
        "Endpoint": "churn", "MonitoringSchedule": "churn-model-bias", "BiasStage": "Post-Training", "Label": "label",
        "LabelValue": "1", "Facet": "sex", "FacetValue": "F",
    }  # fmt: skip


def test_a_stage_that_the_config_lacks(tmp_path: Path) -> None:
    config = {"methods": {"pre_training_bias": {"methods": "all"}}}
    with pytest.raises(ValueError, match="stage is post_training, and the analysis config's methods have no"):
        analysis_config.stages(config, "post_training")
    with pytest.raises(ValueError, match=r"stage is 'before': pre_training or post_training"):
        analysis_config.stages(config, "before")


def test_no_drift_is_seldom_a_violation() -> None:
    """33 metrics of 3 groups at once; by Clarify's rule, without the baseline's deviations, it is often one."""
    random = np.random.default_rng(1)

    def groups() -> list[bias_metrics.Group]:
        found = []
        for facet in range(3):
            sex, label = random.random(1400) < 0.5, random.random(1400) < 0.3
            predicted = random.random(1400) < np.where(label, 0.7, 0.2)
            cells = np.zeros((2, 2, 2, 1), int)
            np.add.at(cells[..., 0], (sex * 1, label * 1, predicted * 1), 1)
            counts = bias_counts.Counts([], [], "1", 1400, {}, lambda _: np.array([]))
            counts.facets.append(bias_counts.Facet(str(facet), [("1", "1")], [], lambda _: np.array([]), False))
            counts.cells.append(cells)
            found += bias_metrics.measure(counts, ["DPPL", "DI", "RD", "SD", "AD", "DAR", "DRR", "DCA"], False)
        return found

    alarms = {True: 0, False: 0}
    for _ in range(10):
        old, new = groups(), groups()
        for deviations in alarms:
            baseline = bias_metrics.document({}, bias_counts.Counts([], [], "", 0, {}, len), "y", old, deviations)  # type: ignore[arg-type]
            alarms[deviations] += bool(bias_metrics.compare(new, baseline))
    assert alarms[True] <= 1 < alarms[False]
