"""DataProcessing and GenerateInferenceId: what of a record the model sees, and what of both the output file holds."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sagelocal.jobs.transform_paths import Path

JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"
FORMATS = (CSV, JSON, JSON_LINES)
ROOT = Path("$")
_OUTPUT, _INPUT = "SageMakerOutput", "SageMakerInput"


@dataclass(frozen=True)
class Processing:
    """A job's data processing. `stamp` is its start time where records get an inference id, "" elsewhere."""

    content_type: str  # of the input, without parameters
    accept: str  # of the output, likewise
    input_filter: Path = ROOT
    output_filter: Path = ROOT
    join: bool = False
    stamp: str = ""
    whole: bool = False  # an answer is one JSON document, not one a line

    @classmethod
    def of(cls, job: Mapping[str, Any], stamp: str = "") -> Processing:
        """From a CreateTransformJob request. Raises PathError."""
        data = job.get("DataProcessing") or {}
        split = job["TransformInput"].get("SplitType", "None")
        content_type = plain(job["TransformInput"].get("ContentType", ""))
        accept = plain(job["TransformOutput"].get("Accept", "")) or content_type
        return cls(
            content_type=content_type,
            accept=accept,
            input_filter=Path(data.get("InputFilter", "$")),
            output_filter=Path(data.get("OutputFilter", "$")),
            join=data.get("JoinSource") == "Input",
            stamp=stamp if (job.get("DataCaptureConfig") or {}).get("GenerateInferenceId") else "",
            whole=split == "None" and accept == JSON,
        )

    @property
    def changes_output(self) -> bool:
        return self.join or bool(self.stamp) or not self.output_filter.is_root

    @property
    def identity(self) -> bool:
        return self.input_filter.is_root and not self.changes_output

    def prepare(self, record: bytes) -> bytes:
        """The payload of a record. Raises ValueError for a record that is not of the content type."""
        if self.input_filter.is_root:
            return record
        read, write = _codec(self.content_type)
        return write(self.input_filter.select(read(record)))

    def finish(self, records: list[bytes], answer: bytes) -> list[bytes]:
        """The output file's records for one answer. Raises ValueError, also when they do not match the input's."""
        outputs = [answer] if self.whole else answer.removesuffix(b"\n").split(b"\n")
        if self.join and len(outputs) != len(records):
            raise ValueError(
                f"The model answered {len(records)} records with {len(outputs)} lines, so JoinSource cannot tell which "
                "belongs to which: it must answer one line a record, or BatchStrategy be SingleRecord."
            )
        read, write = _codec(self.accept)
        made = []
        for number, output in enumerate(outputs):
            value = read(output)
            if self.join:
                value = self._joined(read(records[number]), value)
            value = self.output_filter.select(value)
            made.append(write(self._stamped(value) if self.stamp else value))
        return made

    def _joined(self, record: Any, output: Any) -> Any:
        if self.accept == CSV:
            return record + output
        return {**record, _OUTPUT: output} if isinstance(record, dict) else {_INPUT: record, _OUTPUT: output}

    def _stamped(self, value: Any) -> Any:
        """AWS shows two more CSV columns, or two attributes; what becomes of other JSON it does not say."""
        inference_id = str(uuid.uuid4())
        if self.accept == CSV:
            return [*(value if isinstance(value, list) else [value]), inference_id, self.stamp]
        named = value if isinstance(value, dict) else {_OUTPUT: value}
        return {**named, "SageMakerInferenceId": inference_id, "SageMakerInferenceTime": self.stamp}


def plain(content_type: str) -> str:
    """A MIME type without parameters."""
    return content_type.partition(";")[0].strip().lower()


def _codec(content_type: str) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    return (_read_row, _write_row) if content_type == CSV else (_read_json, _write_json)


def _read_row(record: bytes) -> list[str]:
    text = record.decode().removesuffix("\r")
    return next(csv.reader([text]), [""]) if '"' in text else text.split(",")


def _write_row(value: Any) -> bytes:
    row = value if isinstance(value, list) else [value]
    text = ",".join(row)
    if '"' not in text and text.count(",") == len(row) - 1 and text:
        return text.encode()
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue().encode()


def _read_json(record: bytes) -> Any:
    try:
        return json.loads(record)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from error


def _write_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
