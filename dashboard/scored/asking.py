"""Asks an endpoint about records, each one a request of its own, so that a label can name it later."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from dashboard import account
from dashboard.scored import captured
from dashboard.scored.records import Scored

MOST = 5000  # records at a time
_JSON = "application/json"


def ask(runtime: Any, endpoint: str, records: pd.DataFrame, ids: Sequence[str], said: Callable[[int], None]) -> Scored:
    """`said` hears how many are answered. Raises ClientError as AWS answers, ValueError for an answer in another shape
    than the template's.
    """

    def one(number: int) -> tuple[float, dict[str, float]]:
        body = {"instances": [records.iloc[number].to_dict()], "explain": True}
        response = runtime.invoke_endpoint(
            EndpointName=endpoint,
            Body=json.dumps(body),
            ContentType=_JSON,
            Accept=_JSON,
            InferenceId=ids[number],
        )
        return answered(response["Body"].read().decode())

    found = []
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        try:
            for number, answer in enumerate(pool.map(one, range(len(records))), 1):
                found.append(answer)
                said(number)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Scored(
        features=records.reset_index(drop=True),
        ids=list(ids),
        probability=np.array([each for each, _ in found], float),
        truth=np.full(len(found), np.nan),
        reasons=[why for _, why in found],
    )


def answered(text: str) -> tuple[float, dict[str, float]]:
    """Probability and reasons of an answer about one record. Raises ValueError."""
    try:
        probability = float(json.loads(text)["predictions"][0]["probability"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise ValueError(f"The answer has no predictions with a probability: {text[:200]}") from None
    why = captured.explanations(text)
    return probability, why[0] if why else {}


def columns(given: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The features of a table, in order. Raises ValueError naming what is missing, or that it has too many rows."""
    missing = [name for name in features if name not in given]
    if missing:
        raise ValueError(f"The file has no column {', '.join(missing)}. A customer has {', '.join(features)}.")
    if not len(given):
        raise ValueError("The file has no rows.")
    if len(given) > MOST:
        raise ValueError(f"The file has {len(given):,} rows: at most {MOST:,} at a time, a batch transform takes more.")
    return given[list(features)]


def names(records: pd.DataFrame, column: str, batch: str) -> list[str]:
    """InferenceIds: the batch, and each record's own name where the column has one, else its row."""
    own = records[column].astype(str).tolist() if column in records else [""] * len(records)
    return [
        f"{batch}-{name if name and name.isascii() else number}"[: captured.ID_LENGTH]
        for number, name in enumerate(own)
    ]
