"""An account with many executions: one real run of the whole loop, multiplied.

`mlops demo churn` runs once for real. Then, with sagelocal down, every document that its execution wrote (steps, jobs,
trial components, lineage, version, tags) is written again for each further execution, with other names, times,
hyperparameters and metrics: what so many runs would have left, which themselves would take the better part of a day.
"""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops import storage
from mlops.use_cases import ROOT
from sagelocal import server
from sagelocal.config import Settings

APART = 900.0  # seconds between two executions
_KINDS = (
    *("PipelineExecution", "PipelineExecutionStep", "ProcessingJob", "TrainingJob", "ModelPackage"),
    *("HyperParameterTuningJob", "TuningTrial", "Experiment", "Trial", "TrialComponent"),
    *("TrialComponentOfTrial", "TrialComponentOfExperiment", "TrialComponentOfSource"),
    *("Artifact", "Association", "AssociationInto"),
)
_TIME = r"(?<=[:\[,] )1\d{9}(?:\.\d+)?(?=[,}\]])"  # epoch seconds, as json.dumps writes them
_VERSION = r"(?<=model-package/churn/)1(?![0-9])"
_APPROVED = 50  # one in so many versions
Row = tuple[str, str, str, str, str]  # kind, name, parent, arn, document


def make(settings: Settings, executions: int, reports: Path) -> None:
    """Leaves sagelocal up, with so many executions of churn and as many versions, the first one in service."""
    subprocess.run(
        [sys.executable, "-m", "mlops.cli", "demo", "churn", "--reports", str(reports)],
        cwd=ROOT,
        env={**os.environ, "MLOPS_STATE": str(settings.state)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    server.down(settings)
    made = multiply(settings.state / "sagelocal.db", executions - 1)
    server.up(settings)
    _reports(settings, made)


def _reports(settings: Settings, made: dict[str, float]) -> None:
    """The evaluation.json of each execution, by that of the first: {id: factor of its metrics}."""
    sagemaker, s3 = settings.client("sagemaker"), settings.client("s3")
    package = sagemaker.describe_model_package(ModelPackageName=f"{_group_arn(settings)}/1")
    uri = package["CustomerMetadataProperties"]["Evaluation"]
    first = package["MetadataProperties"]["GeneratedBy"].rsplit("/", 1)[1]
    report = storage.read_json(s3, uri)
    for name, factor in made.items():
        bucket, key = storage.split(uri.replace(first, name))
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(_scaled(report, factor)))


def _group_arn(settings: Settings) -> str:
    return f"arn:aws:sagemaker:{settings.region}:{settings.account}:model-package/churn"


def _scaled(value: Any, factor: float) -> Any:
    """The same report, each metric's value so much larger or smaller."""
    if not isinstance(value, dict):
        return value
    return {
        name: each * factor if name == "value" and isinstance(each, float) else _scaled(each, factor)
        for name, each in value.items()
    }


@dataclass(frozen=True)
class Original:
    """The documents of one execution, cut at what differs from copy to copy."""

    execution: str  # its id
    artifacts: list[str]
    tuned: list[str]  # hyperparameters' values
    objectives: list[str]
    rows: list[list[list[str]]]  # kind, name, parent, arn, document, each as text, difference, text, …
    tags: list[list[list[str]]]


def multiply(file: Path, copies: int) -> dict[str, float]:
    """Writes the documents. Each new execution's id, with the factor of its metrics."""
    database = sqlite3.connect(file)
    try:
        original = _read(database)
        _shift(database, -APART * (copies + 1))
        made = {}
        for number in range(1, copies + 1):
            choose = random.Random(number)
            factor = choose.uniform(0.9, 1.1)
            change = _changes(original, number, APART * (number - copies - 1), factor, choose)
            made[change(original.execution)] = factor
            rows = ([_joined(parts, change) for parts in row] for row in original.rows)
            database.executemany(
                "INSERT INTO resource (kind, name, parent, arn, document) VALUES (?, ?, ?, ?, ?)", map(_finished, rows)
            )
            tags = ([_joined(parts, change) for parts in tag] for tag in original.tags)
            database.executemany("INSERT INTO tag (arn, key, value) VALUES (?, ?, ?)", tags)
        database.execute(
            "UPDATE resource SET document = json_set(document, '$._last_version', ?) "
            "WHERE kind = 'ModelPackageGroup' AND name = 'churn'",
            (copies + 1,),
        )
        database.commit()
    finally:
        database.close()
    return made


def _read(database: sqlite3.Connection) -> Original:
    query = "SELECT name FROM resource WHERE kind = 'PipelineExecution' AND parent = 'churn'"
    execution = database.execute(query).fetchone()[0].rsplit("/", 1)[1]
    marks = ", ".join("?" * len(_KINDS))
    query = f"SELECT kind, name, parent, arn, document FROM resource WHERE kind IN ({marks}) ORDER BY id"
    rows: list[Row] = database.execute(query, _KINDS).fetchall()
    own = re.compile(f"{execution}|{_VERSION}")  # other artifacts, images and raw data, are of all executions
    artifacts = [row[1] for row in rows if row[0] == "Artifact" and own.search(row[4])]
    trials = [json.loads(row[4]) for row in rows if row[0] == "TuningTrial"]
    tuned = sorted({value for trial in trials for value in trial["values"].values() if "." in value})
    finals = [trial["summary"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for trial in trials]
    objectives = sorted({repr(value) for value in finals})
    words = [execution, *artifacts, *map(re.escape, (*tuned, *objectives))]
    cut = re.compile(f"({'|'.join(words)}|{_VERSION}|{_TIME})")
    named = re.compile(f"{execution}|{'|'.join(artifacts)}|{_VERSION}")
    tags = database.execute("SELECT arn, key, value FROM tag WHERE arn LIKE ?", (f"%{execution}%",)).fetchall()
    return Original(
        execution,
        artifacts,
        tuned,
        objectives,
        [[cut.split(part) for part in row] for row in rows if named.search(row[1])],
        [[cut.split(part) for part in tag] for tag in tags],
    )


def _shift(database: sqlite3.Connection, seconds: float) -> None:
    """All times of all documents, so that the copies' lie before now."""
    time = re.compile(_TIME)
    rows = database.execute("SELECT id, document FROM resource").fetchall()
    database.executemany(
        "UPDATE resource SET document = ? WHERE id = ?",
        [(time.sub(lambda found: f"{float(found[0]) + seconds:.6f}", document), row) for row, document in rows],
    )


def _changes(
    original: Original, number: int, later: float, factor: float, choose: random.Random
) -> Callable[[str], str]:
    """What stands in a copy for each difference; its times are so many seconds `later`."""
    words = {original.execution: "".join(choose.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12))}
    words |= {name: f"{choose.getrandbits(128):032x}" for name in original.artifacts}
    words |= {value: repr(float(value) * choose.uniform(0.8, 1.25)) for value in original.tuned}
    words |= {value: f"{float(value) * factor * choose.uniform(0.98, 1.02):.6f}" for value in original.objectives}
    words["1"] = str(number + 1)
    return lambda word: words[word] if word in words else f"{float(word) + later:.6f}"


def _joined(parts: list[str], change: Callable[[str], str]) -> str:
    """`parts` are text and differences in turn."""
    return "".join(change(part) if place % 2 else part for place, part in enumerate(parts))


def _finished(row: list[str]) -> list[str]:
    if row[0] == "ModelPackage":
        document = json.loads(row[4])
        number = int(row[1].rsplit("/", 1)[1])
        document["ModelPackageVersion"] = number
        document["ModelApprovalStatus"] = "PendingManualApproval" if number % _APPROVED else "Approved"
        row[4] = json.dumps(document)
    return row
