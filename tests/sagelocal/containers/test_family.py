"""Image URIs of the SDK's own tables, and what is no family of ours."""

from __future__ import annotations

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.containers import family

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "name", "version"),
    [
        (f"{REGISTRY}/sagemaker-scikit-learn:1.4-2-cpu-py3", "scikit-learn", "1.4-2"),
        (f"{REGISTRY}/sagemaker-scikit-learn:1.9-0", "scikit-learn", "1.9-0"),
        (f"{REGISTRY}/sagemaker-xgboost:3.2-0", "xgboost", "3.2-0"),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312", "pytorch", "2.6.0"),
        ("763104351884.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-inference:2.6.0-gpu-py312", "pytorch", "2.6.0"),
    ],
)
def test_known(image: str, name: str, version: str) -> None:
    assert (family(image).name, family(image).version) == (name, version)


def test_the_sdks_present_images_are_known() -> None:
    image_uris = pytest.importorskip("sagemaker.core.image_uris")
    for framework, version, expected in (("sklearn", "1.9-0", "scikit-learn"), ("xgboost", "3.2-0", "xgboost")):
        uri = image_uris.retrieve(framework, "us-east-1", version=version, instance_type="ml.m5.large")
        assert family(uri).name == expected


@pytest.mark.parametrize(
    "image", [f"{REGISTRY}/mine:1", "python:3.11", f"{REGISTRY}/sagemaker-xgboost-mine:1", f"{REGISTRY}/xgboost:1"]
)
def test_unknown_names_the_known_families(image: str) -> None:
    with pytest.raises(AwsError, match=r"scikit-learn.*XGBoost.*PyTorch"):
        family(image)
