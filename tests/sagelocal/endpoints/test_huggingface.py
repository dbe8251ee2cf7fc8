"""The Hugging Face image: its formats and errors with a script of one's own, its pipeline with a tiny model."""

from __future__ import annotations

import io
import itertools
import json
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sagelocal.config import Settings
from sagelocal.containers.serving import families, huggingface
from sagelocal.containers.serving.answers import Response
from sagelocal.containers.serving.handler import Handler
from tests.sagelocal.endpoints.test_endpoints import Account, failing

IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu-py312"
    "-ubuntu22.04"
)
ECHO = """
def model_fn(model_dir, context):
    return lambda inputs, **parameters: [{"label": str(each), "score": len(parameters)} for each in inputs]
"""
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TASK", "HF_MODEL_ID"):
        monkeypatch.setenv(name, "")  # put back afterwards, whatever the handler sets


def handler(folder: Path, script: str = "") -> Handler:
    given = {}
    if script:
        given["SAGEMAKER_PROGRAM"] = f"hf_inference_{next(_numbers)}.py"
        (folder / "code").mkdir()
        (folder / "code" / given["SAGEMAKER_PROGRAM"]).write_text(script)
    return Handler(families.of("huggingface", given), given, str(folder))


def ask(subject: Handler, body: Any, content_type: str = "application/json", accept: str = "*/*") -> Response:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return subject.respond(body, {"Content-Type": content_type, "Accept": accept})


def message(response: Response) -> str:
    """Of multi-model-server's error."""
    assert (response.status, response.content_type) == (400, "application/json")
    details = json.loads(response.body)
    assert (details["code"], details["type"]) == (400, "InternalServerException")
    return str(details["message"])


def test_requests_and_answers_of_a_scripts_model(tmp_path: Path) -> None:
    subject = handler(tmp_path, ECHO)
    answer = ask(subject, {"inputs": ["a", "é"], "parameters": {"top_k": 1}})
    assert answer.body.decode() == '[{"label":"a","score":1},{"label":"é","score":1}]'
    assert answer.content_type == "application/json"
    assert json.loads(ask(subject, {"x": 1}).body) == [{"label": "x", "score": 0}], "without inputs, all is the input"
    answer = ask(subject, b"inputs\na\nb\n", "text/csv", "text/csv")
    assert (answer.body, answer.content_type) == (b"label,score\r\na,0\r\nb,0\r\n", "text/csv")
    rows = ask(subject, b"question,context\nwho,me\n", "text/csv")
    assert json.loads(rows.body)[0]["label"] == "{'question': 'who', 'context': 'me'}"
    assert json.loads(ask(subject, b"\x01\x02", "audio/wave").body) == [
        {"label": "1", "score": 0},
        {"label": "2", "score": 0},
    ]


def test_every_failure_is_the_callers(tmp_path: Path) -> None:
    subject = handler(tmp_path, ECHO)
    assert "'text/xml'" in message(ask(subject, b"<a/>", "text/xml"))
    assert "application/json, text/csv" in message(ask(subject, {"inputs": []}, accept="application/json, text/csv"))
    assert "needs a header" in message(ask(subject, b"a\nb\n", "text/csv"))
    message(ask(subject, [1, 2]))
    message(ask(subject, b"{"))
    message(subject.respond(b"{}", {}))
    assert rb"\u0027" in ask(subject, b"<a/>", "text/xml").body


def test_the_default_accept_variable_and_a_tuples_type_count_for_nothing(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef transform_fn(m, b, c, a): return 'x', 'text/csv'\n"
    answer = handler(tmp_path, script).respond(b"", {"Content-Type": "application/json"})
    assert (json.loads(answer.body), answer.content_type) == (["x", "text/csv"], "application/json")
    assert not families.of("huggingface", {}).accept


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForSequenceClassification", "text-classification"),
        ("TapasForQuestionAnswering", "question-answering"),
        ("BertForQuestionAnswering", "question-answering"),
        ("GPT2LMHeadModel", "text-generation"),
        ("LlamaForCausalLM", "text-generation"),
        ("BartForConditionalGeneration", "text2text-generation"),
    ],
)
def test_the_architecture_tells_the_task(architecture: str, task: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    assert huggingface._task(tmp_path) == task


def test_without_a_task_the_model_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="HF_TASK is not set"):
        handler(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["Odd"]}')
    with pytest.raises(ValueError, match="'Odd' in config.json tells no task"):
        handler(tmp_path)


