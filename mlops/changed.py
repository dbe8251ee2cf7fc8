"""`mlops changed`: which use cases commits touch, and why.

Both ends are read: a shared file that is gone touches those that used it, a renamed one those of both names. What no
pipeline uses (pages, tests, stages, the command line, sagelocal) touches none.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlops import console, uses
from mlops.targets import Target
from mlops.use_cases import ROOT, find_all

PROJECT = "MLOPS_PROJECT"  # in a build: what the names of its pipelines begin with
FIRST = "MLOPS_FIRST_BUILD"  # in a build: use cases, with commas, that the first one runs; empty: all of them
# Tests of sagelocal alone, and what they depend on: its images for Clarify and Model Monitor run evaluation/.
_APART = ("tests/sagelocal/", "tests/robustness/")
_REACHING = (
    "sagelocal/",
    "evaluation/",
    "tests/conftest.py",
    "pyproject.toml",
    "images.toml",
    *uses.INSTALLED,
    *_APART,
)

Way = tuple[str, ...]  # files from a use case's own to the changed one


@dataclass(frozen=True)
class Changes:
    head: str  # commit
    since: str  # commit; "" where none is known
    unknown: str = ""  # why use cases count as touched whatever changed; "" where it is known what changed
    files: tuple[str, ...] = ()  # changed, added, deleted, both names of a renamed one
    touched: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)  # by use case

    def document(self) -> dict[str, Any]:
        return {
            "head": self.head,
            "since": self.since or None,
            "unknown": self.unknown or None,
            "files": list(self.files),
            "use_cases": {
                name: [{"file": way[-1], "by": list(way[:-1])} for way in ways] for name, ways in self.touched.items()
            },
        }


def changed(changes: Changes, *, as_json: bool) -> None:
    if as_json:
        console.say(json.dumps(changes.document(), indent=1))
        return
    show(changes)


def show(changes: Changes) -> None:
    if changes.unknown:
        console.say(f"{changes.unknown} These use cases count as touched: {', '.join(changes.touched) or 'none'}.")
        return
    count = len(changes.files)
    what = f"{count} file{'' if count == 1 else 's'} changed from {changes.since[:12]} to {changes.head[:12]}"
    if not changes.touched:
        console.say(f"{what}, and no pipeline uses one of them.")
        return
    console.say(f"{what}.")
    rows = [(name, way[-1], why(way)) for name, ways in changes.touched.items() for way in ways]
    console.show(("use case", "changed file", "used by"), rows)


def pytest_arguments(changes: Changes) -> list[str]:
    """All tests, but for those of sagelocal alone where no known change can reach it."""
    reaching = [each for each in changes.files if each.startswith(_REACHING)]
    if reaching:
        console.note(f"{reaching[0]} changed, so sagelocal's own tests run, too.")
        return ["tests"]
    since = changes.unknown or f"Nothing that sagelocal is made of changed since {changes.since[:12]}."
    console.note(f"{since} The tests of sagelocal alone stay out.")
    return ["tests", *(f"--ignore={folder}" for folder in _APART)]


def why(way: Way) -> str:
    if len(way) > 1:
        return " → ".join(way[:-1])
    return "every installation" if way[0] in uses.INSTALLED else "itself"


def find(since: str, root: Path = ROOT) -> Changes:
    """What the commits since a revision touch. Raises LookupError where there is no git repository or no commit."""
    head = _commit(root, "HEAD")
    if not head:
        raise LookupError(f"{root} is no clone of a git repository with a commit, so nothing tells what changed.")
    start = "" if since.strip("0") == "" else _commit(root, since)
    if not start:
        return everything(head, missing(since, root), root)
    listed = _git(root, "diff", "--name-only", "--no-renames", "-z", start, head)
    files = tuple(sorted(name for name in listed.decode().split("\0") if name))
    with tempfile.TemporaryDirectory() as folder:
        trees = [_tree(root, commit, Path(folder) / commit) for commit in dict.fromkeys((head, start))]
        return Changes(head, start, files=files, touched=touched(files, trees))


def missing(since: str, root: Path) -> str:
    """Why nothing is known since that revision."""
    if since.strip("0") == "":
        return "There is no commit before this push."
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        return f"This clone is shallow and does not have the commit {since}."
    return f"This repository does not have the commit {since}: history was rewritten, or the name is wrong."


def everything(head: str, unknown: str, root: Path = ROOT) -> Changes:
    return Changes(head, "", unknown, touched={case.name: () for case in find_all(root)})


def touched(files: Iterable[str], trees: Iterable[Path]) -> dict[str, tuple[Way, ...]]:
    """The use cases of the first tree that use one of the files, there or in a tree of before."""
    first, *before = trees
    found = {}
    for case in find_all(first):
        used: dict[str, Way] = {}
        for tree in (*before, first):
            used |= uses.files(tree, case.name)
        ways = tuple(used[file] for file in files if file in used)
        if ways:
            found[case.name] = ways
    return found


def built(target: Target, root: Path = ROOT) -> Changes:
    """What changed since the commit of the build pipeline's last execution that succeeded; before one did, what a first
    build runs.
    """
    name = f"{os.environ.get(PROJECT) or 'mlops'}-build"
    commit = last_built(target.client("codepipeline"), name)
    if commit:
        return find(commit, root)
    unbuilt = everything(_commit(root, "HEAD"), f"No execution of the pipeline {name} has succeeded yet.", root)
    return replace(unbuilt, touched=dict.fromkeys(first(root), ()) or unbuilt.touched)


def first(root: Path = ROOT) -> list[str]:
    """What a first build runs, as its project says, of the use cases that there are; empty: everything."""
    chosen = {name.strip() for name in os.environ.get(FIRST, "").split(",")}
    return [case.name for case in find_all(root) if case.name in chosen]


def last_built(codepipeline: Any, name: str) -> str:
    """The commit id; "" where none succeeded, or there is no such pipeline."""
    try:
        for page in codepipeline.get_paginator("list_pipeline_executions").paginate(pipelineName=name):
            for execution in page["pipelineExecutionSummaries"]:  # newest first
                revisions = execution.get("sourceRevisions", [])
                if execution["status"] == "Succeeded" and revisions:
                    return str(revisions[0]["revisionId"])
    except codepipeline.exceptions.PipelineNotFoundException:
        pass
    return ""


def subject(commit: str, root: Path = ROOT) -> str:
    """The first line of a commit's message."""
    return _git(root, "log", "-1", "--format=%s", commit).decode(errors="replace").strip()


def _commit(root: Path, revision: str) -> str:
    """Its full id; "" where this clone has no such commit."""
    # An option in its place would be taken as one.
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    return _git(root, *asked, check=False).decode().strip()


def _tree(root: Path, commit: str, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(_git(root, "archive", "--format=zip", commit))) as files:
        files.extractall(folder)  # links come as plain files
    return folder


def _git(root: Path, *arguments: str, check: bool = True) -> bytes:
    """Raises LookupError with git's own words."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True)
    except FileNotFoundError:
        raise LookupError("git is not installed, and only it knows what changed.") from None
    if done.returncode and check:
        raise LookupError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
