"""Are two numbers that an autoencoder learns a better place to seek segments in than two principal components?

    python training/segmentation_representations.py --train DIR --test DIR --model-dir DIR --segments 4

Needs PyTorch (the extra `torch`, or AWS's PyTorch image). Compares k-means over the scaled columns, over two principal
components and over an autoencoder's code, all judged in the scaled space by customers that nothing was fitted to.
Writes `comparison.json`, and the autoencoder as a state_dict, `autoencoder.pt`, with its class in code/.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import training_job
from segmentation_autoencoder import Autoencoder
from segmentation_model import REPRESENTATIONS, Segmentation
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score, silhouette_score


@dataclass
class Args:
    train: str = "/opt/ml/input/data/train"
    """folder of CSV files with recency, frequency and monetary"""
    test: str = "/opt/ml/input/data/test"
    """the same, to judge by"""
    model_dir: str = "/opt/ml/model"
    """folder for autoencoder.pt and comparison.json"""
    segments: int = 4
    """that are sought in each representation"""
    seed: int = 0
    """of weights and starts"""


def main(args: Args) -> None:
    import torch

    train, test = (training_job.read_channel(Path(folder)) for folder in (args.train, args.test))
    found, coder = compare(train, test, args)
    folder = Path(args.model_dir)
    (folder / "code").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(
        Path(__file__).with_name("segmentation_autoencoder.py"), folder / "code" / "segmentation_autoencoder.py"
    )
    torch.save({name: torch.as_tensor(value) for name, value in coder.weights_.items()}, folder / "autoencoder.pt")
    (folder / "comparison.json").write_text(json.dumps(found, indent=2) + "\n")
    for name, each in found.items():
        print(*(f"{name}:{measure}={value:.6f}" for measure, value in each.items()))


def compare(train: pd.DataFrame, test: pd.DataFrame, args: Args) -> tuple[dict[str, dict[str, float]], Autoencoder]:
    """By representation: silhouette and Davies-Bouldin index of the test records, `agreement` with the segments of the
    scaled columns (adjusted Rand index), and `lost`, the share of their variance that it does not give back.
    """
    models: dict[str, Any] = {
        name: Segmentation("kmeans", args.segments, representation=name, seed=args.seed).fit(train)
        for name in REPRESENTATIONS
    }
    points = models["scaled"].transform(test)
    plain = models["scaled"].predict(test)
    found = {}
    for name, model in models.items():
        labels = model.predict(test)
        back = model.coder_.inverse_transform(model.coder_.transform(points)) if model.coder_ else points
        found[name] = {
            "silhouette": float(silhouette_score(points, labels)),
            "davies_bouldin": float(davies_bouldin_score(points, labels)),
            "agreement": float(adjusted_rand_score(plain, labels)),
            "lost": float(((points - back) ** 2).sum() / ((points - points.mean(axis=0)) ** 2).sum()),
        }
    return found, models["autoencoder"].coder_


if __name__ == "__main__":
    training_job.run(lambda: main(training_job.parse(Args, __doc__, None)))
