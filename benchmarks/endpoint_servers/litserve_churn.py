"""The churn model behind LitServe: batched where BATCH is more than 1, else one request at a time."""

from __future__ import annotations

import os
import sys
from typing import Any

import litserve

sys.path.insert(0, f"{os.environ['MODEL']}/code")
import inference


class Churn(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._model = inference.model_fn(os.environ["MODEL"])

    # No annotations on these two: LitServe makes FastAPI's models of them, and its own defaults are a JSON object each.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return inference.input_fn(request["body"], "text/csv")

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs  # predict_batch_fn takes a list, not one array

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def predict(self, x: Any) -> Any:
        if self.max_batch_size > 1:
            return inference.predict_batch_fn(x, self._model)
        return inference.predict_fn(x, self._model)

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        return {"answer": inference.output_fn(output, "text/csv")[0]}


if __name__ == "__main__":
    batch, workers = int(os.environ["BATCH"]), int(os.environ["WORKERS"])
    # Without a batch timeout LitServe's worker asks its queue in a loop without pause, which would cost it the core.
    api = Churn(max_batch_size=batch, batch_timeout=0.001 if batch > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
