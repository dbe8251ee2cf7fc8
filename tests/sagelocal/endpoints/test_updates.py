"""Updates of endpoints by unmodified boto3, under load: canary, linear and rolling shifts, rollbacks, kills."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal import config, server
from sagelocal.config import Settings

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
ECHO = "def model_fn(d): return None\ndef transform_fn(model, body, content_type, accept): return {name!r}\n"
ASKS_FIRST = "import urllib.request\nurllib.request.urlopen({url!r}, timeout=10).read()\n" + ECHO
CALLERS = 4


class Account:
    """The clients of one sagelocal, with models that answer their own name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sagemaker = settings.client("sagemaker")
        self.runtime = settings.client("sagemaker-runtime")
        self.cloudwatch = settings.client("cloudwatch")

    def config(self, name: str, instances: int = 1, script: str = ECHO) -> str:
        """An endpoint config and its model, both of this name, with the one variant AllTraffic."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            entry = tarfile.TarInfo("code/inference.py")
            data = script.replace("{name!r}", repr(name)).encode()
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
        self.settings.client("s3").put_object(Bucket=self.settings.bucket, Key=f"{name}.tar.gz", Body=buffer.getvalue())
        url = f"s3://{self.settings.bucket}/{name}.tar.gz"
        container = {"Image": SKLEARN, "ModelDataUrl": url, "Environment": ENVIRONMENT}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": instances}]
        )
        return name

    def deploy(self, name: str, **more: Any) -> None:
        """An endpoint whose config has its name."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, **more)
        assert self.settled(name)["EndpointStatus"] == "InService"

    def update(self, name: str, config_name: str, deployment: dict[str, Any] | None, **more: Any) -> None:
        given = {"DeploymentConfig": deployment} if deployment else {}
        self.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config_name, **given, **more)

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def settled(self, name: str) -> dict[str, Any]:
        def look() -> Any:
            found = self.describe(name)
            return found["EndpointStatus"] not in ("Creating", "Updating", "RollingBack") and found

        return dict(until(look))

    def ask(self, name: str) -> str:
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=b"1", ContentType="text/csv")
        return str(answer["Body"].read().decode())

    def alarm(self, name: str, state: str = "OK") -> dict[str, Any]:
        """Makes it, or sets its state; gives the AutoRollbackConfiguration that names it."""
        if name not in [found["AlarmName"] for found in self.cloudwatch.describe_alarms()["MetricAlarms"]]:
            self.cloudwatch.put_metric_alarm(
                AlarmName=name,
                Namespace="AWS/SageMaker",
                MetricName="Invocation5XXErrors",
                Dimensions=[{"Name": "EndpointName", "Value": name}],
                Statistic="Sum",
                Period=3600,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanThreshold",
                TreatMissingData="ignore",
            )
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
        return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name}]}}

    def stage(self, name: str) -> str:
        """The VariantStatus of an update under way, "" when none is."""
        variants = self.describe(name).get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        return str(variants[0]["VariantStatus"][0]["Status"]) if variants else ""

    def left_over(self, name: str) -> list[Path]:
        """Folders of deployments beside the one that serves."""
        folders = [one for one in (self.settings.state / "endpoints" / name).iterdir() if one.name != "capture"]
        return folders[1:]

    @contextmanager
    def load(self, name: str) -> Iterator[list[str]]:
        """Requests by several callers at once, as fast as they go; every answer, a failed one as its error."""
        answers: list[str] = []
        done = threading.Event()

        def call() -> None:
            while not done.is_set():
                try:
                    answers.append(self.ask(name))
                except Exception as error:  # any kind of failure is what the tests count
                    answers.append(f"failed: {error}")

        with ThreadPoolExecutor(CALLERS) as pool:
            calling = [pool.submit(call) for _ in range(CALLERS)]
            try:
                until(lambda: len(answers) > CALLERS)
                yield answers
            finally:
                done.set()
        for one in calling:
            one.result()


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value that `look` gives."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def blue_green(kind: str, wait: int = 0, termination: int = 0, **size: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **size}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination,
            "MaximumExecutionTimeoutInSeconds": 28800,
        }
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def rejected(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**request)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    return str(raised.value.response["Error"]["Message"])


