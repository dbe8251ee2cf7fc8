"""python -m <this package> FAMILY SOCKET: loads the model, then answers /ping and /invocations on a Unix socket."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from . import families
from .answers import Response
from .handler import Handler, workers


class Server(ThreadingMixIn, UnixStreamServer):
    """A thread a connection, kept alive; `slots` bounds how many requests are inside the user's code at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, socket: str, handler: Any, slots: int) -> None:
        self.handler = handler
        self.slots = threading.Semaphore(slots)
        super().__init__(socket, Exchange)


class Exchange(BaseHTTPRequestHandler):
    """The container's HTTP contract: GET /ping, POST /invocations, and where a handler has them its parameters."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write a response
    server: Server

    def do_GET(self) -> None:
        parameters = getattr(self.server.handler, "execution_parameters", None)
        if self.path == "/ping":
            self._send(Response(b"", "text/plain"))
        elif self.path == "/execution-parameters" and parameters:
            self._send(Response(json.dumps(parameters()).encode()))
        else:
            self._send(_not_found(self.path))

    def do_POST(self) -> None:
        body = self._body()
        if self.path != "/invocations":
            self._send(_not_found(self.path))
            return
        with self.server.slots:
            response = self.server.handler.respond(body, self.headers)  # type: ignore[arg-type]
        self._send(response)

    def _body(self) -> bytes:
        """Also what a transform job with MaxPayloadInMB 0 sends chunked."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)
        self.wfile.flush()

    def address_string(self) -> str:
        return "sagemaker"

    def log_message(self, *_: Any) -> None:
        """No access log: at hundreds of requests a second it would drown what the user's code prints."""


def _not_found(path: str) -> Response:
    return Response(f"no {path} here".encode(), "text/plain", 404)


def main() -> None:
    family, socket = sys.argv[1:3]
    serve(Handler(families.of(family, os.environ), os.environ), socket)


def serve(handler: Any, socket: str) -> None:
    """Answers with what `handler.respond(body, headers)` returns, until SIGTERM."""
    Path(socket).unlink(missing_ok=True)
    server = Server(socket, handler, workers(os.environ))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
