"""The handler of any scikit-learn estimator, opened as a serving container does: each problem, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import estimator_artifact
import training_job

JSON = "application/json"
RECORD = {"colour": "red", "size": 3.0}
BOUNDED = {"prediction": 6, "lower": 5, "upper": 7}
Ask = Callable[..., Any]


class WithBounds(Pipeline):
    def predict_interval(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        middle = self.predict(table)
        return middle - 1, middle + 1


def table(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"colour": random.choice(["red", "blue"], rows), "size": random.uniform(0, 10, rows)})


def behind(last: Any) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encode = ColumnTransformer(
        [("category", OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("number", numbers, ["size"])]
    )
    return Pipeline([("encode", encode), ("model", last)])


@pytest.fixture
def served(tmp_path: Path) -> Callable[..., Ask]:
    """Saves an estimator, opens it as `code/inference.py` does, and answers as the images' servers would."""

    def save(estimator: Any, problem: str, answers: Any = None, **facts: Any) -> Ask:
        rows = table()
        estimator.fit(rows, answers)
        estimator_artifact.save(tmp_path, estimator, rows, problem=problem, label="answer", **facts)
        handler = opened(tmp_path / "code" / "inference.py")
        model = handler.model_fn(str(tmp_path))

        def ask(body: Any, kind: str = JSON, accept: str = JSON) -> Any:
            body = body if isinstance(body, str) else json.dumps(body)
            answer = handler.output_fn(handler.predict_fn(handler.input_fn(body, kind), model), accept)
            if isinstance(answer, tuple):
                return json.loads(answer[0])["predictions"] if answer[1] == JSON else answer[0]
            return answer.status_code, json.loads(answer.get_data())["error"]

        return ask

    return save


def opened(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("served_inference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def classes(*names: Any) -> np.ndarray:
    return np.array(names)[pd.cut(table()["size"], len(names), labels=False).to_numpy()]


def test_two_classes_are_a_probability_and_a_label(served: Callable[..., Ask]) -> None:
    ask = served(behind(LogisticRegression()), "binary", classes(0, 1), threshold=0.9)
    (low, high) = ask([RECORD | {"size": 0.1}, RECORD | {"size": 9.9}])
    assert (low["label"], high["label"]) == (0, 1)
    assert low["probability"] < 0.1 < 0.9 <= high["probability"]
    assert ask("red,9.9", "text/csv", "text/csv") == f"{high['probability']!r},1\n"


def test_more_classes_come_with_all_their_probabilities(served: Callable[..., Ask]) -> None:
    ask = served(behind(LogisticRegression()), "multiclass", classes("a", "b", "c"))
    (found,) = ask(RECORD | {"size": 9.5})
    assert found["label"] == "c"
    assert found["probability"] == max(found["probabilities"].values())
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert ask("size,colour\n9.5,red", "text/csv", "text/csv").endswith(",c\n")


def test_a_number_comes_with_its_bounds_where_the_model_has_them(served: Callable[..., Ask]) -> None:
    ask = served(behind(LinearRegression()), "regression", table()["size"] * 2)
    (found,) = ask(RECORD)
    assert found == {"prediction": pytest.approx(6)}
    bounded = WithBounds(behind(LinearRegression()).steps)
    ask = served(bounded, "regression", table()["size"] * 2)
    assert ask(RECORD) == [{name: pytest.approx(value) for name, value in BOUNDED.items()}]
    assert [float(each) for each in ask("red,3", "text/csv", "text/csv").split(",")] == pytest.approx([6, 5, 7])


def test_a_segment_has_a_name(served: Callable[..., Ask]) -> None:
    names = {"0": "small", "1": "large"}
    ask = served(behind(KMeans(2, n_init=1, random_state=0)), "clustering", names=names)
    found = ask([RECORD | {"size": 0.5}, RECORD | {"size": 9.5}])
    assert {each["name"] for each in found} == {"small", "large"}
    assert all(names[str(each["label"])] == each["name"] for each in found)
    assert ask("red,0.5", "text/csv", "text/csv").strip().split(",")[1] in names.values()


@pytest.mark.parametrize(
    ("body", "kind", "status", "why"),
    [
        ({"colour": "red"}, JSON, 400, "Missing columns: size"),
        (RECORD | {"weight": 1}, JSON, 400, "Unknown columns: weight"),
        (RECORD | {"size": "big"}, JSON, 400, "Column size holds 'big' where a number is needed"),
        (RECORD | {"colour": None}, JSON, 400, "Blank values in colour"),
        (RECORD | {"size": None}, JSON, 400, "Blank values in size"),
        ([], JSON, 400, "The request has no records"),
        ("", "text/csv", 400, "The request has no records"),
        ("{", JSON, 400, "The body is not JSON"),
        ("red,1,2", "text/csv", 400, "A record has 3 values, expected 2"),
        ("x", "image/png", 415, "Content type 'image/png' is not supported"),
    ],
)
def test_what_cannot_be_answered_says_why(
    served: Callable[..., Ask], body: Any, kind: str, status: int, why: str
) -> None:
    ask = served(behind(LogisticRegression()), "binary", classes(0, 1))
    found, said = ask(body, kind)
    assert found == status
    assert why in said


def test_a_new_category_a_blank_that_is_allowed_and_a_huge_number_are_answered(served: Callable[..., Ask]) -> None:
    ask = served(behind(LogisticRegression()), "binary", classes(0, 1), blank=["colour", "size"])
    found = ask([RECORD | {"colour": "green"}, RECORD | {"colour": None, "size": None}, RECORD | {"size": 100.0}])
    assert [each["label"] for each in found][2] == 1
    assert all(0 <= each["probability"] <= 1 for each in found)
    assert ask(RECORD, accept="image/png")[0] == 406


def test_trees_take_blanks_as_they_are(served: Callable[..., Ask]) -> None:
    encode = ColumnTransformer([("category", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["colour"])],
                               remainder="passthrough")  # fmt: skip
    model = Pipeline([("encode", encode), ("model", HistGradientBoostingRegressor(max_iter=5))])
    ask = served(model, "regression", table()["size"] * 2, blank=["size"])
    (found,) = ask(RECORD | {"size": ""})
    assert np.isfinite(found["prediction"])


def test_an_artifact_of_an_unknown_kind_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    estimator_artifact.save(tmp_path, None, table(), problem="ranking", label="x")
    with pytest.raises(ValueError, match="problem 'ranking'. Known: binary"):
        opened(tmp_path / "code" / "inference.py").model_fn(str(tmp_path))


def test_the_code_brings_along_what_it_imports(tmp_path: Path) -> None:
    training_job.put_code(tmp_path, "estimator_inference.py", "training_job.py")
    assert {path.name for path in tmp_path.iterdir()} == {"inference.py", "record_requests.py", "training_job.py"}


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "holds no .csv file"), ("a,b\n1,2\n", "needs a column y, and has a, b"), ("y\n", "no rows")],
)
def test_a_channel_that_cannot_be_learnt_from_says_why(tmp_path: Path, content: str | None, why: str) -> None:
    if content:
        (tmp_path / "train.csv").write_text(content)
    with pytest.raises(ValueError, match=why):
        training_job.read_channel(tmp_path, "y")
