from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipelines import revision
from pipelines.revision import Revision

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CODEBUILD_RESOLVED_SOURCE_VERSION": SHA, "MLOPS_REPOSITORY": "team/churn"}, Revision(SHA, "team/churn")),
        ({"CODEBUILD_RESOLVED_SOURCE_VERSION": "arn:aws:s3:::bucket/source.zip"}, Revision()),
        (
            {"GITHUB_SHA": SHA, "GITHUB_REPOSITORY": "team/churn", "GITHUB_SERVER_URL": "https://git.example.com"},
            Revision(SHA, "https://git.example.com/team/churn"),
        ),
        ({"MLOPS_COMMIT": "abcdef1", "GITHUB_SHA": SHA}, Revision("abcdef1")),
        ({}, Revision()),
    ],
)
def test_a_build_service_says_which_commit_it_is(tmp_path: Path, environ: dict[str, str], expected: Revision) -> None:
    assert revision.find(tmp_path, environ) == expected


def test_a_clone_knows_its_commit_and_never_tells_a_token(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a.py").write_text("")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    git(tmp_path, "remote", "add", "origin", "https://someone:token@git.example.com/team/churn.git")
    found = revision.find(tmp_path, {})
    assert found.repository == "https://git.example.com/team/churn.git"
    assert found.commit == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "a.py").write_text("# changed")
    assert revision.find(tmp_path, {}).commit == f"{found.commit}-dirty"
    assert Revision().metadata == {}


def git(root: Path, *arguments: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.com"]
    command = ["git", *identity, "-C", str(root), *arguments]
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True).stdout.strip()
