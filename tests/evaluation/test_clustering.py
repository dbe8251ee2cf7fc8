"""A segmentation that holds, and one that is chance, on records that both have not seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import clustering
from estimator_artifact import save
from segmentation_model import Segmentation


def records(rows: int, seed: int, apart: float = 3.0) -> pd.DataFrame:
    """Logarithms around three points that lie `apart`."""
    random = np.random.default_rng(seed)
    middle = np.array([[0, 0, 0], [1, 0, 1], [0, 1, 2]])[np.arange(rows) % 3] * apart
    return pd.DataFrame(np.expm1(random.normal(middle + 3, 0.3)), columns=["recency", "frequency", "monetary"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("train", "test")):
        (tmp_path / name).mkdir()
        records(90, seed).to_csv(tmp_path / name / f"{name}.csv", index=False)
    model = Segmentation(segments=3).fit(records(90, 0))
    of = dict.fromkeys(("silhouette", "dunn", "davies_bouldin", "elbow", "within", "stability", "smallest"), 0.5)
    kind = {"name": "kmeans", "algorithm": "kmeans", "representation": "scaled", "segments": 3}
    candidate = kind | of | {"unassigned": 0.0, "rank": 1.0, "refused": ""}
    save(
        tmp_path / "model",
        model,
        records(90, 0),
        problem="clustering",
        label="kind",
        modules=["segmentation_model.py"],
        names={"0": "Gold", "1": "Silver", "2": "Bronze"},
        descriptions={"Gold": "30 customers bring most."},
        candidates=[candidate, {**candidate, "segments": 2, "rank": None, "refused": "fewer than 3 segments"}],
        chosen=candidate,
        argument=["3 segments, as there are three."],
        curves={"parameter": "segments", "values": [2, 3]},
    )
    return tmp_path


def judge(folder: Path, *more: str) -> dict:
    places = [part for each in ("model", "train", "test") for part in (f"--{each}", str(folder / each))]
    clustering.main(
        clustering.parse(
            [*places, "--output", str(folder / "out"), "--predictions", str(folder / "said"), "--resamples", "3", *more]
        )
    )
    return dict(json.loads((folder / "out" / "evaluation.json").read_text()))


def test_segments_that_are_there_are_distinct_and_hold(folder: Path) -> None:
    found = judge(folder, "--folds", "2")
    numbers = found["clustering_metrics"]
    assert numbers["silhouette"]["value"] > 0.7
    assert numbers["silhouette"]["confidence_interval"]["lower"] < numbers["silhouette"]["value"]
    assert numbers["stability"]["value"] == 1.0
    assert numbers["segments"]["value"] == 3
    assert numbers["share_difference"]["value"] == pytest.approx(0)
    assert numbers["dunn"]["value"] == 0.5
    assert [each["name"] for each in found["segments"]] == ["Gold", "Silver", "Bronze"]
    assert all(each["overlap"] == 1.0 for each in found["segments"])
    assert found["curves"]["validation"]["test"][1] > found["curves"]["validation"]["test"][0]
    page = (folder / "out" / "report.html").read_text()
    for part in (
        "30 customers bring most.",
        "3 segments, as there are three.",
        "found again",
        "Learning curve",
        "chosen",
    ):
        assert part in page
    assert (folder / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "out" / "segments_on_a_map.png").exists()
    said = pd.read_csv(folder / "said" / "predictions.csv")
    assert said["kind"].value_counts().to_dict() == {"Gold": 60, "Silver": 60, "Bronze": 60}
    assert list(said.columns) == ["recency", "frequency", "monetary", "kind"]


def test_segments_of_chance_do_not_hold() -> None:
    train = records(90, 0, apart=0.0)
    model = Segmentation(segments=4).fit(train)
    placed = clustering.Placed(train, model.transform(train), model.labels_, model.labels_.astype(str))
    held = clustering.stability(model, placed, 4, seed=0)
    assert held.agreement.mean() < 0.8
    assert held.overlaps.mean().min() < 0.75


def test_a_set_that_cannot_be_judged_says_why(folder: Path) -> None:
    (folder / "test" / "test.csv").write_text("recency,frequency,monetary\n1,1,1\n")
    with pytest.raises(ValueError, match="holds 1 records, and 3 are needed"):
        judge(folder)
    records(3, 0).iloc[[0, 0, 0]].to_csv(folder / "test" / "test.csv", index=False)
    with pytest.raises(ValueError, match="All records of the test set are in one segment"):
        judge(folder)
    (folder / "test" / "test.csv").unlink()
    with pytest.raises(ValueError, match="holds no .csv file"):
        judge(folder)
