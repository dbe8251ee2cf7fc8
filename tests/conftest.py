"""What several tests need: a sagelocal of their own on free ports."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore
import iam_recorder
import pytest
from botocore.loaders import JSONFileLoader, Loader

from sagelocal import config, sandbox, server
from sagelocal.config import Settings

# Of a shell with `mlops env`, or of a build: tests choose their own clients, and moto would be asked by none of them.
_SURROUNDINGS = ("AWS_", "SAGEMAKER_", "MLOPS_", "CODEBUILD_", "GITHUB_")
_KEPT = ("MLOPS_CACHE",)  # where data sets are that were downloaded before

# Tests have a core each: more threads of OpenMP and BLAS wait for each other in busy loops. Before NumPy is imported.
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith(_SURROUNDINGS) and name not in _KEPT]:
        del os.environ[name]


@functools.cache
def _parsed(path: str) -> Any:
    return _read(JSONFileLoader(), path)


# Each session parses AWS's models again, and the SDK makes one for every step: most of what a compilation took.
_read = JSONFileLoader.load_file
JSONFileLoader.load_file = lambda _, file_path: _parsed(file_path)  # type: ignore[method-assign]


@functools.cache
def _services(paths: tuple[str, ...], type_name: str) -> list[str]:
    return _list(Loader(list(paths), include_default_search_paths=False), type_name)


# And each session looks through a thousand folders for the names of AWS's services.
_list = Loader.list_available_services
Loader.list_available_services = lambda self, type_name: list(  # type: ignore[method-assign]
    _services(tuple(self.search_paths), type_name)
)

# What the loop calls, and as whom, against what the roles of deploy/cloudformation/baseline.yml may.
botocore.register_initializer(iam_recorder.attach)
RECORDS = bool(os.environ.get("MLOPS_RECORD_CALLS"))  # for tests/deploy/test_permissions.py, in one process


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running sagelocal with an empty state folder, taken down afterwards."""
    settings = config.load(tmp_path_factory.mktemp("state"))
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees a developer's own AWS profile, defaults file or state folder, nor what another test left."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "SAGEMAKER_USER_CONFIG_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "no-state"))  # without it the clone's own folder would be meant
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # boto3 keeps the first session that anybody needed, with the credentials of that moment.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(autouse=True)
def _permitted() -> Iterator[None]:
    """No test's call is one that its role would not be allowed on AWS."""
    yield
    if not RECORDS:
        assert iam_recorder.refused() == []


def pytest_sessionfinish() -> None:
    if RECORDS:
        iam_recorder.record(Path(iam_recorder.__file__).parent)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that run jobs or model servers say so by a marker; without namespaces they fail with the remedy."""
    if item.get_closest_marker("namespaces") and (missing := _missing()):
        pytest.fail(f"{missing}\n`make test-unit` runs the tests that need no namespaces.", pytrace=False)


@functools.cache
def _missing() -> str | None:
    return sandbox.probe()
