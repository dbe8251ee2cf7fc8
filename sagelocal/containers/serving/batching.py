"""Requests answered together by the script's `predict_batch_fn(inputs, model)`.

It gives as many results as there are inputs, in their order; an exception in a result's place fails that request alone.
`input_fn` and `output_fn` stay a request's own. Requests that came while the worker was busy go together; none waits
for another to come. AWS's images know no such function and call `predict_fn`: a script has both.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from .wire import Request

BATCH_LIMIT = 64  # requests at once


def answer_together(handler: Any, requests: Sequence[Request]) -> list[Any]:
    """A response for each request; those of a batch that raises are answered one by one."""
    responses: list[Any] = [None] * len(requests)
    read = []
    for number, request in enumerate(requests):
        asked = handler.asked(request.body, request.headers)
        try:
            read.append((number, asked, handler.read(asked)))
        except Exception as error:
            responses[number] = handler.failed(error)
    try:
        results = _predicted(handler, [data for _, _, data in read])
    except Exception:
        traceback.print_exc()
        return [handler.respond(request.body, request.headers) for request in requests]
    for (number, asked, _), result in zip(read, results, strict=True):
        try:
            if isinstance(result, Exception):
                raise result
            responses[number] = handler.written(result, asked)
        except Exception as error:
            responses[number] = handler.failed(error)
    return responses


def _predicted(handler: Any, inputs: list[Any]) -> Sequence[Any]:
    results = handler.predict_together(inputs) if inputs else []
    if len(results) != len(inputs):
        raise ValueError(f"predict_batch_fn returned {len(results)} results for {len(inputs)} inputs.")
    return list(results)
