"""Clarify's analysis: smclarify's metrics of known tables, exact SHAP of a known model, violations and refusals."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import analysis_config
import analysis_data
import analysis_model
import bias
import clarify
import shap_values

ROWS = 200
BIAS: dict[str, Any] = {
    "label": "label", "label_values_or_threshold": [1], "facet": [{"name_or_index": "sex", "value_or_threshold": [0]}],
}  # fmt: skip


def table(favour: float = 0.3, seed: int = 0) -> pd.DataFrame:
    """People of two sexes, of which 1 gets the label 1 more often by `favour`."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"label": 0, "sex": random.integers(0, 2, ROWS), "age": random.integers(18, 80, ROWS)})
    frame["plan"] = random.choice(["a", "b"], ROWS)
    frame["label"] = (random.random(ROWS) < 0.3 + favour * frame["sex"]).astype(int)
    return frame


class Runtime:
    """sagemaker-runtime of an endpoint that answers a CSV row with 0.1 * age + sex, and 5 more for plan b."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        rows = [line.split(",") for line in request["Body"].splitlines()]
        scores = [0.1 * float(age) + float(sex) + 5 * (plan == "b") for sex, age, plan in rows]
        return {"Body": io.BytesIO("\n".join(map(str, scores)).encode())}


@pytest.fixture
def analysed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs the script over a table; its files by name."""
    runtime = Runtime()

    @contextmanager
    def serving(predictor: dict[str, Any], kind: str, model_name: str = "") -> Iterator[analysis_model.Model]:
        yield analysis_model.Model(predictor, kind, "endpoint", runtime)

    monkeypatch.setattr(analysis_model, "serving", serving)

    def run(frame: pd.DataFrame, baseline: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
        config = {"version": "1.0", "dataset_type": "text/csv", **config}
        frame.to_csv(tmp_path / "data.csv", index=False)
        (tmp_path / "config.json").write_text(json.dumps(config))
        arguments = [
            "--config",
            tmp_path / "config.json",
            "--data",
            tmp_path / "data.csv",
            "--output",
            tmp_path / "out",
        ]
        arguments += ["--job-output", tmp_path / "job"]
        if baseline:
            (tmp_path / "baseline.json").write_text(json.dumps(baseline))
            arguments += ["--baseline-constraints", tmp_path / "baseline.json"]
        monkeypatch.setattr(sys, "argv", ["clarify.py", *map(str, arguments)])
        clarify.main()
        files = {
            path.relative_to(tmp_path).as_posix(): path.read_text(errors="replace")
            for path in tmp_path.rglob("*")
            if path.is_file()
        }
        return {name: json.loads(text) if name.endswith(".json") else text for name, text in files.items()}

    return run


def metrics(files: dict[str, Any], stage: str) -> dict[str, Any]:
    facets = files["out/analysis.json"][f"{stage}_bias_metrics"]["facets"]["sex"]
    return {metric["name"]: metric for metric in facets[0]["metrics"]}


def test_bias_of_the_data(analysed: Callable[..., dict[str, Any]]) -> None:
    frame = table()
    files = analysed(frame, **BIAS, methods={"pre_training_bias": {"methods": "all"}, "report": {"name": "bias"}})
    analysis = files["out/analysis.json"]
    assert analysis["version"] == "1.0"
    assert analysis["pre_training_bias_metrics"]["label_value_or_threshold"] == "1"
    found = metrics(files, "pre_training")
    assert set(found) == {"CI", "DPL", "JS", "KL", "KS", "LP", "TVD"}  # CDDL needs a group variable
    counts = frame.groupby("sex")["label"].agg(["size", "mean"])
    (n_d, q_d), (n_a, q_a) = counts.to_numpy()
    assert found["CI"]["value"] == pytest.approx((n_a - n_d) / (n_a + n_d))
    assert found["DPL"]["value"] == pytest.approx(q_a - q_d)
    assert found["CI"]["description"] == "Class Imbalance (CI)"
    assert "Class Imbalance (CI)" in files["out/bias.html"]
    assert files["job/message"] == "Completed: Job completed successfully."


def test_a_value_or_a_column_of_zero_is_not_left_out(analysed: Callable[..., dict[str, Any]]) -> None:
    frame = table()
    methods = {"pre_training_bias": {"methods": "all"}}
    listed = metrics(analysed(frame, **BIAS, methods=methods), "pre_training")
    bare = {**BIAS, "facet": [{"name_or_index": "sex", "value_or_threshold": 0}]}
    assert metrics(analysed(frame, **bare, methods=methods), "pre_training") == listed
    grouped = analysed(frame[["plan", "label", "sex"]], **BIAS, group_variable=0, methods=methods)
    assert "CDDL" in metrics(grouped, "pre_training")


def test_bias_of_a_model_that_is_asked(analysed: Callable[..., dict[str, Any]]) -> None:
    frame = table()
    methods = {"post_training_bias": {"methods": ["DPPL", "DI"]}}
    files = analysed(frame, **BIAS, probability_threshold=7.0, predictor={"model_name": "m"}, methods=methods)
    scores = 0.1 * frame["age"] + frame["sex"] + 5 * (frame["plan"] == "b")
    share = (scores > 7.0).groupby(frame["sex"]).mean()
    found = metrics(files, "post_training")
    assert found["DPPL"]["value"] == pytest.approx(share[1] - share[0])
    assert found["DI"]["value"] == pytest.approx(share[0] / share[1])


def test_a_predicted_label_in_the_data_needs_no_model(analysed: Callable[..., dict[str, Any]]) -> None:
    frame = table().assign(predicted=lambda rows: rows["sex"])
    methods = {"post_training_bias": {"methods": ["DPPL"]}}
    files = analysed(frame, **BIAS, predicted_label="predicted", methods=methods)
    assert metrics(files, "post_training")["DPPL"]["value"] == 1.0


def test_shap_values_of_an_additive_model_are_exact(analysed: Callable[..., dict[str, Any]]) -> None:
    frame = table().head(20)
    shap = {"baseline": [[0, 40, "a"]], "agg_method": "mean_abs", "seed": 1}
    files = analysed(frame, label="label", predictor={"model_name": "m"}, methods={"shap": shap})
    found = files["out/analysis.json"]["explanations"]["kernel_shap"]["label0"]
    assert found["expected_value"] == pytest.approx(4.0)
    expected = {
        "sex": frame["sex"].mean(),
        "age": (0.1 * (frame["age"] - 40)).abs().mean(),
        "plan": 5 * (frame["plan"] == "b").mean(),
    }
    assert found["global_shap_values"] == pytest.approx(expected)
    local = pd.read_csv(io.StringIO(files["out/explanations_shap/out.csv"]))
    assert list(local.columns) == ["sex_label0", "age_label0", "plan_label0"]
    assert local["sex_label0"].to_numpy() == pytest.approx(frame["sex"].to_numpy())


def test_partial_dependence_of_named_features_and_of_shaps_top(analysed: Callable[..., dict[str, Any]]) -> None:
    frame = table().head(20)
    shap = {"baseline": [[0, 40, "a"]]}
    methods = {"shap": shap, "pdp": {"grid_resolution": 4, "top_k_features": 1}}
    files = analysed(frame, label="label", predictor={"model_name": "m"}, methods=methods)
    plan = files["out/analysis.json"]["explanations"]["pdp"]
    assert [(each["feature_name"], each["data_type"]) for each in plan] == [("plan", "categorical")]
    by_value = dict(zip(plan[0]["feature_values"], plan[0]["model_predictions"][0], strict=True))
    assert by_value["b"] - by_value["a"] == pytest.approx(5.0)
    assert sum(plan[0]["data_distribution"]) == pytest.approx(1.0)
    methods = {"pdp": {"grid_resolution": 4, "features": ["age"]}}
    files = analysed(frame, label="label", predictor={"model_name": "m"}, methods=methods)
    age = files["out/analysis.json"]["explanations"]["pdp"][0]
    low, high = frame["age"].min(), frame["age"].max()
    assert age["feature_values"][0] == pytest.approx(low + (high - low) / 8)
    assert np.diff(age["model_predictions"][0]) == pytest.approx([0.1 * (high - low) / 4] * 3)


def test_bias_that_got_worse_is_a_violation_and_chance_is_none(analysed: Callable[..., dict[str, Any]]) -> None:
    methods = {"pre_training_bias": {"methods": ["DPL"]}}
    config = {**BIAS, "methods": methods}
    fair, unfair = (analysed(table(favour), **config)["out/analysis.json"] for favour in (0.0, 0.4))
    assert analysed(table(0.4), unfair, **config)["out/constraint_violations.json"]["violations"] == []
    assert analysed(table(0.0, seed=5), fair, **config)["out/constraint_violations.json"]["violations"] == []
    files = analysed(table(0.4), fair, **config)
    violation = files["out/constraint_violations.json"]["violations"][0]
    value = metrics(files, "pre_training")["DPL"]["value"]
    assert violation == {
        "facet": "sex",
        "facet_value": "0",
        "metric_name": "DPL",
        "constraint_check_type": "bias_drift_check",
        "description": f"Value {value} does not meet the constraint requirement",
    }


def test_another_ranking_of_features_is_a_violation() -> None:
    old = {"label0": {"global_shap_values": {"a": 1.0, "b": 0.1, "c": 0.01}}}
    new = {"label0": {"global_shap_values": {"a": 0.01, "b": 0.1, "c": 1.0}}}
    assert shap_values.compare(old, old) == []
    violation = shap_values.compare(new, old)[0]
    assert violation["constraint_check_type"] == "feature_attribution_drift_check"
    assert violation["label"] == "label0"


def test_json_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"x": [1, "a"], "y": 0}\n{"x": [2, "b"], "y": 1}\n')
    config = {"dataset_type": "application/jsonlines", "features": "x", "label": "y", "headers": ["n", "p", "y"]}
    data = analysis_data.load(config, tmp_path)
    assert data.label == "y"
    frame = data.read()
    features = frame[data.features]
    assert features.to_dict("list") == {"n": [1, 2], "p": ["a", "b"]}

    class Answers:
        def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
            assert request["Body"] == '{"features":[1, "a"]}\n{"features":[2, "b"]}'
            return {"Body": io.BytesIO(b'{"score": [0.2, 0.8]}\n{"score": [0.7, 0.3]}\n')}

    predictor = {"probability": "score", "label_headers": ["no", "yes"]}
    model = analysis_model.Model(predictor, data.kind, "endpoint", Answers())
    assert model.labels(features, frame["y"], 0.5).tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"methods": {"asymmetric_shapley_value": {"direction": "chronological"}}},
            "methods.asymmetric_shapley_value of",
        ),
        ({"methods": {"shap": {"text_config": {"a": 1}}}}, "methods.shap.text_config"),
        ({"segment_config": [], "methods": {}}, "segment_config of the analysis config"),
        ({"version": "2.0"}, "version of the analysis config is '2.0'"),
        ({"methods": {"report": {}}}, "must have at least one of pre_training_bias, post_training_bias, shap"),
    ],
)
def test_what_is_not_done_is_named(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    (tmp_path / "c.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=said):
        analysis_config.read(tmp_path / "c.json")


def test_a_metric_that_fails_says_why(tmp_path: Path) -> None:
    table().assign(predicted=lambda rows: rows["sex"]).to_csv(tmp_path / "d.csv", index=False)
    methods = {"post_training_bias": {"methods": ["FT"]}}
    config = {**BIAS, "dataset_type": "text/csv", "predicted_label": "predicted", "methods": methods}
    data = analysis_data.load(config, tmp_path / "d.csv")
    found = bias.measure(config, data, "post_training").document["facets"]["sex"][0]["metrics"][0]
    assert found["value"] is None
    assert "non-numeric" in found["error"]
