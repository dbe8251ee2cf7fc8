"""`mlops dashboard`, and its playground by `mlops invoke --open`: pages in a browser, while the command runs."""

from __future__ import annotations

import http.client
import importlib.util
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from urllib.parse import urlencode

import psutil

from deploy import names, state
from mlops import console
from mlops.targets import AWS, Target
from mlops.use_cases import ROOT
from sagelocal.config import LOOPBACK

PORT = 8501  # Streamlit's own
_START_SECONDS = 30.0
_ADDRESS = {"server.address": LOOPBACK, "server.headless": "true"}  # whatever a user's own settings say


def show(target: Target, page: str = "", *, port: int = 0, allow_changes: bool = False, **query: str) -> None:
    """Returns when the pages' server ends, by Ctrl-C or by itself. `page` is an address of dashboard.navigation.

    With port 0, PORT if it is free, else any other. Raises LookupError without Streamlit.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise LookupError(
            "The dashboard needs Streamlit. Install it: .venv/bin/pip install -c constraints.txt -e '.[dashboard]'."
        )
    port = port or _free_port()
    url = f"http://{LOOPBACK}:{port}/{page}" + (f"?{urlencode(query)}" if query else "")
    settings = {**_ADDRESS, "server.port": str(port)}
    options = [part for key, value in settings.items() for part in (f"--{key}", value)]
    own = ["--target", AWS if target.settings is None else "laptop", *(["--allow-changes"] if allow_changes else [])]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/server.py", *options, "--", *own]
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this in the background, ignoring Ctrl-C
        signal.signal(number, signal.default_int_handler)
    # The process's environment leads its clients to the target, as it does this command's own.
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _await_health(server, port)
        console.say(f"Dashboard: {url}")
        console.note("Ctrl-C ends it.")
        webbrowser.open(url)
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.terminate()
        server.wait()


def playground(target: Target, use_case: str, stage: str, *, allow_changes: bool = False) -> None:
    """The playground's page with an endpoint chosen. Raises LookupError when there is none."""
    name = names.endpoint_name(use_case, stage)
    status = state.endpoint(target.client("sagemaker"), name)["EndpointStatus"]
    if status != "InService":
        console.note(f"{name} is {status}: the page lists it once it is in service.")
    show(target, "playground", endpoint=name, allow_changes=allow_changes)


def _free_port() -> int:
    for wanted in (PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, wanted))
            return int(probe.getsockname()[1])
    raise OSError(f"No port is free on {LOOPBACK}.")


def _await_health(server: subprocess.Popen[bytes], port: int) -> None:
    """Raises RuntimeError when the server ends or does not answer in time; what it said is on stderr."""
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        if _listens(server.pid, port) and _is_healthy(port):
            return
        time.sleep(0.1)
    raise RuntimeError("Streamlit did not start; its own words are above.")


def _listens(pid: int, port: int) -> bool:
    """Whether it is this process that does: another's server may have taken the port meanwhile."""
    with suppress(psutil.Error):
        sockets = psutil.Process(pid).net_connections("inet")
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)
    return False


def _is_healthy(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    return False