def test_a_model_of_the_hub_is_downloaded_by_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*given: str, **more: str | None) -> Path:
        return Path("/hub", *given, *(f"{name}={value}" for name, value in sorted(more.items())))

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    monkeypatch.setenv("HF_MODEL_REVISION", "main")
    assert huggingface._downloaded("me/mine") == "/hub/me/mine/revision=main/token=None"


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A random BERT of a few hundred weights, with a tokenizer of seven words."""
    transformers = pytest.importorskip("transformers", reason="transformers is an extra of its own")
    torch = pytest.importorskip("torch", reason="PyTorch is an extra of its own")
    folder = tmp_path / "model"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=16,
        id2label={0: "bad", 1: "good"},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(folder)
    return folder


def test_the_default_functions_serve_a_pipeline(classifier: Path) -> None:
    subject = handler(classifier)
    (found,) = json.loads(ask(subject, {"inputs": "good good"}).body)
    assert found["label"] in ("good", "bad")
    assert 0.5 <= found["score"] <= 1
    both = json.loads(ask(subject, {"inputs": ["good"], "parameters": {"top_k": None}}).body)
    assert {each["label"] for each in both[0]} == {"good", "bad"}
    answer = ask(subject, b"inputs\ngood\nbad\n", "text/csv", "text/csv")
    assert answer.body.startswith(b"label,score\r\n")
    assert answer.body.count(b"\r\n") == 3
    assert huggingface.os.environ["HF_TASK"] == "text-classification"


@pytest.mark.namespaces
def test_an_endpoint_of_the_image_serves_a_pipeline(classifier: Path, laptop: Settings) -> None:
    account = Account(laptop)
    files = {f"{file.name}": file.read_bytes() for file in classifier.iterdir()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    account.s3.put_object(Bucket=laptop.bucket, Key="bert.tar.gz", Body=buffer.getvalue())
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{laptop.bucket}/bert.tar.gz"}
    account.sagemaker.create_model(ModelName="bert", PrimaryContainer=container)
    endpoint = account.deploy("bert", account.config("bert", "bert"))
    assert endpoint["EndpointStatus"] == "InService", endpoint["FailureReason"]
    (found,) = json.loads(account.ask("bert", '{"inputs": "good"}', ContentType="application/json"))
    assert found["label"] in ("good", "bad")
    refused = failing(account.runtime.invoke_endpoint, EndpointName="bert", Body=b"<a/>", ContentType="text/xml")
    assert refused["OriginalStatusCode"] == 400


def test_images_go_in_and_out(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is an extra of its own")
    script = "def model_fn(d): return lambda image: image.convert('L')\n"
    subject = handler(tmp_path, script)
    buffer = io.BytesIO()
    image.new("RGB", (3, 2), (255, 0, 0)).save(buffer, format="PNG")
    answer = ask(subject, buffer.getvalue(), "image/png", "image/jpeg")
    assert image.open(io.BytesIO(answer.body)).format == "JPEG"
    assert isinstance(json.loads(ask(subject, buffer.getvalue(), "image/png").body), str)


def test_arrays_go_in_and_out(tmp_path: Path) -> None:
    script = "def model_fn(d): ...\ndef predict_fn(data, model): return data * 2\n"
    packed = io.BytesIO()
    np.save(packed, np.array([1.0, 2.0]))
    answer = ask(handler(tmp_path, script), packed.getvalue(), "application/x-npy", "application/x-npy")
    assert np.load(io.BytesIO(answer.body)).tolist() == [2.0, 4.0]
