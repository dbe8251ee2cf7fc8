"""Model Monitor's model quality: the numbers of AWS's own sample, scikit-learn's as the judge, and every violation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as judge

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import model_quality
import model_quality_constraints as bounds
from data_capture import NoRecordsError
from model_quality import Args, run
from model_quality_forecasting import Forecasts, forecast
from model_quality_metrics import Classified, Metric, Numbers, classified, hanley_mcneil, numbers
from model_quality_ranking import Ranked, ranked

NAMES = {
    "inference_attribute": "predicted_label",
    "probability_attribute": "probability",
    "ground_truth_attribute": "y",
}


def binary(truth: np.ndarray, predicted: np.ndarray, probability: np.ndarray | None = None) -> dict[str, Metric]:
    counts = judge.confusion_matrix(truth, predicted, labels=[0, 1])
    some = np.empty(0) if probability is None else probability
    return classified(Classified(["0", "1"], counts, truth == 1, some), binary=True)


def population(count: int, seed: int = 0, worse: float = 0.0) -> pd.DataFrame:
    """Calibrated probabilities; of a share `worse` of the records the truth is drawn anew."""
    random = np.random.default_rng(seed)
    probability = random.beta(1, 2, count)
    truth = random.random(count) < probability
    anew = random.random(count) < worse
    truth = np.where(anew, random.random(count) < 0.6, truth)
    return pd.DataFrame({"predicted_label": (probability >= 0.4) * 1, "probability": probability, "y": truth * 1})


def analyse(folder: Path, table: pd.DataFrame, **options: str) -> dict[str, Any]:
    """The files that a run writes, by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "table.csv", index=False)
    job = {"job_output": str(folder / "nowhere" / "output")}
    defaults = {**NAMES, **job, "dataset_source": str(folder / "table.csv"), "output_path": str(folder / "out")}
    summary = run(Args(**{**defaults, **options}))
    found = {file.name: json.loads(file.read_text()) for file in (folder / "out").glob("*.json")}
    return found | {"summary": summary, "html": (folder / "out" / "report.html").read_text()}


def test_binary_metrics_are_those_of_the_guides_sample() -> None:
    """One true positive, one true negative and two false positives: the confusion matrix of the developer guide."""
    found = binary(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), np.array([0.1, 0.6, 0.7, 0.9]))
    expected = {
        "recall": 1.0, "precision": 1 / 3, "accuracy": 0.5, "auc": 1.0, "f0_5": 0.3846153846153846, "f1": 0.5,
        "f2": 0.7142857142857143, "true_positive_rate": 1.0, "true_negative_rate": 1 / 3,
        "false_positive_rate": 2 / 3, "false_negative_rate": 0.0, "recall_best_constant_classifier": 1.0,
        "precision_best_constant_classifier": 0.25, "accuracy_best_constant_classifier": 0.25,
        "f0_5_best_constant_classifier": 0.29411764705882354, "f1_best_constant_classifier": 0.4,
        "f2_best_constant_classifier": 0.625,
    }  # fmt: skip
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert found["recall"].described() == {"value": 1.0, "standard_deviation": "NaN"}


def test_binary_metrics_are_scikit_learns() -> None:
    table = population(3000)
    truth, predicted, probability = table["y"], table["predicted_label"], table["probability"]
    found = binary(truth.to_numpy(), predicted.to_numpy(), probability.round(2).to_numpy())
    expected = {
        "auc": judge.roc_auc_score(truth, probability.round(2)),
        "au_prc": judge.average_precision_score(truth, probability.round(2)),
        "recall": judge.recall_score(truth, predicted),
        "precision": judge.precision_score(truth, predicted),
        "accuracy": judge.accuracy_score(truth, predicted),
        "f0_5": judge.fbeta_score(truth, predicted, beta=0.5),
        "f1": judge.f1_score(truth, predicted),
        "f2": judge.fbeta_score(truth, predicted, beta=2),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)


