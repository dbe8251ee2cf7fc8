"""The model server's handlers: each image's defaults, content types and errors, without a server around them."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from sagelocal.containers.serving.families import FAMILIES
from sagelocal.containers.serving.handler import Handler, Response

SUM_MODEL = """
class Model:
    def predict(self, data, **options):
        if data.ndim != 2:
            raise ValueError(f"Expected 2D array, got {data.ndim}D array instead")
        return data.sum(axis=1)

def model_fn(model_dir):
    return Model()
"""
_numbers = itertools.count()


def handler(family: str, script: str, folder: Path, **environment: str) -> Handler:
    """A handler of a script under a module name of its own, since modules are cached by name."""
    program = f"inference_{next(_numbers)}.py"
    (folder / program).write_text(script)
    given = {"SAGEMAKER_PROGRAM": program, "SAGEMAKER_SUBMIT_DIRECTORY": str(folder), **environment}
    return Handler(FAMILIES[family], given, str(folder))


def ask(subject: Handler, body: bytes, content_type: str, accept: str = "*/*") -> Response:
    return subject.respond(body, {"Content-Type": content_type, "Accept": accept})


def details(response: Response) -> dict[str, Any]:
    return json.loads(response.body)


def test_sklearn_reads_csv_json_and_npy_and_answers_json_by_default(tmp_path: Path) -> None:
    subject = handler("scikit-learn", SUM_MODEL, tmp_path)
    csv = ask(subject, b"1,2\n3,4", "text/csv")
    assert (csv.status, csv.content_type, json.loads(csv.body)) == (200, "application/json", [3.0, 7.0])
    assert json.loads(ask(subject, b"[[1, 2.5]]", "application/json").body) == [3.5]
    packed = tmp_path / "x.npy"
    np.save(packed, np.array([[1.0, 1.0]]))
    assert ask(subject, packed.read_bytes(), "application/x-npy", "text/csv").body == b"2.0\n"


def test_sklearn_squeezes_one_csv_row_to_one_dimension_as_its_image_does(tmp_path: Path) -> None:
    response = ask(handler("scikit-learn", SUM_MODEL, tmp_path), b"1,2", "text/csv")
    assert response.status == 500
    assert "got 1D array" in details(response)["error-message"]


def test_sklearn_statuses_of_unknown_types(tmp_path: Path) -> None:
    subject = handler("scikit-learn", SUM_MODEL, tmp_path)
    unread = ask(subject, b"<a/>", "text/xml")
    assert (unread.status, details(unread)["error"]) == (415, "UnsupportedFormatError")
    assert ask(subject, b"1,2\n3,4", "text/csv", "text/xml").status == 406
    assert ask(subject, b"1,2\n3,4", "text/csv; charset=utf-8").status == 415, "the toolkit compares the whole header"


def test_the_default_accept_is_a_variable(tmp_path: Path) -> None:
    subject = handler("scikit-learn", SUM_MODEL, tmp_path, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    assert ask(subject, b"1,2\n3,4", "text/csv").body == b"3.0\n7.0\n"


def test_xgboost_reads_csv_with_missing_values_and_refuses_json(tmp_path: Path) -> None:
    data = xgboost.DMatrix(np.array([[0.0, 1], [1, 0], [0, 0], [1, 1]]), label=[0, 1, 0, 1])
    xgboost.train({"objective": "binary:logistic"}, data, 2).save_model(tmp_path / "model.json")
    script = """
import os, xgboost
def model_fn(model_dir):
    return xgboost.Booster(model_file=os.path.join(model_dir, "model.json"))
"""
    subject = handler("xgboost", script, tmp_path)
    answered = json.loads(ask(subject, b"1,0\n0,", "text/csv").body)
    assert answered == pytest.approx([0.5, 0.5], abs=0.3)
    assert len(answered) == 2
    assert ask(subject, b"0 0:1 1:0", "text/libsvm").status == 200
    assert ask(subject, b"[[1, 0]]", "application/json").status == 415


def test_transform_fn_replaces_the_other_three_and_excludes_them(tmp_path: Path) -> None:
    script = """
def model_fn(model_dir):
    return 2
def transform_fn(model, body, content_type, accept):
    return str(model * int(body)), 'text/plain'
"""
    answer = ask(handler("scikit-learn", script, tmp_path), b"21", "text/csv")
    assert (answer.body, answer.content_type) == (b"42", "text/plain")
    with pytest.raises(ValueError, match="transform_fn together"):
        handler("scikit-learn", script + "def predict_fn(data, model): ...\n", tmp_path)


def test_text_bodies_are_str_and_others_bytes(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef transform_fn(m, body, c, a): return type(body).__name__\n"
    subject = handler("xgboost", script, tmp_path)
    assert ask(subject, b"1", "text/csv").body == b"str"
    assert ask(subject, b"1", "application/json").body == b"str"
    assert ask(subject, b"1", "application/x-npy").body == b"bytes"


def test_a_user_exception_is_a_500_that_says_where(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef input_fn(body, content_type): raise KeyError('tenure')\n"
    response = ask(handler("xgboost", script, tmp_path), b"1", "text/csv")
    assert response.status == 500
    assert details(response)["error"] == "KeyError"
    assert "in input_fn" in details(response)["stack-trace"]


def test_pytorch_hooks_and_context(tmp_path: Path) -> None:
    script = """
calls = []
def pre_model_fn(model_dir): calls.append("pre")
def model_fn(model_dir, context): calls.append("model"); return context.system_properties["model_dir"]
def model_warmup_fn(model_dir, model): calls.append("warm")
def transform_fn(model, body, content_type, accept, context):
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", context.get_request_header(0, "X-Tenant"))
    return ",".join(calls)
"""
    subject = handler("pytorch", script, tmp_path)
    response = subject.respond(b"", {"X-Tenant": "a"})
    assert response.body == b"pre,model,warm"
    assert response.headers == {"X-Amzn-SageMaker-Custom-Attributes": "a"}


def test_pytorch_answers_an_unknown_type_with_a_plain_server_error(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef predict_fn(data, model): return [1]\ndef input_fn(body, kind): return body\n"
    response = ask(handler("pytorch", script, tmp_path), b"1", "text/csv", "text/xml")
    assert (response.status, response.content_type) == (500, "text/plain")
    assert b"text/xml" in response.body


def test_what_keeps_a_server_from_starting_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="SAGEMAKER_PROGRAM is not set"):
        Handler(FAMILIES["scikit-learn"], {}, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"gone\.py is not in"):
        Handler(FAMILIES["xgboost"], {"SAGEMAKER_PROGRAM": "gone.py", "SAGEMAKER_SUBMIT_DIRECTORY": str(tmp_path)})
    with pytest.raises(NotImplementedError, match="Define model_fn"):
        handler("scikit-learn", "def predict_fn(data, model): ...\n", tmp_path)


def test_a_requirement_that_cannot_be_installed_keeps_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "requirements.txt").write_text("no-such-package-here==1\n")
    with pytest.raises(subprocess.CalledProcessError, match="pip"):
        handler("scikit-learn", SUM_MODEL, tmp_path)
