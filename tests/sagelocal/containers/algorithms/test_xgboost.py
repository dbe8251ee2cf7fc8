"""XGBoost in algorithm mode: what it is given, what it logs, writes and serves."""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from scipy import sparse

from sagelocal.containers import metric_definitions
from sagelocal.containers.algorithms import recordio
from sagelocal.containers.algorithms.errors import UserError
from sagelocal.containers.algorithms.job import Job
from sagelocal.containers.algorithms.xgboost_serving import Server
from tests.sagelocal.containers.algorithms.conftest import CSV, rows, table

rng = np.random.default_rng(7)
X = rng.normal(size=(200, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.float32)
DATA = np.column_stack([Y, X])
BINARY = {"num_round": 4, "objective": "binary:logistic", "nthread": 1}


def booster(job: Job, name: str = "xgboost-model") -> xgboost.Booster:
    model = xgboost.Booster()
    model.load_model(bytearray((job.model / name).read_bytes()))
    return model


def expected() -> np.ndarray:
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y), 4)
    return model.predict(xgboost.DMatrix(X))


def libsvm(features: np.ndarray) -> tuple[str, bytes]:
    lines = (
        f"{label:g} " + " ".join(f"{column}:{value:.9g}" for column, value in enumerate(row))
        for label, row in zip(Y, features, strict=False)
    )
    return "", "\n".join(lines).encode() + b"\n"


def parquet() -> tuple[str, bytes]:
    import pandas

    buffer = io.BytesIO()
    pandas.DataFrame(DATA, columns=list("yabcd")).to_parquet(buffer, index=False)
    return "application/x-parquet", buffer.getvalue()


@pytest.mark.parametrize(
    "channel", [table(DATA), table(DATA, 1), libsvm(X), parquet(), rows(X, Y)], ids=["csv", "csv1", "svm", "pq", "rec"]
)
def test_every_format_gives_the_librarys_own_model(train: Callable[..., Job], channel: tuple[str, bytes]) -> None:
    job = train("xgboost", BINARY, version="3.2-0", train=channel)
    np.testing.assert_allclose(booster(job).predict(xgboost.DMatrix(X)), expected(), atol=1e-6)


def test_metrics_match_the_images_expressions(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    more = {"eval_metric": "accuracy,auc", "_tuning_objective_metric": "validation:f1"}
    job = train("xgboost", {**BINARY, **more}, version="3.2-0", train=table(DATA), validation=table(DATA[:50]))
    lines = capfd.readouterr().out.replace("\t", "#011").splitlines()
    found = {
        each["Name"]: match[1]
        for each in metric_definitions.of("xgboost")
        for line in lines
        if (match := re.match(each["Regex"], line))
    }
    assert set(found) == {f"{split}:{name}" for split in ("train", "validation") for name in ("accuracy", "auc", "f1")}
    share = np.mean((booster(job).predict(xgboost.DMatrix(X)) > 0.5) == Y)
    assert float(found["train:accuracy"]) == pytest.approx(share, abs=1e-5)


def test_weights_are_column_one(train: Callable[..., Job]) -> None:
    weights = np.where(Y == 1, 10.0, 1.0)
    weighted = np.column_stack([Y, weights, X])
    job = train("xgboost", {**BINARY, "csv_weights": 1}, version="3.2-0", train=table(weighted))
    model = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, Y, weight=weights), 4)
    np.testing.assert_allclose(booster(job).predict(xgboost.DMatrix(X)), model.predict(xgboost.DMatrix(X)), atol=1e-6)


def test_early_stopping_keeps_the_best_round(train: Callable[..., Job]) -> None:
    noise = np.column_stack([1 - Y, X])  # the more it learns, the worse
    more = {"num_round": 50, "early_stopping_rounds": 3, "eval_metric": "logloss"}
    job = train("xgboost", {**BINARY, **more}, version="3.2-0", train=table(DATA), validation=table(noise))
    assert booster(job).num_boosted_rounds() == 1


