"""What all pages have in common: they open on an empty account, say where they are, and ask before they change it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from dashboard import account, navigation
from sagelocal import config, server
from sagelocal.config import Settings

PAGES = [*navigation.PAGES, *navigation.own_pages()]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An empty one, not that of the other tests."""
    settings = config.load(tmp_path_factory.mktemp("state"))
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_an_empty_account_says_what_to_run(address: str, app_test: Callable[..., Any]) -> None:
    shown = app_test(address).run()
    assert [each.value for each in (*shown.exception, *shown.error)] == []
    commands = [each.value for each in shown.code]
    assert any(re.match(r"mlops \w+|make run", each) for each in commands), commands


def test_without_a_monitor_it_says_how_to_get_one(app_test: Callable[..., Any]) -> None:
    page = app_test("monitoring").run()
    assert not page.exception
    assert "Nothing is monitored" in page.info[0].value
    assert "mlops demo drift" in page.code[0].value


def test_without_an_endpoint_its_lineage_says_how_to_get_one(app_test: Callable[..., Any]) -> None:
    assert "mlops deploy churn" in [
        line for each in app_test("delivery", lineage="").run().code for line in each.value.split("\n")
    ]


@pytest.mark.parametrize(("options", "said"), [((), "read-only"), (("--allow-changes",), "changes are allowed")])
def test_an_account_of_aws_is_said_in_red(options: tuple[str, ...], said: str, app_test: Callable[..., Any]) -> None:
    shown = app_test("registry", argv=("--target", "aws", *options)).run()
    assert any(
        ":red" in each.value and "account 000000000000, region us-east-1" in each.value and said in each.value
        for each in shown.markdown
    )


def test_without_leave_no_client_changes_anything(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    session.events.register("provide-client-params", account.refuse)
    client = session.client("sagemaker")
    assert client.list_pipelines()["PipelineSummaries"] == []
    with pytest.raises(account.ReadOnly, match="CreateModelPackageGroup changes the account.*--allow-changes"):
        client.create_model_package_group(ModelPackageGroupName="mine")
    assert client.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
