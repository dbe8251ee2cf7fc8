"""The churn model as a BentoML service: with adaptive batching, and one request at a time.

Bodies are JSON; a batchable API takes and gives a list, in which a client sends as many items as it has: one CSV body.
"""

from __future__ import annotations

import os
import sys

import bentoml

sys.path.insert(0, f"{os.environ['MODEL']}/code")
import inference

# Metrics stay on as they are by default; an access log of a line a request is what none of the others writes.
LOGGING = {"access": {"enabled": False}}


@bentoml.service(workers=int(os.environ["WORKERS"]), traffic={"timeout": 60}, logging=LOGGING)
class Churn:
    def __init__(self) -> None:
        self._model = inference.model_fn(os.environ["MODEL"])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def batched(self, bodies: list[str]) -> list[str]:
        inputs = [inference.input_fn(body, "text/csv") for body in bodies]
        found = inference.predict_batch_fn(inputs, self._model)
        return [inference.output_fn(prediction, "text/csv")[0] for prediction in found]

    @bentoml.api
    def single(self, body: str) -> str:
        prediction = inference.predict_fn(inference.input_fn(body, "text/csv"), self._model)
        return inference.output_fn(prediction, "text/csv")[0]