def test_cross_validation_writes_a_model_a_fold(train: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    more = {"_kfold": 3, "_num_cv_round": 2}
    job = train("xgboost", {**BINARY, **more}, version="3.2-0", train=table(DATA[:150]), validation=table(DATA[150:]))
    assert sorted(each.name for each in job.model.iterdir()) == [f"xgboost-model-{fold}" for fold in range(6)]
    predictions = np.loadtxt(job.output / "predictions.csv", delimiter=",")
    assert predictions.shape == (200, 3)
    assert np.mean(predictions[:, 0] == predictions[:, 2]) > 0.8
    assert len(re.findall(r"^\[4\]\ttrain-logloss:\S+\tvalidation-logloss:\S+$", capfd.readouterr().out, re.M)) == 3


def test_checkpoints_are_resumed(train: Callable[..., Job], tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    (config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": str(folder)}))
    train("xgboost", {**BINARY, "num_round": 7}, version="3.2-0", train=table(DATA))
    assert {each.name for each in folder.iterdir()} == {f"xgboost-checkpoint.{number}" for number in range(2, 7)}
    job = train("xgboost", {**BINARY, "num_round": 9}, version="3.2-0", train=table(DATA))
    assert booster(job).num_boosted_rounds() == 9


def test_images_before_1_3_pickle(train: Callable[..., Job]) -> None:
    for version in ("1.2-2", "1"):
        job = train("xgboost", BINARY, version=version, train=table(DATA))
        model = pickle.loads((job.model / "xgboost-model").read_bytes())
        np.testing.assert_allclose(model.predict(xgboost.DMatrix(X)), expected(), atol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"num_round": None}, "Missing required hyperparameter: num_round"),
        ({"rounds": 3}, "Extraneous hyperparameter found: rounds"),
        ({"eta": 2}, r"Hyperparameter eta: 2 is not in \[0, 1\]"),
        ({"learning_rate": 2}, r"Hyperparameter eta: 2 is not in \[0, 1\]"),
        ({"max_depth": "deep"}, "Hyperparameter max_depth: could not parse value"),
        ({"objective": "multi:softprob"}, "num_class"),
        ({"objective": "reg:nonsense"}, r"Hyperparameter objective: reg:nonsense is not in \['aft_loss"),
        ({"eval_metric": "auc", "objective": "reg:squarederror"}, "Metric 'auc' can only be applied"),
        ({"eval_metric": "error@half"}, "expects float input"),
        ({"eval_metric": "beauty"}, "value .* not in range"),
        ({"monotone_constraints": "(1,0,0,0)"}, "tree_method"),
        ({"use_dask_gpu_training": "true"}, "not implemented"),
    ],
)
def test_a_wrong_hyperparameter(described: Callable[..., Job], more: dict[str, Any], message: str) -> None:
    from sagelocal.containers.algorithms.xgboost_training import train

    values = {name: value for name, value in {**BINARY, **more}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        train(described("xgboost", values, train=table(DATA)))


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"train": ("", table(DATA)[1])}, "is not 'LIBSVM' format"),
        ({"train": (CSV, b"label,a,b\n1,2,3\n")}, "without a header"),
        ({"train": ("text/html", b"<p>")}, "is not an accepted ContentType"),
        ({"train": (f"{CSV};label_size=2", b"1,2")}, "label_size must be equal to 1"),
        ({"train": table(DATA), "test": table(DATA)}, "Extraneous channel found: test"),
        ({"validation": table(DATA)}, "Missing required channel: train"),
        ({"train": (CSV, b"2,1.5\n0,2.5\n")}, r"label must be in .* for logistic regression"),
    ],
)
def test_a_wrong_channel(train: Callable[..., Job], channels: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train("xgboost", BINARY, version="3.2-0", **channels)


@pytest.fixture
def model_dir(train: Callable[..., Job]) -> str:
    return str(train("xgboost", BINARY, version="3.2-0", train=table(DATA)).model)


def test_a_hidden_file(train: Callable[..., Job], tmp_path: Path) -> None:
    folder = tmp_path / "input" / "data" / "train"
    folder.mkdir(parents=True)
    (folder / ".DS_Store").touch()
    with pytest.raises(UserError, match="Hidden file found"):
        train("xgboost", BINARY, version="3.2-0", train=table(DATA))


def body(data: np.ndarray = X[:3]) -> bytes:
    return table(data)[1]


@pytest.mark.parametrize(
    ("content_type", "request_body"),
    [
        (CSV, body()),
        ("text/libsvm", libsvm(X[:3])[1]),
        ("application/x-recordio-protobuf", recordio.write(X[:3])),
        ("application/x-recordio-protobuf", recordio.write(sparse.csr_matrix(X[:3]))),
    ],
)
def test_requests(model_dir: str, content_type: str, request_body: bytes) -> None:
    answer = Server({}, model_dir).respond(request_body, {"Content-Type": content_type})
    assert (answer.status, answer.content_type) == (200, f"{CSV}; charset=utf-8")
    assert answer.body.decode().count("\n") == 3
    np.testing.assert_allclose(np.loadtxt(io.BytesIO(answer.body)), expected()[:3], atol=1e-6)


def test_responses(model_dir: str) -> None:
    server = Server({}, model_dir)
    scores = expected()[:3]
    answered = server.respond(body(), {"Content-Type": CSV, "Accept": "application/json"})
    assert [each["score"] for each in json.loads(answered.body)["predictions"]] == pytest.approx(scores, abs=1e-6)
    answered = server.respond(body(), {"Content-Type": CSV, "Accept": "application/jsonlines"})
    assert (answered.status, answered.content_type) == (500, "text/html; charset=utf-8")
    batch = Server({"SAGEMAKER_BATCH": "true"}, model_dir)
    assert batch.respond(body(), {"Content-Type": CSV}).body == server.respond(body(), {"Content-Type": CSV}).body


def test_images_before_1_5_answer_in_one_line(model_dir: str) -> None:
    headers = {"Content-Type": CSV, "Accept": "application/json"}
    answer = Server({}, model_dir, "1.2-2").respond(body(), headers)
    assert answer.content_type == f"{CSV}; charset=utf-8"
    assert [float(each) for each in answer.body.split(b",")] == pytest.approx(expected()[:3], abs=1e-6)
    batch = Server({"SAGEMAKER_BATCH": "true"}, model_dir, "1.2-2").respond(body(), headers)
    assert batch.body == answer.body.replace(b",", b"\n") + b"\n"


@pytest.mark.parametrize(
    ("request_body", "headers", "status"),
    [
        (b"", {"Content-Type": CSV}, 204),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"a,b,c,d", {"Content-Type": CSV}, 415),
        (b"1,2,3,4,5,6", {"Content-Type": CSV}, 400),
        (body(), {"Content-Type": CSV, "Accept": "image/png"}, 406),
        (b"1," * 4_000_000, {"Content-Type": CSV}, 413),
    ],
)
def test_status_codes(model_dir: str, request_body: bytes, headers: dict[str, str], status: int) -> None:
    assert Server({}, model_dir).respond(request_body, headers).status == status


