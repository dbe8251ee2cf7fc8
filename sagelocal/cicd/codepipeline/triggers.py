"""What a push starts: triggers with their filters, or the branch that a source action names.

The truth is in the repositories: a reference that is elsewhere than when it was last looked at was pushed. So a push
that came while sagelocal was away, or that it was killed on, is found at the next look.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd import remote
from sagelocal.cicd.codepipeline import executions, globs, records, structure
from sagelocal.cicd.codepipeline.events import REFERENCE
from sagelocal.cicd.codepipeline.records import PIPELINE

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
Document = dict[str, Any]
_NEVER = "pushes are not what starts it"  # DetectChanges is false, say: no push's terminal is told of it
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True)
class Push:
    """One reference that moved; `changed` lists the paths that differ, on demand."""

    repository: str
    reference: str
    before: str
    after: str
    changed: Callable[[], list[str]]

    @property
    def branch(self) -> str:
        return self.reference.removeprefix(_HEADS) if self.reference.startswith(_HEADS) else ""

    @property
    def tag(self) -> str:
        return self.reference.removeprefix(_TAGS) if self.reference.startswith(_TAGS) else ""

    def __str__(self) -> str:
        return f"branch {self.branch}" if self.branch else f"tag {self.tag}"


def look(app: SageLocal) -> None:
    """Starts what the pushes since the last look trigger; each push starts a pipeline once."""
    with app.codepipeline.looking:
        for name, bare in remote.repositories(app.settings):
            try:
                _look(app, name, bare)
            except Exception:  # one broken repository must hold up neither the others nor sagelocal's start
                log.exception("the repository %s cannot be read", bare)


def _look(app: SageLocal, name: str, bare: Path) -> None:
    there = remote.references(bare)
    known = {one["reference"]: one for one in app.store.list(REFERENCE, parent=name)}
    for gone in set(known) - set(there):
        app.store.delete(REFERENCE, f"{name} {gone}")
    for reference, commit in there.items():
        before = known.get(reference, {}).get("commit", remote.NOTHING)
        if before != commit:
            push = Push(name, reference, before, commit, _paths(bare, reference, before, commit))
            _pushed(app, push)


def _paths(bare: Path, reference: str, before: str, after: str) -> Callable[[], list[str]]:
    return lambda: remote.changed(bare, reference, before, after)


def _pushed(app: SageLocal, push: Push) -> None:
    """The executions and that the push was seen are on disk together."""
    plans = [(declared, *_decide(declared, push)) for declared in _declarations(app)]
    started, ignored = [], []
    with app.store.transaction():
        for declared, revisions, why in plans:
            if revisions:
                started.append(_begin(app, declared, push, revisions))
            elif why and why != _NEVER:
                ignored.append({"pipelineName": declared["name"], "why": why})
        document = {
            "repository": push.repository,
            "reference": push.reference,
            "commit": push.after,
            "before": push.before,
            "at": app.now(),
            "started": started,
            "ignored": ignored,
        }
        key = f"{push.repository} {push.reference}"
        if app.store.find(REFERENCE, key):
            app.store.update(REFERENCE, key, document)
        else:
            app.store.create(REFERENCE, key, document, parent=push.repository)
    for one in started:
        app.codepipeline.advance(one["pipelineName"])


def _declarations(app: SageLocal) -> list[Document]:
    return [records.declaration(app, head["name"], head["version"]) for head in app.store.list(PIPELINE)]


def _begin(app: SageLocal, declared: Document, push: Push, revisions: dict[str, Document]) -> Document:
    kind = "WebhookV2" if declared.get("triggers") else "Webhook"
    detail = {"repository": f"{remote.OWNER}/{push.repository}", "reference": push.reference, "commitId": push.after}
    trigger = {"triggerType": kind, "triggerDetail": json.dumps(detail)}
    try:
        execution = records.begin(app, declared["name"], trigger, revisions=revisions)
    except AwsError as error:  # a variable without a value
        return {"pipelineName": declared["name"], "error": error.message}
    return {"pipelineName": declared["name"], "pipelineExecutionId": execution["pipelineExecutionId"]}


def _decide(declared: Document, push: Push) -> tuple[dict[str, Document], str]:
    """What each source action is to take of a push, and otherwise why nothing starts ("": it is none of its own)."""
    revisions, reasons = {}, []
    for action in structure.sources(declared):
        if _repository(action) != push.repository:
            continue
        why = _against(declared, action, push)
        if why:
            reasons.append(why)
        else:
            branch = {"branch": push.branch} if push.branch else {}
            revisions[action["name"]] = {"type": "COMMIT_ID", "value": push.after, **branch}
    return revisions, "; ".join(reasons)


def _repository(action: Document) -> str | None:
    given, provider = action["configuration"], action["actionTypeId"]["provider"]
    if provider == "CodeCommit":
        return str(given["RepositoryName"])
    if provider == "CodeStarSourceConnection":
        owner, _, name = given["FullRepositoryId"].rpartition("/")
        return name if owner in ("", remote.OWNER) else None
    return None


def _against(declared: Document, action: Document, push: Push) -> str:
    """Why a push does not start a pipeline by one of its source actions, "" if it does."""
    given = action["configuration"]
    if action["actionTypeId"]["provider"] == "CodeCommit":
        if given.get("PollForSourceChanges", "true") != "true":
            return _NEVER
        return _not_the_branch(given["BranchName"], push)
    triggers = declared.get("triggers", [])
    if not triggers:
        if given.get("DetectChanges", "true") != "true":
            return _NEVER
        return _not_the_branch(given["BranchName"], push)
    own = [one["gitConfiguration"] for one in triggers if one["gitConfiguration"]["sourceActionName"] == action["name"]]
    if not own:
        return _NEVER
    filters = own[0].get("push", [])
    if not filters:
        return _not_the_branch(given["BranchName"], push)
    reasons = [refused(one, push) for one in filters]
    return "" if "" in reasons else "; ".join(dict.fromkeys(reasons))


def _not_the_branch(branch: str, push: Push) -> str:
    return "" if push.branch == branch else f"it follows the branch {branch}, and this was the {push}"


def refused(criteria: Document, push: Push) -> str:
    """Why a push filter lets a push not through, "" if it does. Excludes win; members of one filter are all to hold."""
    if criteria.get("tags"):
        if not push.tag:
            return f"its filter is on tags, and this was the {push}"
        return _name(criteria["tags"], "tag", push.tag)
    if not push.branch:
        return f"its filter is on branches, and this was the {push}"
    return _name(criteria["branches"], "branch", push.branch) or _files(criteria.get("filePaths", {}), push)


def _name(patterns: Document, what: str, name: str) -> str:
    if found := _first(patterns.get("excludes", []), name):
        return f"the {what} {name} is excluded by {found}"
    includes = patterns.get("includes", [])
    if includes and not _first(includes, name):
        return f"the {what} {name} matches none of {', '.join(includes)}"
    return ""


def _files(patterns: Document, push: Push) -> str:
    if not patterns:
        return ""
    includes, excludes = patterns.get("includes", []), patterns.get("excludes", [])
    paths = push.changed()
    for path in paths:
        if not _first(excludes, path) and (not includes or _first(includes, path)):
            return ""
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    sides = [f"{side} {', '.join(given)}" for side, given in (("includes", includes), ("excludes", excludes)) if given]
    return f"no changed path ({shown or 'none changed'}) passes the filter filePaths: {'; '.join(sides)}"


def _first(patterns: list[str], name: str) -> str:
    return next((pattern for pattern in patterns if globs.matches(pattern, name)), "")


def outcome(app: SageLocal, repository: str, references: list[str]) -> Document:
    """What the last push of these references did: {"started": [...], "ignored": [...]}, each with its reference.

    Raises AwsError when it was not looked at: what an earlier push did must not be told as its own.
    """
    found: dict[str, list[Document]] = {"started": [], "ignored": []}
    there = remote.references(remote.repository(app.settings, repository))
    for reference in references:
        document = app.store.find(REFERENCE, f"{repository} {reference}") or {}
        if document.get("commit") != there.get(reference):
            raise AwsError("InternalFailure", f"The push to {reference} could not be read: see server.log.", 500)
        for member, items in found.items():
            items += [one | {"reference": reference} for one in document.get(member, [])]
    return found


def created(app: SageLocal, declared: Document) -> None:
    """CodePipeline runs a new pipeline at once. Here only if its branches have commits and its variables have values.

    On AWS such an execution fails in its first stage; a repository that nobody has pushed to yet is the usual case of
    a laptop's first `mlops cicd up`.
    """
    if any("defaultValue" not in one for one in declared.get("variables", [])):
        return
    if not all(_has_something(app, action) for action in structure.sources(declared)):
        return
    trigger = {"triggerType": "CreatePipeline", "triggerDetail": records.caller(app)}
    executions.start(app, {"name": declared["name"]}, trigger)


def _has_something(app: SageLocal, action: Document) -> bool:
    name = _repository(action)
    if name is None:
        return action["actionTypeId"]["provider"] == "S3"
    try:
        remote.commit(remote.repository(app.settings, name), f"refs/heads/{action['configuration']['BranchName']}")
    except remote.NoRepository:
        return False
    return True
