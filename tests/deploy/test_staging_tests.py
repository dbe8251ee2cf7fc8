"""What an endpoint is asked in staging: a good one passes, and each fault is found by the test that is for it."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from junitparser import JUnitXml

from deploy import staging_tests
from deploy.declaration import Limits
from deploy.staging_tests import CSV, JSON, Endpoint, Question, Result
from evaluation import classification_metrics
from mlops import cicd_test, junit

TYPES = [CSV, JSON]
COLUMNS = ["plan", "months"]


@dataclass
class Model:
    """A runtime client of an endpoint in memory: the longer the contract, the less probable that somebody leaves."""

    shift: float = 0.0  # what is wrong with its probabilities
    seconds: float = 0.0  # that an answer takes
    refuses: bool = True  # bad input with a 400, else a 500
    labels: tuple[float, float] = (0, 1)
    json_shift: float = 0.0
    lost: int = 0  # records that are not answered
    dies: bool = False  # of bad input
    dead: bool = field(default=False, init=False)

    def invoke_endpoint(self, Body: bytes, ContentType: str, Accept: str, **_: Any) -> dict[str, Any]:
        time.sleep(self.seconds)
        try:
            if len(Body) > 25 * 1024 * 1024:
                raise error("ValidationError", 400)
            if Body.count(b",") > 10_000:
                raise ValueError("a line of so many values")
            found = self.predict(self.read(Body.decode(), ContentType))
        except (ValueError, KeyError):
            self.dead = self.dies
            raise error("ModelError", 424, OriginalStatusCode=400 if self.refuses else 500) from None
        if self.dead:
            raise error("ModelError", 424, OriginalStatusCode=500)
        if Accept == JSON:
            table = found.assign(probability=found["probability"] + self.json_shift)
            body = json.dumps({"predictions": table.to_dict("records")})
        else:
            body = found.to_csv(index=False, header=False)
        return {"Body": io.BytesIO(body.encode()), "ContentType": f"{Accept}; charset=utf-8"}

    def read(self, text: str, content_type: str) -> pd.DataFrame:
        if content_type == JSON:
            table = pd.DataFrame(json.loads(text)["instances"])
        elif content_type == CSV:
            rows = pd.read_csv(io.StringIO(text), header=None, dtype=str)
            table = rows.set_axis(COLUMNS, axis=1) if rows.shape[1] == 2 and rows.iloc[0, 1] != "months" else rows
            if table is rows:
                table = rows.iloc[1:].set_axis(list(rows.iloc[0]), axis=1)
        else:
            raise ValueError(content_type)
        if list(table) != COLUMNS:
            raise ValueError(list(table))
        return table

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        probability = 1 / (1 + table["months"].astype(float).to_numpy() / 12) + self.shift
        label = np.where(probability >= 0.5, self.labels[1], self.labels[0])
        found = pd.DataFrame({"probability": probability, "label": label})
        return found.iloc[: len(found) - self.lost] if len(found) > self.lost else found


def error(code: str, status: int, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "InvokeEndpoint")


@pytest.fixture(scope="module")
def question() -> Question:
    random = np.random.default_rng(0)
    months = random.integers(0, 60, 300)
    truth = (random.random(300) < 1 / (1 + months / 12)).astype(int)
    metrics = classification_metrics.with_intervals(truth, 1 / (1 + months / 12), 0.4, 50, 0)
    evaluation = {"binary_classification_metrics": metrics, "threshold": {"value": 0.4}, "model": {"label": "left"}}
    records = pd.DataFrame({"plan": "b", "months": months.astype(str)})
    limits = Limits(requests=8, workers=2, p50=50, p95=100, p99=200)
    return Question(records, pd.Series(truth.astype(str)), TYPES, TYPES, evaluation, limits)


def results(model: Model, question: Question) -> list[Result]:
    said: list[Result] = []
    found = staging_tests.run(Endpoint(model, "churn-staging"), question, said.append)
    assert said == found
    return found


def failed(model: Model, question: Question) -> dict[str, str]:
    return {f"{each.group}: {each.name}": each.said for each in results(model, question) if each.outcome == "failed"}


def test_a_good_endpoint_passes_all_of_them(question: Question) -> None:
    found = results(Model(), question)
    assert {each.outcome for each in found} == {"passed"}
    assert [each.name for each in found if each.group == "schema"][1] == "text/csv answered as application/json"
    (measured,) = [each.said for each in found if each.group == "held-out metrics"]
    assert measured.startswith("12 metrics of 300 held-out records, at most 0.0000 ")


@pytest.mark.parametrize(
    ("model", "test", "said"),
    [
        (Model(shift=0.2), "held-out metrics: as registered", "brier is .* is registered"),
        (Model(shift=1.0), "schema: text/csv answered as text/csv", "^$"),
        (Model(labels=(2, 1)), "schema: text/csv answered as application/json", "labels are 0 or 1"),
        (
            Model(json_shift=-0.01),
            "schema: text/csv answered as application/json",
            "are not those of text/csv",
        ),
        (Model(lost=1), "schema: application/json answered as text/csv", "4 predictions for 5 records"),
        (Model(seconds=0.06), "latency: under a short load", "p50 [0-9.]+ ms.*allowed are p50 50 ms"),
        (Model(refuses=False), "bad input: text for a number", "status 500 where a 4xx was due"),
        (Model(refuses=False), "bad input: another content type", "status 500 where a 4xx was due"),
        (Model(dies=True), "bad input: the endpoint answers after it", "status 500"),
    ],
    ids=str,
)
def test_each_fault_is_found(model: Model, test: str, said: str, question: Question) -> None:
    found = failed(model, question)
    if said == "^$":  # CSV has no names, so a probability of 1.5 is seen in JSON
        assert test not in found and "schema: text/csv answered as application/json" in found
    else:
        assert pd.Series([found.get(test, "passed")]).str.contains(said, regex=True).all(), found


def test_fewer_records_leave_room_for_chance_and_no_evaluation_is_said(question: Question) -> None:
    fewer = replace(question, limits=replace(question.limits, records=100))
    assert "held-out metrics: as registered" not in failed(Model(), fewer)
    assert "held-out metrics: as registered" in failed(Model(shift=0.3), fewer)
    (skipped,) = [each for each in results(Model(), replace(question, evaluation=None)) if each.outcome == "skipped"]
    assert "there is nothing to compare with" in skipped.said
    assert "Not tested: held-out metrics" in cicd_test.summary("churn", [skipped], "Better.")


def test_records_as_json_have_numbers_and_nulls() -> None:
    table = pd.DataFrame({"plan": ["b", ""], "months": ["4", ""], "id": ["0x1", "7"]})
    assert json.loads(staging_tests.payload(table, JSON)) == {
        "instances": [{"plan": "b", "months": 4.0, "id": "0x1"}, {"plan": None, "months": None, "id": "7"}]
    }
    with pytest.raises(staging_tests.SkippedError, match="no image/png"):
        staging_tests.payload(table, "image/png")


def test_results_are_junit_and_variables_a_shell_reads(tmp_path: Path) -> None:
    found = [
        Result("schema", "csv", 0.1, "5 predictions"),
        Result("latency", "load", 1.0, "p50 <9> & more", "failed"),
        Result("metrics", "as registered", 0.0, "nothing to compare", "skipped"),
    ]
    junit.write(found, "churn.staging", tmp_path / "out" / "junit.xml")
    (suite,) = JUnitXml.fromfile(str(tmp_path / "out" / "junit.xml"))
    assert (suite.tests, suite.failures, suite.skipped) == (3, 1, 1)
    assert [case.classname for case in suite][1] == "churn.staging.latency"
    cicd_test.export(tmp_path, {"SUMMARY": "it's 5 > 4", "COMPARISON_URL": "http://a/?b=c&d"})
    assert (tmp_path / "exports.sh").read_text().splitlines() == [
        """export SUMMARY='it'"'"'s 5 > 4'""",
        "export COMPARISON_URL='http://a/?b=c&d'",
    ]
    assert len(cicd_test.summary("churn", found, "x" * 2000)) == 500
