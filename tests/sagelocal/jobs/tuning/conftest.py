"""Tuning jobs whose training jobs are a function: the real store, operations and supervisors, and no containers."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal import config, events
from sagelocal.app import SageLocal
from sagelocal.jobs.tuning.engine import Tuner
from sagelocal.store import Closed, Missing, Store

Document = dict[str, Any]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


class DyingStore(Store):
    """Refuses all writes after `writes_left` of them, as for a process that was killed there."""

    writes_left: int | None = None

    def _record(self, *change: Any) -> None:
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                with self._changed:  # for those who wait for this moment
                    self._version += 1
                    self._changed.notify_all()
                raise Closed("killed")
        super()._record(*change)


class Jobs:
    """A training job reports the objective values that `values` gives for its hyperparameters, and completes.

    With `hold` it runs until `finish`; `values` may raise, then the job fails with what it says.
    """

    def __init__(self, app: Laptop) -> None:
        self.app = app
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.most_at_once = 0
        self.running: set[str] = set()

    def start(self, kind: str, name: str) -> None:
        self.started.append(name)
        self.running.add(name)
        self.most_at_once = max(self.most_at_once, len(self.running))
        if not self.app.hold:
            threading.Thread(target=self._finish_soon, args=(name,), daemon=True).start()

    def _finish_soon(self, name: str) -> None:
        with contextlib.suppress(Closed, Missing):  # killed, or its creation was
            self.finish(name)

    def finish(self, name: str) -> None:
        job = self.app.store.get("TrainingJob", name)
        listen = self.app.tuning.listener(job)
        metric = job["HyperParameters"]["_tuning_objective_metric"]
        changes: Document = {"TrainingJobStatus": "Completed", "TrainingEndTime": self.app.now()}
        try:
            values = self.app.values(job["HyperParameters"])
        except RuntimeError as error:
            values, changes = [], {"TrainingJobStatus": "Failed", "FailureReason": str(error)}
        for value in values:
            listen(metric, value)
        if values:
            changes["FinalMetricDataList"] = [{"MetricName": metric, "Value": values[-1], "Timestamp": 0.0}]
        self.end(name, changes)

    def stop(self, kind: str, name: str) -> None:
        self.stopped.append(name)
        self.end(name, {"TrainingJobStatus": "Stopped", "TrainingEndTime": self.app.now()})

    def end(self, name: str, changes: Document) -> None:
        self.running.discard(name)
        self.app.store.update("TrainingJob", name, changes)


class Laptop(SageLocal):
    """`restart` is what a kill and a new start are."""

    store: DyingStore
    values: Callable[[dict[str, str]], list[float]]
    hold = False

    def __init__(self, state: Path) -> None:
        self.settings = config.load(state)
        self.values = lambda hyperparameters: [float(hyperparameters["x"])]
        self.open()

    def open(self) -> None:
        self.store = DyingStore(
            self.settings.state / "sagelocal.db",
            on_change=lambda kind, before, after: events.for_change(kind, before, after, self.settings),
        )
        self.jobs: Any = Jobs(self)
        self.tuning = Tuner(self)

    def restart(self) -> None:
        self.shut()
        self.open()
        for job in self.store.list("TrainingJob"):
            if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
                self.jobs.start("TrainingJob", job["TrainingJobName"])
        self.tuning.resume()

    def shut(self) -> None:
        self.tuning.close()
        self.store.close()

    # What a test does with it.

    def tune(self, name: str = "t", wait: bool = True, **changes: Any) -> Document:
        """Creates a tuning job from `request` and describes its end."""
        self.call("CreateHyperParameterTuningJob", request(self, name, **changes))
        return self.ended(name) if wait else self.describe(name)

    def request(self, name: str = "t", **changes: Any) -> Document:
        return request(self, name, **changes)

    def training(self, **more: Any) -> Document:
        return training(self, **more)

    def ended(self, name: str = "t") -> Document:
        running = ("InProgress", "Stopping")
        self.store.wait(
            "HyperParameterTuningJob", name, lambda job: job["HyperParameterTuningJobStatus"] not in running, 30
        )
        return self.describe(name)

    def describe(self, name: str = "t") -> Document:
        return self.call("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": name})

    def trials(self, name: str = "t", **more: Any) -> list[Document]:
        answer = self.call(
            "ListTrainingJobsForHyperParameterTuningJob",
            {"HyperParameterTuningJobName": name, "MaxResults": 100, **more},
        )
        return list(answer["TrainingJobSummaries"])

    def until(self, true: Callable[[], Any]) -> None:
        """Waits for something that a commit makes true."""
        while True:
            version = self.store.version
            if true():
                return
            assert self.store.changed_since(version, 30), "it did not get there within 30 s"


def request(app: SageLocal, name: str = "t", **changes: Any) -> Document:
    """Random search of x from 0 to 1 and k from 1 to 9. `changes` by dotted path; None removes a member."""
    made: Document = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
                "IntegerParameterRanges": [{"Name": "k", "MinValue": "1", "MaxValue": "9"}],
            },
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": training(app),
    }
    for path, value in changes.items():
        *parents, last = path.replace("__", ".").split(".")
        target = made
        for each in parents:
            target = target.setdefault(each, {})
        if value is None:
            target.pop(last)
        else:
            target[last] = copy.deepcopy(value)
    return made


def training(app: SageLocal, **more: Any) -> Document:
    """A TrainingJobDefinition."""
    return {
        "StaticHyperParameters": {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://b/code.tar.gz"},
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
        },
        "RoleArn": app.settings.role_arn,
        "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **more,
    }


CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path)
    laptop.settings = laptop.settings.__class__(**{**vars(laptop.settings), "cpus": 4})
    yield laptop
    laptop.shut()
    assert not [each for each in threading.enumerate() if each.name.startswith("tuning-") and each.is_alive()]