def test_deviations_and_errors_are_those_of_samples() -> None:
    """AWS's five samples of 80 % deviate by less than half a standard error; errors are those between windows."""
    windows = [binary(*population(1000, seed).to_numpy()[:, [2, 0, 1]].T) for seed in range(60)]
    for name in ("auc", "recall", "precision", "f1", "accuracy", "false_positive_rate", "au_prc"):
        spread = np.std([window[name].value for window in windows])
        error = np.mean([window[name].error for window in windows])
        assert 0.75 * spread < error < 1.5 * spread, name
        assert 0.2 * spread < np.mean([window[name].deviation for window in windows]) < 0.7 * spread, name
    assert hanley_mcneil(1.0, 3, 3) > 0.1  # few records prove little


def test_multiclass_metrics_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    labels = ["a", "b", "c", "never"]
    truth = random.choice(labels[:3], 900, p=[0.6, 0.3, 0.1])
    predicted = np.where(random.random(900) < 0.7, truth, random.choice(labels, 900))
    counts = judge.confusion_matrix(truth, predicted, labels=labels)
    found = classified(Classified(labels, counts), binary=False)
    for suffix, answer in (("", predicted), ("_best_constant_classifier", np.full(900, "a"))):
        options: dict[str, Any] = {"average": "weighted", "zero_division": 0.0}
        expected = {
            "accuracy": judge.accuracy_score(truth, answer),
            "weighted_recall": judge.recall_score(truth, answer, **options),
            "weighted_precision": judge.precision_score(truth, answer, **options),
            "weighted_f0_5": judge.fbeta_score(truth, answer, beta=0.5, **options),
            "weighted_f1": judge.f1_score(truth, answer, **options),
            "weighted_f2": judge.fbeta_score(truth, answer, beta=2, **options),
        }
        assert {name: found[name + suffix].value for name in expected} == pytest.approx(expected)
    assert 0 < found["weighted_f1"].deviation < found["weighted_f1"].error < 0.05


def test_regression_metrics_are_scikit_learns() -> None:
    def window(seed: int) -> Numbers:
        random = np.random.default_rng(seed)
        truth = random.gamma(2, 10, 400)
        return Numbers(truth, truth + random.normal(1, 5, 400))

    data = window(0)
    found = numbers(data)
    expected = {
        "mae": judge.mean_absolute_error(data.truth, data.predicted),
        "mse": judge.mean_squared_error(data.truth, data.predicted),
        "rmse": judge.root_mean_squared_error(data.truth, data.predicted),
        "r2": judge.r2_score(data.truth, data.predicted),
    }
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(expected)
    others = [numbers(window(seed)) for seed in range(60)]
    for name in expected:
        spread = np.std([other[name].value for other in others])
        assert 0.75 * spread < found[name].error < 1.4 * spread, name
    assert set(numbers(Numbers(np.ones(3), np.ones(3)))) == {"mae", "mse", "rmse"}


def test_ranking_metrics_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    relevance, score = random.integers(0, 4, (50, 12)), random.random((50, 12))
    relevance[:, 0] += 1  # each query has a relevant record
    order = random.permutation(600)
    data = Ranked(np.repeat(np.arange(50), 12)[order], relevance.ravel()[order], score.ravel()[order])
    found = ranked(data, 5)
    assert found["ndcg_at_5"].value == pytest.approx(judge.ndcg_score(relevance, score, k=5))
    complete = ranked(data, 12)["map_at_12"].value
    hits = relevance > 0
    each = [judge.average_precision_score(hit, line) for hit, line in zip(hits, score, strict=True)]
    assert complete == pytest.approx(np.mean(each))
    best = np.argsort(-score, axis=1)
    ranks = np.take_along_axis(hits, best, axis=1)
    assert found["precision_at_5"].value == pytest.approx(ranks[:, :5].mean())
    assert found["mrr"].value == pytest.approx(np.mean(1 / (ranks.argmax(axis=1) + 1)))
    assert ranked(Ranked(np.zeros(2), np.zeros(2), np.arange(2.0)), 5) == {}


