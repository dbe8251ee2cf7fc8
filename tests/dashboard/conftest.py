"""The dashboard as people use it: by Streamlit's AppTest for logic, in headless Chromium for journeys."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlops.use_cases import ROOT
from sagelocal import config, server
from sagelocal.config import Settings

pytest.importorskip("streamlit", reason="the pages are Streamlit's: install the extra [dashboard]")

from streamlit.components.v2 import manifest_scanner

# Each run of an AppTest looks through all installed packages for components: most of what a small page's run took.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

SHOTS = ROOT / "build" / "screenshots"  # kept as an artifact by CI
SIZE = {"width": 1280, "height": 900}
# Without a graphics card, what moves while a test waits is what costs most.
STILL = """addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = "*, *::before, *::after { animation: none !important; transition: none !important }";
  document.head.append(style);
});"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_clients_of: list[Any] = []  # laptop, command line and guard of those that Streamlit keeps for the process


@contextmanager
def served(settings: Settings, *options: str) -> Iterator[str]:
    """The address of `mlops dashboard`, without a slash at its end."""
    environment = {**os.environ, "MLOPS_STATE": str(settings.state), "BROWSER": "true"}
    with socket.socket() as probe:  # not the usual port, which tests beside these would find free at the same moment
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = subprocess.Popen(
        [sys.executable, "-m", "mlops.cli", "dashboard", "--port", port, *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout
    found = re.search(r"http://[^/\s]+", command.stdout.readline())
    assert found
    try:
        yield found[0]
    finally:
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=20) == 0
        command.stdout.close()


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One for all of these tests: what one of them makes, by names of its own, the others see."""
    settings = config.load(tmp_path_factory.mktemp("state"))
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.fixture(scope="session")
def address(laptop: Settings) -> Iterator[str]:
    """Of the dashboard on that laptop."""
    with served(laptop) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Not for longer: while it is there, Playwright's event loop runs in the tests' thread, and no other can."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra [dev], drives the browser")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def profile(browser: Any) -> Iterator[Any]:
    """One for all windows: Streamlit's own code is fetched and compiled once."""
    opened = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    opened.set_default_timeout(60_000)  # a machine that is busy with other tests
    opened.add_init_script(STILL)
    yield opened
    opened.close()


@pytest.fixture
def page(profile: Any) -> Iterator[Any]:
    """A new window of a desktop's size; `goto(f"{address}/registry?group=churn")` it."""
    opened = profile.new_page()
    yield opened
    opened.close()


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """`shoot(page, "approve")` keeps what a window shows, as <test file>-approve.png."""

    def keep(page: Any, name: str, *, full: bool = True) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        file = SHOTS / f"{Path(request.path).stem.removeprefix('test_')}-{name}.png"
        page.screenshot(path=file, full_page=full)
        return file

    return keep


@pytest.fixture
def app_test(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`app_test("registry", group="churn")`: an AppTest of a page on the laptop, not yet run.

    `argv` is what the command line says, such as ["--target", "aws"]; without it that of a laptop.
    """
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    from dashboard import account

    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)

    def make(address: str, *, argv: tuple[str, ...] = ("--target", "laptop"), **query: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["dashboard", *argv])
        st.cache_data.clear()
        if _clients_of != (whose := [laptop.state, argv, account.refuse]):  # they are dear to make
            st.cache_resource.clear()
            _clients_of[:] = whose
        made = AppTest.from_string(f"from dashboard import app\napp.main({address!r})", default_timeout=60)
        for name, value in query.items():
            made.query_params[name] = value
        return made

    return make
