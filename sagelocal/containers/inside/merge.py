"""Model Monitor's merge job: captured records beside their ground truth, as the analyses' input.

    dataset_source/<…>/yyyy/mm/dd/hh/*.jsonl + ground_truth_source/yyyy/mm/dd/hh/*.jsonl -> output_path/<…>/*.jsonl

A merged record is the captured one with `groundTruthData`. A batch transform's answers, which have their inference id
and time in the last two columns or in two members (GenerateInferenceId), become such records, too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def run(environment: Mapping[str, str]) -> None:
    """Raises ValueError when no record has ground truth."""
    import ground_truth
    from data_capture import file_batches

    source, output = Path(environment["dataset_source"]), Path(environment["output_path"])
    merged = ground_truth.Merged()
    labels = ground_truth.read(file_batches(Path(environment["ground_truth_source"])), None, merged)
    truths = dict(zip(labels["id"].to_pylist(), labels["data"].to_pylist(), strict=True))
    total = found = 0
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        lines = []
        for record in _records(file, json.loads(environment.get("dataset_format") or "{}")):
            total += 1
            event = record.get("eventMetadata") or {}
            truth = truths.get(event.get("inferenceId") or event.get("eventId"))
            if truth is not None:
                record["groundTruthData"] = {"data": truth, "encoding": "CSV"}
                lines.append(json.dumps(record))
        found += len(lines)
        if lines:
            target = (output / file.relative_to(source)).with_suffix(".jsonl")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{found} of {total} captured records have ground truth; {len(truths)} labels were read")
    if not found:
        raise ValueError(
            f"none of the {total} captured records has ground truth: no eventId among the {len(truths)} labels is an "
            "inferenceId (or, where there is none, the eventId) of a captured record"
        )


def _records(file: Path, formats: Mapping[str, Any]) -> Iterator[Record]:
    """Lines that are no JSON are left out, as in the analyses."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if "csv" in formats:
        yield from _csv(text, bool((formats["csv"] or {}).get("header")))
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield _answer(record) if "json" in formats else record


def _csv(text: str, header: bool) -> Iterator[Record]:
    rows = list(csv.reader(io.StringIO(text)))[1 if header else 0 :]
    for *values, inference_id, time in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(values)
        yield _captured(line.getvalue(), "CSV", "text/csv", inference_id, time)


def _answer(record: Record) -> Record:
    inference_id, time = record.pop("SageMakerInferenceId", None), record.pop("SageMakerInferenceTime", None)
    return _captured(json.dumps(record), "JSON", "application/json", inference_id, time)


def _captured(data: str, encoding: str, content_type: str, inference_id: Any, time: Any) -> Record:
    side = {"observedContentType": content_type, "mode": "OUTPUT", "data": data, "encoding": encoding}
    event = {"eventId": str(inference_id), "inferenceTime": str(time)}
    return {"captureData": {"endpointOutput": side}, "eventMetadata": event, "eventVersion": "0"}
