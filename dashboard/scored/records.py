"""Records with a model's answers: what pages of use cases list, whatever they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Scored:
    """All of one length and in one order."""

    features: pd.DataFrame  # text, a column a feature; blank where a record has none
    ids: Sequence[str]  # what labels call it: the request's inference id, else its event id
    probability: np.ndarray  # of the positive class
    truth: np.ndarray  # 1.0, 0.0, or NaN where it is not known
    reasons: Sequence[dict[str, float]]  # feature to SHAP value in log-odds; empty where it was not asked for
    left_out: str = ""  # what there was besides, in a sentence

    def __len__(self) -> int:
        return len(self.ids)

    def known(self) -> np.ndarray:
        """Of which the truth is known."""
        return ~np.isnan(self.truth)

    def take(self, places: np.ndarray) -> Scored:
        """Some of them, by their places."""
        return Scored(
            features=self.features.iloc[places].reset_index(drop=True),
            ids=[self.ids[at] for at in places],
            probability=self.probability[places],
            truth=self.truth[places],
            reasons=[self.reasons[at] for at in places],
            left_out=self.left_out,
        )

    def numbers(self, name: str) -> np.ndarray:
        """A feature as numbers, NaN where it is none."""
        if name not in self.features:
            return np.full(len(self), np.nan)
        return pd.to_numeric(self.features[name], errors="coerce").to_numpy(float)
