"""One sagelocal for the files of this folder: each finds it without endpoints, configs and models."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagelocal import config, server
from sagelocal.config import Settings


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where images.toml may be put: it is what MLOPS_IMAGES named when sagelocal started."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="session")
def _shared(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = config.load(tmp_path_factory.mktemp("state"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_IMAGES", str(images / "images.toml"))
        server.up(settings)
    yield settings
    server.down(settings)


@pytest.fixture(scope="module")
def laptop(_shared: Settings, images: Path) -> Iterator[Settings]:
    """A running sagelocal; starting one takes longer than most tests here. A test that kills it starts it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_IMAGES", str(images / "images.toml"))
        yield _shared
    client = _shared.client("sagemaker")
    listed = client.get_paginator("list_endpoints")
    for page in listed.paginate():
        for endpoint in page["Endpoints"]:
            if endpoint["EndpointStatus"] != "Deleting":
                client.delete_endpoint(EndpointName=endpoint["EndpointName"])
    for page in client.get_paginator("list_endpoint_configs").paginate():
        for one in page["EndpointConfigs"]:
            client.delete_endpoint_config(EndpointConfigName=one["EndpointConfigName"])
    for page in client.get_paginator("list_models").paginate():
        for model in page["Models"]:
            client.delete_model(ModelName=model["ModelName"])
    deadline = time.monotonic() + 60
    while client.list_endpoints()["Endpoints"]:
        assert time.monotonic() < deadline, "an endpoint is not deleted"
        time.sleep(0.05)
