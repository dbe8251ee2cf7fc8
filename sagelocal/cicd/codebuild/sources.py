"""A build's sources: zips from S3, folders of S3, full clones of the local git repositories."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
GIT_KINDS = ("CODECOMMIT", "GITHUB", "GITHUB_ENTERPRISE", "BITBUCKET", "GITLAB", "GITLAB_SELF_MANAGED")
_CLONE_SECONDS = 600


class SourceError(Exception):
    """Becomes the phase context CLIENT_ERROR of DOWNLOAD_SOURCE."""


@dataclass(frozen=True)
class Fetched:
    commit: str = ""
    version: str = ""  # of an object in S3


def inside(repository: Path) -> str:
    """Where a clone's `origin` is in a build's sandbox, for `git fetch`."""
    return f"/codebuild/repositories/{repository.name}"


def from_s3(app: SageLocal, location: str, folder: Path, version: str = "") -> Fetched:
    """`location` is bucket/key of a zip, or bucket/prefix/ of files. Raises SourceError."""
    bucket, _, key = location.removeprefix("s3://").removeprefix("arn:aws:s3:::").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if key.endswith("/") or not key:
            _files(app, bucket, key, folder)
            return Fetched()
        with tempfile.TemporaryFile(dir=folder.parent) as archive:
            more = {"ExtraArgs": {"VersionId": version}} if version else {}
            app.s3.download_fileobj(bucket, key, archive, **more)
            found = app.s3.head_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))
            unzip(archive, folder)
            return Fetched(version=version or str(found.get("VersionId", "")))
    except (BotoCoreError, ClientError) as error:
        raise SourceError(f"{error} for primary source and source version {location}") from error
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise SourceError(f"s3://{bucket}/{key} could not be unpacked: {error}") from error


def text(app: SageLocal, location: str) -> str:
    """An object's text, such as a buildspec's. Raises SourceError."""
    bucket, _, key = location.removeprefix("s3://").removeprefix("arn:aws:s3:::").partition("/")
    try:
        return str(app.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode(errors="replace"))
    except (BotoCoreError, ClientError) as error:
        raise SourceError(f"{error} ({location})") from error


def _files(app: SageLocal, bucket: str, prefix: str, folder: Path) -> None:
    count = 0
    for page in app.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", []):
            name = str(each["Key"])[len(prefix) :]
            target = folder / name
            if not name or name.endswith("/") or not target.resolve().is_relative_to(folder.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            app.s3.download_file(bucket, each["Key"], str(target))
            count += 1
    if not count:
        raise SourceError(f"no object of s3://{bucket} has the prefix {prefix!r}")


def unzip(archive: Any, folder: Path) -> None:
    """With permissions and links, which zipfile leaves out. Links come last: nothing is written through one."""
    with zipfile.ZipFile(archive) as packed:
        links = []
        for member in packed.infolist():
            mode = member.external_attr >> 16
            if stat.S_ISLNK(mode):
                links.append(member)
                continue
            path = Path(packed.extract(member, folder))
            if mode & 0o777 and not member.is_dir():
                path.chmod(mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
        for member in links:
            _link(folder, member.filename, packed.read(member).decode())


def _link(folder: Path, name: str, target: str) -> None:
    path = folder / name
    if ".." in Path(name).parts or not path.parent.resolve().is_relative_to(folder.resolve()):
        return
    if os.path.lexists(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def repository(app: SageLocal, kind: str, location: str) -> Path:
    """The local repository that a git address stands for. Raises SourceError naming the remedy."""
    from sagelocal.cicd import remote

    address = re.sub(r"^(https?://|ssh://|git@)", "", location).removesuffix(".git").rstrip("/")
    parts = re.split(r"[/:]", address)
    names = ["/".join(parts[-2:])] if kind != "CODECOMMIT" else []
    names.append(f"local/{parts[-1]}")
    for name in names:
        try:
            return remote.repository(app.settings, name)
        except (LookupError, ValueError):
            continue
    raise SourceError(
        f"The repository {location} has no counterpart on this laptop: of its names, {' and '.join(names)}, none is a "
        "local git repository. `mlops cicd up` makes one."
    )


def clone(repository: Path, version: str, folder: Path, depth: int = 0) -> Fetched:
    """A clone in full (or `depth` commits), with `version` (a commit, branch or tag; "" for HEAD) checked out.

    Raises SourceError in git's words.
    """
    if version.startswith("-"):  # git would take it for an option, and some of those are commands
        raise SourceError(f"reference not found for primary source and source version {version}")
    address = f"file://{repository}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if depth:
        git(folder.parent, "clone", "--quiet", "--depth", str(depth), "--no-checkout", address, str(folder))
        if version:
            git(folder, "fetch", "--quiet", "--depth", str(depth), "origin", version)
            version = "FETCH_HEAD"
    else:
        git(folder.parent, "clone", "--quiet", "--no-checkout", address, str(folder))
    commit = _commit(folder, version)
    git(folder, "checkout", "--quiet", "--detach", commit)
    git(folder, "remote", "set-url", "origin", inside(repository))
    return Fetched(commit=commit)


def _commit(folder: Path, version: str) -> str:
    tried = [f"refs/remotes/origin/{version}", f"refs/tags/{version}", version] if version else ["HEAD"]
    for name in tried:
        try:
            return git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except SourceError:
            continue
    if re.fullmatch(r"[0-9a-f]{40}", version):  # a commit that no branch has any more
        git(folder, "fetch", "--quiet", "origin", version)
        return git(folder, "rev-parse", "--verify", f"{version}^{{commit}}")
    raise SourceError(f"reference not found for primary source and source version {version or 'HEAD'}")


def git(folder: Path, *arguments: str) -> str:
    """git's output, without the user's own configuration. Raises SourceError."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    # The repository may be another user's to git, as in a container: it is sagelocal's own.
    command = ["git", "-c", "safe.directory=*", "-c", "protocol.file.allow=always", "-c", "advice.detachedHead=false"]
    try:
        done = subprocess.run(
            [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=_CLONE_SECONDS
        )
    except FileNotFoundError as error:
        raise SourceError("git is needed for a source from a repository: install it") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"git {arguments[0]} did not end within {_CLONE_SECONDS} s") from error
    if done.returncode:
        raise SourceError(f"git {arguments[0]}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout.strip()
