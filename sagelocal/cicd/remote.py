"""The local git remote: bare repositories in the state folder, which a push reaches and CodePipeline reads.

A source action names one as `local/<name>` (FullRepositoryId of a connection) or `<name>` (CodeCommit's
RepositoryName). Whoever holds the state folder may push; nothing listens for it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sagelocal.config import Settings

OWNER = "local"
NOTHING = "0" * 40  # how git writes that a reference was not there
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REVISION = re.compile(r"refs/[^\s~^:?*\[\\]+|[0-9a-f]{4,64}", re.ASCII)
_SURROGATES = re.compile("[\ud800-\udfff]")  # what `surrogateescape` makes of bytes that are no UTF-8
_GIT_SECONDS = 120.0
# Pushes may rewrite and delete, and take options (git push -o nowait); none waits for a repacking or finds objects
# gone; a build may clone the commit it was started for; a user's own setting does not keep the hook from running.
_SETTINGS = """\
[core]
\tlogAllRefUpdates = true
\thooksPath = hooks
[receive]
\tdenyNonFastForwards = false
\tdenyDeletes = false
\tdenyCurrentBranch = ignore
\tadvertisePushOptions = true
\tautogc = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[uploadpack]
\tallowAnySHA1InWant = true
"""
_HOOK = """#!/bin/sh
# Written by sagelocal: tells it of a push and shows what that started. `mlops cicd up` writes it anew.
for name in $(git rev-parse --local-env-vars); do unset "$name"; done
MLOPS_STATE={state} PYTHONPATH={root} exec {python} -P -m sagelocal.cicd.hook {name}
"""


class NoRepository(LookupError):
    """There is no such repository or reference on this machine."""


@dataclass(frozen=True)
class Commit:
    id: str
    message: str
    author: str
    email: str
    authored: str  # 2026-03-02T09:00:00Z
    committed: str


def folder(settings: Settings) -> Path:
    return settings.state / "git"


def create(settings: Settings, name: str) -> Path:
    """The bare repository `local/<name>`, made when it is not there; settings and hook are written each time.

    Raises ValueError for a name that is none, RuntimeError with git's words.
    """
    if not _NAME.fullmatch(name) or name.endswith((".git", ".lock")) or ".." in name:
        raise ValueError(f"{name!r} cannot be a repository's name: letters, digits, '.', '_' and '-', at most 100.")
    bare = folder(settings) / f"{name}.git"
    if not (bare / "HEAD").exists():
        bare.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _run("init", "--quiet", "--bare", "--template=", str(bare))
        _run("--git-dir", str(bare), "symbolic-ref", "HEAD", "refs/heads/main")  # --initial-branch needs git 2.28
        git(bare, "config", "include.path", "sagelocal.config")
    _write(bare / "sagelocal.config", _SETTINGS, 0o644)
    _write_hook(settings, bare, name)
    return bare


def _write_hook(settings: Settings, bare: Path, name: str) -> None:
    hook = bare / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    text = _HOOK.format(
        state=shlex.quote(str(settings.state)),
        root=shlex.quote(str(Path(__file__).parents[2])),
        python=shlex.quote(sys.executable),
        name=shlex.quote(name),
    )
    _write(hook, text, 0o755)


def _write(file: Path, text: str, mode: int) -> None:
    """Replaced in one step: a push may be using it."""
    draft = file.with_suffix(".tmp")
    draft.write_text(text)
    draft.chmod(mode)
    draft.replace(file)


def repository(settings: Settings, full_name: str) -> Path:
    """The bare repository that `local/<name>` or `<name>` names. Raises NoRepository."""
    owner, _, name = full_name.rpartition("/")
    bare = folder(settings) / f"{name}.git"
    if owner not in ("", OWNER) or not _NAME.fullmatch(name) or not (bare / "HEAD").exists():
        there = ", ".join(f"{OWNER}/{one}" for one in names(settings)) or "none"
        raise NoRepository(
            f"There is no repository {full_name} on this machine (there are: {there}); `mlops cicd up` makes one."
        )
    return bare


def names(settings: Settings) -> list[str]:
    found = folder(settings)
    return sorted(one.name.removesuffix(".git") for one in found.glob("*.git")) if found.exists() else []


def references(bare: Path) -> dict[str, str]:
    """Every branch and tag with the commit it leads to: {"refs/heads/main": id}.

    Without those whose names are no UTF-8: no declaration of a pipeline can mean them.
    """
    written = git(bare, "for-each-ref", "--format=%(objectname) %(*objectname) %(refname)", "refs/heads", "refs/tags")
    found = {}
    for line in written.split("\n")[:-1]:
        own, peeled, name = line.split(" ", 2)  # a name may have what Unicode takes for a space
        if not _SURROGATES.search(name):
            found[name] = peeled or own
    return found


def commit(bare: Path, revision: str) -> Commit:
    """`revision` is a reference or a commit's id. Raises NoRepository for one that is not there."""
    missing = NoRepository(f"The repository {bare.stem} has no {revision}: push it first.")
    if not _REVISION.fullmatch(revision):  # git would read more into it
        raise missing
    try:
        full = git(bare, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except RuntimeError as error:
        raise missing from error
    written = git(bare, "log", "-1", "--no-show-signature", "--format=%H%x00%an%x00%ae%x00%at%x00%ct%x00%B", full)
    readable = written.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # variables are UTF-8
    found, author, email, authored, committed, message = readable.split("\0", 5)
    return Commit(found, message.strip(), author, email, _time(authored), _time(committed))


def changed(bare: Path, reference: str, before: str, after: str) -> list[str]:
    """The paths that a push changed; of a new branch those since it left the default branch."""
    if before == NOTHING:
        before = "" if reference == git(bare, "symbolic-ref", "HEAD").strip() else _left(bare, after)
    if not before:
        return _paths(git(bare, "ls-tree", "-r", "-z", "--name-only", after))
    return _paths(git(bare, "diff", "--no-renames", "--no-ext-diff", "-z", "--name-only", before, after))


def _left(bare: Path, after: str) -> str:
    try:
        return git(bare, "merge-base", "HEAD", after).strip()
    except RuntimeError:  # no default branch yet, or no history in common
        return ""


def _paths(written: str) -> list[str]:
    return [path for path in written.split("\0") if path]


def archive(bare: Path, revision: str, into: Path) -> None:
    """The commit's files as a zip. Raises RuntimeError."""
    git(bare, "archive", "--format=zip", f"--output={into}", revision)


def git(bare: Path, *arguments: str) -> str:
    """What git answers of a repository. Raises RuntimeError with what git says against it."""
    return _run("--git-dir", str(bare), *arguments)


def _run(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd="/",  # the folder that sagelocal was started in may be gone, and git then does nothing
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_GIT_SECONDS,
        check=False,
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"git {' '.join(arguments[-3:])} failed with {done.returncode}: {words}")
    return done.stdout.decode(errors="surrogateescape")


def environment() -> dict[str, str]:
    """This process's variables without git's: those of a hook or of a user's shell would lead it elsewhere."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DEFAULT_HASH": "sha1",  # what clones of today have, whatever a later git makes by default
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _time(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def repositories(settings: Settings) -> Iterator[tuple[str, Path]]:
    for name in names(settings):
        yield name, folder(settings) / f"{name}.git"
