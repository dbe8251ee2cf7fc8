"""The script with Model Monitor's environment or by hand: as a job runs it, and in the tests' own process."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "evaluation" / "data_quality.py"
sys.path.insert(0, str(SCRIPT.parent))

import data_quality  # noqa: E402

from deploy import thresholds  # noqa: E402
from deploy.declaration import Kind  # noqa: E402


def table(seed: int, count: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    prices = random.gamma(4, 20, count).round(2)
    return pd.DataFrame({"price": prices, "plan": random.choice(["basic", "pro"], count)})


def capture(frame: pd.DataFrame, folder: Path) -> None:
    folder.mkdir(parents=True)
    lines: list[str] = []
    for row in frame.to_csv(index=False, header=False).splitlines():
        side = {"observedContentType": "text/csv", "mode": "INPUT", "data": row, "encoding": "CSV"}
        event = {"eventId": str(len(lines)), "inferenceTime": "2026-03-02T10:15:07Z"}
        lines.append(json.dumps({"captureData": {"endpointInput": side}, "eventMetadata": event, "eventVersion": "0"}))
    (folder / "15-07-000-a.jsonl").write_text("\n".join(lines) + "\n")


def run(*arguments: object, **variables: object) -> subprocess.CompletedProcess[str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=keep | {name: str(value) for name, value in variables.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """As `run`, in this process; an error is raised."""

    def go(*arguments: object, **variables: object) -> None:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        data_quality.main()

    return go


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline made by hand, in a folder."""
    folder = tmp_path_factory.mktemp("baseline")
    table(0, 3000).to_csv(folder / "train.csv", index=False)
    result = run(
        "--dataset-source", folder / "train.csv", "--output-path", folder, "--job-output", folder / "none" / "output"
    )
    assert result.returncode == 0, result.stderr
    assert "Completed: Job completed successfully with a baseline of 3000 records with 2 features." in result.stdout
    return folder


def environment(made: Path, folder: Path) -> dict[str, object]:
    return {
        "dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput"]}}',
        "dataset_source": folder / "input",
        "output_path": folder / "output",
        "baseline_statistics": made / "statistics.json",
        "baseline_constraints": made / "constraints.json",
        "publish_cloudwatch_metrics": "Disabled",
        "sagemaker_endpoint_name": "shop",
        "sagemaker_monitoring_schedule_name": "hourly",
        "start_time": "2026-03-02T10:00:00Z",
        "end_time": "2026-03-02T11:00:00Z",
        "job_output": folder / "ml",
    }


def test_baseline_writes_statistics_and_constraints(made: Path) -> None:
    statistics = json.loads((made / "statistics.json").read_text())
    constraints = json.loads((made / "constraints.json").read_text())
    assert [each["inferred_type"] for each in statistics["features"]] == ["Fractional", "String"]
    assert set(constraints) == {"version", "features", "monitoring_config"}
    assert not (made / "constraint_violations.json").exists()
    assert not (made / "none").exists()


def test_same_population_by_environment(made: Path, tmp_path: Path) -> None:
    capture(table(1, 400), tmp_path / "input" / "shop" / "AllTraffic" / "2026" / "03" / "02" / "10")
    result = run(**environment(made, tmp_path))
    assert result.returncode == 0, result.stderr
    message = (tmp_path / "ml" / "message").read_text()
    assert message == "Completed: Job completed successfully with no violations."
    output = tmp_path / "output"
    assert json.loads((output / "constraint_violations.json").read_text()) == {"violations": []}
    assert json.loads((output / "statistics.json").read_text())["dataset"]["item_count"] == 400
    assert json.loads((output / "constraints.json").read_text())["features"][0]["name"] == "price"
    assert "The records look like the baseline" in (output / "report.html").read_text()
    metrics = [json.loads(line) for line in (tmp_path / "ml" / "metrics" / "cloudwatch").read_text().splitlines()]
    assert {each["MetricName"] for each in metrics} == {
        "feature_data_price",
        "feature_non_null_price",
        "feature_non_null_plan",
        "feature_baseline_drift_price",
        "feature_baseline_drift_plan",
        "violations",
    }
    (prices,) = [each for each in metrics if each["MetricName"] == "feature_data_price"]
    assert prices["StatisticValues"]["SampleCount"] == 400
    dimensions = [{"Name": "Endpoint", "Value": "shop"}, {"Name": "MonitoringSchedule", "Value": "hourly"}]
    assert all(each["Dimensions"] == dimensions for each in metrics)
    assert {each["Timestamp"] for each in metrics} == {"2026-03-02T11:00:00+00:00"}