def test_forecasts() -> None:
    series = np.array([0, 0, 0, 1, 1, 1])
    truth, predicted = np.array([1.0, 3.0, 5.0, 10.0, 10.0, 20.0]), np.array([2.0, 3.0, 4.0, 10.0, 15.0, 20.0])
    quantiles = {0.1: predicted - 1, 0.9: predicted + 1}
    found = {name: metric.value for name, metric in forecast(Forecasts(series, truth, predicted, quantiles)).items()}
    # naive errors: 2 and 2 of the first series, 0 and 10 of the second
    expected = {
        "mase": ((2 / 3) / 2 + (5 / 3) / 5) / 2,
        "rmsse": (((2 / 3) / 4) ** 0.5 + ((25 / 3) / 50) ** 0.5) / 2,
        "smape": (2 / 3 + 0 + 2 / 9 + 0 + 10 / 25 + 0) / 6,
        "wape": 7 / 49,
        "pinball_0.1": judge.mean_pinball_loss(truth, predicted - 1, alpha=0.1),
        "pinball_0.9": judge.mean_pinball_loss(truth, predicted + 1, alpha=0.9),
        "coverage": 5 / 6,
    }
    assert found == pytest.approx(expected)
    given = forecast(Forecasts(series, truth, predicted, scale=np.array([4.0, 4, 4, 1, 1, 1])))
    assert given["mase"].value == pytest.approx(((2 / 3) / 4 + (5 / 3)) / 2)
    assert "mase" not in forecast(Forecasts(np.zeros(1), np.ones(1), np.ones(1)))


def test_an_unchanged_population_is_no_violation_and_a_worse_one_is(tmp_path: Path) -> None:
    made = analyse(tmp_path / "baseline", population(2000, 1000))
    assert made["summary"] == "Completed: Job completed successfully with the metrics of 2000 records."
    constraints = made["constraints.json"]["binary_classification_constraints"]
    alarms = 0
    for seed in range(60):
        for size in (60, 300, 2000):
            alarms += bool(bounds.check(constraints, binary(*population(size, seed).to_numpy()[:, [2, 0, 1]].T)))
    assert alarms <= 1
    worse = binary(*population(1000, 7, worse=0.5).to_numpy()[:, [2, 0, 1]].T)
    assert {"auc", "accuracy"} <= {each["metric_name"] for each in bounds.check(constraints, worse)}


def test_constraints_and_violations_in_awss_words() -> None:
    exact = {"auc": Metric(0.71, 0.01, 0.02), "false_positive_rate": Metric(0.2)}
    assert bounds.suggest(exact)["auc"] == {
        "threshold": pytest.approx(0.65), "comparison_operator": "LessThanThreshold",
    }  # fmt: skip
    limits = {
        "auc": {"threshold": 0.8, "comparison_operator": "LessThanThreshold"},
        "false_positive_rate": {"threshold": 0.1, "comparison_operator": "GreaterThanThreshold"},
        "recall": {"threshold": 0.1, "comparison_operator": "LessThanThreshold"},  # no value: no violation
    }
    assert bounds.check(limits, exact) == [
        {
            "constraint_check_type": "LessThanThreshold",
            "description": "Metric auc with 0.71 +/- 0.01 was LessThanThreshold '0.8'",
            "metric_name": "auc",
        },
        {
            "constraint_check_type": "GreaterThanThreshold",
            "description": "Metric false_positive_rate with 0.2 +/- NaN was GreaterThanThreshold '0.1'",
            "metric_name": "false_positive_rate",
        },
    ]
    with pytest.raises(ValueError, match="auc has the comparison_operator 'Below'"):
        bounds.check({"auc": {"threshold": 1, "comparison_operator": "Below"}}, exact)


