"""The model server's handlers: each image's defaults, content types and errors, without a server around them."""

from __future__ import annotations

import html
import io
import itertools
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xgboost

from sagelocal.containers.algorithms import recordio
from sagelocal.containers.serving import families
from sagelocal.containers.serving.answers import Response
from sagelocal.containers.serving.handler import Handler, prepare

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
    return Handler(families.of(family, given), given, str(folder))


def packaged(family: str, script: str, folder: Path, **environment: str) -> Handler:
    """A handler of a script at its only place in the PyTorch and Hugging Face images, the model's own code folder."""
    program = f"inference_{next(_numbers)}.py"
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / program).write_text(script)
    given = {"SAGEMAKER_PROGRAM": program, **environment}
    return Handler(families.of(family, given), given, str(folder))


def ask(subject: Handler, body: bytes, content_type: str, accept: str = "*/*") -> Response:
    return subject.respond(body, {"Content-Type": content_type, "Accept": accept})


def page(response: Response) -> str:
    """The error of a Flask image's page."""
    assert (response.status, response.content_type) == (500, "text/html; charset=utf-8")
    assert b"<title>500 Internal Server Error</title>" in response.body
    return html.unescape(response.body.decode())


def test_sklearn_reads_csv_json_and_npy_and_answers_json_by_default(tmp_path: Path) -> None:
    subject = handler("scikit-learn", SUM_MODEL, tmp_path)
    csv = ask(subject, b"1,2\n3,4", "text/csv")
    assert (csv.status, csv.content_type, json.loads(csv.body)) == (200, "application/json", [3.0, 7.0])
    assert json.loads(ask(subject, b"[[1, 2.5]]", "application/json").body) == [3.5]
    packed = tmp_path / "x.npy"
    np.save(packed, np.array([[1.0, 1.0]]))
    assert ask(subject, packed.read_bytes(), "application/x-npy", "text/csv").body == b"2.0\n"


def test_sklearn_squeezes_one_csv_row_to_one_dimension_as_its_image_does(tmp_path: Path) -> None:
    assert "got 1D array" in page(ask(handler("scikit-learn", SUM_MODEL, tmp_path), b"1,2", "text/csv"))


def test_sklearn_answers_unknown_types_with_a_server_error(tmp_path: Path) -> None:
    subject = handler("scikit-learn", SUM_MODEL, tmp_path)
    assert "UnsupportedFormatError: Content type 'text/xml'" in page(ask(subject, b"<a/>", "text/xml"))
    assert "'text/xml'" in page(ask(subject, b"1,2\n3,4", "text/csv", "text/xml"))
    # The toolkit compares the whole header, and knows no lists.
    assert "charset=utf-8" in page(ask(subject, b"1,2\n3,4", "text/csv; charset=utf-8"))
    assert "application/json, text/csv" in page(ask(subject, b"1,2\n3,4", "text/csv", "application/json, text/csv"))


def test_in_multi_model_mode_sklearn_keeps_a_row_and_has_another_server(tmp_path: Path) -> None:
    subject = handler("scikit-learn", SUM_MODEL, tmp_path, SAGEMAKER_MULTI_MODEL="true")
    assert ask(subject, b"1,2", "text/csv", "text/csv").body == b"3.0\n"
    assert ask(subject, b"1,2", "text/csv", "text/csv").content_type == "text/csv"
    refused = ask(subject, b"<a/>", "text/xml")
    assert (refused.status, refused.content_type) == (500, "text/plain")


RETURNS = """
import numpy
def model_fn(d): ...
def transform_fn(model, body, content_type, accept):
    return eval(body)
"""


@pytest.mark.parametrize(
    ("returned", "body", "content_type"),
    [
        ("'[1]'", b"[1]", "text/html; charset=utf-8"),
        ("b'[1]'", b"[1]", "text/html; charset=utf-8"),
        ("(x for x in 'ab')", b"ab", "text/html; charset=utf-8"),
        ("{'b': 1, 'a': [2]}", b'{"a":[2],"b":1}\n', "application/json"),
        ("[1, 2]", b"[1,2]\n", "application/json"),
        ("('1,2', 'text/csv')", b"1,2", "text/csv; charset=utf-8"),
        ("('[1]', 'application/json', 1)", b"[1]", "application/json"),
        ("(b'1', 'application/x-npy')", b"1", "application/x-npy"),
    ],
)
def test_what_flask_makes_of_a_returned_value(returned: str, body: bytes, content_type: str, tmp_path: Path) -> None:
    answer = ask(handler("scikit-learn", RETURNS, tmp_path), returned.encode(), "text/csv")
    sent = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)  # a generator's goes out piecemeal
    assert (answer.status, sent, answer.content_type) == (200, body, content_type)


