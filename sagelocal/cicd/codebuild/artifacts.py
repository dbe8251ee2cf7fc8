"""Artifacts: what the buildspec names, packed inside the sandbox and put where the project or the pipeline wants it."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.cicd.codebuild.buildspec import Artifact, Buildspec, Files
from sagelocal.cicd.codebuild.session import READONLY, TEMPORARY, Session

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.cicd.codebuild.log import BuildLog

Document = dict[str, Any]
_COLLECT = Path(__file__).with_name("inside") / "collect.py"


class ArtifactError(Exception):
    """Becomes the phase context CLIENT_ERROR of UPLOAD_ARTIFACTS."""


@dataclass(frozen=True)
class Wanted:
    """One artifact of a build: `artifact` is None where the buildspec lacks what project or pipeline asks for."""

    identifier: str  # "" for the primary one
    artifact: Artifact | None
    s3: str  # bucket/key of its zip, or bucket/prefix of its files
    zipped: bool


@dataclass(frozen=True)
class Packed:
    """What the sandbox has made of one pattern list: `path` is on the host, None where nothing matched."""

    path: Path | None
    problem: str
    count: int


def wanted(build: Document, spec: Buildspec, session: Session) -> list[Wanted]:
    order = build["_order"]
    if order:
        return _of_pipeline(order["outputs"], spec)
    found = []
    for number, target in enumerate(build["_artifacts"]):
        if target["type"] != "S3":
            continue
        identifier = target.get("artifactIdentifier", "") if number else ""
        artifact = spec.secondary_artifacts.get(identifier) if number else spec.artifact
        name = target.get("name") or build["projectName"]
        if target.get("overrideArtifactName") and artifact and artifact.name:
            name = session.expand([artifact.name])[0]
        parts = [target["location"].removeprefix("arn:aws:s3:::"), target.get("path", "").strip("/")]
        if target.get("namespaceType") == "BUILD_ID":
            parts.append(build["id"].split(":")[1])
        key = "/".join(part for part in (*parts, "" if name == "/" else name.strip("/")) if part)
        found.append(Wanted(identifier, artifact, key, target.get("packaging") == "ZIP"))
    return found


def _of_pipeline(outputs: Mapping[str, str], spec: Buildspec) -> list[Wanted]:
    """One output artifact is the buildspec's primary one; several are the secondary ones of their names."""
    found = []
    for name, target in outputs.items():
        artifact = spec.secondary_artifacts.get(name) or (spec.artifact if len(outputs) == 1 else None)
        found.append(Wanted(name if len(outputs) > 1 else "", artifact, target.removeprefix("s3://"), True))
    return found


def pack(wanted: Sequence[Wanted], session: Session, log: BuildLog) -> list[Packed]:
    return collect([each.artifact.files for each in wanted if each.artifact], "artifact", session, log)


def collect(listed: Sequence[Files], name: str, session: Session, log: BuildLog, tar: bool = False) -> list[Packed]:
    """Packs files inside the sandbox: nothing that the build has linked to leads out of it. Raises EndedError."""
    if not listed:
        return []
    asked = []
    for number, files in enumerate(listed):
        base, *patterns = session.expand([files.base, *files.files, *files.exclude])
        asked.append(
            {
                "base": base,
                "files": patterns[: len(files.files)],
                "exclude": patterns[len(files.files) :],
                "discard": files.discard_paths,
                "symlinks": files.symlinks,
                "tar": tar,
                "out": f"{TEMPORARY}/{name}-{number}",
            }
        )
    results = _inside({"pack": asked}, name, session)
    return [_packed(session, each, result, log) for each, result in zip(asked, results, strict=True)]


def _inside(asked: Document, name: str, session: Session) -> list[Document]:
    spec = session.put(f"{name}.json", json.dumps(asked))
    program = session.put("collect.py", _COLLECT.read_text())
    command = shlex.join([sys.executable, "-I", "-S", program, spec, f"{TEMPORARY}/{name}-found.json"])
    if session.tool(command):
        raise ArtifactError(f"the {name}s could not be packed: the log has why")
    found: list[Document] = json.loads(session.read(f"{name}-found.json"))
    return found


def restore(archive: str, session: Session) -> Document:
    """Unpacks a tar file of the read-only folder in the sandbox: {"count", "skipped"}. Raises ArtifactError."""
    return _inside({"unpack": f"{READONLY}/{archive}"}, "cache", session)[0]


def _packed(session: Session, asked: Document, result: Document, log: BuildLog) -> Packed:
    base = asked["base"] or "."
    log.said(f"Expanding base directory path: {base}")
    log.said("Assembling file list")
    log.said(f"Expanding {base}")
    if result.get("problem") == "base":
        log.said(f"Skipping invalid file path {base}")
        return Packed(None, f"no matching base directory path found for {base}", 0)
    log.said(f"Expanding file paths for base directory {base}")
    log.said("Assembling file list")
    for pattern in asked["files"]:
        log.said(f"Expanding {pattern}")
        if pattern in result["skipped"]:
            log.said(f"Skipping invalid file path {pattern}")
    if result.get("problem"):
        return Packed(None, "no matching artifact paths found", 0)
    log.said(f"Found {result['count']} file(s)")
    return Packed(session.take(Path(asked["out"]).name), "", result["count"])


def send(app: SageLocal, build: Document, wanted: Sequence[Wanted], packed: Sequence[Packed]) -> Document:
    """Uploads; the members `artifacts` and `secondaryArtifacts` of the build. Raises ArtifactError."""
    waiting = list(packed)
    primary: Document = build["artifacts"]
    secondary = []
    for each in wanted:
        if each.artifact is None:
            what = f"the artifact {each.identifier}" if each.identifier else "artifacts"
            raise ArtifactError(f"no definition for {what} in the buildspec")
        made = waiting.pop(0)
        if made.path is None:
            raise ArtifactError(made.problem)
        try:
            document = _zip(app, each, made.path) if each.zipped else _files(app, each, made.path)
        except (BotoCoreError, ClientError) as error:
            raise ArtifactError(f"{error} (s3://{each.s3})") from error
        if each.identifier:
            secondary.append({**document, "artifactIdentifier": each.identifier})
        else:
            primary = document
    return {"artifacts": primary, "secondaryArtifacts": secondary}


def _zip(app: SageLocal, each: Wanted, path: Path) -> Document:
    bucket, _, key = each.s3.partition("/")
    sums = {}
    with path.open("rb") as content:
        for name in ("sha256", "md5"):
            sums[f"{name}sum"] = hashlib.file_digest(content, name).hexdigest()
            content.seek(0)
        app.s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/zip")
    return {"location": f"arn:aws:s3:::{each.s3}", **sums}


def _files(app: SageLocal, each: Wanted, path: Path) -> Document:
    bucket, _, prefix = each.s3.partition("/")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as content:
                app.s3.upload_fileobj(content, bucket, "/".join(part for part in (prefix, member.filename) if part))
    return {"location": f"arn:aws:s3:::{each.s3}"}
