from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from mlops import doctor
from mlops.doctor import MISSING, OK, OPTIONAL, Finding
from mlops.errors import Failure
from mlops.targets import AWS, Place, Target


@pytest.fixture
def target() -> Iterator[Target]:
    with mock_aws():
        session = boto3.Session("AKIAEXAMPLE", "example", region_name="us-east-1")
        target = Target(AWS, "123456789012", "us-east-1", session)
        role = "arn:aws:iam::123456789012:role/execution"
        target.__dict__["place"] = Place("sagemaker-us-east-1-123456789012", "", role)
        yield target


def role(target: Target, principal: str) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}]}
    target.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=json.dumps(trust))


def states(target: Target) -> dict[str, str]:
    return {finding.what: finding.state for finding in doctor.account(target)}


def test_an_account_that_lacks_things(target: Target) -> None:
    role(target, "ec2.amazonaws.com")
    found = states(target)
    assert (found["credentials"], found["execution role"], found["may read sagemaker"]) == (OK, OK, OK)
    assert (found["role's trust"], found["bucket"]) == (MISSING, MISSING)


def test_an_account_with_role_and_bucket(target: Target) -> None:
    role(target, "sagemaker.amazonaws.com")
    target.client("s3").create_bucket(Bucket=target.place.bucket)
    found = states(target)
    assert (found["role's trust"], found["bucket"]) == (OK, OK)


def test_the_account_is_only_read(target: Target) -> None:
    written: list[str] = []

    def watch(model: object, **_: object) -> None:
        name = str(getattr(model, "name", ""))
        if not name.startswith(("Get", "List", "Describe", "Head")):
            written.append(name)

    for service in ("iam", "s3", "sagemaker", "logs", "cloudwatch", "service-quotas"):
        target.client(service).meta.events.register("before-call", watch)
    states(target)
    assert written == []


def test_versions_compares_what_is_installed_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "constraints.txt"
    lock.write_text(f"boto3=={metadata.version('boto3')}\nnot-installed-anywhere==1.0\n")
    assert doctor.versions(lock) == Finding("versions", OK, "1 packages as constraints.txt has them")
    lock.write_text("boto3==0.0.1\n")
    finding = doctor.versions(lock)
    assert finding.state == MISSING
    assert "locked 0.0.1" in finding.detail


def test_an_absent_program_is_optional_and_says_who_needs_it() -> None:
    assert doctor.program("Tool", ("no-such-program-here",), "the Spark steps need it") == Finding(
        "Tool", OPTIONAL, "the Spark steps need it"
    )
    assert doctor.program("Shell", ("sh", "-c", "echo 1.2"), "") == Finding("Shell", OK, "1.2")


def test_the_report_fails_when_something_needed_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.report(iter([Finding("a", OK, "fine"), Finding("b", OPTIONAL, "absent")]))
    with pytest.raises(Failure, match="Missing: c"):
        doctor.report(iter([Finding("c", MISSING, "install it")]))
    assert "install it" in capsys.readouterr().out
