"""An autoencoder's code against principal components, where PyTorch is; and what is said where it is not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import segmentation_representations as representations
from segmentation_autoencoder import Autoencoder
from segmentation_model import Segmentation


def customers(rows: int, seed: int) -> pd.DataFrame:
    """Three kinds on a curve: two numbers say nearly all of a customer."""
    random = np.random.default_rng(seed)
    along = np.arange(rows) % 3 + random.normal(0, 0.1, rows)
    points = np.column_stack([along, along**2, 2 - along]) + random.normal(0, 0.02, (rows, 3))
    return pd.DataFrame(np.expm1(points + 1), columns=["recency", "frequency", "monetary"])


def test_the_code_gives_the_columns_back_and_serves_without_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    for seed, name in enumerate(("train", "test")):
        (tmp_path / name).mkdir()
        customers(120, seed).to_csv(tmp_path / name / f"{name}.csv", index=False)
    places = {"train": str(tmp_path / "train"), "test": str(tmp_path / "test"), "model_dir": str(tmp_path / "model")}
    representations.main(representations.Args(**places, segments=3))
    found = json.loads((tmp_path / "model" / "comparison.json").read_text())
    assert found["scaled"]["lost"] == 0.0
    assert found["autoencoder"]["lost"] < 0.05
    assert found["autoencoder"]["agreement"] == 1.0
    assert found["autoencoder"]["silhouette"] == pytest.approx(found["scaled"]["silhouette"])

    model = Segmentation(segments=3, representation="autoencoder").fit(customers(120, 0))
    monkeypatch.setitem(sys.modules, "torch", None)
    assert list(np.bincount(model.predict(customers(60, 2)))) == [20, 20, 20]
    monkeypatch.undo()
    state = torch.load(tmp_path / "model" / "autoencoder.pt", weights_only=True)
    assert state["2.weight"].shape == (2, 16)
    assert (tmp_path / "model" / "code" / "segmentation_autoencoder.py").exists()


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"An autoencoder needs PyTorch: pip install .*\[torch\]"):
        Autoencoder().fit(np.zeros((3, 3)))