@pytest.mark.parametrize("returned", ["None", "1.5", "numpy.array([1])", "([1], 'text/csv')", "(None, 'text/csv')"])
def test_what_flask_makes_no_response_of(returned: str, tmp_path: Path) -> None:
    assert "TypeError" in page(ask(handler("xgboost", RETURNS, tmp_path), returned.encode(), "text/csv"))


def test_a_flask_response_of_the_scripts_own_is_sent_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("flask", reason="the images have Flask; here it is only installed by chance")
    script = "import flask\ndef model_fn(d): ...\ndef transform_fn(m, b, c, a): "
    script += "return flask.Response(b, 415, {'X-Why': 'a'}, 'text/csv')\n"
    answer = ask(handler("scikit-learn", script, tmp_path), b"x", "text/csv")
    assert (answer.status, answer.body, answer.content_type) == (415, b"x", "text/csv; charset=utf-8")
    assert answer.headers == {"X-Why": "a"}


def test_execution_parameters_are_a_sklearn_scripts_to_give(tmp_path: Path) -> None:
    script = SUM_MODEL + "def execution_parameters_fn(): return '{\"MaxPayloadInMB\": 3}'\n"
    own = handler("scikit-learn", script, tmp_path).execution_parameters
    assert own and own() == {"MaxPayloadInMB": 3}
    assert handler("xgboost", script, tmp_path).execution_parameters is None
    assert handler("scikit-learn", SUM_MODEL, tmp_path).execution_parameters is None


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
    assert ask(subject, b"0 0:1 1:0", "text/libsvm").body == ask(subject, b"1,0", "text/csv").body
    assert ask(subject, b"0:0 1:1\n1:0", "text/x-libsvm").status == 200
    assert ask(subject, b"1,0", "text/csv", "text/csv").content_type == "text/csv; charset=utf-8"
    assert "'application/json'" in page(ask(subject, b"[[1, 0]]", "application/json"))
    records = recordio.write(np.array([[1.0, 0.0]], dtype="float32"), [{}])
    assert ask(subject, records, "application/x-recordio-protobuf").status == 200


def test_transform_fn_replaces_the_other_three_and_excludes_them(tmp_path: Path) -> None:
    script = """
def model_fn(model_dir):
    return 2
def transform_fn(model, body, content_type, accept):
    return str(model * int(body)), 'text/plain'
"""
    answer = ask(handler("scikit-learn", script, tmp_path), b"21", "text/csv")
    assert (answer.body, answer.content_type) == (b"42", "text/plain; charset=utf-8")
    with pytest.raises(ValueError, match="transform_fn together"):
        handler("scikit-learn", script + "def predict_fn(data, model): ...\n", tmp_path)


