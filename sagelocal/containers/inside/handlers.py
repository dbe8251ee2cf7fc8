"""The user's scripts: preprocess_handler for each captured record, postprocess_handler after the analysis.

AWS's contract (developer guide, "Preprocessing and Postprocessing"): a handler takes the record, and a logger where it
has a second parameter; it returns a row (a dictionary of columns or a list), a list of rows, or nothing to leave the
record out.
"""

from __future__ import annotations

import inspect
import json
import logging
import runpy
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

Row = dict[str, Any]


def postprocess(script: str | None) -> None:
    """Raises ValueError where the script has no handler."""
    if script:
        _handler(script, "postprocess_handler")()


def preprocessor(script: str) -> Callable[[Mapping[str, Any]], list[Row]]:
    """From a captured record to its rows; a row without names has those of its positions.

    Raises ValueError where the script has no handler, and for what the handler returns that is no row.
    """
    handler = _handler(script, "preprocess_handler")
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    more = [logging.getLogger("preprocessor")] if len(inspect.signature(handler).parameters) > 1 else []

    def rows(record: Mapping[str, Any]) -> list[Row]:
        found = handler(_record(record), *more)
        if not found:
            return []
        several = isinstance(found, list) and isinstance(found[0], dict | list | tuple)
        return [_row(each) for each in (found if several else [found])]

    return rows


def _row(found: Any) -> Row:
    if isinstance(found, dict):
        return {str(name): value for name, value in found.items()}
    if isinstance(found, list | tuple):
        return {f"_c{position}": value for position, value in enumerate(found)}
    raise ValueError(f"preprocess_handler returned {found!r}: a dictionary, a list, or a list of them is expected")


def _record(record: Mapping[str, Any]) -> SimpleNamespace:
    """With attributes as in AWS's examples."""
    captured = record.get("captureData") or {}
    event = record.get("eventMetadata") or {}
    return SimpleNamespace(
        endpoint_input=_side(captured.get("endpointInput")),
        endpoint_output=_side(captured.get("endpointOutput")),
        ground_truth=_side(record.get("groundTruthData")),
        event_metadata=SimpleNamespace(
            event_id=event.get("eventId"),
            inference_id=event.get("inferenceId"),
            inference_time=event.get("inferenceTime"),
            custom_attributes=event.get("customAttributes"),
        ),
        event_version=record.get("eventVersion"),
        as_dict=lambda: json.loads(json.dumps(record)),
    )


def _side(side: Mapping[str, Any] | None) -> SimpleNamespace | None:
    if side is None:
        return None
    return SimpleNamespace(
        data=side.get("data"),
        encoding=side.get("encoding"),
        mode=side.get("mode"),
        observed_content_type=side.get("observedContentType"),
        content_type=side.get("observedContentType"),
    )


def _handler(script: str, name: str) -> Callable[..., Any]:
    handler = runpy.run_path(script).get(name)
    if not callable(handler):
        raise ValueError(f"{script} has no function {name}")
    return handler