def share(answers: list[str], name: str) -> tuple[float, float]:
    """Of `name` from its first answer to the other's last one, and a bound of its error that does not flake."""
    first, last = answers.index(name), len(answers) - 1
    while answers[last] == name:
        last -= 1
    both = answers[first : last + 1]
    return both.count(name) / len(both), 6 * 0.5 / len(both) ** 0.5


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    return Account(laptop)


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Account]:
    settings = config.load(tmp_path / "state")
    server.up(settings)
    yield Account(settings)
    server.down(settings)


@pytest.mark.namespaces
def test_a_canary_takes_its_share_and_then_everything(account: Account) -> None:
    account.deploy(account.config("canary-1"))
    canary = blue_green("CANARY", 1, 1, CanarySize=percent(30)) | account.alarm("canary")
    with account.load("canary-1") as answers:
        account.update("canary-1", account.config("canary-2"), canary)
        pending = account.describe("canary-1")["PendingDeploymentSummary"]
        assert pending["EndpointConfigName"] == "canary-2"
        until(lambda: account.stage("canary-1") == "Baking")
        (variant,) = account.describe("canary-1")["PendingDeploymentSummary"]["ProductionVariants"]
        assert "(WaitIntervalInSeconds) with traffic enabled on canary" in variant["VariantStatus"][0]["StatusMessage"]
        assert "Cannot update in-progress endpoint" in rejected(
            account.sagemaker.update_endpoint, EndpointName="canary-1", EndpointConfigName="canary-1"
        )
        assert "in-progress" in rejected(account.sagemaker.delete_endpoint, EndpointName="canary-1")
        endpoint = account.settled("canary-1")
        at_the_end = len(answers)
        until(lambda: len(answers) > at_the_end + CALLERS)
    assert set(answers) == {"canary-1", "canary-2"}, "no request failed"
    assert set(answers[at_the_end + CALLERS :]) == {"canary-2"}
    found, error = share(answers, "canary-2")
    assert abs(found - 0.3) < error
    assert (endpoint["EndpointConfigName"], endpoint["LastDeploymentConfig"]) == ("canary-2", canary)
    assert "PendingDeploymentSummary" not in endpoint
    assert "FailureReason" not in endpoint
    until(lambda: not account.left_over("canary-1"))


@pytest.mark.namespaces
def test_a_linear_update_shifts_step_by_step(account: Account) -> None:
    account.deploy(account.config("linear-1"), DeploymentConfig=blue_green("LINEAR", 1, LinearStepSize=percent(40)))
    with account.load("linear-1") as answers:
        account.update("linear-1", account.config("linear-2"), None, RetainDeploymentConfig=True)
        until(lambda: account.describe("linear-1").get("PendingDeploymentSummary", {}) == {})
    assert account.describe("linear-1")["EndpointConfigName"] == "linear-2"
    assert set(answers) == {"linear-1", "linear-2"}, "no request failed"
    found, error = share(answers, "linear-2")
    assert 0.4 - error < found < 0.8 + error