def test_text_bodies_are_str_and_others_bytes(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef transform_fn(m, body, c, a): return type(body).__name__\n"
    subject = handler("xgboost", script, tmp_path)
    assert ask(subject, b"1", "text/csv").body == b"str"
    assert ask(subject, b"1", "application/json").body == b"str"
    assert ask(subject, b"1", "application/x-npy").body == b"bytes"
    assert ask(subject, b"\xff", "text/csv").body == b"str", "what is no UTF-8 is replaced"


def test_a_user_exception_is_a_500_and_its_traceback_is_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = "def model_fn(d): ...\ndef input_fn(body, content_type): raise KeyError('tenure')\n"
    response = ask(handler("xgboost", script, tmp_path), b"1", "text/csv")
    assert "<p>KeyError: 'tenure'</p>" in page(response)
    assert "in input_fn" in capfd.readouterr().err


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
    subject = packaged("pytorch", script, tmp_path)
    response = subject.respond(b"", {"X-Tenant": "a"})
    assert response.body == b"pre,model,warm"
    assert response.headers == {"X-Amzn-SageMaker-Custom-Attributes": "a"}


def test_pytorch_knows_no_default_content_type_and_lets_the_context_set_a_status(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef transform_fn(m, body, content_type, accept, context):\n"
    script += "    context.set_response_content_type(0, 'ignored/type')\n    context.set_response_status(202)\n"
    script += "    return [str(content_type)]\n"
    response = packaged("pytorch", script, tmp_path).respond(b"", {"Accept": "a/b, c/d"})
    assert (response.status, response.body, response.content_type) == (202, b'[\n  "None"\n]', "a/b, c/d")


def test_pytorchs_errors_are_the_message_and_the_traceback_with_the_toolkits_own_status(tmp_path: Path) -> None:
    script = """
class BaseInferenceToolkitError(Exception):
    def __init__(self, status_code, message, phrase):
        self.status_code, self.message = status_code, message
class Busy(BaseInferenceToolkitError): pass
class Other(Exception): status_code = 418
def model_fn(d): ...
def transform_fn(m, body, content_type, accept):
    raise Busy(429, "later", "") if body == "busy" else Other("no")
"""
    subject = packaged("pytorch", script, tmp_path)
    response = ask(subject, b"busy", "text/csv")
    assert response.status == 429
    assert response.body.startswith(b"later\nTraceback")
    assert ask(subject, b"", "text/csv").status == 500, "a status of an exception of another kind is not looked at"


def test_what_torchserve_cannot_send_is_unavailable(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef transform_fn(m, b, c, a): return object()\n"
    assert ask(packaged("pytorch", script, tmp_path), b"", "text/csv").status == 503


def torchscript(folder: Path, name: str = "model.pth") -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is an extra of its own")

    class Double(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x * 2

    torch.jit.script(Double()).save(folder / name)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_pytorchs_own_functions_serve_a_torchscript_model(tmp_path: Path) -> None:
    torchscript(tmp_path)
    subject = Handler(families.of("pytorch", {}), {}, str(tmp_path))
    assert ask(subject, b"[[1, 2.5]]", "application/json").body == b"[[2.0, 5.0]]"
    assert ask(subject, b"1,2\n3,4", "text/csv", "text/csv").body == b"2.0,4.0\n6.0,8.0\n"
    assert ask(subject, b"1,2", "text/csv").body == b"[2.0, 4.0]", "one row is a vector"
    assert ask(subject, b"1.5,2.5", "text/csv", "text/csv").body == b"3.0\n5.0\n", "a vector is a column"
    packed = io.BytesIO()
    np.save(packed, np.array([[1.0, 1.0]]))
    answer = ask(subject, packed.getvalue(), "application/x-npy", "text/plain, application/x-npy")
    assert np.load(io.BytesIO(answer.body)).tolist() == [[2.0, 2.0]]
    assert answer.content_type == "text/plain, application/x-npy"
    assert ask(subject, b"1", "text/xml").status == 500
    assert ask(subject, b"[1]", "application/json", "text/xml").status == 500
    assert subject.respond(b"[1]", {}).status == 500, "without a content type nothing can be decoded"
    # Integers beside fractions are records to genfromtxt, and no tensor.
    mixed = ask(subject, b"1,2.5\n3,4.5", "text/csv")
    assert mixed.status == 500


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_pytorchs_model_is_model_pt_or_the_only_file_of_its_kind(tmp_path: Path) -> None:
    torchscript(tmp_path, "a.pt")
    torchscript(tmp_path, "b.pth")
    with pytest.raises(ValueError, match=r"exactly one .*found \['a\.pt', 'b\.pth'\]"):
        Handler(families.of("pytorch", {}), {}, str(tmp_path))
    torchscript(tmp_path, "model.pt")
    assert ask(Handler(families.of("pytorch", {}), {}, str(tmp_path)), b"[1]", "application/json").body == b"[2.0]"


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_pytorch_says_what_a_state_dict_needs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is an extra of its own")
    torch.save({"weight": torch.ones(1)}, tmp_path / "model.pth")
    with pytest.raises(RuntimeError, match="is no TorchScript file.*define model_fn"):
        Handler(families.of("pytorch", {}), {}, str(tmp_path))


def test_what_keeps_a_server_from_starting_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="SAGEMAKER_PROGRAM is not set"):
        Handler(families.of("scikit-learn", {}), {}, str(tmp_path))
    given = {"SAGEMAKER_PROGRAM": "gone.py", "SAGEMAKER_SUBMIT_DIRECTORY": str(tmp_path)}
    with pytest.raises(FileNotFoundError, match=r"gone\.py is not in"):
        Handler(families.of("xgboost", given), given, str(tmp_path))
    with pytest.raises(NotImplementedError, match="Define model_fn"):
        handler("scikit-learn", "def predict_fn(data, model): ...\n", tmp_path)


def test_a_requirement_that_cannot_be_installed_keeps_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "requirements.txt").write_text("no-such-package-here==1\n")
    with pytest.raises(subprocess.CalledProcessError, match="pip"):
        prepare(families.of("scikit-learn", {}), {"SAGEMAKER_SUBMIT_DIRECTORY": str(tmp_path)})