def test_a_monitor_compares_reports_and_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyse(tmp_path / "baseline", population(3000, 1))
    given = {
        f"baseline_{part}": str(tmp_path / "baseline" / "out" / f"{part}.json")
        for part in ("statistics", "constraints")
    }
    (tmp_path / "ml").mkdir()
    window = {"start_time": "2026-03-02T10:00:00Z", "end_time": "2026-03-02T11:00:00Z"}
    names = {"sagemaker_endpoint_name": "churn", "sagemaker_monitoring_schedule_name": "churn-model-quality"}
    found = analyse(
        tmp_path / "now", population(1500, 2, worse=0.5), job_output=str(tmp_path / "ml" / "output"),
        **given, **window, **names,
    )  # fmt: skip
    violations = found["constraint_violations.json"]["violations"]
    assert "auc" in {each["metric_name"] for each in violations}
    assert found["summary"] == f"CompletedWithViolations: Job completed successfully with {len(violations)} violations."
    statistics = found["statistics.json"]
    assert statistics["dataset"]["item_count"] == 1500
    assert statistics["dataset"]["end_time"] == "2026-03-02T11:00:00+00:00"
    assert len(statistics["binary_classification_metrics"]["precision_recall_curve"]["recalls"]) <= 100
    assert "The predictions are worse than the baseline allows" in found["html"]
    assert "Concept drift" in found["html"]
    assert (tmp_path / "now" / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    lines = (tmp_path / "ml" / "output" / "metrics" / "cloudwatch").read_text().splitlines()
    published = {each["MetricName"]: each for each in map(json.loads, lines)}
    assert published["violations"]["Value"] == len(violations)
    assert published["auc"]["Dimensions"] == [
        {"Name": "Endpoint", "Value": "churn"},
        {"Name": "MonitoringSchedule", "Value": "churn-model-quality"},
    ]
    assert "recall_best_constant_classifier" in published
    assert "check.json" not in found


def test_a_check_in_a_pipeline_registers_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_quality.analysis_baseline, "registered", lambda group, kind: {})
    found = analyse(tmp_path, population(300), model_package_group_name="churn")
    assert found["check.json"]["violations"] == 0
    assert found["check.json"]["registered"] == "new"
    kept = tmp_path / "out" / "drift_check_baseline"
    assert sorted(file.name for file in kept.iterdir()) == ["constraints.json", "statistics.json"]


@pytest.mark.parametrize("truth", [0, 1])
def test_one_class_in_the_labels(tmp_path: Path, truth: int) -> None:
    made = analyse(tmp_path / "baseline", population(2000, 1))
    constraints = str(tmp_path / "baseline" / "out" / "constraints.json")
    table = population(40).assign(y=truth)
    found = analyse(tmp_path / "now", table, baseline_constraints=constraints)
    assert "auc" in made["statistics.json"]["binary_classification_metrics"]
    assert "auc" not in found["statistics.json"]["binary_classification_metrics"]
    assert "All records have the same truth" in found["html"]


def test_constant_predictions(tmp_path: Path) -> None:
    found = analyse(tmp_path, population(300).assign(predicted_label=0, probability=0.2))
    values = found["statistics.json"]["binary_classification_metrics"]
    assert (values["precision"]["value"], values["recall"]["value"], values["auc"]["value"]) == (0, 0, 0.5)


def test_a_threshold_labels_probabilities(tmp_path: Path) -> None:
    table = population(50).drop(columns="predicted_label")
    options = {"inference_attribute": "", "probability_threshold_attribute": "0.7"}
    found = analyse(tmp_path, table, **options)["statistics.json"]["binary_classification_metrics"]
    predicted = table["probability"] >= 0.7
    assert found["recall"]["value"] == pytest.approx(judge.recall_score(table["y"], predicted))


@pytest.mark.parametrize(
    ("problem", "table", "options", "name"),
    [
        ("Regression", {"y": [1, 2, 3], "predicted_label": [1.5, 2, 2]}, {}, "mae"),
        ("MulticlassClassification", {"y": list("abca"), "predicted_label": list("abba")}, {}, "weighted_f1"),
        (
            "Ranking", {"q": list("aabb"), "y": [1, 0, 0, 1], "predicted_label": [0.9, 0.1, 0.8, 0.2]},
            {"group_attribute": "q", "first": "2"}, "ndcg_at_2",
        ),
        (
            "Forecasting", {"s": list("aaab"), "y": [1, 2, 4, 1], "predicted_label": [1, 2, 3, 1], "low": 0, "high": 3},
            {"group_attribute": "s", "quantile_attributes": "0.1=low,0.9=high"}, "coverage",
        ),
    ],
)  # fmt: skip
def test_other_problems(
    tmp_path: Path, problem: str, table: dict[str, Any], options: dict[str, str], name: str
) -> None:
    settings = {"problem_type": problem, "probability_attribute": "", **options}
    made = analyse(tmp_path, pd.DataFrame(table), **settings)
    key = next(each for each in made["statistics.json"] if each.endswith("_metrics"))
    assert name in made["statistics.json"][key]
    again = analyse(
        tmp_path, pd.DataFrame(table), **settings, baseline_constraints=str(tmp_path / "out" / "constraints.json")
    )
    assert again["constraint_violations.json"]["violations"] == []


