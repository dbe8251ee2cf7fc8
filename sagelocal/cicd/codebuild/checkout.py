"""The sources of one build, in its folder, and the buildspec among them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codebuild import buildspec, sources
from sagelocal.cicd.codebuild.buildspec import Buildspec, BuildspecError
from sagelocal.cicd.codebuild.session import OUTPUT
from sagelocal.cicd.codebuild.sources import Fetched

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


class Checkout:
    """To be made before the build runs anything: from then on, links in its folders may lead anywhere."""

    def __init__(self, app: SageLocal, build: Document, folder: Path) -> None:
        """`folder` is seen inside as OUTPUT."""
        self._app, self._build, self._folder = app, build, folder
        # Any number; the same for all builds of a project, so that caches which have paths in them stay good.
        number = int(hashlib.sha256(build["projectName"].encode()).hexdigest()[:7], 16)
        self.home = f"{OUTPUT}/src{number:09d}/src"  # inside, as all folders here
        self.others: dict[str, str] = {}  # identifier of a secondary source -> its folder
        self.repositories: dict[str, Path] = {}  # what `origin` of a clone is -> the repository out here

    def fetch(self) -> str:
        """The version of the primary source: a commit's id, an object's version, or "". Raises SourceError."""
        build = self._build
        found = self._source(build["source"], self.home, build.get("sourceVersion", ""))
        versions = {each["sourceIdentifier"]: each["sourceVersion"] for each in build["secondarySourceVersions"]}
        for number, source in enumerate(build["secondarySources"]):
            name = source["sourceIdentifier"]
            self.others[name] = f"{OUTPUT}/src{number}/{name}"
            self._source(source, self.others[name], versions.get(name, ""))
        return found.commit or found.version

    def buildspec(self) -> tuple[str, Buildspec]:
        """Where it was, and what it says. Raises BuildspecError, SourceError."""
        given = self._build["source"].get("buildspec") or "buildspec.yml"
        if buildspec.is_inline(given):
            return "/codebuild/readonly/buildspec.yml", buildspec.parse(given)
        if given.startswith(("arn:aws:s3:::", "s3://")):
            return given, buildspec.parse(sources.text(self._app, given))
        root = self._host(self.home).resolve()
        file = (root / given).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            raise BuildspecError(f"stat {self.home}/{given}: no such file or directory")
        return f"{self.home}/{given}", buildspec.parse(file.read_text(errors="replace"))

    def _host(self, inside: str) -> Path:
        return self._folder / inside.removeprefix(f"{OUTPUT}/")

    def _source(self, source: Document, inside: str, version: str) -> Fetched:
        folder = self._host(inside)
        folder.mkdir(parents=True)
        kind, location = source["type"], source.get("location", "")
        if kind == "NO_SOURCE":
            return Fetched()
        if kind == "CODEPIPELINE":
            order = self._build["_order"]
            name = source.get("sourceIdentifier", order["primary"])
            return self._input(next(each for each in order["inputs"] if each["name"] == name), folder)
        if kind == "S3":
            return sources.from_s3(self._app, location, folder, version)
        repository = sources.repository(self._app, kind, location)
        return self._clone(repository, version, folder, source.get("gitCloneDepth", 0))

    def _input(self, artifact: Document, folder: Path) -> Fetched:
        if artifact["s3"]:
            found = sources.from_s3(self._app, artifact["s3"], folder)
            return Fetched(commit=artifact["commit"], version=found.version)
        return self._clone(sources.repository(self._app, "", artifact["repository"]), artifact["commit"], folder, 0)

    def _clone(self, repository: Path, version: str, folder: Path, depth: int) -> Fetched:
        self.repositories[sources.inside(repository)] = repository
        return sources.clone(repository, version, folder, depth)