def test_shifted_population_is_reported_with_plots(made: Path, tmp_path: Path, here: Callable[..., None]) -> None:
    frame = table(1, 400)
    capture(frame.assign(price=frame["price"] * 2), tmp_path / "input")
    here(**environment(made, tmp_path))
    message = (tmp_path / "ml" / "message").read_text()
    assert message == "CompletedWithViolations: Job completed successfully with 1 violations."
    (violation,) = json.loads((tmp_path / "output" / "constraint_violations.json").read_text())["violations"]
    assert (violation["feature_name"], violation["constraint_check_type"]) == ("price", "baseline_drift_check")
    page = (tmp_path / "output" / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert violation["description"] in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is loaded from elsewhere


def test_command_line_goes_before_environment(made: Path, tmp_path: Path, here: Callable[..., None]) -> None:
    table(1, 400).to_csv(tmp_path / "batch.csv", index=False)
    here(
        *("--dataset-source", tmp_path / "batch.csv", "--dataset-format", '{"csv": {"header": true}}'),
        **environment(made, tmp_path),
    )
    assert json.loads((tmp_path / "output" / "statistics.json").read_text())["dataset"]["item_count"] == 400


def test_no_record_in_the_window(made: Path, tmp_path: Path, here: Callable[..., None]) -> None:
    capture(table(1, 5), tmp_path / "input")
    variables = environment(made, tmp_path) | {
        "end_time": "2026-03-02T10:10:00Z",
        "sagemaker_endpoint_datacapture_prefix": "s3://bucket/capture/shop",
    }
    with pytest.raises(ValueError) as raised:
        here(**variables)
    last = str(raised.value)
    assert "no record to analyse under s3://bucket/capture/shop from 2026-03-02T10:00:00+00:00" in last
    assert "5 captured records in 1 files, 5 outside the window" in last
    assert not (tmp_path / "output" / "constraint_violations.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"baseline_constraints": ""}, "give both or neither"),
        ({"baseline_constraints": "/nowhere/constraints.json"}, "/nowhere/constraints.json cannot be read"),
        ({"dataset_format": "csv"}, "a JSON object such as"),
        ({"dataset_format": '{"xml": {}}'}, "is not supported"),
        (
            {"dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}'},
            "one of",
        ),
    ],
)
def test_wrong_settings(
    made: Path, tmp_path: Path, here: Callable[..., None], change: dict[str, object], words: str
) -> None:
    capture(table(1, 5), tmp_path / "input")
    with pytest.raises(ValueError, match=words):
        here(**environment(made, tmp_path) | change)


def test_metrics_go_to_cloudwatch_when_enabled(made: Path, tmp_path: Path) -> None:
    """Against a stand-in that records the requests: the calls are boto3's own."""
    requests: list[tuple[str, bytes]] = []

    class CloudWatch(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.headers["X-Amz-Target"] or "", body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            """Keep the test output quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CloudWatch)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        capture(table(1, 400), tmp_path / "input")
        variables = environment(made, tmp_path) | {
            "publish_cloudwatch_metrics": "Enabled",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        result = run(**variables)
    finally:
        server.shutdown()
        server.server_close()
    assert result.returncode == 0, result.stderr
    ((target, body),) = requests
    sent = target.encode() + body
    assert b"PutMetricData" in sent
    assert b"data-metrics" in sent
    assert b"feature_baseline_drift_price" in sent


def test_an_answers_distance_is_a_violation_only_where_somebody_set_its_threshold(
    here: Callable[..., None], tmp_path: Path
) -> None:
    """Another version of a model answers otherwise; the version in service should not."""
    folders = {"dataset_format": '{"csv": {"header": true}}', "job_output": tmp_path / "none" / "output"}
    for name, moved in (("before", 1.0), ("after", 3.0)):
        frame = table(0, 3000)
        frame.assign(score=frame["price"] * moved / 1000).to_csv(tmp_path / f"{name}.csv", index=False)
    here(dataset_source=tmp_path / "before.csv", output_path=tmp_path / "made", answer_column="score", **folders)
    constraints = json.loads((tmp_path / "made" / "constraints.json").read_text())
    declared = thresholds.changed(Kind.DATA_QUALITY, constraints, {"score": 0.1})
    for name, document, found in (("open", constraints, []), ("declared", declared, ["score"])):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        baseline = {"baseline_statistics": tmp_path / "made" / "statistics.json"}
        baseline["baseline_constraints"] = tmp_path / f"{name}.json"
        here(dataset_source=tmp_path / "after.csv", output_path=tmp_path / name, **baseline, **folders)
        violations = json.loads((tmp_path / name / "constraint_violations.json").read_text())["violations"]
        assert [each["feature_name"] for each in violations] == found
    with pytest.raises(ValueError, match="answer_column is 'odds', and the table has no such column"):
        here(dataset_source=tmp_path / "before.csv", output_path=tmp_path / "x", answer_column="odds", **folders)
