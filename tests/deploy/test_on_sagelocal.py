"""Deployments on a running sagelocal: traffic really shifts, goes back, scales, and is gone in the end."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from deploy import apply, plan, registry, state, time_to_live, wanted
from deploy.declaration import Alarm, Asynchronous, Autoscaling, Deployment, Mode, Serverless, Variant
from deploy.strategies import AllAtOnce, Canary, Linear, Rolling, Strategy
from deploy.view import progress
from mlops import deployment, serving
from mlops.targets import LAPTOP, Target
from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces
NAME = "churn-staging"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
HANDLER = """
def model_fn(model_dir):
    return "{version}"

def transform_fn(model, body, content_type, accept):
    return model
"""


@pytest.fixture(scope="module")
def account(laptop: Settings, account_class: Any) -> Any:
    """Has three approved versions of churn: two answer with their number, the third can't be loaded."""
    place = wanted.Place("aws", laptop.account, laptop.region, laptop.role_arn, laptop.bucket)
    account = account_class(laptop.client, place)
    registry.ensure_group(account.sagemaker, "churn")
    for version, handler in ((1, HANDLER), (2, HANDLER), (3, "def model_fn(_): raise OSError('no such model')")):
        key = f"models/{version}/model.tar.gz"
        body = archive(handler.replace("{version}", str(version)))
        laptop.client("s3").put_object(Bucket=laptop.bucket, Key=key, Body=body)
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{laptop.bucket}/{key}", "Environment": ENVIRONMENT}
        types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
        account.sagemaker.create_model_package(
            ModelPackageGroupName="churn",
            ModelApprovalStatus="Approved",
            InferenceSpecification={"Containers": [container], **types},
        )
    return account


