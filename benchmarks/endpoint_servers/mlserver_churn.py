"""The churn model as an MLServer runtime: one CSV body is one BYTES element of a V2 inference request.

A batch is what MLServer's adaptive batching merged, or a single request's body where it is off.
"""

from __future__ import annotations

import os
import sys

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

sys.path.insert(0, f"{os.environ['MODEL']}/code")
import inference


class Churn(MLModel):
    async def load(self) -> bool:
        self._model = inference.model_fn(os.environ["MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = [inference.input_fn(body, "text/csv") for body in StringCodec.decode_input(payload.inputs[0])]
        found = inference.predict_batch_fn(inputs, self._model)
        answers = [inference.output_fn(prediction, "text/csv")[0] for prediction in found]
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("answer", answers)])