@pytest.mark.namespaces
def test_an_alarm_in_the_middle_sends_every_request_back(account: Account) -> None:
    account.deploy(account.config("alarmed-1"))
    linear = blue_green("LINEAR", 60, 60, LinearStepSize=percent(50)) | account.alarm("alarmed")
    with account.load("alarmed-1") as answers:
        account.update("alarmed-1", account.config("alarmed-2"), linear)
        until(lambda: "alarmed-2" in answers)
        account.alarm("alarmed", "ALARM")
        endpoint = account.settled("alarmed-1")
        at_the_end = len(answers)
        until(lambda: len(answers) > at_the_end + CALLERS)
    assert set(answers) == {"alarmed-1", "alarmed-2"}, "no request failed"
    assert set(answers[at_the_end + CALLERS :]) == {"alarmed-1"}
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "alarmed-1")
    assert "Alarm(s) in ALARM state: alarmed." in endpoint["FailureReason"]
    assert endpoint["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    until(lambda: not account.left_over("alarmed-1"))

    # It is still in ALARM: an update does not even start, and one that no alarm watches does.
    account.update("alarmed-1", "alarmed-2", None, RetainDeploymentConfig=True)
    assert "ALARM" in account.settled("alarmed-1")["FailureReason"]
    account.update("alarmed-1", "alarmed-2", None)
    endpoint = account.settled("alarmed-1")
    assert "FailureReason" not in endpoint
    assert endpoint["LastDeploymentConfig"] == linear
    assert account.ask("alarmed-1") == "alarmed-2"


@pytest.mark.namespaces
def test_an_alarm_in_the_termination_wait_rolls_back(account: Account) -> None:
    account.deploy(account.config("late-1"))
    all_at_once = blue_green("ALL_AT_ONCE", 0, 3600) | account.alarm("late")
    with account.load("late-1") as answers:
        account.update("late-1", account.config("late-2"), all_at_once)
        until(lambda: account.stage("late-1") == "Baking")
        assert "(TerminationWaitInSeconds)" in json.dumps(account.describe("late-1"), default=str)
        until(lambda: set(answers[-2 * CALLERS :]) == {"late-2"})
        account.alarm("late", "ALARM")
        assert account.settled("late-1")["EndpointConfigName"] == "late-1"
    assert set(answers) == {"late-1", "late-2"}, "no request failed"
    assert account.ask("late-1") == "late-1"


@pytest.mark.namespaces
def test_a_rolling_update_replaces_instances_in_batches(account: Account) -> None:
    account.deploy(account.config("rolling-1", instances=2))
    one = {"Type": "INSTANCE_COUNT", "Value": 1}
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": one, "WaitIntervalInSeconds": 1}}
    with account.load("rolling-1") as answers:
        account.update("rolling-1", account.config("rolling-2", instances=2), rolling)
        until(lambda: account.stage("rolling-1") == "Baking")
        (variant,) = account.describe("rolling-1")["PendingDeploymentSummary"]["ProductionVariants"]
        assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 2)
        endpoint = account.settled("rolling-1")
    assert set(answers) == {"rolling-1", "rolling-2"}, "no request failed"
    assert endpoint["EndpointConfigName"] == "rolling-2"
    found, error = share(answers, "rolling-2")
    assert abs(found - 0.5) < error
    assert account.ask("rolling-1") == "rolling-2"

    account.alarm("rolling")
    policy = rolling["RollingUpdatePolicy"] | {"WaitIntervalInSeconds": 60}
    with account.load("rolling-1") as answers:
        account.update("rolling-1", "rolling-1", {"RollingUpdatePolicy": policy} | account.alarm("rolling"))
        until(lambda: "rolling-1" in answers)
        account.alarm("rolling", "ALARM")
        endpoint = account.settled("rolling-1")
    assert set(answers) == {"rolling-1", "rolling-2"}, "no request failed"
    assert (endpoint["EndpointConfigName"], endpoint["EndpointStatus"]) == ("rolling-2", "InService")


@pytest.mark.namespaces
def test_what_an_update_can_not_do_is_refused(account: Account) -> None:
    account.deploy(account.config("limits-1"))
    account.config("limits-2")
    names = {"EndpointName": "limits-1", "EndpointConfigName": "limits-2"}
    update = account.sagemaker.update_endpoint
    large = blue_green("CANARY", CanarySize=percent(60))
    assert "CanarySize must be between 1% and 50%" in rejected(update, DeploymentConfig=large, **names)
    absent = blue_green("ALL_AT_ONCE") | {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "absent"}]}}
    assert "do not exist in CloudWatch: absent" in rejected(update, DeploymentConfig=absent, **names)
    both = blue_green("ALL_AT_ONCE")
    assert "not both" in rejected(update, DeploymentConfig=both, RetainDeploymentConfig=True, **names)
    assert account.describe("limits-1")["EndpointStatus"] == "InService"


@pytest.mark.namespaces
def test_instance_counts_change_under_load(account: Account) -> None:
    account.deploy(account.config("counts"))
    change = account.sagemaker.update_endpoint_weights_and_capacities
    zero = {"VariantName": "AllTraffic", "DesiredInstanceCount": 0}
    assert "at least one instance" in rejected(change, EndpointName="counts", DesiredWeightsAndCapacities=[zero])
    with account.load("counts") as answers:
        for count in (2, 1):
            change(
                EndpointName="counts",
                DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
            )
            (variant,) = account.settled("counts")["ProductionVariants"]
            assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (count, count)
    assert set(answers) == {"counts"}, "no request failed"


