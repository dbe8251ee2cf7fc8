"""SHAP of trees and of endpoints: exact values, what is added up, drift of attributions, and the script as a check."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import analysis_data
import analysis_model
import explainability
import feature_ranking
import model_artifact
import partial_dependence
import shap_values
import tree_shap

HANDLER = Path(__file__).parents[2] / "training" / "tabular_inference.py"
FOREST = """
from pathlib import Path
import joblib
import pandas as pd

def model_fn(folder):
    return joblib.load(Path(folder) / "model.joblib")

def predict_fn(data, model):
    found = model.predict_proba(pd.DataFrame(data).apply(pd.to_numeric, errors="ignore"))[:, 1]
    return {"probability": found, "label": (found > 0.5).astype(int)}
"""


def customers(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """The plan decides, then the months; what is paid is noise."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"plan": random.choice(["a", "b", "c"], rows), "months": random.integers(0, 60, rows)})
    return frame.assign(paid=random.random(rows).round(4))


def answers(frame: pd.DataFrame) -> np.ndarray:
    return ((frame["plan"] == "b") | (frame["months"] > 50)).astype(int).to_numpy()


def encoder() -> ColumnTransformer:
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [("category", one_hot, ["plan"])], remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")


@pytest.fixture(scope="module")
def boosted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an artifact as training leaves it: XGBoost behind one-hot features, and the project's own handler."""
    folder, frame, encode = tmp_path_factory.mktemp("boosted"), customers(), encoder()
    classifier = xgboost.XGBClassifier(n_estimators=20, max_depth=3, early_stopping_rounds=20)
    encoded = encode.fit_transform(frame)
    classifier.fit(encoded, answers(frame), eval_set=[(encoded, answers(frame))], verbose=False)
    joblib.dump(Pipeline([("encode", encode), ("classify", classifier)]), folder / "model.joblib")
    facts = {
        "features": {"plan": "category", "months": "number", "paid": "number"},
        "optional": [], "fill": {}, "odds_factor": 2.0, "threshold": 0.5, "label": "label",
        "raw": {"plan": ["plan_a", "plan_b", "plan_c"], "months": ["months"], "paid": ["paid"]},
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(facts))
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(HANDLER.read_text())
    (folder / "code" / "record_requests.py").write_text(HANDLER.with_name("record_requests.py").read_text())
    return folder


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    """Folder of an artifact without an explain_fn: a forest of scikit-learn at the end of a Pipeline."""
    frame = customers()
    model = Pipeline([("encode", encoder()), ("trees", RandomForestClassifier(10, max_depth=4, random_state=0))])
    (tmp_path / "forest" / "code").mkdir(parents=True)
    joblib.dump(model.fit(frame, answers(frame)), tmp_path / "forest" / "model.joblib")
    (tmp_path / "forest" / "metadata.json").write_text("{}")
    (tmp_path / "forest" / "code" / "inference.py").write_text(FOREST.replace(', errors="ignore"', ""))
    return tmp_path / "forest"


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs explainability.py over a table; its files by name, JSON as what it holds."""
    (tmp_path / "opt").mkdir()

    def run(frame: pd.DataFrame, methods: dict[str, Any], *options: str, **config: Any) -> dict[str, Any]:
        frame.to_csv(tmp_path / "data.csv", index=False)
        (tmp_path / "config.json").write_text(json.dumps({"dataset_type": "text/csv", "methods": methods, **config}))
        paths = {"config": "config.json", "data": "data.csv", "output": "out", "job-output": "opt/output"}
        arguments = [each for option, path in paths.items() for each in (f"--{option}", str(tmp_path / path))]
        monkeypatch.setattr(sys, "argv", ["explainability.py", *arguments, *options])
        explainability.main()
        files = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*")}
        return {
            name: json.loads(path.read_text()) if path.suffix == ".json" else path.read_text(errors="replace")
            for name, path in files.items()
            if path.is_file()
        }

    return run


def test_values_add_up_to_what_the_artifact_answers(boosted: Path, tmp_path: Path) -> None:
    artifact = model_artifact.load(boosted, tmp_path)
    frame, trees = customers(50, seed=1), tree_shap.Trees(artifact)
    found, names = trees.values(frame)
    assert names == ["plan", "months", "paid"]
    probability = trees.scores(frame)[:, 0]
    whole = found[:, :, 0].sum(axis=1) + trees.expected(frame, found)
    assert whole == pytest.approx(np.log(probability / (1 - probability)), abs=1e-5)
    assert explainability.local_values(boosted, frame).to_numpy() == pytest.approx(found[:, :, 0])


def test_values_are_those_of_shaps_tree_explainer(boosted: Path) -> None:
    shap = pytest.importorskip("shap")
    frame, pipeline = customers(50, seed=1), joblib.load(boosted / "model.joblib")
    encoded = pipeline[:-1].transform(frame)
    expected = pd.DataFrame(shap.TreeExplainer(pipeline[-1]).shap_values(encoded), columns=encoded.columns)
    expected["plan"] = expected[["plan_a", "plan_b", "plan_c"]].sum(axis=1)
    found = explainability.local_values(boosted, frame)
    assert found.to_numpy() == pytest.approx(expected[list(found)].to_numpy(), abs=1e-5)


def test_a_forest_of_scikit_learn_is_explained_in_raw_features(forest: Path, tmp_path: Path) -> None:
    artifact = model_artifact.load(forest, tmp_path)
    frame, trees = customers(40, seed=1), tree_shap.Trees(artifact)
    found, names = trees.values(frame.astype(str))
    assert names == ["plan", "months", "paid"]
    whole = found[:, :, 0].sum(axis=1) + trees.expected(frame, found)
    assert whole == pytest.approx(artifact.model.predict_proba(frame)[:, 1])


def test_a_model_without_trees_says_what_to_do(forest: Path, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    frame = customers(60)
    joblib.dump(LogisticRegression().fit(frame[["months"]], answers(frame)), forest / "model.joblib")
    artifact = model_artifact.load(forest, tmp_path)
    with pytest.raises(ValueError, match=r"neither an explain_fn nor trees .* a LogisticRegression. Name a predictor"):
        tree_shap.Trees(artifact).values(frame[["months"]])


@pytest.mark.parametrize("method", ["mean_abs", "median", "mean_sq"])
def test_global_values_of_parts_are_those_of_the_whole(
    boosted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(analysis_data, "BLOCK", 512)
    monkeypatch.setattr(shap_values, "SHOWN", 70)
    frame = customers(200, seed=2)
    frame.to_csv(tmp_path / "data.csv", index=False)
    table = analysis_data.load({}, tmp_path / "data.csv")
    assert len(list(table.parts(["plan"]))) > 3
    config = {"agg_method": method}
    trees = tree_shap.Trees(model_artifact.load(boosted, tmp_path))
    explanation = tree_shap.explain(config, table, trees, tmp_path)
    local = explainability.local_values(boosted, frame)
    expected = {"mean_abs": local.abs().mean(), "median": local.median(), "mean_sq": (local**2).mean()}[method]
    assert dict(zip(explanation.names, explanation.overall[:, 0], strict=True)) == pytest.approx(expected.to_dict())
    saved = pd.read_csv(tmp_path / "explanations_shap" / "out.csv")
    assert list(saved.columns) == ["plan_label0", "months_label0", "paid_label0"]
    assert saved.to_numpy() == pytest.approx(local.to_numpy(), rel=1e-5, abs=1e-6)
    assert [explanation.records, len(explanation.shown.found), len(explanation.shown.features)] == [200, 70, 70]


def test_a_check_and_its_next_run(boosted: Path, script: Run, tmp_path: Path) -> None:
    frame = customers(300, seed=1).assign(label=1, predicted_label=0)
    config = {"label": "label", "predicted_label": "predicted_label"}
    methods = {"shap": {}, "pdp": {"grid_resolution": 5, "top_k_features": 2}}
    files = script(frame, methods, "--model", str(boosted), **config)
    explained = files["analysis.json"]["explanations"]["tree_shap"]["label0"]
    ranked = sorted(explained["global_shap_values"], key=explained["global_shap_values"].get, reverse=True)
    assert ranked == ["plan", "months", "paid"]
    dependence = {each["feature_name"]: each for each in files["analysis.json"]["explanations"]["pdp"]}
    assert list(dependence) == ["plan", "months"]
    by_plan = dict(zip(dependence["plan"]["feature_values"], dependence["plan"]["model_predictions"][0], strict=True))
    assert by_plan["b"] > 0.5 > by_plan["a"]
    assert len(dependence["months"]["feature_values"]) == 5
    assert files["check.json"]["registered"] == "new"
    assert "plan moves the model" in files["report.html"]
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps(files["drift_check_baseline/analysis.json"]))
    options = ("--model", str(boosted), "--baseline-constraints", str(baseline))
    same = script(customers(300, seed=4), {"shap": {}}, *options)
    assert same["constraint_violations.json"] == {"version": "1.0", "violations": []}
    assert same["check.json"]["violations"] == 0
    turned = files["analysis.json"]["explanations"]["tree_shap"]["label0"]["global_shap_values"]
    turned |= {"plan": turned["paid"], "paid": turned["plan"]}
    baseline.write_text(json.dumps(files["analysis.json"]))
    other = script(customers(300), {"shap": {}}, *options)
    violation = other["constraint_violations.json"]["violations"][0]
    assert violation["constraint_check_type"] == "feature_attribution_drift_check"
    assert "The model is driven by other features than in the baseline" in other["report.html"]
    assert other["drift_check_baseline/analysis.json"] == files["analysis.json"]


def test_a_monitor_publishes_by_feature(boosted: Path, script: Run, tmp_path: Path) -> None:
    names = ("--sagemaker-endpoint-name", "churn", "--sagemaker-monitoring-schedule-name", "churn-explainability")
    files = script(customers(30), {"shap": {}}, "--model", str(boosted), *names, label="label")  # traffic has no label
    assert "check.json" not in files
    lines = (tmp_path / "opt" / "output" / "metrics" / "cloudwatch").read_text().splitlines()
    metrics = {each["MetricName"]: each for each in map(json.loads, lines)}
    found = files["analysis.json"]["explanations"]["tree_shap"]["label0"]
    assert metrics["feature_plan"]["Value"] == found["global_shap_values"]["plan"]
    dimensions = {each["Name"]: each["Value"] for each in metrics["feature_plan"]["Dimensions"]}
    assert dimensions == {
        "Endpoint": "churn", "MonitoringSchedule": "churn-explainability", "ExplainabilityMethod": "TreeShap",
        "Label": "label0", "ValueType": "GlobalShapValues",
    }  # fmt: skip
    assert "violations" not in metrics  # nothing was compared


class Runtime:
    """sagemaker-runtime of an endpoint that answers months / 60, and 1 more for plan b; several labels if asked to."""

    def __init__(self, labels: int = 1) -> None:
        self.labels, self.records = labels, 0

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        rows = [line.split(",") for line in request["Body"].splitlines()]
        self.records += len(rows)
        lines = []
        for plan, months, _ in rows:
            score = (float(months) / 60 if months else 0.0) + (plan == "b")
            lines.append(",".join(str(score * (number + 1)) for number in range(self.labels)))
        return {"Body": io.BytesIO("\n".join(lines).encode())}


def test_kernel_shap_of_an_endpoint(tmp_path: Path) -> None:
    frame = customers(12)
    frame.to_csv(tmp_path / "data.csv", index=False)
    table = analysis_data.load({}, tmp_path / "data.csv")
    model = analysis_model.Model({"label_headers": ["low", "high"]}, "text/csv", "endpoint", Runtime(2))
    methods = {"shap": {"baseline": [["a", 30, 0.5]], "features_to_explain": ["months", "plan"], "seed": 3}}
    found = explainability.ask({"methods": methods}, table, tmp_path, model=model)
    explained = found.document["kernel_shap"]
    assert list(explained) == ["low", "high"]
    expected = {"months": (frame["months"] / 60 - 0.5).abs().mean(), "plan": (frame["plan"] == "b").mean()}
    assert explained["low"]["global_shap_values"] == pytest.approx(expected)
    assert explained["high"]["global_shap_values"] == pytest.approx({key: 2 * each for key, each in expected.items()})
    saved = pd.read_csv(tmp_path / "explanations_shap" / "out.csv")
    assert list(saved.columns) == ["months_low", "plan_low", "months_high", "plan_high"]
    assert saved["plan_low"].to_numpy() == pytest.approx((frame["plan"] == "b").to_numpy(float))


def test_baselines_are_given_or_found(tmp_path: Path) -> None:
    frame = customers(100)[["months", "paid"]]
    assert shap_values._baseline({"num_clusters": 3}, frame).shape == (3, 2)
    middle = shap_values._baseline({}, customers(100))
    assert middle["months"][0] == frame["months"].mean()
    with pytest.raises(ValueError, match="num_clusters needs numeric features; plan are text: give a baseline"):
        shap_values._baseline({"num_clusters": 3}, customers(10))
    with pytest.raises(ValueError, match="must have rows of 2 values: the features'"):
        shap_values._baseline({"baseline": [[1, 2, 3]]}, frame)
    with pytest.raises(ValueError, match="agg_method is 'max': mean_abs, median, mean_sq are known"):
        shap_values.aggregation({"agg_method": "max"})


def test_partial_dependence_asks_in_few_requests() -> None:
    runtime = Runtime()
    model = analysis_model.Model({}, "text/csv", "endpoint", runtime)
    found = partial_dependence.depend({"features": ["plan"]}, customers(40), model, None)[0]
    by_value = dict(zip(found["feature_values"], found["model_predictions"][0], strict=True))
    assert by_value["b"] - by_value["a"] == pytest.approx(1.0)
    assert runtime.records == 120
    with pytest.raises(ValueError, match="methods.pdp needs features, or the shap method beside it"):
        partial_dependence.depend({}, customers(4), model, None)


@pytest.mark.parametrize("seed", range(5))
def test_rankings_are_scored_as_scikit_learn_does(seed: int) -> None:
    from sklearn.metrics import ndcg_score

    random = np.random.default_rng(seed)
    old, new = (dict(zip("abcdef", random.integers(0, 5, 6) / 4.0, strict=True)) for _ in range(2))
    expected = ndcg_score([list(old.values())], [list(new.values())])
    assert feature_ranking.ndcg(old, new) == pytest.approx(expected)
    assert feature_ranking.ndcg(old, {**new, "g": 9.0}) == pytest.approx(expected)  # a feature that the baseline lacks
    assert feature_ranking.ndcg({"a": 1.0}, {"a": 1.0}) is None


def test_a_baseline_of_another_method_is_no_measure() -> None:
    shap = shap_values.Explanation("tree_shap", [], [], np.array([]), np.array([]), 0, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the baseline has kernel_shap, and cannot be compared with tree_shap"):
        explainability.compare(explainability.Explained(shap, {}), {"explanations": {"kernel_shap": {}}})


def test_without_the_library_shap_boosted_trees_are_explained_and_others_say_what_to_do(
    boosted: Path, forest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)  # as if it weren't installed
    assert list(explainability.local_values(boosted, customers(5))) == ["plan", "months", "paid"]
    with pytest.raises(ModuleNotFoundError, match="pip install shap, or in a job evaluation/explainability_by_shap.py"):
        explainability.local_values(forest, customers(5))


def test_whatever_estimator_won_is_asked_for_kernel_shap(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    sys.path.insert(0, str(HANDLER.parent))
    import estimator_artifact

    frame = customers(60)
    estimator = Pipeline([("encode", encoder()), ("classify", LogisticRegression())]).fit(frame, answers(frame))
    estimator_artifact.save(tmp_path / "model", estimator, frame, problem="binary", label="left")
    frame.assign(left=answers(frame)).to_csv(tmp_path / "data.csv", index=False)
    config = {"label": "left", "dataset_type": "text/csv", "methods": {"shap": {"num_samples": 30}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    args = explainability.Args(
        config=str(tmp_path / "config.json"),
        data=str(tmp_path / "data.csv"),
        model=str(tmp_path / "model"),
        output=str(tmp_path / "output"),
    )
    explainability.run(args)
    found = json.loads((tmp_path / "output" / "analysis.json").read_text())["explanations"]["kernel_shap"]["label0"]
    local = pd.read_csv(tmp_path / "output" / "explanations_shap" / "out.csv")
    assert list(found["global_shap_values"]) == ["plan", "months", "paid"]
    whole = found["expected_value"] + local.sum(axis=1).to_numpy()
    assert whole == pytest.approx(estimator.predict_proba(frame)[:, 1], abs=1e-6)
