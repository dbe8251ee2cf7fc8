"""`mlops score` beside another scorer: a process, another machine's, a function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import boto3
import pytest
import yaml
from moto import mock_aws

from deploy import streams
from deploy.scoring_lease import HeldError, Lease
from mlops import scoring, streaming
from mlops.errors import Failure
from mlops.targets import AWS, Target

REGION = "eu-west-1"


class Stacks:
    """Of an account in which nothing is made: parameters of the stack with the streams, and what the templates say."""

    given: ClassVar[dict[str, str]] = {}

    def __init__(self, cloudformation: Any, poll: float) -> None: ...

    def parameters(self, name: str) -> dict[str, str]:
        return self.given if name == "fraud-streaming" else {}

    def declared(self, body: str) -> dict[str, str | None]:
        parameters = yaml.load(body, Loader=_Template)["Parameters"]
        return {name: str(each["Default"]) if "Default" in each else None for name, each in parameters.items()}

    def deploy(self, *_: Any) -> bool:
        pytest.fail("it began to make a stack")


class _Template(yaml.SafeLoader): ...


_Template.add_multi_constructor("!", lambda loader, tag, node: tag)


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """An account with an endpoint, a stream and the table of checkpoints."""
    for module in (scoring, streaming):
        monkeypatch.setattr(module, "Stacks", Stacks)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        found = Target(AWS, "123456789012", REGION, boto3.Session(region_name=REGION))
        sagemaker = found.client("sagemaker")
        role = "arn:aws:iam::123456789012:role/role"
        sagemaker.create_model(ModelName="model", ExecutionRoleArn=role, PrimaryContainer={"Image": "image"})
        variant = {"VariantName": "v", "ModelName": "model", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="fraud-production", EndpointConfigName="config")
        found.client("kinesis").create_stream(StreamName=streams.transactions_stream("fraud"), ShardCount=1)
        keys = {"reader": "HASH", "shard": "RANGE"}
        found.client("dynamodb").create_table(
            TableName=streams.checkpoints_table("fraud"),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        )
        yield found


@pytest.fixture
def held(target: Target) -> Lease:
    found = Lease(target.client("dynamodb"), streams.checkpoints_table("fraud"), scoring.APPLICATION, "another machine")
    found.hold()
    return found


def test_one_on_another_machine_refuses_this_one(target: Target, held: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "restarting", lambda work: pytest.fail("it began"))
    with pytest.raises(HeldError, match=r"One scorer at a time: another machine holds it until \d\d:\d\d:\d\d UTC"):
        scoring.work(target, "fraud", "production")


def test_one_that_ended_lets_this_one_begin(target: Target, held: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(scoring, "restarting", begun.append)
    held.give_up()
    scoring.work(target, "fraud", "production")
    assert len(begun) == 1


def test_one_that_was_taken_over_ends_with_an_error(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "restarting", lambda work: work.args[-1].set())
    with pytest.raises(RuntimeError, match="Another scorer took over while this machine stood still"):
        scoring.work(target, "fraud", "production")


def test_a_function_that_scores_refuses_a_worker(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stacks, "given", {"ScorerStage": "staging"})
    with pytest.raises(RuntimeError, match=r"fraud-scorer scores .* fraud-staging.* --parameter ScorerStage= takes it"):
        scoring.work(target, "fraud", "production")
    monkeypatch.setattr(Stacks, "given", {"ScorerStage": ""})
    scoring.check(target, "fraud", "production")


def test_a_worker_refuses_a_function(target: Target, held: Lease) -> None:
    with pytest.raises(Failure, match="One scorer at a time: another machine scores until"):
        streaming.up(target, "fraud", {"ScorerStage": "production"})


def test_of_one_laptop_the_second_process_hears_of_the_first(tmp_path: Path) -> None:
    laptop = cast("Target", SimpleNamespace(settings=SimpleNamespace(state=tmp_path)))
    with (
        scoring.alone(laptop, "fraud"),
        pytest.raises(RuntimeError, match=r"process \d+: stop that one"),
        scoring.alone(laptop, "fraud"),
    ):
        pytest.fail("both have it")
    with scoring.alone(laptop, "fraud"):
        pass


def test_days_of_the_lakes_archives_out_of_order_are_refused_before_anything_is_made(target: Target) -> None:
    """S3 refuses them half way through, and CloudFormation's rules compare no numbers."""
    with pytest.raises(ValueError, match="DeletionDays=400 has to be more than DeepArchiveDays=400"):
        streaming.up(target, "fraud", {"DeletionDays": "400"})
    with pytest.raises(ValueError, match="DeepArchiveDays=200 has to be more than InstantArchiveDays=300"):
        streaming.up(target, "fraud", {"InstantArchiveDays": "300", "DeepArchiveDays": "200"})
    streaming.in_order({"InstantArchiveDays": "30", "DeepArchiveDays": "120", "DeletionDays": "121"})
