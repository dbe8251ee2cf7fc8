"""The comparison that a deployment to production is approved by: its facts, its page, and the link to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy import comparison, names, stages
from deploy.declaration import Engine, Stage
from deploy.staging_tests import Result
from mlops import cicd_release
from mlops.targets import Target
from mlops.use_cases import ROOT

PAGE = "comparison.html"
CONSOLE = "https://console.aws.amazon.com/s3/object/{bucket}?prefix={key}"
_TYPES = {".html": "text/html; charset=utf-8", ".pdf": "application/pdf"}


def write(
    target: Target, use_case: str, package: Mapping[str, Any], stage: Stage, results: Sequence[Result], out: Path
) -> str:
    """comparison.html and .pdf in the folder; the verdict."""
    other = stages.find(stage.tests.compare_with, use_case)
    endpoint = names.endpoint_name(use_case, other.name)
    there = cicd_release.enter(target, other)
    s3 = target.client("s3")
    current = comparison.current(there.client("sagemaker"), use_case, endpoint)
    engine = other.monitoring.engine if other.monitoring else Engine.PIPELINE
    facts = {
        "use_case": use_case,
        "stage": other.name,
        "candidate": comparison.version(s3, package),
        "current": comparison.version(s3, current) if current else None,
        "tests": [asdict(each) for each in results],
        "drift": comparison.drift(there.client("sagemaker"), there.client("s3"), endpoint, engine) if current else [],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "comparison.json").write_text(json.dumps(facts, indent=1) + "\n")
    script = ROOT / "evaluation" / "version_comparison.py"
    command = [sys.executable, str(script), "--facts", str(out / "comparison.json"), "--output", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script.name} made no page: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


def publish(target: Target, package: Mapping[str, Any], out: Path) -> str:
    """Uploads the page and gives the link to it, as $REPORT_URL has it."""
    s3, bucket = target.client("s3"), target.place.bucket
    group, version = package["ModelPackageGroupName"], package["ModelPackageVersion"]
    folder = "/".join(part for part in (target.place.prefix.strip("/"), "comparisons", group, str(version)) if part)
    for path in (out / PAGE, (out / PAGE).with_suffix(".pdf")):
        body, kind = path.read_bytes(), _TYPES[path.suffix]
        s3.put_object(Bucket=bucket, Key=f"{folder}/{path.name}", Body=body, ContentType=kind)
    return comparison.url(os.environ.get("REPORT_URL") or CONSOLE, s3, bucket, f"{folder}/{PAGE}")
