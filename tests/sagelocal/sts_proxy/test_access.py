from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from mlops import targets
from sagelocal import config
from sagelocal.sts_proxy import access


def test_unset_leaves_the_shell_as_it_was(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    company = tmp_path / "company.pem"
    company.write_text("the company's own\n")
    for before in ({}, {"AWS_CA_BUNDLE": str(company)}, {"NO_PROXY": "internal.example.com"}):
        shell = before | targets.shell_variables(settings, before) | access.variables(settings, before)
        shell |= access.variables(settings, shell)  # asked for once more
        names, restored = targets.unset_variables(shell)
        assert {name: value for name, value in (shell | restored).items() if name not in names} == before


def test_the_bundle_adds_to_what_the_shell_trusts(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    company = tmp_path / "company.pem"
    company.write_text("the company's own\n")
    authority = (access.folder(settings) / "authority.pem").read_text
    bundle = Path(access.variables(settings, {})["AWS_CA_BUNDLE"])
    assert Path(certifi.where()).read_text() in bundle.read_text() and authority() in bundle.read_text()
    access.variables(settings, {"AWS_CA_BUNDLE": str(company)})
    assert "the company's own" in bundle.read_text() and authority() in bundle.read_text()


def test_a_proxy_of_the_users_own_is_not_replaced(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    with pytest.raises(ValueError, match=r"https_proxy is http://proxy\.example\.com:8080 already"):
        access.variables(settings, {"https_proxy": "http://proxy.example.com:8080"})


def test_a_users_own_proxy_and_bundle_stay_at_unset() -> None:
    own = {"HTTPS_PROXY": "http://me:secret@127.0.0.1:3128", "AWS_CA_BUNDLE": "/etc/ssl/company.pem"}
    assert access.unset(own) == ([], {})
