"""A project's cache: the paths of the buildspec, kept as one archive on this machine or in S3.

AWS's local cache lives on the build host for a while; this one lives in the state folder until InvalidateProjectCache.
The modes for sources and Docker layers make nothing faster here and are accepted.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.cicd.codebuild import artifacts
from sagelocal.cicd.codebuild.artifacts import ArtifactError
from sagelocal.cicd.codebuild.buildspec import Buildspec, Files
from sagelocal.cicd.codebuild.session import Session

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.cicd.codebuild.log import BuildLog

Document = dict[str, Any]
_ARCHIVE = "cache.tar.gz"


def _wanted(build: Document, spec: Buildspec) -> bool:
    cache = build["cache"]
    local = cache["type"] == "LOCAL" and "LOCAL_CUSTOM_CACHE" in cache.get("modes", [])
    return bool(spec.cache) and (local or cache["type"] == "S3")


def _local(app: SageLocal, project: str) -> Path:
    return app.settings.state / "codebuild" / "caches" / f"{project}.tar.gz"


def _object(build: Document) -> tuple[str, str]:
    bucket, _, prefix = build["cache"]["location"].removeprefix("arn:aws:s3:::").partition("/")
    name = build["cache"].get("cacheNamespace") or build["projectName"]
    return bucket, "/".join(part for part in (prefix.strip("/"), f"{name}.tar.gz") if part)


def restore(app: SageLocal, build: Document, spec: Buildspec, session: Session, log: BuildLog) -> None:
    """Puts what an earlier build kept where that had it; a cache that can't be had is no failure. Raises EndedError."""
    if not _wanted(build, spec):
        return
    target = session.readonly / _ARCHIVE
    if build["cache"]["type"] == "S3":
        bucket, key = _object(build)
        try:
            app.s3.download_file(bucket, key, str(target))
        except (BotoCoreError, ClientError) as error:
            log.said(f"Unable to download cache: {error}")
            return
    elif (kept := _local(app, build["projectName"])).exists():
        shutil.copyfile(kept, target)
    else:
        return
    try:
        done = artifacts.restore(_ARCHIVE, session)
        log.said(f"Restored {done['count']} files of the cache, {len(done['skipped'])} could not be written")
    except ArtifactError as error:
        log.said(f"Unable to restore cache: {error}")


def pack(build: Document, spec: Buildspec, session: Session, log: BuildLog) -> Path | None:
    """The archive on the host, None where there is nothing to keep. Raises EndedError."""
    if not _wanted(build, spec):
        return None
    return artifacts.collect([Files(spec.cache)], "cache", session, log, tar=True)[0].path


def save(app: SageLocal, build: Document, archive: Path, log: BuildLog) -> None:
    """After the sandbox has ended."""
    if build["cache"]["type"] == "S3":
        bucket, key = _object(build)
        try:
            app.s3.upload_file(str(archive), bucket, key)
        except (BotoCoreError, ClientError) as error:
            log.said(f"Unable to upload cache: {error}")
        return
    kept = _local(app, build["projectName"])
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(f".{build['id'].split(':')[1]}")
    shutil.copyfile(archive, draft)
    draft.replace(kept)


def forget(app: SageLocal, project: str) -> None:
    """Deletes the local cache."""
    with contextlib.suppress(FileNotFoundError):
        _local(app, project).unlink()
