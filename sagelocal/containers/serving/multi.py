"""Multi-model mode: models are loaded, called and unloaded over HTTP, each in processes of its own.

The routes are those of the developer guide's "Custom Containers Contract for Multi-Model Endpoints". One process a
model, unless the container's Environment says otherwise, and the bodies of errors are multi-model-server's, which AWS's
images run in this mode.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from multiprocessing import forkserver
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import families, workers
from .answers import Response
from .handler import MODEL, Handler, prepare, user_module
from .wire import BrokenError, Connection, Headers, Request
from .worker import BATCH_HEADER

Load = Callable[[str], Any]  # a model's folder -> what answers with `respond(body, headers)`
_CONTEXT = multiprocessing.get_context("forkserver")  # its parent has no threads, and has imported what models need
_SHARED = {"pytorch": ("torch",), "huggingface": ("torch", "transformers")}
_AT_ONCE = 64  # connections, each with a request
_PAGE = 100  # models of one answer to GET /models
_STOP_SECONDS = 5.0


class _DiedError(Exception):
    """The message says how the process of a model ended."""


class _Process:
    """One process with one model."""

    def __init__(self, load: Load, url: str, seconds: float) -> None:
        self._seconds = seconds
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_run, args=(load, url, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def failure(self) -> Response | None:
        """Waits until the model is loaded; what is answered when it can't be."""
        try:
            found: Response | None = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            killed = self._process.exitcode == -signal.SIGKILL  # most likely by the kernel, for its memory
            said = f"The process that loaded the model ended with exit code {self._process.exitcode}."
            found = _error(507 if killed else 500, "InternalServerException", said)
        if found:
            self.stop()
        return found

    def ask(self, body: bytes, headers: Headers) -> Response:
        """Raises _DiedError; the process is of no more use then."""
        try:
            self._pipe.send((body, headers))
            if self._seconds and not self._pipe.poll(self._seconds):
                self.stop()
                raise _DiedError(f"The model did not answer within {self._seconds:g} s and its process was ended.")
            answer: Response = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise _DiedError(f"The model's process ended with exit code {self._process.exitcode}.") from error
        return answer

    def stop(self) -> None:
        self._process.terminate()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


def _run(load: Load, url: str, pipe: Any) -> None:
    """A model's process: it answers what comes through the pipe until that is closed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        handler = load(url)
    except MemoryError:
        traceback.print_exc()
        pipe.send(_error(507, "InsufficientMemoryException", "Worker died: out of memory."))
        return
    except Exception as error:
        traceback.print_exc()
        pipe.send(_error(500, "InternalServerException", f"{type(error).__name__}: {error}"))
        return
    pipe.send(None)
    while True:
        try:
            body, headers = pipe.recv()
        except EOFError:
            return
        pipe.send(_whole(handler.respond(body, headers)))


def _whole(response: Any) -> Response:
    """An answer that yields its parts goes through the pipe at once."""
    body = response.body
    try:
        if not isinstance(body, (bytes, bytearray, memoryview)):
            body = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in body)
    except Exception as error:
        traceback.print_exc()
        return _error(500, "InternalServerException", f"{type(error).__name__}: {error}")
    return Response(bytes(body), response.content_type, response.status, dict(response.headers))


class _Model:
    """A loaded model and the processes that have it; one that died is started again by the next request."""

    def __init__(self, url: str, start: Callable[[], _Process], count: int) -> None:
        self.url = url
        self._start = start
        self._count = count
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()

    def load(self) -> Response | None:
        """What is answered when it can't be loaded."""
        started = [self._start() for _ in range(self._count)]
        failures = [process.failure() for process in started]
        failed = next((one for one in failures if one), None)
        for process, failure in zip(started, failures, strict=True):
            if failed and not failure:
                process.stop()
            elif not failed:
                self._idle.put(process)
        return failed

    def respond(self, request: Request) -> Response:
        process = self._idle.get()
        try:
            if process is None:
                process = self._start()
                if failure := process.failure():
                    process = None
                    return failure
            return process.ask(request.body, request.headers)
        except _DiedError as error:
            process = None
            print(error, file=sys.stderr, flush=True)
            return _error(500, "InternalServerException", str(error))
        finally:
            self._idle.put(process)

    def unload(self) -> None:
        """After what it is answering."""
        for _ in range(self._count):
            if process := self._idle.get():
                process.stop()


