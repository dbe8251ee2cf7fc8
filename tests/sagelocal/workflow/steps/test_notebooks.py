"""Notebook jobs: the SDK's step, AWS's driver, a real kernel in the job."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.config import Settings
from sagelocal.containers import notebooks
from tests.sagelocal.workflow.steps.conftest import Document, Runs

IMAGE = "885854791233.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:3.2.0-cpu"


def notebook(folder: Path, *cells: str) -> str:
    """A notebook file whose first cell holds the parameters."""

    def cell(number: int, source: str) -> Document:
        metadata = {} if number else {"tags": ["parameters"]}
        made: Document = {"cell_type": "code", "execution_count": None, "id": f"cell-{number}", "outputs": []}
        return made | {"metadata": metadata, "source": source}

    content = {
        "cells": [cell(number, source) for number, source in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    file = folder / "report.ipynb"
    file.write_text(json.dumps(content))
    return str(file)


def outputs(settings: Settings, prefix: str) -> dict[str, bytes]:
    """The files of the one output.tar.gz below a prefix."""
    s3 = settings.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=settings.bucket, Prefix=prefix)["Contents"]]
    (key,) = [key for key in keys if key.endswith("/output/output.tar.gz")]
    body = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = [member for member in tar if member.isfile()]
        return {Path(one.name).name: opened.read() for one in members if (opened := tar.extractfile(one))}


@pytest.mark.namespaces
@pytest.mark.slow
def test_the_sdks_step_executes_a_notebook_with_its_parameters(
    session: Any, runs: Runs, laptop: Settings, tmp_path: Path
) -> None:
    pytest.importorskip("sagemaker_headless_execution_driver", reason="needs the notebooks extra")
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.mlops.workflow.notebook_job_step import NotebookJobStep

    who = ParameterString("Who", "laptop")
    helper = tmp_path / "helper.py"
    helper.write_text("def greet(who): return f'hello {who}'\n")
    init = tmp_path / "init.sh"
    init.write_text("export GREETING=loud\n")
    step = NotebookJobStep(
        name="Report",
        notebook_job_name="report",
        input_notebook=notebook(
            tmp_path, "who = 'nobody'", "import os, helper; print(helper.greet(who), os.environ['GREETING'], 6 * 7)"
        ),
        image_uri=IMAGE,
        kernel_name="python3",
        role=laptop.role_arn,
        parameters={"who": who},
        environment_variables={"SM_OUTPUT_FORMATS": "html"},
        initialization_script=str(init),
        additional_dependencies=[str(helper)],
    )
    arn = runs.build(session, "notebooks", [step], parameters=[who])
    assert runs.ended(arn)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(arn)
    job = runs.steps(arn)["Report"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
    environment = runs.sagemaker.describe_training_job(TrainingJobName=job)["Environment"]
    found = outputs(laptop, f"notebooks/{arn.rsplit('/', 1)[1]}/Report")
    executed = found[environment["SM_OUTPUT_NOTEBOOK_NAME"]].decode()
    assert "hello laptop loud 42" in executed
    assert {"report.html", "sagemaker_job_execution.log"} <= set(found)


@pytest.mark.namespaces
@pytest.mark.slow
def test_a_failing_cell_fails_the_step_with_its_exception(
    session: Any, runs: Runs, laptop: Settings, tmp_path: Path
) -> None:
    pytest.importorskip("sagemaker_headless_execution_driver", reason="needs the notebooks extra")
    from sagemaker.mlops.workflow.notebook_job_step import NotebookJobStep

    step = NotebookJobStep(
        name="Report",
        notebook_job_name="report",
        input_notebook=notebook(tmp_path, "x = 0", "1 / x"),
        image_uri=IMAGE,
        kernel_name="python3",
        role=laptop.role_arn,
    )
    arn = runs.build(session, "notebooks-failing", [step])
    assert runs.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert "ZeroDivisionError" in runs.reasons(arn)["Report"]


def test_without_the_extra_a_notebook_job_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "_MODULES", ("no_such_module",))
    with pytest.raises(AwsError, match=r"pip install 'sagemaker-mlops-template\[notebooks\]'"):
        notebooks.check(["amazon_sagemaker_scheduler"])
    notebooks.check(["python3", "train.py"])
