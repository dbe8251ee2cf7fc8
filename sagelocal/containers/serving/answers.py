"""What a function returned or raised, as the HTTP response that each image's server makes of it."""

from __future__ import annotations

import html
import json
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from . import codec

_TEXT = "text/html; charset=utf-8"  # Flask's own type


@dataclass
class Response:
    """What the container answers: status, content type, body and further headers."""

    body: Any  # bytes, or an iterator of them, which are sent as they come
    content_type: str = codec.JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Context:
    """What the inference toolkits hand to functions that take one argument more; its request index is ignored.

    A content type set on it counts for nothing: the toolkits set their own after the function returned.
    """

    def __init__(self, headers: Mapping[str, str], model_dir: str) -> None:
        self.system_properties = {"model_dir": model_dir, "gpu_id": None, "batch_size": 1}
        self.response_headers: dict[str, str] = {}
        self.content_type: str | None = None
        self.status = 200
        self._headers = headers

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


class Flask:
    """The scikit-learn and XGBoost images: a Flask application of sagemaker-containers behind gunicorn and nginx.

    Whatever a function raises, the toolkit's error for an unknown content type too, is status 500: it wraps all
    functions, its defaults included. (Seen by running the images' own applications, scikit-learn 1.9-0 and XGBoost
    3.2-0.)
    """

    def answer(self, result: Any, accept: str, context: Context) -> Response:
        """Raises TypeError for what Flask makes no response of: None, an array, a number."""
        if hasattr(result, "get_data") and hasattr(result, "status_code"):  # a Flask response of the script's own
            own = {name: value for name, value in result.headers.items() if name.lower() not in _FRAMING}
            return Response(result.get_data(), result.content_type, result.status_code, own)
        if isinstance(result, tuple):
            return Response(_body(result[0]), _with_charset(result[1]))
        if isinstance(result, (dict, list)):
            return Response(json.dumps(result, sort_keys=True, separators=(",", ":")).encode() + b"\n")
        if isinstance(result, (str, bytes, bytearray, Iterator)):
            return Response(_body(result), _TEXT)
        raise TypeError(
            f"This image's server can't send a {type(result).__name__}: return (body, content type), or text or bytes."
        )

    def failed(self, error: Exception) -> Response:
        """Flask's page in form; unlike AWS's it names the error, which is in the log in both places."""
        said = html.escape(f"{type(error).__name__}: {error}", quote=False)
        page = (
            "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>"
        )
        return Response(f"{page}\n<p>{said}</p>\n".encode(), _TEXT, 500)


class Toolkit:
    """sagemaker-inference, behind TorchServe (PyTorch) or multi-model-server (every image's multi-model mode)."""

    def answer(self, result: Any, accept: str, context: Context) -> Response:
        """The second member of a tuple is its content type; without one it is the whole Accept header."""
        content_type = accept
        if isinstance(result, tuple):
            result, content_type = result[0], result[1]
        return _sent(result, content_type, context)

    def failed(self, error: Exception) -> Response:
        """The toolkit's own errors carry a status; its message and the traceback are the body."""
        status, said = 500, str(error)
        if any(one.__name__ == "BaseInferenceToolkitError" for one in type(error).__mro__):
            status, said = int(error.status_code), error.message  # type: ignore[attr-defined]
        return Response(f"{said}\n{traceback.format_exc()}".encode(), "text/plain", status)


class HuggingFace:
    """Its own service behind multi-model-server: every failure is the caller's, status 400."""

    def answer(self, result: Any, accept: str, context: Context) -> Response:
        return _sent(result, accept, context)

    def failed(self, error: Exception) -> Response:
        details = {"code": 400, "type": "InternalServerException", "message": str(error)}
        body = f"{json.dumps(details, indent=2)}\n"
        for character in "<>&='":  # as Gson writes them
            body = body.replace(character, f"\\u{ord(character):04x}")
        return Response(body.encode(), codec.JSON, 400)


_FRAMING = ("content-type", "content-length", "transfer-encoding")


def _sent(result: Any, content_type: str, context: Context) -> Response:
    """What both model servers make of a value: text and bytes as they are, a tensor pickled, all else as JSON."""
    if isinstance(result, str):
        body = result.encode()
    elif isinstance(result, (bytes, bytearray, memoryview)):
        body = bytes(result)
    elif type(result).__name__ == "Tensor":
        import io

        import torch

        buffer = io.BytesIO()
        torch.save(result, buffer)
        body = buffer.getvalue()
    else:
        try:
            body = json.dumps(result, indent=2).encode()
        except TypeError:
            traceback.print_exc()
            said = f"A {type(result).__name__} is no output that this image's server can send: return text or bytes."
            return Response(said.encode(), "text/plain", 503)
    return Response(body, content_type, context.status, context.response_headers)


def _body(body: Any) -> bytes | Iterator[bytes]:
    """An iterator's first part is made here: until then its exception is a status, as under gunicorn."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if not isinstance(body, Iterable):
        raise TypeError(f"A {type(body).__name__} is no body: return text or bytes.")
    parts = (part.encode() if isinstance(part, str) else bytes(memoryview(part)) for part in body)
    return chain([next(parts, b"")], parts) if isinstance(body, Iterator) else b"".join(parts)


def _with_charset(content_type: str) -> str:
    """As Werkzeug completes the type of a text: `text/csv; charset=utf-8`."""
    text = content_type.startswith("text/") or content_type.endswith(("+xml", "application/xml", "/javascript"))
    return f"{content_type}; charset=utf-8" if text and "charset=" not in content_type else content_type
