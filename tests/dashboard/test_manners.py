"""How all pages behave: whose requests are answered, what leaves the machine, who can read and reach what is shown."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dashboard import account, look, navigation
from sagelocal.config import Settings

PAGES = [*navigation.PAGES, *navigation.own_pages()]
# What is not ours: Streamlit's menu, which with a heading among its pages is no list to axe, and its word for "busy".
JUDGED = {"exclude": [["[data-testid=stSidebarNav]"], ["[data-testid=stHeader]"]]}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@pytest.fixture(scope="session")
def lived_in(laptop: Settings) -> Settings:
    """An account with an execution that failed, and a version that waits."""
    sagemaker = laptop.client("sagemaker")
    steps = [{"Name": "Refuse", "Type": "Fail", "Arguments": {"ErrorMessage": "not today"}}]
    sagemaker.create_pipeline(
        PipelineName="refuses",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": steps}),
        RoleArn=laptop.role_arn,
    )
    arn = sagemaker.start_pipeline_execution(PipelineName="refuses")["PipelineExecutionArn"]
    while sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing":
        time.sleep(0.05)
    sagemaker.create_model_package_group(ModelPackageGroupName="waits")
    container = {"Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"}
    sagemaker.create_model_package(
        ModelPackageGroupName="waits",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container | {"ModelDataUrl": f"s3://{laptop.bucket}/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    return laptop


# Whose requests are answered.


def answer(address: str, path: str, **headers: str) -> int:
    """The status of a GET with these headers and no others; 101 is an open WebSocket."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=20)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value.replace("HERE", where.netloc))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("HERE", "http://HERE", True),
        ("localhost:8501", "http://localhost:8501", True),
        ("HERE", "http://evil.example", False),
        ("HERE", "http://127.0.0.1:4566", False),  # where the bucket's reports are shown
        ("HERE", "null", False),  # a file, or a sandboxed frame
        ("evil.example:8501", "http://evil.example:8501", False),  # a name that leads here: DNS rebinding
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example", False),
    ],
)
def test_pages_of_others_get_no_answer(address: str, host: str, origin: str, allowed: bool) -> None:
    assert answer(address, "/_stcore/stream", Host=host, Origin=origin, **UPGRADE) == (101 if allowed else 403)
    assert answer(address, "/_stcore/health", Host=host, Origin=origin) == (200 if allowed else 403)
    if not host.startswith(("HERE", "localhost")):
        assert answer(address, "/", Host=host) == 403


def test_only_this_machine_reaches_it(address: str) -> None:
    """Listening sockets by the kernel's own table: hexadecimal, bytes of an address back to front."""
    port = f":{urlsplit(address).port:04X}"
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    assert [row[1] for row in rows if row[3] == "0A" and row[1].endswith(port)] == [f"0100007F{port}"]


# What is shown, and who can read and reach it.


def settled(page: Any, title: str) -> None:
    page.get_by_role("heading", level=1, name=title).wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    page.wait_for_function("!document.querySelector('[data-stale=true]')")  # what a run has not drawn anew is faint