def archive(handler: str, name: str = "code/inference.py") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo(name)
        entry.size = len(handler.encode())
        packed.addfile(entry, io.BytesIO(handler.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def target(laptop: Settings) -> Target:
    class Session:
        def client(self, service: str, config: Any) -> Any:
            return laptop.client(service)

    return Target(LAPTOP, laptop.account, laptop.region, cast(Any, Session()), laptop)


@pytest.fixture(autouse=True)
def _nothing_is_left(account: Any) -> Iterator[None]:
    yield
    apply.apply(account.clients, plan.undeploy(account.state()))
    assert [names for _, names in account.state().listed() if names] == []


def ask(account: Any) -> str:
    runtime = account.clients("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=NAME, Body="1", ContentType="text/csv")
    return str(answer["Body"].read().decode())


def declared(version: int, strategy: Strategy, **more: Any) -> Deployment:
    alarm = Alarm("Invocation5XXErrors", 0.5)
    return Deployment((Variant(version=version, instance_count=2),), strategy=strategy, alarms=(alarm,), **more)


def test_traffic_shifts_by_each_strategy_and_an_alarm_takes_it_back_without_a_failed_request(account: Any) -> None:
    account.deploy(declared(1, AllAtOnce()))
    updates: list[tuple[int, Strategy]] = [(2, Canary("50%", 1, 0)), (1, Linear(1, 1, 0)), (2, Rolling("50%", 1))]
    done = threading.Event()
    answers: list[str] = []

    def client() -> None:
        while not done.is_set():
            answers.append(ask(account))

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client)
        try:
            for version, strategy in updates:
                seen: list[str] = []
                account.deploy(declared(version, strategy), watch=lambda found, seen=seen: seen.append(progress(found)))
                assert ask(account) == str(version)
                assert any("Baking for 1 seconds" in each for each in seen)
            rolled_back(account, declared(1, Canary("50%", 60, 0)))
            assert {ask(account) for _ in range(8)} == {"2"}
            account.deploy(declared(1, Canary("50%", 0, 0)))  # another try starts afresh
        finally:
            done.set()
        asking.result()
    assert ask(account) == "1"
    assert set(answers) == {"1", "2"}


def rolled_back(account: Any, deployment: Deployment) -> None:
    changes = account.plan(deployment)
    (alarm,) = [each.name for each in changes if each.sign == "+" and each.kind == "alarm"]

    def ring(endpoint: dict[str, Any]) -> None:
        if "Baking" in progress(endpoint):
            state = {"AlarmName": alarm, "StateValue": "ALARM", "StateReason": "a test"}
            with ThreadPoolExecutor() as somebody:  # on whose stack there is no release
                somebody.submit(account.clients("cloudwatch").set_alarm_state, **state)

    with pytest.raises(RuntimeError, match=f"serves churn-staging-2-.* again and not churn-staging-1-.*{alarm}"):
        apply.apply(account.clients, changes, ring)


def test_serverless_then_two_variants_then_a_shadow(account: Any) -> None:
    for version in (1, 2, 3):
        rare = Deployment((Variant(version=version),), Mode.SERVERLESS, capture=None, serverless=Serverless(1024, 2))
        if version == 3:
            with pytest.raises(
                RuntimeError, match="serves churn-staging-2-.* again and not churn-staging-3-.*no such model"
            ):
                account.deploy(rare)
        else:
            account.deploy(rare)
        assert ask(account) == str(min(version, 2))
    account.deploy(Deployment((Variant(version=1), Variant("B", 2, weight=0.0)), autoscaling=Autoscaling(1000, 1, 2)))
    assert {ask(account) for _ in range(8)} == {"1"}
    account.deploy(Deployment((Variant(version=1, weight=0.0), Variant("B", 2))))
    assert {ask(account) for _ in range(8)} == {"2"}
    assert account.state().targets == []
    account.deploy(Deployment((Variant(version=1),), shadow=Variant("Shadow", 2)))
    assert {ask(account) for _ in range(4)} == {"1"}


def test_an_asynchronous_endpoint_answers_and_scales_to_nothing(account: Any, target: Target) -> None:
    account.deploy(
        Deployment(
            (Variant(version=2),),
            mode=Mode.ASYNCHRONOUS,
            asynchronous=Asynchronous(2, notify=True),
            autoscaling=Autoscaling(5, 0, 1),
            capture=None,
        )
    )
    listed = dict(account.state().listed())
    assert [len(listed[kind]) for kind in ("scaling policy", "scalable target", "SNS topic")] == [2, 1, 2]
    assert serving.invoke(target, "churn", "staging", "1", None) == "2"


def test_a_multi_model_endpoint(account: Any, target: Target) -> None:
    source = f"s3://{account.place.bucket}/source/sourcedir.tar.gz"
    reads = HANDLER.replace('"{version}"', "open(model_dir + '/code/inference.py').read().split(chr(34))[1]")
    account.clients("s3").put_object(
        Bucket=account.place.bucket, Key="source/sourcedir.tar.gz", Body=archive(reads, "inference.py")
    )
    prefix, script = f"s3://{account.place.bucket}/models/", {"SAGEMAKER_SUBMIT_DIRECTORY": source}
    account.deploy(Deployment((Variant(version=2, models=prefix, environment=script),), Mode.MULTI_MODEL))
    for model in ("1", "2"):
        assert serving.invoke(target, "churn", "staging", "1", None, model=f"{model}/model.tar.gz") == model


def test_an_endpoint_ends_by_its_time_to_live_and_undeploy_leaves_nothing(
    account: Any, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.deploy(target, "churn", "staging", deployment.Overrides(version=1), yes=True)
    said = capsys.readouterr().out
    assert "deletes the endpoint P1D from now" in said
    assert "A month of churn-staging: 86.96 USD, below its ceiling of 150.00 USD" in said
    scheduler, name = account.clients("scheduler"), f"{NAME}-expiry"
    schedule = scheduler.get_schedule(Name=name)
    soon = time_to_live.resources("PT1S", NAME, [], account.place)[1].request
    assert soon["Target"] == schedule["Target"]
    scheduler.update_schedule(**soon)
    deadline = time.monotonic() + 30
    while state.find(account.sagemaker.describe_endpoint, EndpointName=NAME):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    deployment.undeploy(target, "churn", "staging", yes=True)
    assert f"Nothing of {NAME} is left" in capsys.readouterr().out
    assert scheduler.list_schedules()["Schedules"] == []
    assert account.clients("cloudwatch").list_dashboards()["DashboardEntries"] == []
    assert [each["RoleName"] for each in account.clients("iam").list_roles()["Roles"] if NAME in each["RoleName"]] == []
