"""Asks the endpoint about many transactions in one request, and finds those that it cannot answer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from processing import fraud_windows

Row = Mapping[str, float]  # FEATURES of a transaction
Answer = dict[str, Any]  # probability, predicted_label, reasons: [{feature, value, contribution}]
_PLAIN = {
    "transaction_id": 0,
    "transaction_time": "2026-01-01T12:00:00Z",
    "customer_id": 0,
    "terminal_id": 0,
    "amount": 10.0,
    "x": 50.0,
    "y": 50.0,
}


@dataclass(frozen=True)
class Model:
    runtime: Any  # client of sagemaker-runtime
    endpoint: str

    def ask(self, rows: Sequence[Row]) -> list[Answer | None]:
        """One answer a row, in order; None for one that the model alone refuses, as it answers others, or that it
        answers with no number.

        Raises ClientError where it answers none, then nothing is wrong with the rows.
        """
        if not rows:
            return []
        try:
            return self._asked(rows)
        except ClientError as error:
            if not _of_the_model(error):
                raise
            self._asked([plain()])
            return self._again(rows)

    def _again(self, rows: Sequence[Row]) -> list[Answer | None]:
        """By halves where it fails again: a container that stumbled once has not refused anything."""
        try:
            return self._asked(rows)
        except ClientError as error:
            if not _of_the_model(error):
                raise
        if len(rows) == 1:
            return [None]
        middle = len(rows) // 2
        return self._again(rows[:middle]) + self._again(rows[middle:])

    def _asked(self, rows: Sequence[Row]) -> list[Answer | None]:
        body = json.dumps({"instances": rows}, separators=(",", ":"))
        kind = "application/json"
        found = self.runtime.invoke_endpoint(EndpointName=self.endpoint, ContentType=kind, Accept=kind, Body=body)
        answers = json.loads(found["Body"].read())["predictions"]
        if len(answers) != len(rows):
            raise ValueError(f"Endpoint {self.endpoint} gave {len(answers)} answers to {len(rows)} transactions.")
        return [answer if math.isfinite(answer["probability"]) else None for answer in answers]


def plain() -> Row:
    """Features of an everyday transaction, which every model can answer."""
    return fraud_windows.features(_PLAIN, None, None)[0]


def _of_the_model(error: ClientError) -> bool:
    """Whether the container itself refused the request or broke on it."""
    return error.response["Error"]["Code"] == "ModelError"
