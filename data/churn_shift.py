"""A churn population that changed: a price rise, a wave of new month-to-month customers, and other reasons to leave.

What monitors ought to notice, and what a model has to learn anew, made from records of real customers. Both the shift
of the features and the labels after it are simulated: nobody has seen these customers leave.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

PRICE_RISE = 0.25
NEW_SHARE = 0.6  # of the records become new customers
NEW_TENURE = 6  # months at most since they came
SHIFTED = ["tenure", "Contract", "MonthlyCharges", "TotalCharges"]
LABEL = "Churn"
LEAVE = {"Fiber optic": 0.30, "DSL": 0.85, "No": 0.85}  # by InternetService, of the customers without a contract term


def shift(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, list[str]]:
    """The same customers after the change, and the names of the columns it altered.

    Everyone pays PRICE_RISE more from now on. NEW_SHARE of them are new: on a month-to-month contract, for one to
    NEW_TENURE months, having paid that often. Past payments of the others stay what they were.

    Args:
        frame: raw churn columns, with at least those in SHIFTED; not changed. TotalCharges may hold text.
        seed: of the choice of new customers and their tenure.

    Raises:
        ValueError: a column that is needed is missing.
    """
    missing = [name for name in SHIFTED if name not in frame]
    if missing:
        raise ValueError(f"cannot shift churn records without the columns {missing}")
    random = np.random.default_rng(seed)
    new = random.random(len(frame)) < NEW_SHARE
    tenure = random.integers(1, NEW_TENURE, size=len(frame), endpoint=True)
    charges = (frame["MonthlyCharges"].astype(float) * (1 + PRICE_RISE)).round(2)
    shifted = frame.assign(
        MonthlyCharges=charges,
        Contract=frame["Contract"].mask(new, "Month-to-month"),
        tenure=frame["tenure"].mask(new, tenure),
        TotalCharges=pd.to_numeric(frame["TotalCharges"], errors="coerce").mask(new, (charges * tenure).round(2)),
    )
    return shifted, list(SHIFTED)


def relabel(frame: pd.DataFrame, seed: int) -> pd.Series:
    """Who leaves after the change, as Yes or No: a simulated change of concept, drawn by a stated rule.

    A rival offers cheaper DSL and telephone lines, and no fibre. Customers on a month-to-month contract leave with the
    probabilities of LEAVE; all others do what they did before. What used to tell who leaves (fibre customers did) now
    points the other way: a model of before tells them apart no better than a coin.

    Args:
        frame: as `shift` gave it, with the columns Contract, InternetService and LABEL.
        seed: of the draws.
    """
    random = np.random.default_rng([seed, 1])  # others than those of `shift`
    leaves = random.random(len(frame)) < frame["InternetService"].map(LEAVE).to_numpy()
    free = frame["Contract"].eq("Month-to-month")
    return frame[LABEL].mask(free, pd.Series(np.where(leaves, "Yes", "No"), index=frame.index))
