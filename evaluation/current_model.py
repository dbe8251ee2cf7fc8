"""A candidate against the model in service, both judged on the candidate's test split.

That is fair only where the model in service has not learnt from that split: when all of the data is younger than it, as
the traffic is that a retraining collects. Without a model in service the candidate is compared with nothing, and its
lead is all that it has.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import classification_metrics as metrics
import model_artifact
import numpy as np
import pandas as pd

NONE = "none"  # no model in service: what a pipeline's parameter says, as it cannot be empty
METRICS = ("average_precision", "auc")
LEVEL = 0.95


def compare(
    uri: str, records: pd.DataFrame, answers: np.ndarray, candidate: np.ndarray, resamples: int, seed: int
) -> dict[str, Any]:
    """Each metric of both models, and the candidate's lead with its interval (bootstrap over records, paired).

    The current model is loaded here, after which the candidate's handler can import nothing more from beside it.

    Args:
        uri: S3 URI of the current model's model.tar.gz, or NONE.
        records: the test split without the label; answers (0 or 1) and candidate (probabilities) have its rows.

    Raises:
        ValueError: an archive that is no model of this project.
        ClientError: S3 refuses.
    """
    current = None if uri == NONE else probabilities(uri, records)
    rows, random = len(answers), np.random.default_rng(seed)
    drawn = random.multinomial(rows, np.full(rows, 1 / rows), size=resamples).astype(float)
    weights = np.vstack([np.ones(rows), drawn])
    ours = metrics.ranking(answers, candidate, weights)
    theirs = None if current is None else metrics.ranking(answers, current, weights)
    found: dict[str, Any] = {"current_model": uri, "records": rows}
    for name in METRICS:
        other = np.zeros(len(weights)) if theirs is None else theirs[name]
        lead = ours[name] - other
        low, high = np.quantile(lead[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found[name] = {
            "candidate": float(ours[name][0]),
            "current": float(other[0]),
            "lead": {
                "value": float(lead[0]),
                "confidence_interval": {"level": LEVEL, "lower": float(low), "upper": float(high)},
            },
        }
    return found


def probabilities(uri: str, records: pd.DataFrame) -> np.ndarray:
    """What the model at an S3 URI says of the records."""
    import boto3

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with tempfile.TemporaryDirectory() as folder:
        archive, workspace = Path(folder) / "archive", Path(folder) / "model"
        archive.mkdir()
        boto3.client("s3").download_file(bucket, key, str(archive / "model.tar.gz"))
        forget_handlers()
        artifact = model_artifact.load(archive, workspace)
        return artifact.predict(artifact.records(records))["probability"].to_numpy(dtype=float)


def forget_handlers() -> None:
    """What lies beside one model's handler must not be taken for what lies beside the next one's."""
    handler = sys.modules.get("inference")
    folder = Path(str(handler.__file__)).parent if handler else None
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if folder and file and Path(file).is_relative_to(folder):
            del sys.modules[name]


def sentence(comparison: dict[str, Any]) -> str:
    """For the job's log."""
    if comparison["current_model"] == NONE:
        return "no model in service to compare with"
    found = comparison["average_precision"]
    interval = found["lead"]["confidence_interval"]
    return (
        f"average precision on {comparison['records']} test records: candidate {found['candidate']:.3f}, in service "
        f"{found['current']:.3f}, lead {found['lead']['value']:+.3f} "
        f"({interval['level']:.0%} interval {interval['lower']:+.3f} to {interval['upper']:+.3f})"
    )