class Server:
    """Answers on the socket <path>0 until SIGTERM."""

    def __init__(self, load: Load, path: str, preloaded: Iterable[str], environment: Mapping[str, str]) -> None:
        # SAGEMAKER_MODEL_SERVER_WORKERS counts a model's workers where TorchServe serves, the other elsewhere.
        counts = [environment.get(name) for name in ("SAGEMAKER_NUM_MODEL_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS")]
        self._count = int(next((count for count in counts if count), 1))
        self._seconds = float(environment.get("SAGEMAKER_MODEL_SERVER_TIMEOUT") or 60)
        self._load = load
        self._models: dict[str, _Model | None] = {}  # None: it is being loaded
        self._lock = threading.Lock()
        self._listener = workers.listen(f"{path}0")
        _CONTEXT.set_forkserver_preload([*preloaded])
        forkserver.ensure_running()  # it imports them while nothing is asked yet

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # models' processes are daemons: they end with this one
        while True:
            connected, _ = self._listener.accept()
            threading.Thread(target=self._converse, args=(Connection(connected),), daemon=True).start()

    def _converse(self, connection: Connection) -> None:
        try:
            while request := connection.read():
                response = self._route(request)
                connection.send(response.status, response.content_type, response.headers, response.body)
        except (BrokenError, OSError):
            pass  # who asked gave up
        finally:
            connection.close()

    def _route(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        match request.method, parts.path.strip("/").split("/"):
            case "GET", ["ping"]:
                return Response(b"", "text/plain", headers={BATCH_HEADER: str(_AT_ONCE)})
            case "GET", ["models"]:
                return self._list(parse_qs(parts.query))
            case "POST", ["models"]:
                return self._register(request.body)
            case "GET", ["models", name]:
                return self._describe(name)
            case "DELETE", ["models", name]:
                return self._unload(name)
            case "POST", ["models", name, "invoke"]:
                model = self._models.get(name)
                return model.respond(request) if model else _not_found(name)
        return _error(404, "ResourceNotFoundException", f"There is no {request.method} {parts.path} here.")

    def _list(self, query: Mapping[str, list[str]]) -> Response:
        start, size = int(query.get("next_page_token", ["0"])[0]), int(query.get("limit", [str(_PAGE)])[0])
        loaded = [(name, model) for name, model in list(self._models.items()) if model]
        page = [_described(name, model) for name, model in loaded[start : start + size]]
        more = {"nextPageToken": str(start + size)} if start + size < len(loaded) else {}
        return _json({**more, "models": page})

    def _describe(self, name: str) -> Response:
        model = self._models.get(name)
        return _json(_described(name, model)) if model else _not_found(name)

    def _register(self, body: bytes) -> Response:
        try:
            asked = json.loads(body)
            name, url = str(asked["model_name"]), str(asked["url"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "BadRequestException", "The body needs the members model_name and url.")
        with self._lock:
            if name in self._models:
                return _error(409, "ConflictManagementException", f"Model {name} is already registered.")
            self._models[name] = None
        model = _Model(url, lambda: _Process(self._load, url, self._seconds), self._count)
        failed = model.load()
        with self._lock:
            if failed:
                del self._models[name]
                return failed
            self._models[name] = model
        return _json({"status": "Workers scaled"})

    def _unload(self, name: str) -> Response:
        with self._lock:
            model = self._models.get(name)
            if model is None:
                return _not_found(name)
            del self._models[name]
        model.unload()
        return _json({"status": f'Model "{name}" unregistered'})


def asked(environment: Mapping[str, str]) -> bool:
    return environment.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"


def serve_scripts(family: str, path: str) -> None:
    """Where the script is the container's, one for all models, one that can't be imported keeps it from starting.

    Elsewhere each model has its own in its folder `code`. (As the scikit-learn and XGBoost images do, and PyTorch's.)
    """
    environment = dict(os.environ)
    defaults = families.of(family, environment)
    shared = list(_SHARED.get(family, ()))
    if defaults.submits:
        user_module(defaults, environment, MODEL)
        folder = prepare(defaults, environment)
        environment["SAGEMAKER_SUBMIT_DIRECTORY"] = str(folder)  # what came from S3 is there by now
        shared = workers.imported(folder)
    serve(functools.partial(_loaded, family, environment), path, shared)


def _loaded(family: str, environment: Mapping[str, str], folder: str) -> Handler:
    return Handler(families.of(family, environment), environment, folder)


def serve(load: Load, path: str, preloaded: Iterable[str] = ()) -> None:
    """`preloaded` names the modules that the processes of all models share, where the image has them."""
    workers.limit_threads(len(os.sched_getaffinity(0)))
    Server(load, path, preloaded, os.environ).run()


def _described(name: str, model: _Model) -> dict[str, str]:
    return {"modelName": name, "modelUrl": model.url}


def _json(document: Mapping[str, Any]) -> Response:
    return Response(json.dumps(document).encode())


def _error(code: int, kind: str, message: str) -> Response:
    return Response(json.dumps({"code": code, "type": kind, "message": message}).encode(), status=code)


def _not_found(name: str) -> Response:
    return _error(404, "ModelNotFoundException", f"Model not found: {name}")
