"""`mlops eda`: what it asks the pipeline for, and where its reports go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlops import eda, executions, run, storage
from mlops.cli import app
from mlops.options import Where


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a pipeline was started with; downloads are empty files."""
    found: dict[str, Any] = {}

    def start(target: Any, use_case: str, parameters: dict[str, str], **options: Any) -> str:
        found.update(use_case=use_case, parameters=parameters, **options)
        return "arn:execution"

    def download(s3: Any, uri: str, path: Path) -> Path:
        found.setdefault("downloads", []).append(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    monkeypatch.setattr(run, "run", start)
    monkeypatch.setattr(eda, "upload", lambda target, table, use_case: f"s3://bucket/data/{use_case}/0/{table.name}")
    monkeypatch.setattr(executions, "output", lambda *asked: f"s3://bucket/{asked[2]}/{asked[3]}")
    monkeypatch.setattr(storage, "download", download)
    return found


class Nobody:
    def client(self, service: str) -> None:
        return None


def test_the_reports_of_a_table_come_back(asked: dict[str, Any], tmp_path: Path) -> None:
    folder = eda.study(Nobody(), tmp_path / "my sales.csv", "won", "", "", tmp_path / "reports")  # type: ignore[arg-type]
    raw = "s3://bucket/data/eda/0/my sales.csv"
    assert asked["parameters"] == {"InputDataUrl": raw, "Title": "Case study: my sales", "Target": "won"}
    assert asked["raw"] == raw  # so that the repository's own data set is not fetched
    assert folder == tmp_path / "reports" / "eda-my-sales"
    assert sorted(each.name for each in folder.iterdir()) == sorted(eda.FILES)
    assert asked["downloads"][0] == "s3://bucket/CaseStudy/report/report.html"


def test_target_is_a_column_and_on_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: dict[str, Any] = {}
    table = tmp_path / "a.csv"
    table.write_text("a,aws\n1,2\n")
    monkeypatch.setattr("mlops.commands.eda.connect", lambda on: said.setdefault("on", on))
    monkeypatch.setattr(eda, "study", lambda target, file, column, *rest, **options: said.update(column=column))
    result = CliRunner().invoke(app, ["eda", str(table), "--target", "aws", "--on", "laptop"])
    assert result.exit_code == 0, result.output
    assert said == {"on": Where.laptop, "column": "aws"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eda", str(tmp_path / "none.csv")])
    assert result.exit_code == 2
    assert "does not exist" in " ".join(result.output.split())
