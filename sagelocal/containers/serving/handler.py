"""The user's functions between the HTTP server and the model."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import subprocess
import sys
import tarfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from . import codec
from .answers import Context, Response
from .batching import BATCH_LIMIT
from .families import CODE, Defaults

MODEL = "/opt/ml/model"
Function = Callable[..., Any]  # the request's context first, then the arguments of the toolkit's contract


@dataclass(frozen=True)
class Asked:
    """A request, with the image's defaults where it says nothing."""

    body: bytes
    content_type: str | None
    accept: str
    context: Context


class Handler:
    """A loaded model and the functions around it. Raises what the user's module or model_fn raise.

    `execution_parameters` gives what /execution-parameters answers, None where the image has no such path.
    """

    def __init__(self, defaults: Defaults, environment: Mapping[str, str], model_dir: str = MODEL) -> None:
        self._defaults = defaults
        self._model_dir = model_dir
        variable = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
        self._default_accept = environment.get(variable, codec.JSON) if defaults.accept else codec.JSON
        module = user_module(defaults, environment, model_dir)
        self._input = self._function(module, "input_fn", 2) or self._adapted(defaults.input_fn, 2)
        self._predict = self._function(module, "predict_fn", 2) or self._adapted(defaults.predict_fn, 2)
        self._output = self._function(module, "output_fn", 2) or self._adapted(defaults.output_fn, 2)
        self._transform = self._function(module, "transform_fn", 4)
        if self._transform and any(hasattr(module, name) for name in ("input_fn", "predict_fn", "output_fn")):
            raise ValueError("Cannot use transform_fn together with input_fn, predict_fn or output_fn.")
        batch = None if self._transform else getattr(module, "predict_batch_fn", None)
        self.batch_limit = BATCH_LIMIT if batch else 1
        self.predict_together: Callable[[list[Any]], Any] = lambda inputs: batch(inputs, self._model)  # type: ignore[misc]
        own = getattr(module, "execution_parameters_fn", None) if defaults.execution_parameters else None
        self.execution_parameters: Callable[[], Any] | None = own and (lambda: _parameters(own()))
        self._model = self._load(module)

    def _load(self, module: ModuleType | None) -> Any:
        start = Context({}, self._model_dir)
        if self._defaults.hooks and (before := self._function(module, "pre_model_fn", 1)):
            before(start, self._model_dir)
        load = self._function(module, "model_fn", 1) or self._adapted(self._defaults.model_fn, 1)
        model = load(start, self._model_dir)
        if self._defaults.hooks and (warm_up := self._function(module, "model_warmup_fn", 2)):
            warm_up(start, self._model_dir, model)
        return model

    def respond(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Never raises: an exception of the user's code is a response of the image's status and body for it."""
        asked = self.asked(body, headers)
        try:
            if self._transform:
                content = self._content(asked)
                result = self._transform(asked.context, self._model, content, asked.content_type, asked.accept)
                return self._defaults.stack.answer(result, asked.accept, asked.context)
            return self.written(self._predict(asked.context, self.read(asked), self._model), asked)
        except Exception as error:
            return self.failed(error)

    def asked(self, body: bytes, headers: Mapping[str, str]) -> Asked:
        given = {name.lower(): value for name, value in headers.items()}
        accept = given.get("accept") or ""
        return Asked(
            body,
            given.get("content-type") or self._defaults.content_type,
            self._default_accept if accept in ("", "*/*") else accept,
            Context(given, self._model_dir),
        )

    def read(self, asked: Asked) -> Any:
        return self._input(asked.context, self._content(asked), asked.content_type)

    def written(self, prediction: Any, asked: Asked) -> Response:
        result = self._output(asked.context, prediction, asked.accept)
        return self._defaults.stack.answer(result, asked.accept, asked.context)

    def failed(self, error: Exception) -> Response:
        traceback.print_exception(error)
        return self._defaults.stack.failed(error)

    def _content(self, asked: Asked) -> Any:
        text = asked.content_type in codec.TEXT
        return asked.body.decode(errors=self._defaults.malformed) if text else asked.body

    def _function(self, module: ModuleType | None, name: str, arguments: int) -> Function | None:
        found = getattr(module, name, None)
        return self._adapted(found, arguments) if found else None

    def _adapted(self, function: Callable[..., Any], arguments: int) -> Function:
        """Called with the context first, which only a function gets that has a parameter more."""
        if self._defaults.context and len(inspect.signature(function).parameters) == arguments + 1:
            return lambda context, *given: function(*given, context)
        return lambda context, *given: function(*given)


def _parameters(given: Any) -> Any:
    """Of a script's execution_parameters_fn: a dict, JSON text, or a Flask response of it."""
    text = given.get_data() if hasattr(given, "get_data") else given
    return json.loads(text) if isinstance(text, (str, bytes)) else text


def user_module(defaults: Defaults, environment: Mapping[str, str], model_dir: str) -> ModuleType | None:
    """The script named by SAGEMAKER_PROGRAM, with its folder on sys.path; None where an image has defaults for all."""
    program = environment.get("SAGEMAKER_PROGRAM") or defaults.script
    if not program:
        raise ValueError(
            "SAGEMAKER_PROGRAM is not set in the container's Environment: this image serves script-mode models, with "
            "SAGEMAKER_PROGRAM=inference.py and SAGEMAKER_SUBMIT_DIRECTORY=/opt/ml/model/code, say."
        )
    directory = prepare(defaults, environment, model_dir)
    if not (directory / program).is_file():
        if defaults.submits:
            raise FileNotFoundError(f"SAGEMAKER_PROGRAM {program} is not in SAGEMAKER_SUBMIT_DIRECTORY {directory}")
        print(f"{directory} has no {program}: the image's default functions serve the model.", flush=True)
        return None
    sys.path.insert(0, str((directory / program).parent))
    sys.path.insert(0, str(directory))
    return importlib.import_module(Path(program).stem)


def prepare(defaults: Defaults, environment: Mapping[str, str], model_dir: str = MODEL) -> Path:
    """The script's folder, downloaded and with its requirements installed: once, for all workers forked after it."""
    if defaults.submits:
        directory = Path(_local(environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or "/opt/ml/code"))
    else:
        directory = Path(model_dir, Path(CODE).name)
    if model_dir == MODEL:  # in multi-model mode AWS's images install the container's requirements, no model's own
        _install(directory / "requirements.txt")
    return directory


@functools.cache
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


@functools.cache
def _install(file: Path) -> None:
    """As the images do at start; raises CalledProcessError, and the log says what pip said."""
    if file.is_file():
        subprocess.run([sys.executable, "-m", "pip", "install", "-r", str(file)], check=True)
        importlib.invalidate_caches()
