"""A sagelocal in this process, and an index of packages in a folder for its installs."""

from __future__ import annotations

import contextlib
import dataclasses
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal import baseline, config
from sagelocal.app import SageLocal
from sagelocal.jobs.logs import log_file
from sagelocal.ministack import MiniStack

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
CODE = "/opt/ml/processing/input/code"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageLocal]:
    settings = dataclasses.replace(config.load(tmp_path_factory.mktemp("state")), cpus=4)
    with contextlib.ExitStack() as stack:
        ministack = MiniStack(settings)
        stack.callback(ministack.stop)
        ministack.wait()
        baseline.put_back(settings)
        sagelocal = SageLocal(settings)
        stack.callback(sagelocal.close)
        yield sagelocal


@dataclasses.dataclass(frozen=True)
class Ended:
    status: str
    reason: str
    log: str


@pytest.fixture
def job(app: SageLocal) -> Callable[..., Ended]:
    """Runs a script as a Processing job; with requirements, after `python3 -m pip install -r requirements.txt`."""

    def run(
        name: str, script: str, requirements: str | None = None, *, image: str = SKLEARN, wait: bool = True, **more: Any
    ) -> Ended:
        files = {"script.py": script} | ({"requirements.txt": requirements} if requirements is not None else {})
        for file, text in files.items():
            app.s3.put_object(Bucket=app.settings.bucket, Key=f"{name}/{file}", Body=text)
        install = f"python3 -m pip install -r {CODE}/requirements.txt && "
        command = f"{install if requirements is not None else ''}exec python3 {CODE}/script.py"
        source = {"LocalPath": CODE, "S3DataType": "S3Prefix", "S3InputMode": "File"}
        request = {
            "ProcessingJobName": name,
            "RoleArn": app.settings.role_arn,
            "AppSpecification": {"ImageUri": image, "ContainerEntrypoint": ["/bin/bash", "-c", command]},
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
            },
            "ProcessingInputs": [
                {"InputName": "code", "S3Input": {"S3Uri": f"s3://{app.settings.bucket}/{name}/", **source}}
            ],
            **more,
        }
        app.call("CreateProcessingJob", request)
        return ended(app, name) if wait else Ended("InProgress", "", "")

    return run


def ended(app: SageLocal, name: str) -> Ended:
    over = ("Completed", "Failed", "Stopped")
    job = app.store.wait("ProcessingJob", name, lambda one: one["ProcessingJobStatus"] in over, timeout=60)
    folder = log_file(app.settings.state, "/aws/sagemaker/ProcessingJobs", name).with_suffix("")
    log = "".join(file.read_text() for file in sorted(folder.glob("*.log")))
    return Ended(job["ProcessingJobStatus"], job.get("FailureReason", ""), log)


@pytest.fixture
def wheel() -> Callable[..., Path]:
    """Makes a wheel with one module, `needs` and a console script of the package's name, in a folder."""

    def make(folder: Path, name: str, version: str, code: str, *needs: str) -> Path:
        info = f"{name}-{version}.dist-info"
        requires = "".join(f"Requires-Dist: {each}\n" for each in needs)
        files = {
            f"{name}.py": code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        path = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        return path

    return make