def test_missing_values_are_blanks(model_dir: str) -> None:
    answer = Server({}, model_dir).respond(b"1,,3,4\n", {"Content-Type": CSV})
    model = xgboost.Booster()
    model.load_model(bytearray((Path(model_dir) / "xgboost-model").read_bytes()))
    wanted = model.predict(xgboost.DMatrix(np.array([[1, np.nan, 3, 4]])))
    assert float(answer.body) == pytest.approx(wanted[0], abs=1e-6)


def test_selected_output(model_dir: str) -> None:
    keys = "predicted_label, probability, probabilities, predicted_score"
    server = Server({"SAGEMAKER_INFERENCE_OUTPUT": keys}, model_dir)
    score = float(expected()[0])
    answer = server.respond(body(X[:1]), {"Content-Type": CSV, "Accept": "application/json"})
    (prediction,) = json.loads(answer.body)["predictions"]
    assert prediction["predicted_label"] == int(score > 0.5)
    assert prediction["probabilities"] == pytest.approx([1 - score, score], abs=1e-6)
    assert np.isnan(prediction["predicted_score"])  # not for this objective
    text = server.respond(body(X[:1]), {"Content-Type": CSV}).body.decode()
    assert re.fullmatch(r'[01],0\.\d+,"\[0\.\d+, 0\.\d+\]",nan', text)


def test_every_file_is_a_member_of_the_ensemble(model_dir: str) -> None:
    other = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, 1 - Y), 4)
    (Path(model_dir) / "another").write_bytes(pickle.dumps(other))
    mean = (expected() + other.predict(xgboost.DMatrix(X))) / 2
    answer = Server({}, model_dir).respond(body(), {"Content-Type": CSV})
    np.testing.assert_allclose(np.loadtxt(io.BytesIO(answer.body)), mean[:3], atol=1e-6)
    alone = Server({"SAGEMAKER_INFERENCE_ENSEMBLE": "false"}, model_dir).respond(body(), {"Content-Type": CSV})
    np.testing.assert_allclose(np.loadtxt(io.BytesIO(alone.body)), other.predict(xgboost.DMatrix(X))[:3], atol=1e-6)
    (Path(model_dir) / "notes.txt").write_text("no model")
    with pytest.raises(RuntimeError, match=r"notes\.txt cannot be loaded"):
        Server({}, model_dir)


def test_execution_parameters(model_dir: str) -> None:
    parameters = Server({"MAX_CONTENT_LENGTH": str(20 * 2**20)}, model_dir).execution_parameters()
    assert parameters["BatchStrategy"] == "MULTI_RECORD" and parameters["MaxPayloadInMB"] == 20


def test_rows_of_one_number_have_no_delimiter_to_find(train: Callable[..., Job]) -> None:
    job = train("xgboost", BINARY, version="3.2-0", train=table(DATA[:, :2]))
    answer = Server({}, str(job.model)).respond(b"1\n0", {"Content-Type": CSV})
    assert answer.body.count(b"\n") == 2, answer
