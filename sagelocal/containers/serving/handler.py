"""The user's functions between the HTTP server and the model."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
import tarfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from . import codec
from .families import Defaults

MODEL = "/opt/ml/model"


@dataclass
class Response:
    """What the container answers: status, content type, body and further headers."""

    body: bytes
    content_type: str = codec.JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Context:
    """What the inference toolkits hand to functions that take one argument more; its request index is ignored."""

    def __init__(self, headers: Mapping[str, str], model_dir: str) -> None:
        self.system_properties = {"model_dir": model_dir, "gpu_id": None, "batch_size": 1}
        self.response_headers: dict[str, str] = {}
        self.content_type: str | None = None
        self.status = 200
        self._headers = {name.lower(): value for name, value in headers.items()}

    def get_request_header(self, index: int, name: str) -> str | None:
        return self._headers.get(name.lower())

    def get_all_request_header(self, index: int) -> dict[str, str]:
        return dict(self._headers)

    def set_response_header(self, index: int, name: str, value: str) -> None:
        self.response_headers[name] = value

    def set_response_content_type(self, index: int, value: str) -> None:
        self.content_type = value

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self.status = code


class Handler:
    """A loaded model and the functions around it. Raises what the user's module or model_fn raise."""

    def __init__(self, defaults: Defaults, environment: Mapping[str, str], model_dir: str = MODEL) -> None:
        self._defaults = defaults
        self._model_dir = model_dir
        self._default_accept = environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", codec.JSON)
        module = _user_module(defaults, environment)
        self._input = _function(module, "input_fn") or defaults.input_fn
        self._predict = _function(module, "predict_fn") or defaults.predict_fn
        self._output = _function(module, "output_fn") or defaults.output_fn
        self._transform = _function(module, "transform_fn")
        if self._transform and any(_function(module, name) for name in ("input_fn", "predict_fn", "output_fn")):
            raise ValueError("Cannot use transform_fn together with input_fn, predict_fn or output_fn.")
        self._model = self._load(module)

    def _load(self, module: ModuleType | None) -> Any:
        start = Context({}, self._model_dir)
        if self._defaults.context and (before := _function(module, "pre_model_fn")):
            self._call(before, start, self._model_dir)
        model = self._call(_function(module, "model_fn") or self._defaults.model_fn, start, self._model_dir)
        if self._defaults.context and (warm_up := _function(module, "model_warmup_fn")):
            self._call(warm_up, start, self._model_dir, model)
        return model

    def respond(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Never raises: an exception of the user's code is a response of the image's status and body for it."""
        content_type = headers.get("Content-Type") or codec.JSON
        accept = headers.get("Accept") or ""
        if accept in ("", "*/*"):
            accept = self._default_accept
        context = Context(headers, self._model_dir)
        try:
            result = self._run(body, content_type, accept, context)
        except Exception as error:
            traceback.print_exc()
            return self._failed(error)
        return _response(result, accept, context)

    def _run(self, body: bytes, content_type: str, accept: str, context: Context) -> Any:
        content: Any = body.decode() if content_type in codec.TEXT else body
        if self._transform:
            return self._call(self._transform, context, self._model, content, content_type, accept)
        with _Status(self._defaults.unreadable):
            data = self._call(self._input, context, content, content_type)
        prediction = self._call(self._predict, context, data, self._model)
        with _Status(self._defaults.unwritable):
            return self._call(self._output, context, prediction, accept)

    def _call(self, function: Callable[..., Any], context: Context, *arguments: Any) -> Any:
        if self._defaults.context and len(inspect.signature(function).parameters) == len(arguments) + 1:
            return function(*arguments, context)
        return function(*arguments)

    def _failed(self, error: Exception) -> Response:
        status = getattr(error, "status_code", None)  # the toolkits' own errors carry one
        status = status if isinstance(status, int) else 500
        if not self._defaults.json_errors:
            return Response(f"{error}\n{traceback.format_exc()}".encode(), "text/plain", status)
        details = {"error": type(error).__name__, "error-message": str(error), "stack-trace": traceback.format_exc()}
        return Response(json.dumps(details).encode(), codec.JSON, status)


class _Status:
    """Marks an unsupported content type with the HTTP status of the stage that it came from."""

    def __init__(self, status: int) -> None:
        self._status = status

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        # By name, so that a script which brings its toolkit's own class is understood as well.
        if error is not None and type(error).__name__ == "UnsupportedFormatError" and not hasattr(error, "status_code"):
            error.status_code = self._status  # type: ignore[attr-defined]


def _response(result: Any, accept: str, context: Context) -> Response:
    body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, accept)
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, (bytes, bytearray, memoryview)):
        body = codec.encode(body, codec.JSON)
    return Response(bytes(body), context.content_type or content_type, context.status, context.response_headers)


def _function(module: ModuleType | None, name: str) -> Callable[..., Any] | None:
    return getattr(module, name, None)


def _user_module(defaults: Defaults, environment: Mapping[str, str]) -> ModuleType | None:
    """The script named by SAGEMAKER_PROGRAM, with its folder on sys.path; None where an image has defaults for all."""
    program = environment.get("SAGEMAKER_PROGRAM") or defaults.script
    if not program:
        raise ValueError(
            "SAGEMAKER_PROGRAM is not set in the container's Environment: this image serves script-mode models, with "
            "SAGEMAKER_PROGRAM=inference.py and SAGEMAKER_SUBMIT_DIRECTORY=/opt/ml/model/code, say."
        )
    directory = Path(_local(environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or defaults.directory))
    if not (directory / program).is_file():
        if not environment.get("SAGEMAKER_PROGRAM"):
            return None
        raise FileNotFoundError(f"SAGEMAKER_PROGRAM {program} is not in SAGEMAKER_SUBMIT_DIRECTORY {directory}")
    _install(directory / "requirements.txt")
    sys.path.insert(0, str((directory / program).parent))
    sys.path.insert(0, str(directory))
    return importlib.import_module(Path(program).stem)


def _local(directory: str) -> str:
    """A submit directory on S3 (a sourcedir.tar.gz) is unpacked first, as the images do."""
    if not directory.startswith("s3://"):
        return directory
    import boto3

    bucket, _, key = directory.removeprefix("s3://").partition("/")
    code = Path("/opt/ml/code")
    code.mkdir(parents=True, exist_ok=True)
    archive = code / "sourcedir.tar.gz"
    boto3.client("s3").download_file(bucket, key, str(archive))
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
        packed.extractall(code)
    return str(code)


def _install(file: Path) -> None:
    """As the images do at start; raises CalledProcessError, and the log says what pip said."""
    if file.is_file():
        subprocess.run([sys.executable, "-m", "pip", "install", "-r", str(file)], check=True)
        importlib.invalidate_caches()


def workers(environment: Mapping[str, str]) -> int:
    """How many requests run at once. AWS's images start as many processes, here they are threads of one."""
    return int(environment.get("SAGEMAKER_MODEL_SERVER_WORKERS") or len(os.sched_getaffinity(0)))
