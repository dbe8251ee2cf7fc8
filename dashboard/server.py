"""What `mlops dashboard` runs: the pages, for a browser on this machine and for nobody else's pages in it.

Streamlit takes a WebSocket from any port of the same machine, and by itself of any Host. There a page that a job wrote
(a report, opened from the bucket at another port of 127.0.0.1) or a name that somebody points here (DNS rebinding)
could press every button. So a request's Host has to be this machine's, and its Origin that very Host.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HERE = Path(__file__).resolve().parent
# `streamlit run` puts this folder first in sys.path, where each of our files would hide a library of its name.
sys.path[:] = [str(HERE.parent), *(each for each in sys.path if Path(each or ".").resolve() != HERE)]

from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

from dashboard import account, navigation  # noqa: E402

HOSTS = ("127.0.0.1", "localhost")


class OwnPagesOnly:
    """ASGI middleware: 403 for what comes from elsewhere, a WebSocket's handshake too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("The dashboard answers its own pages only.", 403)(scope, receive, send)


def allowed(headers: Headers) -> bool:
    """Whether the Host is this machine's, and the Origin, which every browser sends with a WebSocket, is that Host."""
    host, origin = headers.get("host", ""), headers.get("origin")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name in HOSTS and (origin is None or origin == f"http://{host}")


def prepare() -> None:
    """What the first page would wait for, some seconds in all: the pages' imports, and SageMaker's client."""
    for address in (*navigation.PAGES, *navigation.own_pages()):
        navigation.module(address)
    with suppress(LookupError, BotoCoreError, ClientError):  # the page says what is wrong
        account.client("sagemaker")


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    prepare()
    yield


app = st.App(HERE / "app.py", lifespan=lifespan, middleware=[Middleware(OwnPagesOnly)])
