"""The eda pipeline on a real sagelocal: a dirty CSV becomes a clean table, a report of its quality and a case study."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]


def orders(rows: int = 300) -> str:
    """A table as somebody would have it: another spelling, a blank, an oops, a date that is none."""
    random = np.random.default_rng(0)
    lines = ["order_id,amount,paid,town,day"]
    for row in range(rows):
        amount = "oops" if row == 7 else "" if row % 10 == 0 else f"{random.lognormal(3, 1):.2f}"
        town = "rome " if row == 3 else ["Rome", "Paris", "Oslo"][row % 3]
        day = "2024-02-31" if row == 5 else f"2024-{row % 12 + 1:02d}-{row % 28 + 1:02d}"
        lines.append(
            f"A-{row:05d},{amount},{'yes' if random.random() < 0.3 + 0.4 * (row % 3 == 0) else 'no'},{town},{day}"
        )
    return "\n".join([*lines, lines[-1]]) + "\n"


def mlops(laptop: Settings, *chosen: str) -> subprocess.CompletedProcess[str]:
    """`mlops run eda` with parameters, on a CSV in the data bucket."""
    options = [part for each in chosen for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "eda", *options]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)


@pytest.fixture(scope="module")
def files(laptop: Settings) -> dict[str, bytes]:
    """What the pipeline's steps left, by file name."""
    s3 = laptop.client("s3")
    s3.put_object(Bucket=laptop.bucket, Key="data/orders/orders.csv", Body=orders().encode())
    raw = f"InputDataUrl=s3://{laptop.bucket}/data/orders/orders.csv"
    ran = mlops(laptop, raw, "Target=paid", "Order=day", "Title=Orders")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=laptop.bucket, Prefix="eda/")["Contents"]]
    return {Path(key).name: s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read() for key in keys}


def test_the_clean_table_has_types_and_kinds(files: dict[str, bytes]) -> None:
    table = parquet.read_table(io.BytesIO(files["table.parquet"]))
    assert {each.name: each.metadata[b"kind"].decode() for each in table.schema} == {
        "order_id": "identifier", "amount": "number", "paid": "boolean", "town": "category", "day": "time",
    }  # fmt: skip
    assert table["town"][3].as_py() == "Rome" and table["amount"][7].as_py() is None


def test_what_was_found_is_counted(files: dict[str, bytes]) -> None:
    quality: dict[str, Any] = json.loads(files["quality.json"])
    assert (quality["rows"], quality["corrupt"]) == (301, 2)
    assert quality["duplicates"]["rows"]["repeated"] == 1
    assert {each["what"] for each in quality["columns"]["town"]["findings"]} == {
        "whitespace around values", "another spelling"
    }  # fmt: skip
    assert b"no such day (2024-02-31): made missing" in files["quality.md"]


def test_the_case_study_is_whole(files: dict[str, bytes]) -> None:
    study = json.loads(files["case_study.json"])
    found = {section["id"] for section in study["sections"]}
    assert {"data-quality", "missing-values", "outliers", "effect-sizes", "distribution-fits", "normality"} <= found
    assert not [each for each in found if each.startswith("not-done")]
    assert study["title"] == "Orders" and study["target"] == "paid"
    assert b"Little" in files["report.html"] or b"MCAR" in files["report.html"]
    assert files["report.pdf"].startswith(b"%PDF")


def test_a_target_that_is_not_there_ends_the_job_with_the_reason(laptop: Settings, files: dict[str, bytes]) -> None:
    ran = mlops(laptop, f"InputDataUrl=s3://{laptop.bucket}/data/orders/orders.csv", "Target=profit")
    assert ran.returncode != 0
    assert "There is no column 'profit' to explain. The table has order_id, amount" in ran.stdout + ran.stderr
