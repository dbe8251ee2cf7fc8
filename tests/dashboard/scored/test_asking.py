"""Questions to an endpoint, each of its own name."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pandas as pd
import pytest

from dashboard.scored import asking

RECORDS = pd.DataFrame({"tenure": ["1", "2", "3"], "Contract": ["a", "b", "c"]})


class Runtime:
    def __init__(self, **answer: Any) -> None:
        self.asked: dict[str, Any] = {}
        self._answer, self._lock = answer, threading.Lock()

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        body = json.loads(request["Body"])
        with self._lock:
            self.asked[request["InferenceId"]] = body
        probability = int(body["instances"][0]["tenure"]) / 10
        content = self._answer or {
            "predictions": [{"probability": probability}],
            "explanations": [{"tenure": probability}],
        }
        return {"Body": io.BytesIO(json.dumps(content).encode())}


def test_each_record_is_a_request_that_asks_why() -> None:
    runtime, said = Runtime(), list[int]()
    found = asking.ask(runtime, "churn-production", RECORDS, ["i-1", "i-2", "i-3"], said.append)
    assert found.probability.tolist() == [0.1, 0.2, 0.3]
    assert found.reasons == [{"tenure": 0.1}, {"tenure": 0.2}, {"tenure": 0.3}]
    assert runtime.asked["i-2"] == {"instances": [{"tenure": "2", "Contract": "b"}], "explain": True}
    assert said == [1, 2, 3]
    assert not found.known().any()


def test_a_model_without_reasons_still_answers() -> None:
    found = asking.ask(Runtime(predictions=[{"probability": 0.5}]), "e", RECORDS, ["1", "2", "3"], lambda _: None)
    assert found.reasons == [{}, {}, {}]


def test_an_answer_of_another_shape_is_said() -> None:
    with pytest.raises(ValueError, match=r"no predictions with a probability: .*sorry"):
        asking.ask(Runtime(text="sorry"), "e", RECORDS, ["1", "2", "3"], lambda _: None)


def test_a_file_s_columns() -> None:
    table = RECORDS.assign(customerID=["c-1", "", "ü"])[["customerID", "Contract", "tenure"]]
    assert list(asking.columns(table, ["tenure", "Contract"])) == ["tenure", "Contract"]
    assert asking.names(table, "customerID", "b") == ["b-c-1", "b-1", "b-2"]
    assert asking.names(table, "id", "b") == ["b-0", "b-1", "b-2"]
    assert max(map(len, asking.names(table.assign(customerID="x" * 80), "customerID", "b"))) == 64
    with pytest.raises(ValueError, match="no column age"):
        asking.columns(table, ["tenure", "age"])
    with pytest.raises(ValueError, match="no rows"):
        asking.columns(table.head(0), ["tenure"])
    with pytest.raises(ValueError, match=r"5,001 rows: at most 5,000"):
        asking.columns(pd.DataFrame({"tenure": range(5001)}), ["tenure"])
