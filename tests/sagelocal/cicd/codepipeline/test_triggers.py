"""What a push starts, and that it starts it once."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sagelocal.cicd import remote
from sagelocal.cicd.codepipeline.globs import matches
from sagelocal.cicd.codepipeline.triggers import REFERENCE, Push, outcome, refused
from sagelocal.store import Closed
from tests.sagelocal.cicd.codepipeline.conftest import approval, source, stage

App = Any  # conftest's Laptop
CloneOf = Any  # conftest's Clone
WAIT = stage("Approve", approval())


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("main", "main", True),
        ("main", "maintenance", False),
        ("feature/*", "feature/a", True),
        ("feature/*", "feature/a/b", False),
        ("feature/**", "feature/a/b", True),
        ("**.md", "README.md", True),
        ("**.md", "docs/a.md", True),
        ("**/*.md", "README.md", False),
        ("*.{py,toml}", "a.toml", True),
        ("v[0-9].?", "v1.x", True),
        ("v[!0-9]*", "v1", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        ("a.b", "axb", False),
    ],
)
def test_globs(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def push(reference: str, *paths: str) -> Push:
    return Push("r", reference, "a" * 40, "b" * 40, lambda: list(paths))


MAIN = {"includes": ["main"]}


@pytest.mark.parametrize(
    ("criteria", "given", "says"),
    [
        ({"branches": MAIN}, push("refs/heads/main"), ""),
        ({"branches": MAIN}, push("refs/heads/x"), "the branch x matches none of main"),
        ({"branches": MAIN | {"excludes": ["m*"]}}, push("refs/heads/main"), "the branch main is excluded by m*"),
        ({"branches": {"excludes": ["x"]}}, push("refs/heads/y"), ""),
        ({"branches": MAIN}, push("refs/tags/main"), "its filter is on branches, and this was the tag main"),
        ({"tags": {"includes": ["v*"]}}, push("refs/tags/v1"), ""),
        ({"tags": {"includes": ["v*"]}}, push("refs/heads/v1"), "its filter is on tags, and this was the branch v1"),
        ({"branches": MAIN, "filePaths": {"excludes": ["docs/**"]}}, push("refs/heads/main", "docs/a", "b"), ""),
        (
            {"branches": MAIN, "filePaths": {"excludes": ["docs/**"]}},
            push("refs/heads/main", "docs/a"),
            "no changed path (docs/a) passes the filter filePaths: excludes docs/**",
        ),
        ({"branches": MAIN, "filePaths": {"includes": ["a/*"]}}, push("refs/heads/main", "a/b"), ""),
        (
            {"branches": MAIN, "filePaths": {"includes": ["a/*"], "excludes": ["a/b"]}},
            push("refs/heads/main", "a/b", "c"),
            "no changed path (a/b, c) passes the filter filePaths: includes a/*; excludes a/b",
        ),
    ],
)
def test_push_filters(criteria: dict[str, Any], given: Push, says: str) -> None:
    assert refused(criteria, given) == says


def declared(*filters: dict[str, Any]) -> dict[str, Any]:
    git = {"sourceActionName": "Source", "push": list(filters)}
    return {"triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": git}]}


def runs(app: App, name: str = "p") -> list[dict[str, Any]]:
    return list(app.ask("ListPipelineExecutions", pipelineName=name)["pipelineExecutionSummaries"])


def test_a_push_starts_what_its_filters_let_through_once(app: App, clone: CloneOf) -> None:
    code = {"branches": {"includes": ["main"]}, "filePaths": {"excludes": ["docs/**"]}}
    app.look()
    app.pipeline(WAIT, **declared(code, {"tags": {"includes": ["v*"]}}), executionMode="QUEUED")
    app.pipeline(WAIT, name="followed", stages=[stage("Source", source(DetectChanges="true")), WAIT])
    app.pipeline(WAIT, name="manual")
    clone.commit("docs/a.md")
    clone.push()
    app.look()
    assert runs(app) == []
    assert len(runs(app, "followed")) == 1
    found = outcome(app, "r", ["refs/heads/main"])
    assert [one["pipelineName"] for one in found["started"]] == ["followed"]
    assert [one["pipelineName"] for one in found["ignored"]] == ["p"]
    head = clone.commit("b.py")
    clone.git("tag", "v1")
    clone.git("tag", "other")
    clone.push("main", "v1", "other")
    app.look()
    app.look()
    app.until(lambda: all(one.get("sourceRevisions") for one in runs(app)[1:]))
    assert [one["trigger"]["triggerType"] for one in runs(app)] == ["WebhookV2"] * 2
    assert runs(app)[-1]["sourceRevisions"][0]["revisionId"] == head
    assert len(runs(app, "followed")) == 2
    assert runs(app, "manual") == []


def test_a_push_builds_the_pushed_commit_of_its_own_branch(app: App, clone: CloneOf) -> None:
    app.look()
    app.pipeline(WAIT, **declared({"branches": {"includes": ["feature/**"]}}))
    clone.git("checkout", "--quiet", "-b", "feature/x")
    head = clone.commit("c.py")
    clone.push("feature/x")
    app.look()
    (execution,) = runs(app)
    app.action(execution["pipelineExecutionId"], "Approve")
    given = app.details(execution["pipelineExecutionId"], "Source")["output"]["outputVariables"]
    assert (given["BranchName"], given["CommitId"]) == ("feature/x", head)
    clone.push(":feature/x")
    app.look()
    assert app.store.find(REFERENCE, "r refs/heads/feature/x") is None


def test_a_kill_between_push_and_start_loses_and_doubles_nothing(app: App, clone: CloneOf) -> None:
    app.look()
    app.pipeline(WAIT, **declared({"branches": {"includes": ["main"]}}), executionMode="QUEUED")
    for number in range(4):
        clone.commit("d.py", str(number))
        clone.push()
        app.store.writes_left = number
        with contextlib.suppress(Closed):
            app.look()
        app.restart()
        assert len(runs(app)) == number + 1


def test_references_of_any_name_hold_nothing_up(app: App, clone: CloneOf) -> None:
    bare = remote.repository(app.settings, "local/r")
    head = clone.commit("b.py")
    clone.push()
    for name in (b"caf\xe9", "a\u2028b".encode(), "a\xa0b".encode(), b"x;y$(z)"):  # the first is no UTF-8
        subprocess.run(["git", "--git-dir", bare, "update-ref", b"refs/heads/" + name, head], check=True)
    found = remote.references(bare)
    assert found == {f"refs/heads/{name}": head for name in ("main", "a\u2028b", "a\xa0b", "x;y$(z)")}
    app.look()
    seen = outcome(app, "r", ["refs/heads/a\u2028b", "refs/heads/caf\ufffd"])
    assert seen == {"started": [], "ignored": []}


def test_a_repository_that_cannot_be_read_holds_up_no_other(app: App, clone: CloneOf, monkeypatch: Any) -> None:
    app.pipeline(WAIT, stages=[stage("Source", source(DetectChanges="true")), WAIT])
    remote.create(app.settings, "a")
    read = remote.references

    def references(bare: Path) -> dict[str, str]:
        if bare.name == "a.git":
            raise KeyError("x")
        return read(bare)

    monkeypatch.setattr(remote, "references", references)
    app.look()
    assert len(runs(app)) == 1


def test_a_new_branch_counts_what_it_changed_since_it_left(app: App, clone: CloneOf) -> None:
    bare = remote.repository(app.settings, "local/r")
    assert remote.changed(bare, "refs/heads/main", remote.NOTHING, remote.references(bare)["refs/heads/main"]) == [
        "a.py"
    ]
    clone.git("checkout", "--quiet", "-b", "x")
    head = clone.commit("é b.py")
    clone.push("x")
    assert remote.changed(bare, "refs/heads/x", remote.NOTHING, head) == ["é b.py"]


def test_a_new_pipeline_runs_at_once_if_there_is_something_to_run(
    app: App, clone: CloneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the fixture's own
    app.pipeline(WAIT)
    app.pipeline(WAIT, name="empty", stages=[stage("Source", source(BranchName="other")), WAIT])
    app.pipeline(WAIT, name="needy", variables=[{"name": "X"}])
    assert [one["trigger"]["triggerType"] for one in runs(app)] == ["CreatePipeline"]
    assert runs(app, "empty") == runs(app, "needy") == []


def test_a_push_is_an_event_of_codecommit(app: App, clone: CloneOf) -> None:
    app.look()
    events = [event for _, event in app.store.pending_events() if event["source"] == "aws.codecommit"]
    (event,) = events
    assert event["resources"] == ["arn:aws:codecommit:us-east-1:000000000000:r"]
    assert (event["detail"]["event"], event["detail"]["referenceName"]) == ("referenceCreated", "main")


def test_what_executions_do_are_events(app: App, clone: CloneOf) -> None:
    app.pipeline(WAIT)
    execution = app.begin()
    app.answer(execution, "Rejected")
    app.becomes(execution, "Failed")
    kinds = ("Pipeline", "Stage", "Action")
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for _, event in app.store.pending_events():
        if event["source"] == "aws.codepipeline":
            assert event["detail"]["execution-id"] == execution
            detail = event["detail"]
            what = detail.get("action") or detail.get("stage") or detail["pipeline"]
            found[event["detail-type"].split()[1]].append(f"{what} {detail['state']}")
    assert found == {
        "Pipeline": ["p STARTED", "p FAILED"],
        "Stage": ["Source STARTED", "Source SUCCEEDED", "Approve STARTED", "Approve FAILED"],
        "Action": ["Source STARTED", "Source SUCCEEDED", "Approve STARTED", "Approve FAILED"],
    }
