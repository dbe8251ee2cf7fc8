"""One build from PROVISIONING to COMPLETED."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal import sandbox
from sagelocal.cicd.codebuild import (
    artifacts,
    builds,
    buildspec,
    caches,
    image,
    reports,
    sources,
    transitions,
    variables,
)
from sagelocal.cicd.codebuild.artifacts import ArtifactError
from sagelocal.cicd.codebuild.buildspec import Buildspec, BuildspecError, Phase
from sagelocal.cicd.codebuild.log import BuildLog
from sagelocal.cicd.codebuild.session import OUTPUT, EndedError, Guard, Session
from sagelocal.cicd.codebuild.sources import SourceError
from sagelocal.cicd.codebuild.variables import VariableError
from sagelocal.environments import overlays
from sagelocal.sandbox import ForbiddenError, Sandbox

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_STATUS = {"stopped": "STOPPED", "timed out": "TIMED_OUT", "": "FAILED"}
_CONTEXT = {
    "timed out": {"statusCode": "BUILD_TIMED_OUT", "message": "Build has timed out. "},
    "": {"statusCode": "CLIENT_ERROR", "message": "The build container ended: a command has ended its init process."},
}
PIP_CONFIGURATION = "/codebuild/pip.conf"


class ClosingError(Exception):
    """sagelocal closes: the build's status stays, and it runs again after the next start."""


class PhaseError(Exception):
    """A phase failed; `code` and the message become its context."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def run(app: SageLocal, identifier: str, folder: Path, guard: Guard) -> None:
    """Raises ClosingError. All else that goes wrong ends in the build's document."""
    build = _begin(app, identifier)
    own = folder / "builds" / f"{identifier.split(':')[1]}-{build['_attempt']}"
    own.mkdir(parents=True)
    guard.limit(build["timeoutInMinutes"] * 60, lambda: guard.end("timed out"))
    log = BuildLog(app, build)
    try:
        if build["_attempt"] > 1:
            log.said("sagelocal was interrupted: the build runs again from its beginning")
        _Run(app, build, own, log, guard).go()
    finally:
        log.close()
        shutil.rmtree(own, ignore_errors=True)


def _begin(app: SageLocal, identifier: str) -> Document:
    """The document in PROVISIONING, with no trace of an attempt that was interrupted."""

    def edit(build: Document) -> None:
        now = app.now()
        build["_attempt"] += 1
        build["phases"] = build["phases"][:2]
        if "phaseStatus" not in build["phases"][-1]:
            transitions.leave(build, "SUCCEEDED", now)
        transitions.enter(build, "PROVISIONING", now)

    return app.store.update(builds.KIND, identifier, edit=edit)