def test_blanks_are_left_out_and_counted(tmp_path: Path) -> None:
    table = population(10).astype(str)
    table.loc[0, "y"] = ""
    table.loc[1, "predicted_label"] = ""
    found = analyse(tmp_path, table)
    assert found["statistics.json"]["dataset"]["item_count"] == 8
    assert "2 left out without truth or prediction" in found["html"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"ground_truth_attribute": "truth"}, "ground_truth_attribute is 'truth', and the columns are predicted_l"),
        ({}, {"ground_truth_attribute": ""}, "give a ground_truth_attribute"),
        ({}, {"inference_attribute": "", "probability_attribute": ""}, "give an inference_attribute or a probability"),
        ({}, {"problem_type": "Clustering"}, "problem_type is 'Clustering'"),
        ({}, {"dataset_format": "csv"}, "dataset_format is 'csv'"),
        ({}, {"dataset_format": '{"avro": {}}'}, "is not supported"),
        ({}, {"problem_type": "Ranking"}, "give a group_attribute"),
        ({}, {"problem_type": "Forecasting", "quantile_attributes": "p10"}, "quantile_attributes is 'p10'"),
        ({"y": "churned"}, {}, "ground_truth_attribute: record 1 has 'churned'; a binary label is 1 or 0"),
        ({"probability": "high"}, {}, "probability_attribute: record 1 has 'high' where a number is needed"),
        ({"y": ""}, {}, "none of the 20 records of .* has both a prediction and its truth"),
    ],
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, change: dict[str, Any], options: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        analyse(tmp_path, population(20).assign(**change), **options)


def test_a_baseline_of_another_problem_is_refused(tmp_path: Path) -> None:
    (tmp_path / "constraints.json").write_text('{"version": 0.0, "regression_constraints": {}}')
    with pytest.raises(ValueError, match="binary_classification_constraints is expected, and found regression_constr"):
        analyse(tmp_path, population(20), baseline_constraints=str(tmp_path / "constraints.json"))
    (tmp_path / "constraints.json").write_text("{")
    with pytest.raises(ValueError, match=r"constraints.json cannot be read"):
        analyse(tmp_path, population(20), baseline_constraints=str(tmp_path / "constraints.json"))


def merged(answer: str, truth: str | None, event: str = "e") -> str:
    side = {"observedContentType": "text/csv", "mode": "OUTPUT", "data": answer, "encoding": "CSV"}
    record: dict[str, Any] = {"captureData": {"endpointOutput": side}}
    record["eventMetadata"] = {"eventId": event, "inferenceTime": "2026-03-02T10:15:07Z"}
    if truth is not None:
        record["groundTruthData"] = {"data": truth, "encoding": "CSV"}
    return json.dumps(record)


def test_merged_captures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's container contract: everything by the environment, columns of answers by index."""
    lines = [merged("0.9,1", "1"), merged("0.2,0\n0.6,1", "0\n0"), merged("0.5,1", None), merged("0.5,1", "1\n0")]
    source = tmp_path / "input" / "2026" / "03" / "02" / "10"
    source.mkdir(parents=True)
    (source / "merged.jsonl").write_text("\n".join(lines))
    environment = {
        "dataset_source": str(tmp_path / "input"), "output_path": str(tmp_path / "out"), "inference_attribute": "1",
        "dataset_format": model_quality.CAPTURE, "probability_attribute": "0", "analysis_type": "MODEL_QUALITY",
        "problem_type": "BinaryClassification", "end_time": "2026-03-02T11:00:00Z",
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "ml").mkdir()
    monkeypatch.setattr(sys, "argv", ["model_quality.py", "--job-output", str(tmp_path / "ml" / "output")])
    model_quality.main()
    found = json.loads((tmp_path / "out" / "statistics.json").read_text())["binary_classification_metrics"]
    assert found["confusion_matrix"] == {"0": {"0": 1, "1": 1}, "1": {"0": 0, "1": 1}}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "without groundTruthData" in page
    assert "with more or fewer labels than answers" in page
    monkeypatch.setenv("end_time", "2026-03-02T10:00:00Z")
    with pytest.raises(NoRecordsError, match="no record with its truth"):
        model_quality.main()
    assert (tmp_path / "ml" / "output" / "message").read_text().startswith("no record with its truth")