@pytest.mark.slow
@pytest.mark.namespaces
def test_a_kill_in_the_middle_of_a_step_goes_on_with_that_step(killable: Account) -> None:
    killable.deploy(killable.config("phoenix-1"))
    slow = blue_green("CANARY", 3600, 1, CanarySize=percent(50)) | killable.alarm("phoenix")
    killable.update("phoenix-1", killable.config("phoenix-2"), slow)
    until(lambda: killable.stage("phoenix-1") == "Baking")
    os.kill(server.status(killable.settings)["pid"], signal.SIGKILL)
    server.up(killable.settings)
    assert killable.ask("phoenix-1") in ("phoenix-1", "phoenix-2")
    assert killable.describe("phoenix-1")["EndpointStatus"] == "Updating"
    until(lambda: {killable.ask("phoenix-1") for _ in range(20)} == {"phoenix-1", "phoenix-2"})

    started = time.monotonic()
    server.down(killable.settings)
    assert time.monotonic() - started < 30, "a wait of an hour holds up no stop"
    server.up(killable.settings)
    killable.alarm("phoenix", "ALARM")
    endpoint = killable.settled("phoenix-1")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "phoenix-1")
    assert {killable.ask("phoenix-1") for _ in range(10)} == {"phoenix-1"}
    until(lambda: not killable.left_over("phoenix-1"))


@pytest.fixture
def permission() -> Iterator[tuple[str, Callable[[], None]]]:
    """A handler that asks whether it may start, and a call after which it may not."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as asked:
        threading.Thread(target=asked.serve_forever, daemon=True).start()

        def refuse() -> None:
            asked.shutdown()
            asked.server_close()

        yield ASKS_FIRST.replace("{url!r}", repr(f"http://127.0.0.1:{asked.server_port}/")), refuse


@pytest.mark.namespaces
def test_instances_that_can_not_be_had_change_nothing(
    account: Account, permission: tuple[str, Callable[[], None]]
) -> None:
    script, refuse = permission
    account.deploy(account.config("expires", script=script))
    refuse()
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="expires",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 5}],
    )
    endpoint = account.settled("expires")
    assert endpoint["EndpointStatus"] == "InService"
    assert "Connection refused" in endpoint["FailureReason"]
    (variant,) = endpoint["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (1, 1, 1)
    assert "VariantStatus" not in variant
    assert account.ask("expires") == "expires"


@pytest.mark.namespaces
def test_a_rollback_that_fails_serves_on_and_the_next_update_repairs_it(
    account: Account, permission: tuple[str, Callable[[], None]]
) -> None:
    script, refuse = permission
    account.deploy(account.config("mixed-1", instances=2, script=script))
    refuse()
    one = {"Type": "INSTANCE_COUNT", "Value": 1}
    policy = {"RollingUpdatePolicy": {"MaximumBatchSize": one, "WaitIntervalInSeconds": 2}}
    with account.load("mixed-1") as answers:
        account.update("mixed-1", account.config("mixed-2", instances=2), policy | account.alarm("mixed"))
        until(lambda: "with traffic enabled on full" in str(account.describe("mixed-1")))
        account.alarm("mixed", "ALARM")
        endpoint = account.settled("mixed-1")
        assert endpoint["EndpointStatus"] == "UpdateRollbackFailed"
        assert "mixed. The primary container" in endpoint["FailureReason"]
        account.update("mixed-1", "mixed-2", None)
        endpoint = account.settled("mixed-1")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "mixed-2")
    assert set(answers) == {"mixed-1", "mixed-2"}, "no request failed"


@pytest.mark.slow
@pytest.mark.namespaces
def test_an_endpoint_that_no_longer_starts_is_repaired_by_an_update(
    killable: Account, permission: tuple[str, Callable[[], None]]
) -> None:
    script, refuse = permission
    killable.deploy(killable.config("gone-1", script=script))
    refuse()
    os.kill(server.status(killable.settings)["pid"], signal.SIGKILL)
    server.up(killable.settings)
    assert killable.describe("gone-1")["EndpointStatus"] == "InService"
    killable.update("gone-1", killable.config("gone-2"), blue_green("CANARY", 1, 0, CanarySize=percent(10)))
    assert killable.settled("gone-1")["EndpointConfigName"] == "gone-2"
    assert {killable.ask("gone-1") for _ in range(10)} == {"gone-2"}
