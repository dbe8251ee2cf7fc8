"""Captures and ground truth on S3 become the tables that monitors and retraining read."""

from __future__ import annotations

import base64
import json
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from moto import mock_aws

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import captured_traffic
import model_quality
import numpy as np
from captured_traffic import Args, collect
from data_capture import NoRecordsError

from deploy.labels import lines

BUCKET, CAPTURE, TRUTH = "bucket", "s3://bucket/data-capture/churn", "s3://bucket/monitoring/churn/ground-truth"
HOUR = "2026-03-02T10"


@dataclass
class World:
    """A bucket, and the script over it."""

    s3: Any
    folder: Path
    names: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def put(self, *records: str, hour: str = "2026/03/02/10", variant: str = "AllTraffic", end: str = "\n") -> str:
        key = f"data-capture/churn/{variant}/{hour}/15-07-{next(self.names):03d}-{uuid.uuid4()}.jsonl"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=("\n".join(records) + end).encode())
        return key

    def label(self, labels: dict[str, str | Sequence[str]], hour: str = "2026/03/09/00") -> str:
        key = f"monitoring/churn/ground-truth/{hour}/{next(self.names):03d}.jsonl"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body="".join(lines(labels)).encode())
        return key

    def collect(self, **options: str) -> dict[str, pd.DataFrame]:
        (self.folder / "features.csv").write_text("age,plan\n")
        known = {
            "capture_uri": CAPTURE, "start": f"{HOUR}:00:00Z", "end": "2026-03-02T11:00:00Z", "label": "Churn",
            "features": str(self.folder / "features.csv"), "output_path": str(self.folder / "out"),
        }  # fmt: skip
        collect(Args(**{**known, **options}))
        files = sorted((self.folder / "out").rglob("*.csv"))
        return {file.stem: pd.read_csv(file, dtype=str, keep_default_na=False) for file in files}

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "out" / "summary.json").read_text()))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    for name, value in {"ACCESS_KEY_ID": "t", "SECRET_ACCESS_KEY": "t", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        yield World(s3, tmp_path)


def side(data: str, mode: str, encoding: str, content: str) -> dict[str, str]:
    return {"observedContentType": content, "mode": mode, "data": data, "encoding": encoding}


def record(
    asked: str, answered: str | None, event: str = "e", inference: str = "", time: str = f"{HOUR}:15:07Z",
    encoding: str = "CSV", content: str = "text/csv",
) -> str:  # fmt: skip
    captured = {"endpointInput": side(asked, "INPUT", encoding, content)}
    if answered is not None:
        captured["endpointOutput"] = side(answered, "OUTPUT", encoding, content)
    metadata = {"eventId": event, "inferenceTime": time} | ({"inferenceId": inference} if inference else {})
    return json.dumps({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"})


def test_requests_answers_and_late_labels_stand_side_by_side(world: World) -> None:
    key = world.put(
        record("34,basic", "0.25,0\n", "e1", "i1"), record('35,"pro, new"\n36,basic', "0.5,1\n0.75,1", "e2")
    )
    other = world.put(record("37,pro", "0.9,1", "e3", "i3"), variant="Other")
    world.label({"i1": "0", "e2": ["1", "0"], "elsewhere": "1"}, hour="2026/04/01/07")
    found = world.collect(ground_truth_uri=TRUTH)
    assert found["features"].to_dict("list") == {
        "age": ["34", "35", "36", "37"],
        "plan": ["basic", "pro, new", "basic", "pro"],
    }
    assert list(found["predictions"].columns) == [
        "age", "plan", "predicted_label", "probability", "event_id", "inference_id", "inference_time",
    ]  # fmt: skip
    assert found["predictions"]["probability"].tolist() == ["0.25", "0.5", "0.75", "0.9"]
    assert found["predictions"]["event_id"].tolist() == ["e1", "e2", "e2", "e3"]
    assert found["predictions"]["inference_time"][0] == f"{HOUR}:15:07Z"
    assert found["labelled"]["Churn"].tolist() == ["0", "1", "0"]
    assert found["recent"].to_dict("list") == {
        "age": ["34", "35", "36"],
        "plan": ["basic", "pro, new", "basic"],
        "Churn": ["0", "1", "0"],
    }
    summary = world.summary
    assert (summary["records"], summary["requests"], summary["labelled"], summary["unparseable"]) == (4, 3, 3, {})
    assert summary["ground_truth"] == {
        "labels": 3, "unreadable": 0, "others": 1, "duplicates": 0, "contradictions": 0, "labelled": 3, "unlabelled": 1,
        "mismatched": 0,
    }  # fmt: skip
    assert summary["keys"] == [key, other]


def test_only_the_windows_hours_are_fetched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in ("2026/03/02/09", "2026/03/02/11", "2025/03/02/10"):
        world.put("not to be read", hour=hour)
    world.put(record("34,a", "0.25,0", time=f"{HOUR}:59:59.9Z"), record("35,a", "0.25,0", time="2026-03-02T11:00:00Z"))
    found = world.collect()
    assert found["features"]["age"].tolist() == ["34"]
    assert world.summary["unparseable"] == {}
    found = world.collect(start="", end="2026-03-02T12:00:00+01:00", window="PT1H")
    assert found["features"]["age"].tolist() == ["34"]


def test_a_window_of_some_length_begins_no_earlier_than_it_is_told(world: World) -> None:
    world.put(record("34,a", "0.25,0", time=f"{HOUR}:10:00Z"), record("35,a", "0.25,0", time=f"{HOUR}:50:00Z"))
    until = {"start": "", "end": "2026-03-02T11:00:00Z", "window": "PT1H"}
    assert world.collect(**until, not_before=f"{HOUR}:30:00Z")["features"]["age"].tolist() == ["35"]
    assert world.collect(**until, not_before="2026-03-01T00:00:00Z")["features"]["age"].tolist() == ["34", "35"]


def test_json_answers_and_requests_go_by_name(world: World) -> None:
    asked = json.dumps({"instances": [{"plan": "pro", "age": 34}, {"plan": "basic", "age": 35}]})
    answered = json.dumps({"predictions": [{"probability": 0.25, "label": 0}, {"probability": 0.75, "label": 1}]})
    world.put(record(asked, answered, encoding="JSON", content="application/json"), record("36,pro", "0.5,1"))
    found = world.collect()["predictions"]
    assert found["age"].tolist() == ["34", "35", "36"]
    assert found["probability"].tolist() == ["0.25", "0.75", "0.5"]
    assert found["predicted_label"].tolist() == ["0", "1", "1"]


def test_other_json_answers_go_by_jmespath_and_the_threshold_labels(world: World) -> None:
    world.put(
        record('{"age": 34}', '{"outputs": [{"scores": [0.4, 0.6]}]}', encoding="JSON", content="application/json"),
        record('{"age": 35}', '{"outputs": []}', "broken", encoding="JSON", content="application/json"),
    )
    options = {"inference_attribute": "", "probability_attribute": "outputs[].scores[1]"}
    found = world.collect(**options, probability_threshold_attribute="0.6")["predictions"]
    assert found[["age", "predicted_label", "probability"]].to_numpy().tolist() == [["34", "1", "0.6"], ["35", "", ""]]
    with pytest.raises(ValueError, match=r"'outputs\[' is neither a column nor JMESPath"):
        world.collect(probability_attribute="outputs[")


def test_base64_and_columns_of_the_id(world: World) -> None:
    asked, answer = (base64.b64encode(text).decode() for text in (b"c-1,34,pro", b"0.5,1"))
    world.put(record(asked, answer, encoding="BASE64"), record("c-2,35,pro", "0.25,0"), record("36,pro", "0.25,0"))
    found = world.collect(optional="customerID")
    assert sorted(found["features"].columns) == ["age", "plan"]
    assert sorted(found["predictions"]["age"]) == ["34", "35", "36"]


def test_answers_stand_beside_the_features_where_they_have_a_name(world: World) -> None:
    (world.folder / "baseline.csv").write_text("age,plan,segment\n")
    answered = json.dumps({"predictions": [{"label": 0, "name": "Loyal"}]})
    world.put(
        record('{"age": 34, "plan": "pro"}', answered, encoding="JSON", content="application/json"),
        record("c-2,35,basic", "1,Lapsed\n"),
        record("36,pro", None),
    )
    options = {"answer": "label,name", "inference_attribute": "name", "probability_attribute": ""}
    features = {"features": str(world.folder / "baseline.csv"), "optional": "customerID", "label": ""}
    found = world.collect(**options, **features, answer_column="segment")
    assert found["answered"].to_dict("list") == {
        "age": ["34", "35", "36"],
        "plan": ["pro", "basic", "pro"],
        "segment": ["Loyal", "Lapsed", ""],
    }
    assert list(found["features"].columns) == ["age", "plan"]
    world.collect(output_path=str(world.folder / "other"))
    assert not (world.folder / "other" / "answered").exists()


def test_of_a_binary_answer_the_probability_can_stand_beside_the_features(world: World) -> None:
    (world.folder / "baseline.csv").write_text("age,plan,score\n")
    answered = json.dumps({"predictions": [{"probability": 0.93, "predicted_label": 1}]})
    asked = '{"age": 34, "plan": "pro"}'
    world.put(record(asked, answered, encoding="JSON", content="application/json"), record("36,pro", "0.25,0"))
    options = {"answer": "probability,predicted_label", "inference_attribute": "predicted_label"}
    features = {"features": str(world.folder / "baseline.csv")}
    found = world.collect(**options, **features, answer_column="score", answered="probability")
    assert found["answered"]["score"].tolist() == ["0.93", "0.25"]
    assert list(found["features"].columns) == ["age", "plan"]
    with pytest.raises(ValueError, match="answered is 'odds', and label and probability exist"):
        world.collect(**options, **features, answer_column="score", answered="odds")


def test_columns_that_are_missing_or_too_many_show_in_the_features_alone(world: World) -> None:
    asked, answer = '{"age": 34, "vip": "yes"}', '{"probability": 0.5, "label": 1}'
    world.put(record(asked, answer, encoding="JSON", content="application/json"))
    found = world.collect()
    assert list(found["features"].columns) == ["age", "vip"]
    assert found["recent"].columns.tolist() == ["age", "plan", "Churn"]
    assert found["predictions"]["plan"].tolist() == [""]


def test_what_cannot_be_read_is_counted_by_key(world: World) -> None:
    key = world.put(
        record("34,a", "0.25,0", "e1"),
        '{"captureData": ',
        record("34,a", "0.5,1\n0.5,1", "e2"),
        record("35,a", None, "e3"),
        record("36,a", "?", "e4", encoding="BASE64"),
        record("37,a", "0.5,1", "e5", encoding="AVRO"),
    )
    found = world.collect()
    assert found["predictions"]["event_id"].tolist() == ["e1", "e3"]
    assert world.summary["unparseable"][key] == {
        "without a readable inferenceTime": 1,
        "with another number of records in the answer": 1,
        "with broken BASE64": 1,
        "neither CSV nor JSON": 1,
    }
    assert world.summary["without_answer"] == 1


def test_an_empty_window_names_prefix_window_and_keys(world: World) -> None:
    with pytest.raises(
        NoRecordsError, match=r"no record in s3://bucket/data-capture/churn from 2026-03-02T10.*no S3 key"
    ):
        world.collect()
    key = world.put(record("34,a", "0.5,1", time="2026-03-02T09:59:59Z"), "{")
    with pytest.raises(NoRecordsError, match=f"2 captured records in 1 files, 1 outside.*1 unparseable.*S3 keys {key}"):
        world.collect()
    world.put(record("34,a", "0.5,1"))
    assert world.collect(ground_truth_uri=TRUTH)["labelled"].empty
    world.label({"x": "1"})
    with pytest.raises(
        NoRecordsError, match=r"none of the 1 records .* has a label in .* 1 labels since 2026-03-01T10"
    ):
        world.collect(ground_truth_uri=TRUTH, require_labels="true")


def test_options_that_do_not_fit(world: World) -> None:
    world.put(record("34,a", "0.5,1"))
    wrong = {
        r"window is 'an hour'": {"start": "", "window": "an hour"},
        r"delay is 'PT'": {"start": "", "end": "", "at": "2026-03-02T11:05:00Z", "delay": "PT"},
        r"end_time .* is not after start_time": {"start": "", "window": "PT0S"},
        r"is no S3 URI": {"capture_uri": "/capture"},
        r"--label names the column": {"label": "", "ground_truth_uri": TRUTH},
        r"no answer in data-capture.* has yes or no: their columns are probability, label": {
            "inference_attribute": "yes", "probability_attribute": "no",
        },
    }  # fmt: skip
    for message, options in wrong.items():
        with pytest.raises(ValueError, match=message):
            world.collect(**options)


def test_a_failure_is_the_jobs_exit_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.folder / "job" / "output"
    job.parent.mkdir()
    monkeypatch.setattr(sys, "argv", ["captured_traffic.py", "--capture-uri", CAPTURE, "--job-output", str(job)])
    with pytest.raises(NoRecordsError):
        captured_traffic.main()
    assert (job / "message").read_text().startswith("no record in s3://bucket/data-capture/churn")


def batch(world: World, asked: str, answered: str, name: str = "a.csv") -> None:
    for path, text in ((f"in/{name}", asked), (f"out/{name}.out", answered)):
        world.s3.put_object(Bucket=BUCKET, Key=path, Body=text.encode())
    for kind, listed in (("input", name), ("output", f"{name}.out")):
        prefix = "s3://bucket/in/" if kind == "input" else "s3://bucket/out/"
        key = f"transforms/{kind}/2026/03/02/10/manifest.json"
        world.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps([{"prefix": prefix}, listed]).encode())


STAMP = "2026-03-02T10:15:07Z"


@pytest.mark.parametrize(
    "answered",
    [
        f"0.25,0,i1,{STAMP}\n0.75,1,i2,{STAMP}\n",
        f"34,basic,0.25,0,i1,{STAMP}\n35,pro,0.75,1,i2,{STAMP}\n",
        "".join(
            json.dumps(
                {
                    "predictions": [{"probability": p, "label": y}],
                    "SageMakerInferenceId": i,
                    "SageMakerInferenceTime": STAMP,
                }
            )
            + "\n"
            for p, y, i in ((0.25, 0, "i1"), (0.75, 1, "i2"))
        ),
    ],
)
def test_batch_transform_captures(world: World, answered: str) -> None:
    batch(world, "34,basic\n35,pro\n", answered)
    world.label({"i2": "1"})
    found = world.collect(capture_uri="s3://bucket/transforms", ground_truth_uri=TRUTH)
    assert found["predictions"]["probability"].tolist() == ["0.25", "0.75"]
    assert found["predictions"]["inference_id"].tolist() == ["i1", "i2"]
    assert found["labelled"][["age", "predicted_label", "Churn"]].to_numpy().tolist() == [["35", "1", "1"]]


def test_batch_captures_that_do_not_fit(world: World) -> None:
    batch(world, "34,basic\n35,pro\n", "0.25,0\n")
    with pytest.raises(NoRecordsError, match="with 1 answers to 2 records"):
        world.collect(capture_uri="s3://bucket/transforms")
    world.s3.delete_object(Bucket=BUCKET, Key="out/a.csv.out")
    with pytest.raises(ValueError, match=r"s3://bucket/out/a.csv.out, which a captured manifest names, cannot be read"):
        world.collect(capture_uri="s3://bucket/transforms")


def quality(folder: Path, table: Path, **baseline: str) -> list[str]:
    """Metrics of model quality that violate the baseline; none where there is none."""
    options = {
        "dataset_source": str(table), "output_path": str(folder), "ground_truth_attribute": "Churn",
        "inference_attribute": "predicted_label", "probability_attribute": "probability",
        "job_output": str(folder / "nowhere" / "output"),
    }  # fmt: skip
    model_quality.run(model_quality.Args(**{**options, **baseline}))
    found = folder / "constraint_violations.json"
    return [each["metric_name"] for each in json.loads(found.read_text())["violations"]] if found.exists() else []


def test_labels_that_were_shuffled_violate_model_quality_and_the_true_ones_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_quality.analysis_report, "write", lambda *_: None)  # seconds of pictures
    random = np.random.default_rng(0)
    chances = random.beta(1, 1, 600).round(3)
    truth = (random.random(600) < chances).astype(int)
    world.put(*[record("34,a", f"{chance},{int(chance >= 0.5)}", f"e{at}") for at, chance in enumerate(chances)])

    def labelled(labels: np.ndarray, hour: str) -> Path:
        world.label({f"e{at}": str(label) for at, label in enumerate(labels)}, hour=hour)
        world.collect(ground_truth_uri=TRUTH)
        return world.folder / "out" / "labelled" / "labelled.csv"

    table = labelled(truth, "2026/03/09/00")
    assert quality(world.folder / "baseline", table) == []
    constraints = {"baseline_constraints": str(world.folder / "baseline" / "constraints.json")}
    assert quality(world.folder / "usual", table, **constraints) == []
    for each in world.s3.list_objects_v2(Bucket=BUCKET, Prefix=TRUTH.removeprefix(f"s3://{BUCKET}/"))["Contents"]:
        world.s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    table = labelled(random.permutation(truth), "2026/03/09/01")
    assert {"auc", "accuracy", "precision", "recall"} <= set(quality(world.folder / "moved", table, **constraints))
