"""Starts, stops and takes up builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


@dataclass(frozen=True)
class Input:
    """An artifact that a pipeline hands to a build: a zip in S3, or a commit to be cloned in full."""

    name: str
    s3: str = ""  # s3://bucket/key of the zip; "" for a clone
    repository: str = ""  # of a clone: what `sagelocal.cicd.remote` knows it by, such as local/churn
    commit: str = ""  # of a source artifact: the commit id, which becomes CODEBUILD_RESOLVED_SOURCE_VERSION


@dataclass(frozen=True)
class Order:
    """A build that a pipeline's action asks for; users' own StartBuild has none."""

    project: str
    initiator: str  # codepipeline/<pipeline name>
    inputs: Sequence[Input]
    primary: str  # which input becomes CODEBUILD_SRC_DIR
    outputs: Mapping[str, str] = field(default_factory=dict)  # output artifact's name -> s3://bucket/key to put its zip
    variables: Sequence[Mapping[str, Any]] = ()  # the action's EnvironmentVariables, parsed
    token: str = ""  # the same token gives the same build: a pipeline that goes on after a kill asks again


class Builder:
    def __init__(self, app: SageLocal) -> None:
        self._app = app

    def resume(self) -> None:
        """Goes on with every build that was running when the process ended."""

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next resume() goes on."""
