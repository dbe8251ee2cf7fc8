"""Three kinds of customers are found, named and served; each measure by examples that can be worked out by hand."""

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

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import segmentation_choice as choice
import segmentation_words as words
from segmentation_model import ALGORITHMS, Segmentation

SCRIPT = Path(__file__).parents[2] / "training" / "segmentation.py"
FAST = ["--max-segments", "4", "--resamples", "2", "--folds", "2"]


def customers(rows: int = 150, seed: int = 0) -> pd.DataFrame:
    """Regulars, occasional buyers and some who bought once long ago, in equal parts."""
    random = np.random.default_rng(seed)
    kind = np.arange(rows) % 3
    return pd.DataFrame(
        {
            "recency": np.choose(kind, [10, 90, 400]) + random.integers(-5, 5, rows),
            "frequency": np.choose(kind, [30, 5, 1]) + random.integers(0, 2, rows) * (kind < 2),
            "monetary": (np.choose(kind, [9000, 800, 60]) * random.uniform(0.8, 1.2, rows)).round(2),
        }
    )


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_segmentation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def artifact(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmentation")
    (folder / "train").mkdir()
    customers().to_csv(folder / "train" / "train.csv", index=False)
    script.main(script.parse(["--train", str(folder / "train"), "--model_dir", str(folder / "model"), *FAST]))
    return folder / "model"


@pytest.fixture
def ask(artifact: Path) -> Callable[..., Any]:
    """As the images' servers do, with the artifact's own handler."""
    spec = importlib.util.spec_from_file_location("segmentation_inference", artifact / "code" / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    handler = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = handler
    spec.loader.exec_module(handler)
    model = handler.model_fn(str(artifact))

    def asked(body: Any, kind: str = "application/json", accept: str = "application/json") -> Any:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = handler.output_fn(handler.predict_fn(handler.input_fn(text, kind), model), accept)
        if isinstance(answer, tuple):
            return json.loads(answer[0])["predictions"] if answer[1] == "application/json" else answer[0]
        return answer.status_code, json.loads(answer.get_data())["error"]

    return asked


def facts(artifact: Path) -> dict[str, Any]:
    return dict(json.loads((artifact / "metadata.json").read_text()))


def test_the_kinds_are_found_and_the_choice_is_argued(artifact: Path) -> None:
    found = facts(artifact)
    assert found["chosen"]["segments"] == 3
    assert found["chosen"]["stability"] == 1.0
    assert found["chosen"]["silhouette"] > 0.8
    assert "3 segments by" in found["argument"][0]
    assert any(each.startswith("2 segments") and "fewer than 3" in each for each in found["argument"])
    tried = {(each["algorithm"], each["segments"]) for each in found["candidates"]}
    assert {(name, number) for name in ("kmeans", "hierarchical", "gaussian_mixture") for number in (2, 3, 4)} <= tried
    assert {each["algorithm"] for each in found["candidates"]} == set(ALGORITHMS)
    assert found["comparison"]["models"][0]["mean"] > 0.8


def test_segments_are_named_by_what_their_customers_do(artifact: Path) -> None:
    found = facts(artifact)
    assert found["names"] == {
        "0": "Active big-spending regulars",
        "1": "Cooling repeat buyers",
        "2": "Lapsed small-spending one-time buyers",
    }
    assert found["descriptions"]["Active big-spending regulars"].startswith("50 customers (33%) bring 9")
    assert "£" in found["descriptions"]["Cooling repeat buyers"]


def test_a_record_gets_its_segment_with_or_without_an_id(ask: Callable[..., Any]) -> None:
    record = {"recency": 9, "frequency": 31, "monetary": 9100.0}
    best = {"label": 0, "name": "Active big-spending regulars"}
    assert ask(record) == ask({"customer_id": "7", **record}) == [best]
    assert ask("7,9,31,9100\n8,401,1,55\n", "text/csv", "text/csv") == (
        "0,Active big-spending regulars\n2,Lapsed small-spending one-time buyers\n"
    )


def test_ten_times_larger_and_negative_money_have_a_segment(ask: Callable[..., Any]) -> None:
    assert ask({"recency": 9, "frequency": 310, "monetary": 91000.0})[0]["label"] == 0
    assert ask({"recency": 400, "frequency": 1, "monetary": -80.0}) == ask(
        {"recency": 400, "frequency": 1, "monetary": 0}
    )


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"recency": "yesterday", "frequency": 1, "monetary": 5}, "Column recency holds 'yesterday' where a number"),
        ({"recency": 1, "frequency": 1}, "Missing columns: monetary"),
        ({"recency": 1, "frequency": 1, "monetary": None}, "Blank values in monetary"),
        ({"recency": 1, "frequency": 1, "monetary": 5, "country": "Utopia"}, "Unknown columns: country"),
    ],
)
def test_what_is_no_record_is_refused(ask: Callable[..., Any], record: dict[str, Any], said: str) -> None:
    status, error = ask(record)
    assert status == 400 and said in error


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (customers().drop(columns="monetary"), "needs the columns recency, frequency, monetary"),
        (customers().assign(monetary=np.nan), "has blank values"),
    ],
)
def test_a_channel_that_is_no_table_of_customers(script: ModuleType, table: pd.DataFrame, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        script.check(table)


def test_customers_of_one_kind_have_no_segments(script: ModuleType) -> None:
    random = np.random.default_rng(0)
    same = pd.DataFrame(random.lognormal(3, 1, (120, 3)), columns=["recency", "frequency", "monetary"])
    pairs = choice.compared(same, choice.settings(4, ["scaled"], 0), choice.Limits(3, 0.05, 0.05, 0.99), 2)
    with pytest.raises(ValueError, match="No segmentation keeps the limits. The nearest"):
        choice.chosen(pairs)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_places_customers_that_it_has_not_seen(algorithm: str) -> None:
    table, density = customers(), {"dbscan": 0.5, "hdbscan": 0.1}.get(algorithm, 0.0)
    model = Segmentation(algorithm, 3, density).fit(table)
    assert list(np.bincount(model.labels_)) == [50, 50, 50]
    assert (model.labels_ == np.arange(150) % 3).all()  # the most valuable ones first
    assert (model.predict(customers(seed=1)) == np.arange(150) % 3).all()


def test_dunn_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    points, labels = random.normal(size=(60, 3)), random.integers(0, 3, 60)
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=-1))
    alike = labels[:, None] == labels[None]
    assert choice.dunn(points, labels) == pytest.approx(apart[~alike].min() / apart[alike].max())
    line = np.arange(9.0)[:, None] * [1.0, 1.0, 0.0]  # no hull: all on a line
    assert choice.dunn(line, np.arange(9) // 5) == pytest.approx(1 / 4)


def test_the_elbow_is_where_the_curve_bends_most() -> None:
    bent = choice.bends([100, 40, 30, 20, 10])
    assert int(np.argmax(bent)) == 1
    assert bent[0] == bent[-1] == 0.0
    assert choice.bends([5, 5, 5]) == [0.0, 0.0, 0.0]


def test_ranks_are_means_over_the_measures_and_only_of_what_keeps_the_limits() -> None:
    common = {"representation": "scaled", "density": 0.0, "unassigned": 0.0, "smallest": 0.3, "within": 1.0}
    best = choice.Candidate("kmeans", segments=3, silhouette=0.5, dunn=0.2, davies_bouldin=0.5, elbow=0.4, **common)
    other = choice.Candidate("kmeans", segments=4, silhouette=0.4, dunn=0.3, davies_bouldin=0.9, elbow=0.1, **common)
    out = choice.Candidate("kmeans", segments=2, silhouette=0.9, refused="fewer than 3 segments", **common)
    assert [each.rank for each in choice.ranked([best, other, out])] == [1.25, 1.75, None]


def test_segments_of_the_same_levels_are_told_apart() -> None:
    table = customers()
    profile = {"recency": 10.0, "frequency": 30.0, "customers": 1, "share": 0.1, "money_share": 0.5}
    found = words.names({3: {**profile, "monetary": 9000.0}, 4: {**profile, "monetary": 9500.0}}, table)
    assert found == {3: "Active big-spending regulars 2", 4: "Active big-spending regulars"}
    assert words.name(-1, {}, {}) == "Like nobody else"


def test_an_unknown_setting_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="algorithm 'magic' is unknown. Use one of kmeans"):
        Segmentation("magic").fit(customers())
    with pytest.raises(ValueError, match="representation 'raw' is unknown. Use one of scaled, pca, autoencoder"):
        Segmentation(representation="raw").fit(customers())
