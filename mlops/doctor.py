"""`mlops doctor`: what is missing on this machine, or with `--target aws` in an account. It changes nothing."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from mlops import console
from mlops.errors import Failure, message
from mlops.targets import Target
from mlops.use_cases import ROOT

OK, MISSING, OPTIONAL = "ok", "missing", "optional"
_DISK_GIB = 5
INSTANCE_TYPE = "ml.m5.large"  # what the pipelines ask for unless told otherwise


@dataclass(frozen=True)
class Finding:
    what: str
    state: str  # OK, MISSING, or OPTIONAL: absent, and only some things need it
    detail: str


def report(findings: Iterator[Finding]) -> None:
    """Raises Failure when something is missing that everything needs."""
    found = list(findings)
    console.show(("check", "state", "detail"), [(each.what, each.state, each.detail) for each in found])
    missing = [each.what for each in found if each.state == MISSING]
    if missing:
        raise Failure(f"Missing: {', '.join(missing)}.")


def machine() -> Iterator[Finding]:
    yield python()
    yield namespaces()
    yield versions(ROOT / "constraints.txt")
    yield disk()
    yield state()
    yield program("Java", ("java", "-version"), "the Spark steps need it: apt install default-jre-headless")
    chromium = next(
        (name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), "chromium"
    )
    yield program("Chromium", (chromium, "--version"), "reports as PDF need it: apt install chromium")
    yield program("aws", ("aws", "--version"), 'only for your own use after eval "$(mlops env)": pip install awscli')


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", OK if fits else MISSING, version if fits else f"{version}: 3.11 to 3.13 is needed")


def namespaces() -> Finding:
    """Jobs and model servers run in Linux namespaces; without them sagelocal refuses to run any."""
    from sagelocal import sandbox

    problem = sandbox.probe()
    return Finding("namespaces", MISSING if problem else OK, problem or "jobs get their own files and processes")


def versions(constraints: Path) -> Finding:
    """Whether what is installed is what was locked."""
    if not constraints.exists():
        return Finding("versions", OPTIONAL, "no constraints.txt here: installed without the clone")
    wrong, count = [], 0
    for name, wanted in re.findall(r"^([\w.-]+)==([^\s;]+)", constraints.read_text(), re.MULTILINE):
        if name == "setuptools":
            continue  # a virtual environment brings its own, and nothing of the base install needs any
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # of an extra, or of another platform
        count += 1
        if found != wanted:
            wrong.append(f"{name} is {found}, locked {wanted}")
    if wrong:
        return Finding("versions", MISSING, f"{'; '.join(wrong)}. Install again: make clean install")
    return Finding("versions", OK, f"{count} packages as constraints.txt has them")


def disk() -> Finding:
    free = shutil.disk_usage(ROOT).free / 2**30
    enough = free >= _DISK_GIB
    return Finding(
        "disk", OK if enough else MISSING, f"{free:.0f} GiB free" + ("" if enough else f", {_DISK_GIB} needed")
    )


def state() -> Finding:
    from sagelocal import config, server

    try:
        settings = config.load()
        found = server.status(settings)
    except (OSError, ValueError) as error:
        return Finding("state folder", MISSING, f"{message(error)} MLOPS_STATE names another folder.")
    running = "sagelocal is up" if found["running"] else "sagelocal is down (mlops up starts it)"
    return Finding("state folder", OK, f"{settings.state}; {running}")


def program(name: str, command: tuple[str, ...], absent: str) -> Finding:
    if not shutil.which(command[0]):
        return Finding(name, OPTIONAL, absent)
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(name, OPTIONAL, f"{message(error)} ({absent})")
    return Finding(name, OK, ((run.stdout or run.stderr).strip().splitlines() or [""])[0])


def account(target: Target) -> Iterator[Finding]:
    """What an account lacks, by calls that only read."""
    yield Finding("credentials", OK, f"account {target.account}, region {target.region}")
    role = _try("execution role", lambda: target.place.role, "SAGEMAKER_ROLE_ARN names it")
    yield role
    if role.state == OK:
        yield _try("role's trust", lambda: trust(target, role.detail), "SageMaker must be allowed to assume it")
        yield _try(
            "bucket", lambda: bucket(target), "the SageMaker SDK makes it at the first run, if you may create it"
        )
    for service, operation, request in (
        ("sagemaker", "list_pipelines", {}),
        ("logs", "describe_log_groups", {}),
        ("cloudwatch", "describe_alarms", {}),
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "sagemaker"}),
    ):
        call = functools.partial(reads, target, service, operation, request)
        yield _try(f"may read {service}", call, "ask for the permission")
    for usage in ("processing job", "training job", "endpoint"):
        name = f"{INSTANCE_TYPE} for {usage} usage"
        yield _try(name, lambda name=name: quota(target, name), "ask for more in Service Quotas")


def _try(what: str, check: Any, remedy: str) -> Finding:
    try:
        return Finding(what, OK, check())
    except Exception as error:  # whatever is wrong with one check, the others still tell something
        return Finding(what, MISSING, f"{message(error)} {remedy}.")


def trust(target: Target, role: str) -> str:
    document = target.client("iam").get_role(RoleName=role.rsplit("/", 1)[1])["Role"]["AssumeRolePolicyDocument"]
    if "sagemaker.amazonaws.com" not in str(document):
        raise LookupError(f"{role} does not trust sagemaker.amazonaws.com.")
    return "trusts sagemaker.amazonaws.com"


def bucket(target: Target) -> str:
    target.client("s3").head_bucket(Bucket=target.place.bucket)
    return target.place.bucket


def reads(target: Target, service: str, operation: str, request: Mapping[str, str]) -> str:
    getattr(target.client(service), operation)(**request)
    return operation


def quota(target: Target, name: str) -> str:
    pages = target.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    for page in pages:
        for each in page["Quotas"]:
            if each["QuotaName"] == name:
                if each["Value"] < 1:
                    raise LookupError(f"The quota is {each['Value']:.0f}.")
                return f"{each['Value']:.0f} at a time"
    raise LookupError("The account has no such quota listed.")
