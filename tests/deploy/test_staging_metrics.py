"""Staging's tests of models that are no binary classifiers: their answers pass, and other models' answers don't."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, r2_score

from deploy import staging_metrics, staging_tests
from deploy.declaration import Limits
from deploy.staging_tests import CSV, JSON, Answer, Question

SPECIES = ["setosa", "versicolor", "virginica"]


@dataclass
class Endpoint:
    """Answers record `at` with row `at` of a table."""

    table: pd.DataFrame

    def ask(self, body: bytes, content_type: str = CSV, accept: str = CSV) -> Answer:
        if content_type == JSON:
            asked = [each["at"] for each in json.loads(body)["instances"]]
        else:
            asked = pd.read_csv(io.BytesIO(body), header=None)[0].tolist()
        found = self.table.loc[asked]
        if accept == JSON:
            text = json.dumps({"predictions": found.to_dict("records")})
        else:
            text = found.drop(columns="probabilities", errors="ignore").to_csv(index=False, header=False)
        return Answer(200, accept, text.encode(), 0.0)


def question(truth: Any, evaluation: dict[str, Any], count: int = 60, most: int = 20_000) -> Question:
    records = pd.DataFrame({"at": np.arange(count).astype(str)})
    return Question(records, pd.Series(truth).astype(str), [CSV, JSON], [CSV, JSON], evaluation, Limits(records=most))


def asked(table: pd.DataFrame, of: Question) -> list[str]:
    """What the schema's tests and that of the metrics say: a sentence each, of failures after a !."""
    said = []
    for _, _, test in [*staging_tests._schema(of), *staging_tests._metrics()]:
        try:
            said.append(test(Endpoint(table), of))  # type: ignore[arg-type]
        except staging_tests.FailedError as error:
            said.append(f"! {error}")
    return said


def test_several_classes() -> None:
    random = np.random.default_rng(0)
    truth = random.choice(SPECIES, 60)
    labels = np.where(random.random(60) < 0.9, truth, random.choice(SPECIES, 60))
    table = pd.DataFrame({"probability": 0.9, "label": labels, "probabilities": [dict.fromkeys(SPECIES, 1 / 3)] * 60})
    measured = {"accuracy": accuracy_score(truth, labels), "macro_f1": f1_score(truth, labels, average="macro")}
    group: dict[str, Any] = {name: {"value": float(value)} for name, value in measured.items()}
    group |= {"confusion_matrix": {name: {} for name in SPECIES}, "log_loss": {"value": 0.1}}
    of = question(truth, {"multiclass_classification_metrics": group})
    said = asked(table, of)
    assert said[0] == "5 predictions of 0, 1" and said[1] == "5 predictions of probability, label"
    assert said[-1].startswith("2 metrics of 60 held-out records, at most 0.0000")
    assert "labels are setosa" in asked(table.assign(label="rose"), of)[1]
    assert "accuracy is " in asked(table.assign(label=np.roll(labels, 1)), of)[-1]


def test_numbers_are_compared_by_their_size() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(1e5, 5e5, 60)
    predicted = truth * random.uniform(0.9, 1.1, 60)
    table = pd.DataFrame({"prediction": predicted, "lower": predicted - 1e4, "upper": predicted + 1e4})
    logs = np.log(truth), np.log(predicted)
    measured = {
        "mse": mean_squared_error(truth, predicted) + 1e3,  # of a hundred million
        "r2": r2_score(truth, predicted),
        "r2_log": r2_score(*logs),
        "adjusted_r2": 0.5,  # says the same as r2, and the number of features is the artifact's alone
    }
    of = question(truth, {"regression_metrics": {name: {"value": float(value)} for name, value in measured.items()}})
    said = asked(table, of)
    assert said[-1].startswith("3 metrics of 60 held-out records, at most 0.000")
    assert not [each for each in said if each.startswith("!")]
    assert "mse is" in asked(table.assign(prediction=predicted + 5e3), of)[-1]
    assert "within their bounds" in asked(table.assign(lower=predicted + 1), of)[1]
    assert "no finite number" in asked(table.assign(prediction=np.inf, upper=np.inf), of)[0]
    assert "none of a Regression model" in asked(table.assign(prediction="dear"), of)[-1]


def test_segments_are_compared_by_their_shares() -> None:
    names = np.repeat(["Loyal", "Lost"], [45, 15])
    table = pd.DataFrame({"label": (names == "Lost").astype(int), "name": names})
    shares = [{"name": "Loyal", "test_share": 0.75}, {"name": "Lost", "test_share": 0.25}]
    evaluation = {"clustering_metrics": {"silhouette": {"value": 0.4}}, "segments": shares, "dataset": {"test": 60}}
    of = question([], evaluation)
    assert asked(table, of)[-1].startswith("2 metrics of 60 held-out records, at most 0.0000")
    assert "share of Lost is 0.0000" in asked(table.assign(name="Loyal"), of)[-1]
    assert "segments are Loyal, Lost" in asked(table.assign(name="New"), of)[1]
    fewer = question([], evaluation, most=20)
    assert asked(table, fewer)[-1].startswith("2 metrics of 20")


def test_what_cannot_be_measured_is_skipped() -> None:
    for evaluation, truth in (({"automl": {}}, ["1"]), ({"regression_metrics": {"r2": {"value": 1}}}, [])):
        with pytest.raises(staging_tests.SkippedError):
            staging_tests._as_registered(Endpoint(pd.DataFrame()), question(truth, evaluation, 1))  # type: ignore[arg-type]
    assert staging_metrics.problem(None) == ""
