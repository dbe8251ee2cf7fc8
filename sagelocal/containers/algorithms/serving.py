"""python -m algorithms.serving FAMILY SOCKET VERSION WORKERS: the `serve` command of a built-in algorithm's image.

The HTTP server is the one that serves scripts; this is what it has instead of a script.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from . import NAMES, answers, recordio
from .answers import JSON, Answer, failed
from .errors import UserError
from .job import media_type

MODEL = "/opt/ml/model"
_LIMIT = 6  # MiB of a request in a transform job, unless that says otherwise


class Model(Protocol):
    """What an algorithm's module loads from its artifact."""

    key: str  # the JSON list's name: predictions, projections or scores
    accepts: tuple[str, ...]  # response types, the default one first
    reads: tuple[str, ...]  # request types
    features: int

    def predict(self, features: recordio.Matrix, options: Mapping[str, str]) -> list[dict[str, Any]]:
        """A dict of JSON values for each row; `options` are the accept header's parameters (verbose=true)."""
        ...


class Server:
    """One of AWS's own algorithms behind the container's HTTP contract."""

    def __init__(self, model: Model, environment: Mapping[str, str]) -> None:
        self._model = model
        self._default = environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", model.accepts[0])

    def execution_parameters(self) -> dict[str, Any]:
        workers = len(os.sched_getaffinity(0))
        return {"MaxConcurrentTransforms": workers, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": _LIMIT}

    def respond(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        kind, parameters = media_type(headers.get("Content-Type") or JSON)
        accept, options = media_type(headers.get("Accept") or "")
        if accept in ("", "*/*"):
            accept = self._default
        if kind not in self._model.reads:
            return failed(415, f"Content type {kind} is not supported: {', '.join(self._model.reads)}.")
        if accept not in self._model.accepts:
            return failed(406, f"Accept type {accept} is not supported: {', '.join(self._model.accepts)}.")
        if not body:
            return Answer(b"", accept, 204)
        try:
            features = self._fitting(answers.read(body, kind, parameters))
            return Answer(answers.write(self._model.predict(features, options), accept, self._model.key), accept)
        except UserError as error:
            return failed(400, str(error))
        except Exception as error:
            traceback.print_exc()
            return failed(500, f"{type(error).__name__}: {error}")

    def _fitting(self, features: recordio.Matrix) -> recordio.Matrix:
        """Raises UserError unless the instances have the columns that the model was trained on."""
        width = features.shape[1]
        if isinstance(features, np.ndarray):
            if width != self._model.features:
                raise UserError(f"The instances have {width} features, the model {self._model.features}.")
            if not np.isfinite(features).all():
                raise UserError("The instances have features that are no finite numbers.")
        elif width > self._model.features:
            raise UserError(f"The instances have {width} features, the model {self._model.features}.")
        else:
            features.resize(features.shape[0], self._model.features)
        return features


def load(family: str, environment: Mapping[str, str], model_dir: str = MODEL, version: str = "") -> Any:
    """What answers the requests. Raises whatever an artifact that does not load raises."""
    if family == "xgboost":
        from . import xgboost_serving

        many = environment.get("SAGEMAKER_MULTI_MODEL") == "true"
        serve = xgboost_serving.MultiModelServer if many else xgboost_serving.Server
        return serve(environment, model_dir, version)
    module = importlib.import_module(f".{NAMES[family]}", __package__)
    return Server(module.load(model_dir), environment)


def main() -> None:
    family, socket, version, count = sys.argv[1:5]
    multi = importlib.import_module("model_server.multi")
    if multi.asked(os.environ):
        module = "xgboost_serving" if family == "xgboost" else NAMES[family]
        loading = functools.partial(load, family, dict(os.environ), version=version)
        multi.serve(loading, socket, [f"{__package__}.{module}"])
        return
    server = importlib.import_module("model_server.__main__")  # beside this package in an endpoint's sandbox alone
    server.workers.limit_threads(int(count))
    importlib.import_module(".xgboost_serving" if family == "xgboost" else f".{NAMES[family]}", __package__)  # for all
    server.serve(lambda: load(family, os.environ, MODEL, version), socket, int(count))


if __name__ == "__main__":
    main()
