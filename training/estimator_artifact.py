"""The artifact of a scikit-learn estimator over raw columns, as `estimator_inference.py` serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from training_job import put_code


def features(rows: pd.DataFrame) -> dict[str, str]:
    """Each column's kind, for `metadata`: text is a category."""
    return {name: "number" if pd.api.types.is_numeric_dtype(rows[name]) else "category" for name in rows.columns}


def limits(rows: pd.DataFrame) -> dict[str, list[float]]:
    """For the fact `limits`: each number's range in training and once that range beyond, below 0 only where it was.

    Farther out a number is most likely in another unit, and whatever a model says of it, nothing has shown it right.
    """
    found = {}
    for name, values in rows.select_dtypes("number").items():
        least, most = float(values.min()), float(values.max())
        lower = 2 * least - most
        found[str(name)] = [max(lower, 0.0) if least >= 0 else lower, 2 * most - least]
    return found


def save(
    folder: Path,
    estimator: Any,
    rows: pd.DataFrame,
    *,
    problem: str,
    label: str,
    modules: Sequence[str] = (),
    blank: Sequence[str] = (),
    optional: Sequence[str] = (),
    rivals: Mapping[str, Any] | None = None,
    **facts: Any,
) -> None:
    """Writes model.joblib, metadata.json and code/.

    Args:
        estimator: fitted; takes a table with the columns of `rows`, blanks where `blank` allows them.
        problem: binary, multiclass, regression or clustering.
        modules: files of this folder with classes that the estimator is made of, such as `titanic_features.py`.
        optional: columns that a request may carry and the model ignores.
        rivals: fitted estimators by name that this one was chosen among, itself one of them: for evaluations, as
            rivals.joblib. Serving never opens it.
        facts: more of metadata.json, that `estimator_inference.py` (threshold, names) or an evaluation reads
            (docs/pipelines.md has the list).
    """
    put_code(folder / "code", "estimator_inference.py", *modules)
    joblib.dump(estimator, folder / "model.joblib")
    if rivals:
        joblib.dump(dict(rivals), folder / "rivals.joblib")
    known: Mapping[str, Any] = {
        "problem": problem,
        "label": label,
        "features": features(rows),
        "optional": list(optional),
        "blank": list(blank),
        **facts,
    }
    (folder / "metadata.json").write_text(json.dumps(known, indent=2) + "\n")
