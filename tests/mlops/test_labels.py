"""`mlops label`: files that can be used, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from mlops import labels
from mlops.errors import Failure


class S3:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.put: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> None:
        self.put[f"{request['Bucket']}/{request['Key']}"] = request["Body"]


def send(file: Path, id_column: str | None = None, label_column: str | None = None) -> dict[str, str]:
    """Label by request id, as uploaded."""
    s3 = S3()
    place = SimpleNamespace(bucket="bucket", prefix="team")
    target: Any = SimpleNamespace(client=lambda _: s3, place=place)
    labels.label(target, "churn", "production", file, id_column, label_column)
    assert all(key.startswith("bucket/team/ground-truth/churn-production/2") for key in s3.put)
    lines = [json.loads(line) for body in s3.put.values() for line in body.decode().splitlines()]
    return {line["eventMetadata"]["eventId"]: line["groundTruthData"]["data"] for line in lines}


def test_labels_mean_what_the_processing_script_says(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("inference_id,event_id,Churn\ni1,e1,Yes\n,e2, No\ni3,,1\n")
    assert send(tmp_path / "a.csv") == {"i1": "1", "e2": "0", "i3": "1"}
    assert labels.meanings("no-such-use-case") == {}


def test_an_id_in_several_rows_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("inference_id,Churn\ni1,Yes\ni1,No\ni2,No\n")
    assert send(tmp_path / "a.csv") == {"i1": "1\n0", "i2": "0"}
    assert "1 of them come in several rows" in " ".join(capsys.readouterr().err.split())


def test_parquet_json_lines_and_other_columns(tmp_path: Path) -> None:
    table = pd.DataFrame({"order": ["a", "b", "a"], "left": [1.0, 0.0, 0.0]})
    table.to_parquet(tmp_path / "a.parquet")
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for file in ("a.parquet", "a.jsonl"):
        assert send(tmp_path / file, "order", "left") == {"a": "1\n0", "b": "0"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "inference_id,left\na,1\n", "has no column Churn, but inference_id, left. Name it with --lab"),
        ("a.csv", "id,Churn\na,1\n", "has no column inference_id or event_id, but id, Churn. Name it with --id-column"),
        ("a.csv", "inference_id,Churn\na,Yes\nb,maybe\n,Yes\n", "row 3 has no request id"),
        (
            "a.csv", "inference_id,Churn\na,Yes\nb,maybe\nc,\n",
            r"Churn: row 2 \(b\) has 'maybe', row 3 \(c\) has ''; labels are No, Yes, .* Leave out requests",
        ),
        ("a.csv", "inference_id,Churn\n", "has no rows"),
        ("a.csv", "", "cannot be read as csv: No columns"),
        ("a.jsonl", "{", "cannot be read as jsonl"),
        ("a.parquet", "x", "cannot be read as parquet"),
        ("a.txt", "x", r"is none of .csv, .parquet and .jsonl"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Failure, match=message):
        send(tmp_path / name)


def test_labels_without_a_schema_are_taken_as_written() -> None:
    values, ids = pd.Series(["cat", ""], name="kind"), pd.Series(["a", "b"])
    assert labels.readable(values[:1], ids, {}).tolist() == ["cat"]
    with pytest.raises(Failure, match=r"kind: row 2 \(b\) has ''; every row needs a label"):
        labels.readable(values, ids, {})
