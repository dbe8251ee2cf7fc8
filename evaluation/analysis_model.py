"""A model behind an endpoint, as a bias or explanation analysis asks it; made for the analysis where need be."""

from __future__ import annotations

import csv
import io
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from analysis_data import CSV, JSON, JSON_LINES

ROWS = 2000  # of one request
WAIT = {"Delay": 1, "MaxAttempts": 1800}  # s, and times, until an endpoint is in service


class Model:
    """An endpoint and how to talk with it: `predictor` of Clarify's analysis config."""

    def __init__(self, predictor: dict[str, Any], kind: str, endpoint: str, runtime: Any) -> None:
        self._content_type = predictor.get("content_type") or (JSON_LINES if kind in (JSON, JSON_LINES) else CSV)
        self._accept = predictor.get("accept_type") or self._content_type
        for what, value in (("content_type", self._content_type), ("accept_type", self._accept)):
            if value not in (CSV, JSON_LINES):
                raise ValueError(f"predictor.{what} {value} is not supported here: {CSV} and {JSON_LINES} are")
        self._template = predictor.get("content_template") or '{"features":$features}'
        self._label, self._probability = predictor.get("label"), predictor.get("probability")
        self._attributes = predictor.get("custom_attributes")
        self.label_headers: list[Any] = predictor.get("label_headers") or []
        self._endpoint, self._runtime = endpoint, runtime

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """One row of numbers a record: probabilities, or what else the model answers.

        Raises:
            ValueError: the answer has not one number or list of numbers a record.
        """
        where = self._label if self._probability is None else self._probability
        found = [np.atleast_1d(_numbers(_located(answer, where))) for answer in self._answers(features)]
        return np.vstack(found)

    def labels(self, features: pd.DataFrame, truth: pd.Series, threshold: float) -> pd.Series:
        """Predicted labels: the located one; the class of the highest score; or whether the only score is above.

        A single score is taken for a label as it is when the dataset's label has other than two values (regression).
        """
        answers = list(self._answers(features))
        index = features.index
        if self._label is not None and self._probability is None:
            labels = pd.Series([_located(answer, self._label) for answer in answers], index=index)
            return pd.to_numeric(labels) if pd.api.types.is_numeric_dtype(truth) else labels
        scores = np.vstack([np.atleast_1d(_numbers(_located(answer, self._probability))) for answer in answers])
        if scores.shape[1] > 1:
            classes = np.array(self.label_headers or range(scores.shape[1]), dtype=object)
            return pd.Series(classes[scores.argmax(axis=1)], index=index).infer_objects()
        if truth.nunique() != 2:
            return pd.Series(scores[:, 0], index=index)
        return pd.Series((scores[:, 0] > threshold).astype(int), index=index)

    def _answers(self, features: pd.DataFrame) -> Iterator[Any]:
        """A record's answer each: the fields of a CSV row, or a JSON value."""
        for start in range(0, len(features), ROWS):
            rows = features.iloc[start : start + ROWS]
            request = {"ContentType": self._content_type, "Accept": self._accept, "Body": self._body(rows)}
            if self._attributes:
                request["CustomAttributes"] = self._attributes
            answer = self._runtime.invoke_endpoint(EndpointName=self._endpoint, **request)["Body"].read().decode()
            found = _parsed(answer, self._accept)
            if len(found) != len(rows):
                raise ValueError(f"the model answered {len(rows)} records with {len(found)}: {answer[:200]!r}")
            yield from found

    def _body(self, rows: pd.DataFrame) -> str:
        if self._content_type == CSV:
            return rows.to_csv(index=False, header=False, lineterminator="\n").rstrip("\n")
        records = [json.dumps([_plain(value) for value in row]) for row in rows.to_numpy(dtype=object)]
        return "\n".join(self._template.replace("$features", record) for record in records)


@contextmanager
def serving(predictor: dict[str, Any], kind: str, model_name: str = "") -> Iterator[Model]:
    """The named endpoint; else one of the named model, deleted afterwards, as Clarify's shadow endpoint is.

    `model_name` is for a predictor that names none: a pipeline's ClarifyCheck step knows it only when it runs.

    Raises:
        ValueError: neither is named, or the endpoint did not get in service.
    """
    import boto3

    runtime = boto3.client("sagemaker-runtime")
    if endpoint := predictor.get("endpoint_name"):
        yield Model(predictor, kind, endpoint, runtime)
        return
    name = predictor.get("model_name") or model_name
    if not name:
        raise ValueError("the analysis config's predictor names neither an endpoint_name nor a model_name")
    endpoint = f"{predictor.get('endpoint_name_prefix', 'sm-clarify')}-{name[:25]}-{int(time.time())}-{_token()}"
    model = Model(predictor, kind, endpoint, runtime)
    sagemaker = boto3.client("sagemaker")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": predictor.get("instance_type", "ml.m5.large"),
        "InitialInstanceCount": predictor.get("initial_instance_count", 1),
    }
    sagemaker.create_endpoint_config(EndpointConfigName=endpoint, ProductionVariants=[variant])
    try:
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)
        try:
            _wait(sagemaker, endpoint)
            yield model
        finally:
            sagemaker.delete_endpoint(EndpointName=endpoint)
    finally:
        sagemaker.delete_endpoint_config(EndpointConfigName=endpoint)


def _wait(sagemaker: Any, endpoint: str) -> None:
    from botocore.exceptions import WaiterError

    try:
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=endpoint, WaiterConfig=WAIT)
    except WaiterError as error:
        found = sagemaker.describe_endpoint(EndpointName=endpoint)
        reason = found.get("FailureReason", error)
        raise ValueError(f"the model's endpoint {endpoint} is {found['EndpointStatus']}: {reason}") from error


def _token() -> str:
    return secrets.token_hex(2)


def _parsed(answer: str, accept: str) -> list[Any]:
    if accept == CSV:
        return [row for row in csv.reader(io.StringIO(answer)) if row]
    return [json.loads(line) for line in answer.splitlines() if line.strip()]


def _located(answer: Any, where: str | int | None) -> Any:
    """A field of a CSV row by its index, a part of a JSON value by its JMESPath; without `where` all of it."""
    if where is None:
        return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
    if isinstance(answer, list) and str(where).isdigit():
        return answer[int(where)]
    import jmespath

    return jmespath.search(str(where), answer)


def _numbers(value: Any) -> Any:
    """Also the text of a list, as a CSV answer holds several probabilities in one field."""
    if isinstance(value, str):
        value = json.loads(value) if value.strip().startswith("[") else value
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the model answered {value!r}, which is no score: name predictor.label or predictor.probability"
        ) from error


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
