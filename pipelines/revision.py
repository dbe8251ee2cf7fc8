"""Which commit of which repository the code is that makes a pipeline. A build service says so in its variables; in a
clone git knows.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# MLOPS_COMMIT for services that are none of these; CodeBuild, GitHub Actions.
COMMITS = ("MLOPS_COMMIT", "CODEBUILD_RESOLVED_SOURCE_VERSION", "GITHUB_SHA")
CHANGED = "-dirty"  # ends the id where tracked files differ from the commit, as `git describe --dirty` does


@dataclass(frozen=True)
class Revision:
    commit: str = ""  # "" where nothing tells
    repository: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """The members of MetadataProperties that say it."""
        known = {"CommitId": self.commit, "Repository": self.repository}
        return {name: value for name, value in known.items() if value}


def find(root: Path, environ: Mapping[str, str] = os.environ) -> Revision:
    said = next((environ[name] for name in COMMITS if environ.get(name)), "")
    # CodeBuild's version of a source that is no commit is an object's version in S3, or an artifact's ARN.
    commit = said if re.fullmatch(r"[0-9a-f]{7,64}", said) else _commit(root)
    return Revision(commit, _repository(root, environ))


def _commit(root: Path) -> str:
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = commit and _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}{CHANGED}" if changed else commit


def _repository(root: Path, environ: Mapping[str, str]) -> str:
    if name := environ.get("MLOPS_REPOSITORY"):
        return name
    if name := environ.get("GITHUB_REPOSITORY"):
        return f"{environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    # Whoever clones with a token in the address must not find it in the registry.
    return re.sub(r"(?<=://)[^/@]*@", "", _git(root, "remote", "get-url", "origin"))


def _git(root: Path, *arguments: str) -> str:
    """ "" where it fails: no git, no clone, another user's."""
    if not (root / ".git").exists():  # not that of a folder above
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
