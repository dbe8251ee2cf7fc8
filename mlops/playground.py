"""`mlops invoke --open`: the dashboard's playground in a browser, for as long as the command runs."""

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

from deploy import names, state
from mlops import console
from mlops.targets import Target
from mlops.use_cases import ROOT
from sagelocal.config import LOOPBACK

_START_SECONDS = 30.0
_OPTIONS = {
    "server.address": LOOPBACK,
    "server.headless": "true",  # it opens no browser of its own, and asks a new user for no e-mail address
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
}


def show(target: Target, use_case: str, stage: str) -> None:
    """Returns when the page's server ends, by Ctrl-C or by itself. Raises LookupError without endpoint or Streamlit."""
    name = names.endpoint_name(use_case, stage)
    _require(target, name)
    port = _free_port()
    url = f"http://{LOOPBACK}:{port}/?{urlencode({'endpoint': name})}"
    options = [part for key, value in _OPTIONS.items() for part in (f"--{key}", value)]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.port", str(port), *options]
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this in the background, ignoring Ctrl-C
        signal.signal(number, signal.default_int_handler)
    # The process's environment leads its clients to the target, as it does this command's own.
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _await_health(server, port)
        console.say(f"Playground of {name}: {url}")
        console.note("Ctrl-C ends it.")
        webbrowser.open(url)
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.terminate()
        server.wait()


def _require(target: Target, endpoint: str) -> None:
    if importlib.util.find_spec("streamlit") is None:
        raise LookupError(
            "The playground needs Streamlit. Install it: .venv/bin/pip install -c constraints.txt -e '.[dashboard]'."
        )
    status = state.endpoint(target.client("sagemaker"), endpoint)["EndpointStatus"]
    if status != "InService":
        console.note(f"{endpoint} is {status}: the page lists it once it is in service.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _await_health(server: subprocess.Popen[bytes], port: int) -> None:
    """Raises RuntimeError when the server ends or does not answer in time; what it said is on stderr."""
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
            connection.request("GET", "/_stcore/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError("Streamlit did not start; its own words are above.")