class _Run:
    def __init__(self, app: SageLocal, build: Document, folder: Path, log: BuildLog, guard: Guard) -> None:
        self.app, self.build, self.folder, self.log, self.guard = app, build, folder, log, guard
        self.session: Session | None = None
        self.spec: Buildspec | None = None
        self.succeeding = True
        self.binds: dict[str, Path] = {}
        # Any number; the same for all builds of a project, so that caches which have paths in them stay good.
        number = int(hashlib.sha256(build["projectName"].encode()).hexdigest()[:7], 16)
        self.home = f"{OUTPUT}/src{number:09d}/src"
        self.others: dict[str, str] = {}  # identifier of a secondary source -> its folder inside

    def go(self) -> None:
        status = "SUCCEEDED"
        try:
            self._all()
            status = "SUCCEEDED" if self.succeeding else "FAILED"
        except PhaseError:
            status = "FAILED"
        except EndedError:
            status = _STATUS[self.guard.reason]
        finally:
            if self.session:
                self.session.close()
        if status in ("SUCCEEDED", "FAILED"):
            self._enter("FINALIZING")
            self._leave("SUCCEEDED")
        self.log.close()  # all of it is where it belongs before anybody hears that the build has ended
        self._change(lambda build: transitions.complete(build, status, self.app.now()))

    def _all(self) -> None:
        self.log.said("Waiting for agent ping")
        with self._ending():
            image.make(self.folder / "python")
            self.guard.check()
        self._leave("SUCCEEDED")
        self.log.said("Waiting for DOWNLOAD_SOURCE")
        with self._phase("DOWNLOAD_SOURCE"):
            self._download()
        phase = transitions.RUN[0]
        while phase in transitions.RUN:
            phase = self._run_phase(phase)
        if phase == transitions.UPLOAD:
            with self._phase(phase):
                try:
                    self._upload()
                except ArtifactError as error:
                    raise PhaseError("CLIENT_ERROR", str(error)) from error

    # The record.

    def _change(self, edit: Any) -> None:
        if self.guard.reason == "closing":
            raise ClosingError
        self.build = self.app.store.update(builds.KIND, self.build["id"], edit=edit)

    def _enter(self, phase: str) -> None:
        self._change(lambda build: transitions.enter(build, phase, self.app.now()))

    def _leave(self, status: str, contexts: Sequence[Document] = ()) -> None:
        self._change(lambda build: transitions.leave(build, status, self.app.now(), contexts))

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """A phase that is broken off gets the status of what broke it off. Raises ClosingError, EndedError."""
        try:
            yield
        except EndedError:
            if self.guard.reason == "closing":
                raise ClosingError from None
            context = _CONTEXT.get(self.guard.reason)
            self._complete(_STATUS[self.guard.reason], context)
            raise

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Raises PhaseError again after it is recorded."""
        self._enter(name)
        with self._ending():
            try:
                self.guard.check()
                yield
            except PhaseError as error:
                self._complete("FAILED", {"statusCode": error.code, "message": str(error)})
                raise
        self._complete("SUCCEEDED")

    def _complete(self, status: str, context: Document | None = None) -> None:
        phase = self.build["currentPhase"]
        said = context or {"statusCode": "", "message": ""}
        self.log.said(f"Phase complete: {phase} State: {status}")
        self.log.said(f"Phase context status code: {said['statusCode']} Message: {said['message']}")
        self._leave(status, [context] if context else [])

    # DOWNLOAD_SOURCE

    def _download(self) -> None:
        self.log.said("Phase is DOWNLOAD_SOURCE")
        try:
            self._fetch()
            self.log.said(f"CODEBUILD_SRC_DIR={self.home}")
            self.spec = self._buildspec()
            for line in self.spec.remarks:
                self.log.said(f"sagelocal: buildspec: {line}")
            self._start(self.spec)
        except SourceError as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error
        except BuildspecError as error:
            raise PhaseError("YAML_FILE_ERROR", str(error)) from error
        except VariableError as error:
            raise PhaseError(error.code, str(error)) from error
        except ForbiddenError as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error

    def _fetch(self) -> None:
        order = self.build["_order"]
        found = self._source(self.build["source"], self._host(self.home), self.build.get("sourceVersion", ""), order)
        if version := found.commit or found.version:
            self._change(lambda build: build.__setitem__("resolvedSourceVersion", version))
        versions = {each["sourceIdentifier"]: each["sourceVersion"] for each in self.build["secondarySourceVersions"]}
        for number, source in enumerate(self.build["secondarySources"]):
            name = source["sourceIdentifier"]
            self.others[name] = f"{OUTPUT}/src{number}/{name}"
            self._source(source, self._host(self.others[name]), versions.get(name, ""), order)

    def _source(self, source: Document, folder: Path, version: str, order: Document | None) -> sources.Fetched:
        folder.mkdir(parents=True)
        kind, location = source["type"], source.get("location", "")
        if kind == "NO_SOURCE":
            return sources.Fetched()
        if kind == "CODEPIPELINE":
            assert order
            name = source.get("sourceIdentifier", order["primary"])
            return self._input(next(each for each in order["inputs"] if each["name"] == name), folder)
        if kind == "S3":
            return sources.from_s3(self.app, location, folder, version)
        return self._clone(
            sources.repository(self.app, kind, location), version, folder, source.get("gitCloneDepth", 0)
        )

    def _input(self, artifact: Document, folder: Path) -> sources.Fetched:
        if artifact["s3"]:
            found = sources.from_s3(self.app, artifact["s3"], folder)
            return sources.Fetched(commit=artifact["commit"], version=found.version)
        return self._clone(sources.repository(self.app, "", artifact["repository"]), artifact["commit"], folder, 0)

    def _clone(self, repository: Path, version: str, folder: Path, depth: int) -> sources.Fetched:
        self.binds[sources.inside(repository)] = repository
        return sources.clone(repository, version, folder, depth)

    def _buildspec(self) -> Buildspec:
        given = self.build["source"].get("buildspec") or "buildspec.yml"
        if "\n" in given:
            self.log.said("YAML location is /codebuild/readonly/buildspec.yml")
            return buildspec.parse(given)
        if given.startswith(("arn:aws:s3:::", "s3://")):
            return buildspec.parse(sources.text(self.app, given))
        self.log.said(f"YAML location is {self.home}/{given}")
        file = (self._host(self.home) / given).resolve()
        if not file.is_relative_to(self._host(self.home).resolve()) or not file.is_file():
            raise BuildspecError(f"stat {self.home}/{given}: no such file or directory")
        return buildspec.parse(file.read_text(errors="replace"))

    def _host(self, inside: str) -> Path:
        """The place on the host of a path below OUTPUT; only safe before the build has begun to make links there."""
        return self.folder / "output" / inside.removeprefix(f"{OUTPUT}/")

    def _start(self, spec: Buildspec) -> None:
        self.log.said("Processing environment variables")
        image.check_users({phase.run_as for phase in spec.phases.values()})
        install = spec.phases.get("install", Phase())
        runtime_lines = image.runtimes(install.runtimes)
        environment = self._environment(spec)
        for line in runtime_lines:
            self.log.said(line)
        self.log.said(f"Moving to directory {self.home}")
        for name in ("ml", "scratch"):
            (self.folder / name).mkdir()
        cache = self.folder.parents[1] / "cache"  # what pip has downloaded for the builds before
        cache.mkdir(exist_ok=True)

        def box(binds: Mapping[str, Path], writable: Mapping[str, Path]) -> Sandbox:
            return Sandbox(
                opt_ml=self.folder / "ml",
                environment=environment,
                hidden=hidden(self.app.settings.state),
                binds={**self.binds, **binds},
                writable={
                    OUTPUT: self.folder / "output",
                    image.PYTHON: self.folder / "python",
                    image.TEMPORARY: self.folder / "scratch",
                    "/root/.cache/pip": cache,
                    **writable,
                },
                hosts={"codebuild": "127.0.0.1"},
            )

        self.session = Session(
            self.folder, box, spec.env.shell, self.home, self.log.output, lasting=spec.version != "0.1"
        )
        self.guard.watch(self.session.process.kill)
        caches.restore(self.app, self.build, spec, self.session, self.log)
        self.log.said(f"Phases found in YAML: {len(spec.phases)}")
        for name, phase in spec.phases.items():
            self.log.said(f" {name.upper()}: {len(phase.commands)} commands")

    def _environment(self, spec: Buildspec) -> dict[str, str]:
        """From what counts least to what counts most, as the guide has it; nobody may set CODEBUILD_*."""
        listed = variables.merged(variables.of_buildspec(spec), self.build["environment"]["environmentVariables"])
        values = variables.resolved(self.app, listed)
        self.log.hide(values[each["name"]] for each in listed if each["type"] != variables.PLAINTEXT)
        configuration = overlays.pip_configuration()
        if configuration:
            self.binds[PIP_CONFIGURATION] = configuration
        return {
            **image.environment(),
            **overlays.pip_environment(),
            **({"PIP_CONFIG_FILE": PIP_CONFIGURATION} if configuration else {}),
            **self.app.settings.aws_environment(),
            **values,
            **variables.of_codebuild(self.build, self.home, self.others),
        }

    # The phases of the buildspec.

    def _run_phase(self, phase: str) -> str:
        assert self.spec
        plan = self.spec.phases.get(phase.lower(), Phase())
        try:
            with self._phase(phase):
                self._commands(phase, plan)
        except PhaseError:
            if plan.on_failure.action != "CONTINUE":
                self._failing()
            return transitions.after(phase, False, plan.on_failure.action)
        return transitions.after(phase, True)

    def _commands(self, phase: str, plan: Phase) -> None:
        """Raises PhaseError when a command fails and no retry is left."""
        left = plan.on_failure.retries
        self.log.said(f"Entering phase {phase}")
        while True:
            try:
                return self._once(plan)
            except PhaseError as error:
                if left < 1 or not re.search(plan.on_failure.pattern, str(error)):
                    raise
                left -= 1
                self.log.said(f"{error}")
                self.log.said(f"Retrying phase {phase}: {left} of {plan.on_failure.retries} retries left after this")

    def _once(self, plan: Phase) -> None:
        failure: PhaseError | None = None
        for commands in (plan.commands, plan.always):
            try:
                for command in commands:
                    self._command(command, plan.run_as)
            except PhaseError as error:
                failure = failure or error
        if failure:
            raise failure

    def _command(self, command: str, user: str) -> None:
        assert self.session
        command = command.rstrip("\n")
        self.log.said(f"Running command {command}")
        status = self.session.run(command, user)
        self.guard.check()
        if status:
            self.log.said(f"Command did not exit successfully {command} exit status {status}")
            reason = f"Error while executing command: {command}. Reason: exit status {status}"
            raise PhaseError("COMMAND_EXECUTION_ERROR", reason)

    def _failing(self) -> None:
        assert self.session
        self.succeeding = False
        line = "export CODEBUILD_BUILD_SUCCEEDING='0'"
        with self._ending():
            self.session.append(line)

    # UPLOAD_ARTIFACTS

    def _upload(self) -> None:
        """Reports, artifacts and cache are packed by the sandbox, then it ends, then they are sent."""
        assert self.session and self.spec
        spec, session = self.spec, self.session
        exported = self._exported(spec, session)
        self._change(lambda build: build.__setitem__("exportedEnvironmentVariables", exported))
        wanted = artifacts.wanted(self.build, spec, session)
        packed = artifacts.pack(wanted, session, self.log)
        found = reports.collect(spec, session, self.log)
        cached = caches.pack(self.build, spec, session, self.log) if self.succeeding else None
        session.close()
        self.session = None
        arns, wrong = reports.publish(self.app, self.build, spec.reports, found)
        self._change(lambda build: build.__setitem__("reportArns", arns))
        if cached:
            caches.save(self.app, self.build, cached, self.log)
        made = artifacts.send(self.app, self.build, wanted, packed)
        self._change(lambda build: build.update(made))
        if wrong:
            raise ArtifactError(f"Error in UPLOAD_ARTIFACTS phase: [{', '.join(wrong)}]")

    def _exported(self, spec: Buildspec, session: Session) -> list[Document]:
        """Those that are set; the guide: their values are the ones after post_build."""
        texts = [text for name in spec.env.exported for text in (f"${{{name}+set}}", f"${{{name}-}}")]
        values = session.expand(texts)
        pairs = zip(spec.env.exported, values[::2], values[1::2], strict=True)
        return [{"name": name, "value": value} for name, is_set, value in pairs if is_set == "set"]


def hidden(state: Path) -> list[Path]:
    """As for jobs; but the packages are shown, also where sagelocal itself is one of them."""
    shown = [Path(folder).resolve() for folder in image.packages()]
    return [path for path in sandbox.hidden_paths(state) if path.resolve() not in shown]
