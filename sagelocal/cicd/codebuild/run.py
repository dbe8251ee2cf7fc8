"""One build from PROVISIONING to COMPLETED."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal import sandbox
from sagelocal.cicd.codebuild import artifacts, builds, caches, image, reports, transitions, variables
from sagelocal.cicd.codebuild.artifacts import ArtifactError
from sagelocal.cicd.codebuild.buildspec import Buildspec, BuildspecError, Phase
from sagelocal.cicd.codebuild.checkout import Checkout
from sagelocal.cicd.codebuild.log import BuildLog
from sagelocal.cicd.codebuild.record import STATUS, PhaseError, Record
from sagelocal.cicd.codebuild.session import OUTPUT, EndedError, Guard, Session
from sagelocal.cicd.codebuild.sources import SourceError
from sagelocal.cicd.codebuild.variables import VariableError
from sagelocal.environments import overlays
from sagelocal.sandbox import ForbiddenError, Sandbox

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_PIP_CONFIGURATION = "/codebuild/pip.conf"  # inside


def run(app: SageLocal, identifier: str, folder: Path, guard: Guard) -> None:
    """Raises ClosingError. All else that goes wrong with a build ends in its document."""
    build = _begin(app, identifier)
    own = folder / "builds" / f"{identifier.split(':')[1]}-{build['_attempt']}"
    own.mkdir(parents=True)
    guard.limit(build["timeoutInMinutes"] * 60, lambda: guard.end("timed out"))
    log = BuildLog(app, build)
    try:
        if build["_attempt"] > 1:
            log.said("sagelocal was interrupted: the build runs again from its beginning")
        _Run(app, Record(app, build, log, guard), own, guard).go()
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
    spec: Buildspec
    session: Session

    def __init__(self, app: SageLocal, record: Record, folder: Path, guard: Guard) -> None:
        self.app, self.record, self.folder, self.guard = app, record, folder, guard
        self.log = record.log
        self.checkout = Checkout(app, record.build, folder / "output")
        self.succeeding = True
        self.secrets: set[str] = set()  # names of variables

    def go(self) -> None:
        try:
            self._all()
            status = "SUCCEEDED" if self.succeeding else "FAILED"
        except PhaseError:
            status = "FAILED"
        except EndedError:
            status = STATUS[self.guard.reason]
        finally:
            if hasattr(self, "session"):
                self.session.close()
        if status in ("SUCCEEDED", "FAILED"):
            with self.record.phase(transitions.FINALIZING):
                pass
        self.log.close()  # all of it is where it belongs before anybody hears that the build has ended
        self.record.complete(status)

    def _all(self) -> None:
        self.log.said("Waiting for agent ping")
        with self.record.ending_phase():
            image.make(self.folder / "python")
        self.log.said("Waiting for DOWNLOAD_SOURCE")
        with self.record.phase("DOWNLOAD_SOURCE"):
            self._download()
        phase = transitions.RUN[0]
        while phase in transitions.RUN:
            phase = self._run_phase(phase)
        if phase == transitions.UPLOAD:
            with self.record.phase(phase):
                self._upload()

    # DOWNLOAD_SOURCE

    def _download(self) -> None:
        self.log.said("Phase is DOWNLOAD_SOURCE")
        try:
            if version := self.checkout.fetch():
                self.record.change(resolvedSourceVersion=version)
            self.log.said(f"CODEBUILD_SRC_DIR={self.checkout.home}")
            place, self.spec = self.checkout.buildspec()
            self.log.said(f"YAML location is {place}")
            for line in self.spec.remarks:
                self.log.said(f"sagelocal: buildspec: {line}")
            self._start()
        except (SourceError, ForbiddenError) as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error
        except BuildspecError as error:
            raise PhaseError("YAML_FILE_ERROR", str(error)) from error
        except VariableError as error:
            raise PhaseError(error.code, str(error)) from error

    def _start(self) -> None:
        spec = self.spec
        self.log.said("Processing environment variables")
        image.check_users({phase.run_as for phase in spec.phases.values()})
        runtimes = image.runtimes(spec.phases.get("install", Phase()).runtimes)
        environment, binds = self._environment()
        project = str(self.record.build["projectName"])
        for line in (*runtimes, f"Moving to directory {self.checkout.home}"):
            self.log.said(line)

        def box(more_binds: Mapping[str, Path], more_writable: Mapping[str, Path]) -> Sandbox:
            return Sandbox(
                opt_ml=_made(self.folder / "ml"),
                environment=environment,
                hidden=hidden(self.app.settings.state),
                binds={**self.checkout.repositories, **binds, **more_binds},
                writable={
                    OUTPUT: self.folder / "output",
                    image.PYTHON: self.folder / "python",
                    image.TEMPORARY: _made(self.folder / "scratch"),
                    # What pip has downloaded for the project's earlier builds; another project's are not to be trusted.
                    "/root/.cache/pip": _made(self.app.settings.state / "codebuild" / "pip-cache" / project),
                    **more_writable,
                },
                hosts={"codebuild": "127.0.0.1"},
            )

        home, lasting = self.checkout.home, spec.version != "0.1"
        self.session = Session(self.folder, box, spec.env.shell, home, self.log.output, lasting)
        self.guard.watch(self.session.process.kill)
        caches.restore(self.app, self.record.build, spec, self.session, self.log)
        self.log.said(f"Phases found in YAML: {len(spec.phases)}")
        for name, phase in spec.phases.items():
            self.log.said(f" {name.upper()}: {len(phase.commands)} commands")

    def _environment(self) -> tuple[dict[str, str], dict[str, Path]]:
        """Variables, from what counts least to what counts most, as the guide has it; and what pip's need to see."""
        build = self.record.build
        listed = variables.merged(variables.of_buildspec(self.spec), build["environment"]["environmentVariables"])
        values = variables.resolved(self.app, listed)
        self.secrets = {each["name"] for each in listed if each["type"] != variables.PLAINTEXT}
        self.log.hide(values[name] for name in self.secrets)
        configuration = overlays.pip_configuration()
        environment = {
            **image.environment(),
            **overlays.pip_environment(),
            **({"PIP_CONFIG_FILE": _PIP_CONFIGURATION} if configuration else {}),
            **self.app.settings.aws_environment(),
            **values,
            **variables.of_codebuild(build, self.checkout.home, self.checkout.others),
        }
        return environment, {_PIP_CONFIGURATION: configuration} if configuration else {}

    # The phases of the buildspec.

    def _run_phase(self, name: str) -> str:
        """The phase that follows."""
        plan = self.spec.phases.get(name.lower(), Phase())
        try:
            with self.record.phase(name):
                self.log.said(f"Entering phase {name}")
                try:
                    self._commands(name, plan)
                except PhaseError:
                    # Also with CONTINUE: it goes on with a build that has failed.
                    self.succeeding = False
                    self.session.append("export CODEBUILD_BUILD_SUCCEEDING='0'")
                    raise
        except PhaseError:
            return transitions.after(name, False, plan.on_failure.action)
        return transitions.after(name, True)

    def _commands(self, name: str, plan: Phase) -> None:
        """Raises PhaseError when a command fails and no retry is left."""
        left = plan.on_failure.retries
        while True:
            try:
                return self._once(plan)
            except PhaseError as error:
                if left < 1 or not plan.on_failure.retried(str(error)):
                    raise
                left -= 1
                self.log.said(f"{error}")
                self.log.said(f"Retrying phase {name}: {left} of {plan.on_failure.retries} retries left after this")

    def _once(self, plan: Phase) -> None:
        failure: PhaseError | None = None
        for commands in (plan.commands, plan.always):
            try:
                for command in commands:
                    self._command(command.rstrip("\n"), plan.run_as)
            except PhaseError as error:
                failure = failure or error
        if failure:
            raise failure

    def _command(self, command: str, user: str) -> None:
        self.log.said(f"Running command {command}")
        status = self.session.run(command, user)
        self.guard.check()
        if status:
            self.log.said(f"Command did not exit successfully {command} exit status {status}")
            reason = f"Error while executing command: {command}. Reason: exit status {status}"
            raise PhaseError("COMMAND_EXECUTION_ERROR", reason)

    # UPLOAD_ARTIFACTS

    def _upload(self) -> None:
        """Artifacts, reports and cache are packed by the sandbox; when it has ended, they are sent."""
        spec, session, build = self.spec, self.session, self.record.build
        try:
            self.record.change(exportedEnvironmentVariables=self._exported())
            wanted = artifacts.wanted(build, spec, session)
            packed = artifacts.pack(wanted, session, self.log)
            found = reports.collect(spec, session, self.log)
            cached = caches.pack(build, spec, session, self.log) if self.succeeding else None
            session.close()
            arns, wrong = reports.publish(self.app, build, spec.reports, found)
            self.record.change(reportArns=arns)
            if cached:
                caches.save(self.app, build, cached, self.log)
            self.record.change(**artifacts.send(self.app, build, wanted, packed))
        except ArtifactError as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error
        if wrong:
            raise PhaseError("CLIENT_ERROR", f"Error in UPLOAD_ARTIFACTS phase: [{', '.join(wrong)}]")

    def _exported(self) -> list[Document]:
        """Those that are set and no secrets; the guide: their values are the ones after post_build."""
        names = [name for name in self.spec.env.exported if name not in self.secrets]
        values = self.session.expand([text for name in names for text in (f"${{{name}+set}}", f"${{{name}-}}")])
        pairs = zip(names, values[::2], values[1::2], strict=True)
        return [{"name": name, "value": value} for name, is_set, value in pairs if is_set == "set"]


def hidden(state: Path) -> list[Path]:
    """As for jobs; but the packages are shown, also where sagelocal itself is one of them."""
    shown = [Path(folder).resolve() for folder in image.packages()]
    return [path for path in sandbox.hidden_paths(state) if path.resolve() not in shown]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
