"""What each page of the dashboard costs with 1,000 executions of a pipeline.

    python benchmarks/dashboard.py [--executions 1000] [--keep FOLDER] [--repeat 3] [--only registry]

Makes an account (dashboard_accounts/multiplied.py says how; FOLDER keeps it, and a later call starts from there), then
opens every page: as Streamlit's AppTest runs it, without anything kept and again from what is kept; in headless
Chromium, from navigation until all is drawn; and for comparison the same AWS calls alone, one after the other through
boto3. The last line is JSON: the slowest page's seconds with nothing kept.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dashboard_accounts import multiplied

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # instead of this folder, where this file would hide the package of its name

from sagelocal import config, server  # noqa: E402
from sagelocal.config import LOOPBACK, Settings  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRAWN = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  return app?.dataset.testScriptState === "notRunning" && document.querySelector("h1")
    && !document.querySelector("[data-testid=stSkeleton]");
}"""
Call = tuple[str, str, dict[str, Any]]  # service, operation, parameters


@dataclass(frozen=True)
class Page:
    address: str
    query: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.address + (f"?{urlencode(self.query)}" if self.query else "")


@dataclass(frozen=True)
class Seconds:
    cold: float  # nothing kept
    warm: float  # from what is kept
    bare: float  # its AWS calls alone
    calls: int
    browser: float | None  # from navigation until drawn, nothing kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=1_000)
    parser.add_argument("--keep", type=Path, help="a folder for the account")
    parser.add_argument("--repeat", type=int, default=3, help="how often; the median counts")
    parser.add_argument("--only", default="", help="pages whose address begins so")
    arguments = parser.parse_args()
    with account(arguments.keep, arguments.executions) as settings:
        os.environ.update(settings.shell_environment())
        pages = [page for page in every_page(settings) if page.name.startswith(arguments.only)]
        found = measure(pages, arguments.repeat)
    report(found, arguments.executions)


@contextmanager
def account(keep: Path | None, executions: int) -> Iterator[Settings]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        made = (folder / "state" / "sagelocal.db").exists()
        settings = config.load(folder / "state")
        try:
            if made:
                server.up(settings)
            else:
                multiplied.make(settings, executions, folder / "reports")
            yield settings
        finally:
            server.down(settings)


def every_page(settings: Settings) -> Iterator[Page]:
    """All that the dashboard has, on their own and about the newest of what they show."""
    from dashboard import navigation

    sagemaker = settings.client("sagemaker")
    newest = sagemaker.list_pipeline_executions(PipelineName="churn", SortOrder="Descending", MaxResults=2)
    ids = [each["PipelineExecutionArn"].rsplit("/", 1)[1] for each in newest["PipelineExecutionSummaries"]]
    endpoint = {"endpoint": "churn-production"}
    more: dict[str, list[dict[str, str]]] = {
        "pipelines": [
            {"pipeline": "churn"},
            {"pipeline": "churn", "execution": ids[0]},
            {"pipeline": "churn", "compare": ",".join(ids)},
        ],
        "registry": [{"group": "churn"}, {"group": "churn", "version": "1"}],
        "endpoints": [endpoint],
        "playground": [endpoint],
        "monitoring": [endpoint],
        "experiments": [
            {"pipeline": "churn"},
            {"pipeline": "churn", "level": "Training jobs"},
            {"pipeline": "churn", "level": "Tuning"},
        ],
        "delivery": [{"lineage": "churn-production"}],
        "churn": [endpoint],
    }
    for address in (*navigation.PAGES, *navigation.own_pages()):
        yield Page(address)
        yield from (Page(address, tuple(query.items())) for query in more.get(address, []))


def measure(pages: list[Page], repeat: int) -> dict[Page, Seconds]:
    """Of pages that fail it says so, and leaves them out."""
    logging.disable(logging.CRITICAL)  # Streamlit's, that AppTest has no browser
    sys.argv = ["dashboard", "--target", "laptop"]
    server_side = {}
    for page in pages:
        try:
            run(page)  # imports, connections, sagelocal's own start
            server_side[page] = taken = _server_side(page, repeat)
            print(f"{page.name:60} cold {taken[0]:6.2f} s, kept {taken[1]:6.2f} s", flush=True)
        except RuntimeError as error:
            print(f"FAILED {page.name}: {error}", flush=True)
    in_browser = dict(browse(list(server_side))) if CHROMIUM else {}
    return {page: Seconds(*taken, in_browser.get(page)) for page, taken in server_side.items()}


