from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from moto import mock_aws

from mlops import targets
from sagelocal import config
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]


def test_the_laptop_drops_the_users_own_aws_settings(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    environ = {
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "theirs",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "SAGEMAKER_ROLE_ARN": "arn:aws:iam::111122223333:role/theirs",
        "NO_PROXY": "internal.example.com",
        "HOME": "/home/someone",
    }
    targets.enter_laptop(settings, environ)
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "SAGEMAKER_ROLE_ARN"} & set(environ) == set()
    assert environ["AWS_ENDPOINT_URL"] == settings.ministack_url
    assert environ["AWS_ENDPOINT_URL_SAGEMAKER"] == settings.url
    assert environ["AWS_ACCESS_KEY_ID"] == settings.access_key
    assert environ["NO_PROXY"] == "127.0.0.1,localhost,internal.example.com"
    assert environ["HOME"] == "/home/someone"


def test_unset_takes_out_exactly_what_env_put_in(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    before = {"NO_PROXY": "internal.example.com", "PATH": "/bin", "AWS_ENDPOINT_URL_S3": "https://s3.example.com"}
    shell = before | targets.shell_variables(settings, before)
    names, restored = targets.unset_variables(shell)
    after = {name: value for name, value in (shell | restored).items() if name not in names}
    assert after == before


def test_unset_leaves_a_users_own_settings() -> None:
    mine = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_REGION": "eu-west-1", "SAGEMAKER_USER_CONFIG_OVERRIDE": "/my.yaml"}
    assert targets.unset_variables(mine) == ([], {})


def test_unset_leaves_a_region_set_after_env(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    shell = targets.shell_variables(settings, {}) | {"AWS_REGION": "eu-west-1"}
    names, _ = targets.unset_variables(shell)
    assert "AWS_REGION" not in names
    assert "AWS_DEFAULT_REGION" in names


def test_eval_of_env_and_then_of_unset_leaves_the_shell_as_it_was(tmp_path: Path) -> None:
    mlops = f"{shlex.quote(sys.executable)} -m mlops.cli env"
    script = (
        f'eval "$({mlops})"; echo "$AWS_ENDPOINT_URL_SAGEMAKER"; eval "$({mlops} --unset)"; env | grep -E "^(AWS|SAGE)"'
    )
    environ = {"PATH": os.environ["PATH"], "MLOPS_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}
    run = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.splitlines() == [config.load(tmp_path / "state").url]


@pytest.fixture
def laptop_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell after `eval "$(mlops env)"`, with a region of the user's own in ~/.aws/config."""
    settings = config.load(tmp_path / "state")
    for name, value in settings.shell_environment().items():
        monkeypatch.setenv(name, value)
    profile = tmp_path / "config"
    profile.write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    keys = tmp_path / "credentials"
    keys.write_text("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))


@pytest.mark.usefixtures("laptop_shell")
def test_aws_ignores_the_laptops_variables_and_says_account_and_region(capsys: pytest.CaptureFixture[str]) -> None:
    with mock_aws(config={"core": {"mock_credentials": False}}):
        target = targets.aws()
        assert (target.name, target.account, target.region) == ("aws", "123456789012", "eu-west-1")
        assert target.client("sagemaker").meta.endpoint_url == "https://api.sagemaker.eu-west-1.amazonaws.com"
        assert target.session.get_credentials().access_key == "AKIAEXAMPLE"
    assert capsys.readouterr().err.strip() == "AWS account 123456789012, region eu-west-1"
    assert "SAGEMAKER_USER_CONFIG_OVERRIDE" not in os.environ


def test_aws_without_a_region_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") and "FILE" not in name]:
        monkeypatch.delenv(name)
    with pytest.raises(LookupError, match="No AWS region: set AWS_REGION"):
        targets.aws()


def test_aws_refuses_a_laptop_that_the_users_profile_leads_to(
    laptop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "config"
    profile.write_text(f"[default]\nregion = us-east-1\nendpoint_url = {laptop.ministack_url}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    keys = tmp_path / "credentials"
    keys.write_text(
        f"[default]\naws_access_key_id = {laptop.access_key}\naws_secret_access_key = {laptop.secret_key}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    with pytest.raises(LookupError, match="lead to a laptop"):
        targets.aws()
