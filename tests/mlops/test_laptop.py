from __future__ import annotations

from pathlib import Path

import pytest

from mlops import laptop as command
from mlops import targets
from sagelocal import config, server
from sagelocal.config import Settings


def test_status_of_a_sagelocal_that_is_down_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    command.status(None, targets.LAPTOP)
    out = capsys.readouterr().out
    assert "down (mlops up starts it)" in out
    assert str(tmp_path / "state") in out
    assert not server.status(config.load())["running"]


def test_up_is_idempotent_and_down_leaves_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    settings = config.load()
    try:
        command.up()
        pid = server.status(settings)["pid"]
        command.up()
        assert server.status(settings)["pid"] == pid
        assert settings.url in capsys.readouterr().out
    finally:
        command.down()
    assert not server.status(settings)["running"]
    assert (tmp_path / "state" / "sagelocal.db").exists()


def test_status_of_a_fresh_sagelocal_names_the_next_command(
    laptop: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)  # so that what `status` sets is undone after the test
    monkeypatch.setenv("MLOPS_STATE", str(laptop.state))
    command.status("churn", targets.LAPTOP)
    shown = capsys.readouterr()
    assert laptop.url in shown.out
    assert "churn never ran here: mlops run churn" in shown.err
