"""The serving handler on a pipeline of two columns, through the functions that the framework images call."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

from training import tabular_inference as handler

JSON = "application/json"
RECORD = {"plan": "b", "months": 4, "paid": 40.0}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return fitted("passthrough")


@pytest.fixture(scope="module")
def model(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> handler.Model:
    return handler.model_fn(str(saved(pipeline, tmp_path_factory.mktemp("model"))))


def fitted(numbers: Any) -> Pipeline:
    """`numbers` is what the pipeline does to the columns months and paid."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"plan": random.choice(["a", "b"], 200), "months": random.integers(0, 60, 200)})
    table["paid"] = table["months"] * 10.0
    answers = ((table["plan"] == "b") & (table["months"] < 30)).astype(int)
    encode = ColumnTransformer(
        [("category", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan"])],
        remainder=numbers,
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    classifier = xgboost.XGBClassifier(n_estimators=20, max_depth=2, early_stopping_rounds=20)
    encoded = encode.fit_transform(table)
    classifier.fit(encoded, answers, eval_set=[(encoded, answers)], verbose=False)
    return Pipeline([("encode", encode), ("classify", classifier)])


def saved(pipeline: Pipeline, folder: Path) -> Path:
    joblib.dump(pipeline, folder / "model.joblib")
    facts = {
        "features": {"plan": "category", "months": "number", "paid": "number"},
        "optional": ["id"],
        "fill": {"paid": "months * 10"},
        "odds_factor": 1.0,
        "threshold": 0.5,
        "raw": {"plan": ["plan_a", "plan_b"], "months": ["months"], "paid": ["paid"]},
        "label": "left",
    }
    (folder / "metadata.json").write_text(json.dumps(facts))
    return folder


def ask(model: handler.Model, body: str | bytes, content_type: str) -> pd.DataFrame:
    return pd.DataFrame(handler.predict_fn(handler.input_fn(body, content_type), model))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("b,4,40.0", "text/csv"),
        ("b,4,40.0\n", "text/csv; charset=utf-8"),
        (b"c-17,b,4,40.0", "text/csv"),
        ("plan,months,paid\nb,4,40.0", "text/csv"),
        ("paid,id,months,plan\r\n40,c-17,4,b\r\n", "text/csv"),
        (" b , 4 ,40", "text/csv"),
        ('"b","4",40', "text/csv"),
        ("\n\nb,4,40\n\n", "text/csv"),
        ("b,4,", "text/csv"),
        (json.dumps(RECORD), "application/json"),
        (json.dumps([RECORD]), "application/json"),
        (json.dumps({"instances": [RECORD]}).encode(), "application/json"),
        (json.dumps({**RECORD, "id": "c-17", "months": "4", "paid": None}), "application/json"),
    ],
)
def test_a_record_means_the_same_in_every_form(model: handler.Model, body: str | bytes, content_type: str) -> None:
    expected = ask(model, json.dumps(RECORD), "application/json")
    pd.testing.assert_frame_equal(ask(model, body, content_type), expected)
    assert expected.loc[0, "label"] == 1


def test_records_keep_their_order(model: handler.Model) -> None:
    prediction = ask(model, "b,4,40\na,4,40\nb,50,500\nb,4,40", "text/csv")
    assert list(prediction["label"]) == [1, 0, 0, 1]


def test_a_category_never_seen_is_answered(model: handler.Model) -> None:
    assert 0 <= ask(model, "z,4,40", "text/csv").loc[0, "probability"] <= 1


@pytest.mark.parametrize(
    ("body", "content_type", "sentence"),
    [
        ("b,4", "text/csv", "A record has 2 values, expected 3: plan, months, paid"),
        ("plan,months\nb,4", "text/csv", "Missing columns: paid"),
        ("plan,months,paid,left\nb,4,40,1", "text/csv", "Unknown columns: left"),
        ("b,four,40", "text/csv", "Column months holds 'four' where a number is needed"),
        (",4,40", "text/csv", "Blank values in plan"),
        ("b,,40", "text/csv", "Blank values in months"),
        ("b,4,40\nb,4", "text/csv", "different numbers of values"),
        ("", "text/csv", "no records"),
        ("plan,months,paid", "text/csv", "a header and no records"),
        ("{", "application/json", "The body is not JSON"),
        ("[]", "application/json", "no records"),
        ("[[1, 2, 3]]", "application/json", "a record is an object"),
        ('{"plan": "b"}', "application/json", "Missing columns: months, paid"),
        (json.dumps({**RECORD, "months": True}), "application/json", "Column months holds 'True'"),
        (json.dumps({**RECORD, "plan": ["b"]}), "application/json", "Column plan holds a list or an object"),
        ("b,nan,40\nb,1_0,40\nb,nan,40", "text/csv", "Column months holds 'nan', '1_0' where"),
        ("b,e,40", "text/csv", "Column months holds 'e' where"),
        (",,40", "text/csv", "Blank values in plan, months"),
        ("plan,months,plan,paid\nb,4,b,40", "text/csv", "The header names plan more than once"),
    ],
)
def test_a_bad_body_is_named(model: handler.Model, body: str, content_type: str, sentence: str) -> None:
    response = handler.output_fn(handler.predict_fn(handler.input_fn(body, content_type), model), content_type)
    assert (response.status_code, response.content_type) == (400, JSON)
    assert re.search(sentence, response.get_json()["error"])


def test_a_table_that_is_no_request_is_its_callers_error(model: handler.Model) -> None:
    with pytest.raises(ValueError, match="Missing columns: paid"):
        handler.predict_fn(pd.DataFrame({"plan": ["b"], "months": [4]}), model)


def test_records_of_several_forms_are_filled_each_for_itself(model: handler.Model) -> None:
    filled = ask(model, json.dumps([RECORD | {"paid": None}, RECORD | {"paid": " "}, RECORD]), "application/json")
    assert filled["probability"].nunique() == 1
    assert len(filled) == 3


def test_a_prediction_is_the_pipelines_own(model: handler.Model, pipeline: Pipeline) -> None:
    random = np.random.default_rng(1)
    table = pd.DataFrame({"plan": random.choice(["a", "b", "z"], 50), "months": random.integers(0, 60, 50)})
    table["paid"] = random.uniform(0, 600, 50)
    expected = pipeline.predict_proba(table)[:, 1]
    assert len(np.unique(expected)) > 5
    for body, content_type in ((table.to_csv(index=False), "text/csv"), (table.to_json(orient="records"), JSON)):
        np.testing.assert_array_equal(ask(model, body, content_type)["probability"], expected)
    np.testing.assert_array_equal(handler.predict_fn(table, model)["probability"], expected)  # as evaluation asks


def test_requests_answered_together_get_what_each_would_alone(model: handler.Model) -> None:
    bodies = ["b,4,40", "b,four,40", "a,4,40\nb,50,500", ",4,40"]
    inputs = [handler.input_fn(body, "text/csv") for body in bodies]
    found = handler.predict_batch_fn(inputs, model)
    for body, answer in zip(bodies, found, strict=True):
        if isinstance(answer, handler.Refused):
            assert handler.predict_fn(handler.input_fn(body, "text/csv"), model) == answer
        else:
            pd.testing.assert_frame_equal(pd.DataFrame(answer), ask(model, body, "text/csv"))
    assert [isinstance(answer, handler.Refused) for answer in found] == [False, True, False, True]
    unread = handler.input_fn("b,4,40\nb,4", "text/csv")
    assert handler.predict_batch_fn([inputs[1], unread], model) == [found[1], unread]


def test_a_pipeline_that_does_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does more than encode categories"):
        handler.model_fn(str(saved(fitted(StandardScaler()), tmp_path)))


def test_answers_come_as_asked(model: handler.Model) -> None:
    prediction = {"probability": np.array([0.25, 0.75]), "label": np.array([0, 1])}
    as_json = '{"predictions": [{"probability": 0.25, "label": 0}, {"probability": 0.75, "label": 1}]}'
    for accept in ("application/json", "*/*", "", "application/json;q=0.9, text/csv"):
        assert handler.output_fn(prediction, accept) == (as_json, "application/json")
    for accept in ("text/csv", "text/html, text/csv"):
        assert handler.output_fn(prediction, accept) == ("0.25,0\n0.75,1\n", "text/csv")


def test_other_types_are_named() -> None:
    unread = handler.output_fn(handler.input_fn(b"", "application/x-npy"), JSON)
    unsent = handler.output_fn({"probability": np.array([0.5]), "label": np.array([0])}, "image/png")
    assert (unread.status_code, unsent.status_code) == (415, 406)
    assert "'application/x-npy' is not supported" in unread.get_json()["error"]
    assert "'image/png' is not supported" in unsent.get_json()["error"]


def test_the_effect_of_weights_on_the_odds_is_taken_back(model: handler.Model) -> None:
    data = handler.input_fn("a,40,400", "text/csv")
    plain = handler.predict_fn(data, model)["probability"]
    weighted = handler.predict_fn(data, handler.Model(**{**vars(model), "odds_factor": 3.0}))["probability"]
    odds = plain / (1 - plain)
    assert weighted / (1 - weighted) == pytest.approx(odds / 3)


def test_shap_values_add_up_to_the_log_odds(model: handler.Model) -> None:
    data = handler.input_fn("b,4,40\na,40,400", "text/csv")
    values = handler.explain_fn(data, model)
    assert list(values.columns) == ["plan", "months", "paid"]
    probability = handler.predict_fn(data, model)["probability"]
    log_odds = np.log(probability / (1 - probability))
    assert np.diff(values.sum(axis=1)) == pytest.approx(np.diff(log_odds), abs=1e-4)


def test_explanations_come_where_they_are_asked_for_alone_and_in_a_batch(model: handler.Model) -> None:
    asked = handler.input_fn(json.dumps({"instances": [RECORD, RECORD], "explain": True}), JSON)
    plain = handler.input_fn(json.dumps({"instances": [RECORD]}), JSON)
    batch: list[Any] = handler.predict_batch_fn([asked, plain], model)
    answers = [
        json.loads(handler.output_fn(prediction, JSON)[0]) for prediction in [handler.predict_fn(asked, model), *batch]
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]["explanations"]) == 2
    assert "explanations" not in answers[2]
    # Additivity (the local accuracy of SHAP): base value and contributions make up the margin.
    reasons = answers[0]["explanations"][0]
    assert reasons.keys() == RECORD.keys()
    matrix = xgboost.DMatrix(handler.encode(plain, model), feature_names=model.columns)
    base = model.booster.predict(matrix, pred_contribs=True)[0, -1]
    probability = answers[2]["predictions"][0]["probability"]
    assert np.log(probability / (1 - probability)) == pytest.approx(base + sum(reasons.values()), abs=1e-4)
    assert handler.output_fn(batch[0], "text/csv")[0].count("\n") == 2
