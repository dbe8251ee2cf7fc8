"""What scripts import of AWS's serving toolkits, in the way that AWS's own examples do."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from sagelocal.containers.serving import families
from sagelocal.containers.serving.answers import Response
from sagelocal.containers.serving.handler import Handler
from sagelocal.environments import manifests, views
from sagelocal.environments.laptop import laptop

SCRIPT = """
import json
from sagemaker_containers.beta.framework import (
    content_types, encoders, env, modules, transformer, worker)

def model_fn(model_dir):
    return 2

def predict_fn(data, model):
    return data * model

def output_fn(prediction, accept):
    if accept == "application/json":
        return worker.Response(json.dumps({"instances": prediction.tolist()}), mimetype=accept)
    if accept == content_types.CSV:
        return worker.Response(encoders.encode(prediction, accept), accept, mimetype=accept)
    return worker.Response("no " + accept, status=406, mimetype="text/plain")
"""


@pytest.fixture
def toolkits() -> Iterator[None]:
    """As in a sandbox, where they lie on sys.path by their own names."""
    sys.path.insert(0, str(Path(views.__file__).with_name("toolkits")))
    yield
    del sys.path[0]
    for name in [name for name in sys.modules if name.startswith(("sagemaker_containers", "sagemaker_inference"))]:
        del sys.modules[name]


@pytest.mark.usefixtures("toolkits")
def test_a_scikit_learn_script_answers_with_the_toolkits_response(tmp_path: Path) -> None:
    (tmp_path / "toolkit_inference.py").write_text(SCRIPT)
    given = {"SAGEMAKER_PROGRAM": "toolkit_inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": str(tmp_path)}
    subject = Handler(families.of("scikit-learn", given), given, str(tmp_path))

    def ask(accept: str) -> Response:
        return subject.respond(b"1,2\n3,4", {"Content-Type": "text/csv", "Accept": accept})

    assert json.loads(ask("*/*").body) == {"instances": [[2, 4], [6, 8]]}
    assert (ask("text/csv").body, ask("text/csv").content_type) == (b"2.0,4.0\n6.0,8.0\n", "text/csv; charset=utf-8")
    assert (ask("a/b").status, ask("a/b").body) == (406, b"no a/b")


@pytest.mark.usefixtures("toolkits")
def test_arrays_go_to_bodies_and_back() -> None:
    framework: Any = importlib.import_module("sagemaker_containers.beta.framework")
    for kind in ("application/json", "text/csv", "application/x-npy"):
        there = framework.encoders.encode(np.array([[1.5, 2], [3, 4]]), kind)
        assert framework.encoders.decode(there, kind).tolist() == [[1.5, 2], [3, 4]]
    assert framework.encoders.csv_to_numpy("1,2").tolist() == [1.0, 2.0]
    assert framework.encoders.csv_to_numpy("a,2").tolist() == ["a", "2"]
    with pytest.raises(framework.errors.ClientError):
        framework.encoders.csv_to_numpy("a,2", dtype="float32")
    with pytest.raises(framework.errors.UnsupportedFormatError, match="text/xml"):
        framework.encoders.decode("", "text/xml")
    with pytest.raises(AttributeError, match="env.ServingEnv is not in sagelocal"):
        framework.env.ServingEnv()
    inference: Any = importlib.import_module("sagemaker_inference.default_inference_handler")
    handler = inference.DefaultInferenceHandler()
    body, kind = handler.default_output_fn(handler.default_input_fn("1,2\n3,4", "text/csv"), "a/b, text/csv")
    assert (body, kind) == ("1,2\n3,4\n", "text/csv")
    errors: Any = importlib.import_module("sagemaker_inference.errors")
    assert errors.GenericInferenceToolkitError(429).message == "Invalid Request"


@pytest.mark.usefixtures("toolkits")
def test_xgboosts_encoder_makes_matrices() -> None:
    encoder: Any = importlib.import_module("sagemaker_xgboost_container.encoder")
    matrix: xgboost.DMatrix = encoder.libsvm_to_dmatrix("1 1:2 3:4")
    assert (matrix.num_row(), matrix.num_col()) == (1, 3)
    assert encoder.decode(b"1,,3\n4,5,6", "text/csv; charset=utf-8").num_nonmissing() == 5


@pytest.mark.parametrize(
    ("family", "repository", "version", "shown"),
    [
        ("scikit-learn", "sagemaker-scikit-learn", "1.9-0", {"sagemaker_containers", "sagemaker_inference"}),
        (
            "xgboost",
            "sagemaker-xgboost",
            "3.2-0",
            {"sagemaker_containers", "sagemaker_inference", "sagemaker_xgboost_container"},
        ),
        ("pytorch", "pytorch-inference", "2.6.0", {"sagemaker_inference"}),
        ("pytorch", "pytorch-training", "2.6.0", set()),
    ],
)
def test_an_image_shows_those_that_it_has(
    family: str, repository: str, version: str, shown: set[str], tmp_path: Path
) -> None:
    view = views.view(tmp_path, laptop(), manifests.find(family, repository, version), f"{family} {version}")
    names = {path.name for path in (view.folder / "site").iterdir()}
    assert {name for name in names if name in {"sagemaker_containers", "sagemaker_inference"}} <= shown
    assert shown <= names
