"""Image URIs of the SDK's own tables, and what is no family of ours."""

from __future__ import annotations

import re

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
    algorithms = ("factorization-machines", "kmeans", "knn", "linear-learner", "pca", "randomcutforest")
    for framework, version, expected in (
        ("sklearn", "1.9-0", "scikit-learn"),
        ("xgboost", "3.2-0", "xgboost"),
        ("xgboost", "1", "xgboost"),
        *((name, "1", name) for name in algorithms),
    ):
        for region in ("us-east-1", "eu-central-1", "cn-north-1"):
            uri = image_uris.retrieve(framework, region, version=version, instance_type="ml.m5.large")
            assert family(uri).name == expected


def test_an_image_runs_its_algorithm_where_no_script_is_named() -> None:
    xgboost, first, knn = (family(f"{REGISTRY}/{name}") for name in ("sagemaker-xgboost:3.2-0", "xgboost:1", "knn:1"))
    assert xgboost.algorithm({}) and first.algorithm({}) and knn.algorithm({})
    assert not xgboost.algorithm({"SAGEMAKER_PROGRAM": "train.py"}) and not xgboost.algorithm({}, "train.py")
    assert first.algorithm({}, "train.py") and not family(f"{REGISTRY}/sagemaker-scikit-learn:1.9-0").algorithm({})


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    family(f"{REGISTRY}/pca:1").check_libraries()
    with pytest.raises(AwsError, match=r"knn .*faiss.*\[algorithms\]"):
        family(f"{REGISTRY}/knn:1").check_libraries()


def test_published_expressions_find_their_line() -> None:
    lines = {
        "linear-learner": "#quality_metric: host=algo-1, validation binary_f_1.000 <score>=0.9140",
        "kmeans": "#quality_metric: host=algo-1, train msd <loss>=0.06404909491539001",
    }
    for name, line in lines.items():
        found = [
            each["Name"] for each in family(f"{REGISTRY}/{name}:1").metric_definitions if re.search(each["Regex"], line)
        ]
        assert found == [{"linear-learner": "validation:binary_f_beta", "kmeans": "train:msd"}[name]]
        assert len(family(f"{REGISTRY}/{name}:1").metric_definitions) <= 40


@pytest.mark.parametrize(
    "image", [f"{REGISTRY}/mine:1", "python:3.11", f"{REGISTRY}/sagemaker-xgboost-mine:1", f"{REGISTRY}/xgboost-neo:1"]
)
def test_unknown_names_the_known_families(image: str) -> None:
    with pytest.raises(AwsError, match=r"scikit-learn.*XGBoost.*PyTorch"):
        family(image)
