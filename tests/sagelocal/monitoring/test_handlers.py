"""The user's scripts as the container calls them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagelocal.containers.inside import handlers

RECORD = {
    "captureData": {"endpointInput": {"data": "1,2", "encoding": "CSV", "observedContentType": "text/csv"}},
    "eventMetadata": {"eventId": "e", "inferenceTime": "2026-03-02T10:00:00Z"},
}


def rows(folder: Path, body: str, parameters: str = "inference_record") -> list[dict[str, Any]]:
    script = folder / "handler.py"
    script.write_text(f"def preprocess_handler({parameters}):\n    {body}\n")
    return handlers.preprocessor(str(script))(RECORD)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {'a': inference_record.endpoint_input.data}", [{"a": "1,2"}]),
        ("return [{'a': 1}, {'a': 2}]", [{"a": 1}, {"a": 2}]),
        ("return inference_record.endpoint_input.data.split(',')", [{"_c0": "1", "_c1": "2"}]),
        ("return [[1, 2], [3, 4]]", [{"_c0": 1, "_c1": 2}, {"_c0": 3, "_c1": 4}]),
        ("return []", []),
        ("return None", []),
        ("return {'id': inference_record.event_metadata.event_id}", [{"id": "e"}]),
    ],
)
def test_what_a_handler_may_return(tmp_path: Path, body: str, expected: list[dict[str, Any]]) -> None:
    assert rows(tmp_path, body) == expected


def test_a_second_parameter_is_a_logger(tmp_path: Path) -> None:
    assert rows(tmp_path, "logger.info('x'); return {'a': 1}", "inference_record, logger") == [{"a": 1}]


def test_scripts_that_do_not_fit_say_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="preprocess_handler returned 7"):
        rows(tmp_path, "return 7")
    (tmp_path / "other.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="has no function postprocess_handler"):
        handlers.postprocess(str(tmp_path / "other.py"))
    handlers.postprocess(None)