def _server_side(page: Page, repeat: int) -> tuple[float, float, float, int]:
    import streamlit as st

    cold, warm, bare, count = [], [], [], 0
    for _ in range(repeat):
        st.cache_data.clear()
        with recorded() as calls:
            cold.append(run(page))
        warm.append(run(page))
        bare.append(replay(calls))
        count = len(calls)
    return statistics.median(cold), statistics.median(warm), statistics.median(bare), count


def run(page: Page) -> float:
    """Seconds of one run of the page's script. Raises RuntimeError when it fails."""
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_string(f"from dashboard import app\napp.main({page.address!r})", default_timeout=120)
    for name, value in page.query:
        test.query_params[name] = value
    start = time.perf_counter()
    test.run()
    seconds = time.perf_counter() - start
    if failed := [each.value for each in (*test.exception, *test.error)]:
        raise RuntimeError("; ".join(failed))
    return seconds


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Every call that boto3 clients make meanwhile."""
    from botocore.client import BaseClient

    calls: list[Call] = []
    original = BaseClient._make_api_call

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        calls.append((client.meta.service_model.service_name, operation, dict(parameters)))
        return original(client, operation, parameters)

    BaseClient._make_api_call = call
    try:
        yield calls
    finally:
        BaseClient._make_api_call = original


def replay(calls: list[Call]) -> float:
    """The same calls, one after the other; what a page was refused, this is, too."""
    import boto3
    from botocore.exceptions import ClientError

    clients = {service: boto3.client(service) for service, _, _ in calls}
    start = time.perf_counter()
    for service, operation, parameters in calls:
        with suppress(ClientError):
            answer = clients[service]._make_api_call(operation, parameters)
            if hasattr(answer.get("Body"), "read"):
                answer["Body"].read()
    return time.perf_counter() - start


def browse(pages: list[Page]) -> Iterator[tuple[Page, float]]:
    from playwright.sync_api import sync_playwright

    from dashboard.account import KEPT_SECONDS

    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1280, "height": 900})
        window.set_default_timeout(120_000)
        for warm_up in (True, False):
            for page in pages:
                if not warm_up:
                    time.sleep(KEPT_SECONDS + 0.5)
                start = time.perf_counter()
                window.goto(f"{address}/{page.name}")
                window.wait_for_function(DRAWN)
                if not warm_up:
                    yield page, time.perf_counter() - start
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    """The dashboard's address, as `mlops dashboard` serves it."""
    import socket
    from urllib.request import urlopen

    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/server.py", "--server.port", str(port)]
    process = subprocess.Popen([*command, "--", "--target", "laptop"], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with suppress(OSError):
                urlopen(f"http://{LOOPBACK}:{port}/_stcore/health").close()
                break
            time.sleep(0.1)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


def report(found: Mapping[Page, Seconds], executions: int) -> None:
    print(f"{'seconds':60} {'cold':>6} {'kept':>6} {'calls alone':>12} {'browser':>8}")
    for page, took in found.items():
        browser = "" if took.browser is None else f"{took.browser:8.2f}"
        print(f"{page.name:60} {took.cold:6.2f} {took.warm:6.2f} {took.bare:6.2f} ({took.calls:3}) {browser}")
    slowest = max(found, key=lambda page: found[page].cold)
    took = found[slowest]
    browsed = [each.browser for each in found.values() if each.browser is not None]
    note = (
        f"slowest of {len(found)} pages ({slowest.name}) with {executions} executions of churn, nothing kept; the peer "
        f"is its {took.calls} AWS calls alone, one after the other; kept {took.warm:.2f} s"
    )
    note += f"; in Chromium, from navigation until drawn, at most {max(browsed):.2f} s" if browsed else ""
    peers = {"boto3 calls alone": round(took.bare, 2)}
    print(json.dumps({"name": "dashboard", "unit": "s", "ours": round(took.cold, 2), "peers": peers, "note": note}))


if __name__ == "__main__":
    main()