@pytest.mark.parametrize(
    ("colours", "pages"),
    [
        ("light", ["registry"]),
        pytest.param("light", PAGES, marks=pytest.mark.slow),
        pytest.param("dark", PAGES, marks=pytest.mark.slow),
    ],
)
def test_each_page_can_be_read(page: Any, address: str, lived_in: Settings, colours: str, pages: list[str]) -> None:
    """By axe-core's rules of WCAG 2.1 AA; and on a phone nothing has to be moved sideways to be read."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe of the extra [dev] checks").Axe()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.emulate_media(color_scheme=colours)
    page.goto(f"{address}/pipelines")
    wrong: list[str] = []
    for each in pages:
        title = navigation.module(each).TITLE
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
        settled(page, title)
        found = axe.run(page, context=JUDGED, options=RULES).response["violations"]
        wrong += [f"{each}: {rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_function(
            "document.querySelector('[data-testid=stMain]').scrollWidth <= 390"
        )  # charts follow late
        page.set_viewport_size({"width": 1280, "height": 900})
    assert wrong == []
    others = [url for url in asked if urlsplit(url).netloc != urlsplit(address).netloc]
    assert [url for url in others if not url.startswith(("data:", "blob:"))] == []


def test_the_keyboard_reaches_what_a_page_holds_and_shows_where_it_is(
    page: Any, address: str, lived_in: Settings
) -> None:
    page.goto(f"{address}/registry?group=waits")
    settled(page, "Registry")
    reached: dict[str, bool] = {}
    for _ in range(40):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(FOCUS)
        reached[name] = seen
        if name == "BODY":
            break
    for wanted in ("Pipelines", "Model package group", "Open a version"):
        found = [seen for name, seen in reached.items() if wanted in name]
        assert found and all(found), (wanted, reached)


# Name of what has the focus, and whether anything about it or what is around it looks different without.
FOCUS = """async () => {
  const one = document.activeElement;
  const around = () => { const seen = []; for (let at = one, up = 0; at && up < 4; at = at.parentElement, up++) {
    const style = getComputedStyle(at);
    seen.push(style.outlineStyle + style.outlineColor + style.boxShadow + style.borderColor + style.backgroundColor);
  } return seen.join(); };
  if (one === document.body || one.matches("main")) return [one.tagName, true];
  const name = one.getAttribute("aria-label") || one.innerText || one.tagName;
  const focused = around();
  one.blur();
  await new Promise((done) => setTimeout(done, 50));
  const plain = around();
  one.focus({focusVisible: true});
  return [name, focused !== plain];
}"""


# Who may change what.


@pytest.mark.parametrize("address", PAGES)
def test_read_only_no_button_changes_anything(
    address: str, app_test: Callable[..., Any], lived_in: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that change something are disabled and say why; the others are pressed, and no call is refused."""
    refused: list[str] = []

    def refuse(model: Any, **_: Any) -> None:
        if not model.name.startswith(account._READING):
            refused.append(model.name)
            raise account.ReadOnly(model.name)

    monkeypatch.setattr(account, "refuse", refuse)
    shown = app_test(address, argv=("--target", "aws")).run()
    for place, button in enumerate(shown.button):
        if button.disabled:
            assert "--allow-changes" in button.help
        else:
            again = app_test(address, argv=("--target", "aws")).run()
            again.button[place].click().run()
            assert [each.value for each in again.exception] == []
    assert refused == []


# What is said when something fails.


def test_an_error_is_one_sentence_with_the_request_s_id() -> None:
    response: Any = {
        "Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"},
        "ResponseMetadata": {"RequestId": "1f2e"},
    }
    assert (
        look.sentence(ClientError(response, "ListPipelines")) == "ThrottlingException: Rate exceeded (request id 1f2e)"
    )
    nobody = look.sentence(EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"))
    assert "http://127.0.0.1:1/" in nobody and "`mlops up`" in nobody


def test_a_sentence_with_somebody_s_words_has_no_link_and_no_picture() -> None:
    assert look.harmless("no ![x](http://evil) <b> $x$ `mlops run`") == r"no !\[x\](http://evil) \<b> \$x\$ `mlops run`"
    assert look.harmless(r"\[x\](http://evil)") == r"\\\[x\\\](http://evil)"  # what escapes ours is escaped, too


def test_a_page_of_html_for_an_answer_stays_a_sentence() -> None:
    response: Any = {"Error": {"Code": "502", "Message": "<html>\n" + 5000 * "x" + "\n</html>"}}
    said = look.sentence(ClientError(response, "ListPipelines"))
    assert said.startswith("502: <html> xxx") and said.endswith("… (request id unknown)") and len(said) < 700


def test_a_button_leads_to_pages_of_the_web_alone_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[tuple[str, str]] = []
    monkeypatch.setattr(look.st, "link_button", lambda _, address, **given: offered.append((address, given["help"])))
    for each in ("javascript:alert(1)", "https:", "", "http://[::1", "data:text/html,x", "https://aws@evil.test/x"):
        look.leave("Open", each)
    assert offered == [("https://aws@evil.test/x", "Leads to `evil.test`.")]
