"""`mlops eda`: a case study of a user's own table."""

from __future__ import annotations

import re
import webbrowser
from pathlib import Path

from mlops import console, executions, run, storage
from mlops.targets import Target

FILES = ("report.html", "report.pdf", "case_study.json")


def study(
    target: Target, table: Path, column: str, order: str, title: str, reports: Path, *, open_it: bool = False
) -> Path:
    """The folder with the reports. Raises Failure when the pipeline fails; its job's log says what to change."""
    raw = upload(target, table, "eda")
    parameters = {"InputDataUrl": raw, "Title": title or f"Case study: {table.stem}"}
    parameters |= {name: value for name, value in (("Target", column), ("Order", order)) if value}
    execution = run.run(target, "eda", parameters, detach=False, raw=raw)
    made = executions.output(target.client("sagemaker"), execution, "CaseStudy", "report")
    folder = reports / f"eda-{slug(table.stem)}"
    paths = [storage.download(target.client("s3"), f"{made}/{name}", folder / name) for name in FILES]
    for path in paths:
        console.say(str(path))
    if open_it:
        webbrowser.open(paths[0].resolve().as_uri())
    return folder


def upload(target: Target, table: Path, use_case: str) -> str:
    """The table's URI in the bucket, under its content's hash: the same table again is found in the steps' cache."""
    from data.bucket import upload_file

    with console.stderr().status(f"Uploading {table.name} …"):
        return upload_file(target.client("s3"), target.place.bucket, use_case, table)


def slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "table"
