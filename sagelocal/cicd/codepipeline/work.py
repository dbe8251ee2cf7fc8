"""What an action's provider is handed, and what it gives back."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codepipeline import structure, variables
from sagelocal.store import Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_RANDOM = string.ascii_letters + string.digits


class Interrupted(Exception):
    """The action was abandoned, or sagelocal ends: nothing of it is to be recorded."""


@dataclass
class Outcome:
    """How an action ended. `artifacts`: output name -> {"s3", "repository"?, "commit"?}."""

    status: str = "Succeeded"
    summary: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Document] = field(default_factory=dict)
    revision: Document | None = None  # of a source: an ArtifactRevision without its name
    error: Document | None = None  # {"code", "message"}


def failed(message: str, code: str = "JobFailed", summary: str = "") -> Outcome:
    return Outcome("Failed", summary=summary, error={"code": code, "message": message})


@dataclass(frozen=True)
class Work:
    """One run of an action. `configuration` is resolved; `action` its declaration, `record` what is stored of it."""

    app: SageLocal
    kind: str  # the store's kind of `record`
    record: Document
    execution: Document
    declaration: Document
    action: Document
    configuration: dict[str, str]
    scope: variables.Scope
    ending: Callable[[], bool]

    @property
    def id(self) -> str:
        return str(self.record["actionExecutionId"])

    @property
    def inputs(self) -> dict[str, Document]:
        """The input artifacts by name, as the actions that made them gave them."""
        return {one["name"]: self.execution["_artifacts"][one["name"]] for one in self.action["inputArtifacts"]}

    @property
    def bucket(self) -> Document:
        return structure.store_bucket(self.declaration, self.app.settings.region)

    @property
    def encryption(self) -> dict[str, str]:
        """PutObject's arguments for the artifact store's key."""
        key = self.bucket.get("encryptionKey")
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["id"]} if key else {}

    def note(self, **changes: Any) -> None:
        """Keeps what a start after a kill must know, and what GetPipelineState shows of a running action."""
        self.record.update(self.app.store.update(self.kind, self.id, changes))

    def wait(self, kind: str, name: str, done: Callable[[Document], bool], seconds: float | None = None) -> Document:
        """Waits for a document of the store. Raises Interrupted, TimeoutError."""
        found = self.app.store.wait(kind, name, lambda one: done(one) or self._over(), seconds)
        if self._over():
            raise Interrupted
        return found

    def _over(self) -> bool:
        if self.ending():
            return True
        try:
            return bool(self.app.store.get(self.kind, self.id)["status"] == "Abandoned")
        except Missing:  # its pipeline was deleted
            return True


def artifact_key(pipeline: str, artifact: str) -> str:
    """An object's key in the artifact store: CodePipeline shortens both names and adds seven characters."""
    random = "".join(secrets.choice(_RANDOM) for _ in range(7))
    return f"{pipeline[:20]}/{artifact[:10]}/{random}"
