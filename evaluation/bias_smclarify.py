"""Metrics of bias by the functions of AWS's library smclarify, called on the records that counts stand for.

All of them but the flip test know a record by group, label, predicted label and subgroup alone, so the records that a
table of counts stands for give what the dataset itself would give.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

_FROM_SCIKIT_LEARN = {"sklearn.metrics": "confusion_matrix", "sklearn.neighbors": "KNeighborsClassifier"}


def values(names: Iterable[str], cells: np.ndarray) -> dict[str, float]:
    """The metrics by their codes, of counts by (rest or group, label, predicted label, subgroup).

    Raises:
        ValueError: a metric that these counts have no value of, in smclarify's words.
    """
    library = _metrics()
    arguments = _records(cells)
    return {name: float(library.call_metric(getattr(library, name), **arguments)) for name in names}


def flip_test(features: pd.DataFrame, group: np.ndarray, positive: np.ndarray) -> float:
    """FT of numeric features, whether each record is of the group, and whether its prediction is positive.

    Raises:
        ValueError: there is nobody to compare, in smclarify's words.
    """
    index = features.index
    return float(_metrics().FT(features, pd.Series(group, index=index), pd.Series(positive, index=index)))


def _records(cells: np.ndarray) -> dict[str, pd.Series]:
    """A record for each that is counted, as smclarify's arguments: it takes boolean labels for all metrics."""
    found = np.unravel_index(np.repeat(np.arange(cells.size), cells.ravel()), cells.shape)
    group, label, predicted = (pd.Series(each.astype(bool)) for each in found[:3])
    return {
        "feature": group,  # only its length counts
        "sensitive_facet_index": group,
        "label": label,
        "positive_label_index": label,
        "positive_predicted_label_index": predicted,
        "group_variable": pd.Series(found[3]),
    }


def _metrics() -> Any:
    """smclarify's module of metrics. It imports scikit-learn, over a second of CPU time, which the flip test alone
    calls: here that waits for its first call.
    """
    name = "smclarify.bias.metrics"
    if name in sys.modules or "sklearn" in sys.modules:
        return import_module(name)
    stand_ins = {"sklearn": ModuleType("sklearn")}
    for module, member in _FROM_SCIKIT_LEARN.items():
        stand_ins[module] = ModuleType(module)
        setattr(stand_ins[module], member, _later(module, member))
    sys.modules.update(stand_ins)
    try:
        return import_module(name)
    finally:
        for each in stand_ins:
            del sys.modules[each]


def _later(module: str, member: str) -> Any:
    return lambda *args, **kwargs: getattr(import_module(module), member)(*args, **kwargs)
