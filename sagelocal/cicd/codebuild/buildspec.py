"""The buildspec: parsed strictly, every complaint with its line, in CodeBuild's words where AWS has them.

Values keep the text of the file (`1.10` stays `1.10`, `yes` stays `yes`), as CodeBuild reads all of them as strings.
Sources: CodeBuild user guide, "Build specification reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import regex
import yaml

PHASES = ("install", "pre_build", "build", "post_build")
TEST_FORMATS = ("JUNITXML",)
COVERAGE_FORMATS = ("COBERTURAXML",)
_OTHER_FORMATS = (
    *("CUCUMBERJSON", "NUNITXML", "NUNIT3XML", "TESTNGXML", "VISUALSTUDIOTRX"),
    *("CLOVERXML", "JACOCOXML", "SIMPLECOV"),
)
_REPORT_GROUPS = 5  # a build may write to
_RETRIES = 3  # of RETRY without a count
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # what no command and no variable can have, and YAML can write
_MERGED = 1000  # keys of a mapping
_SEARCH_SECONDS = 1.0  # some expressions never end, and this one comes with whatever was pushed
_YES, _NO = ("yes", "true", "on"), ("no", "false", "off")


class BuildspecError(ValueError):
    """Becomes the phase context YAML_FILE_ERROR."""


@dataclass(frozen=True)
class OnFailure:
    """What follows a failed phase: "" is the usual transition. `pattern` is searched in the error's message."""

    action: str = ""  # ABORT, CONTINUE or RETRY
    retries: int = 0
    pattern: str = ".*"

    def retried(self, message: str) -> bool:
        """Whether a phase that failed with this message is to run again, if a retry is left."""
        try:
            return bool(regex.search(self.pattern, message, timeout=_SEARCH_SECONDS))
        except TimeoutError:
            return False


@dataclass(frozen=True)
class Phase:
    commands: Sequence[str] = ()
    always: Sequence[str] = ()  # the block `finally`
    run_as: str = ""
    on_failure: OnFailure = OnFailure()
    runtimes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """Which files of the build environment make an artifact, a report or a cache; globs below `base`."""

    files: Sequence[str]
    exclude: Sequence[str] = ()
    base: str = ""
    discard_paths: bool = False
    symlinks: bool = False


@dataclass(frozen=True)
class Artifact:
    files: Files
    name: str = ""


@dataclass(frozen=True)
class Report:
    files: Files
    format: str


@dataclass(frozen=True)
class Env:
    shell: str  # sh or bash
    variables: Mapping[str, str]
    parameter_store: Mapping[str, str]
    secrets_manager: Mapping[str, str]
    exported: Sequence[str]


@dataclass(frozen=True)
class Buildspec:
    version: str
    env: Env
    phases: Mapping[str, Phase]  # only those that the file has
    reports: Mapping[str, Report]
    artifact: Artifact | None
    secondary_artifacts: Mapping[str, Artifact]
    cache: Sequence[str]
    remarks: Sequence[str]  # what the file has and nothing here reads


class _Node:
    """A part of the file: `path` is what it is called in complaints."""

    def __init__(self, node: yaml.Node, path: str, remarks: list[str]) -> None:
        self.node, self.path, self.remarks = node, path, remarks

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def wrong(self, what: str) -> BuildspecError:
        return BuildspecError(f"{self.path or 'the buildspec'} {what} at line {self.line}")

    @property
    def empty(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:null"

    def members(self) -> dict[str, _Node]:
        if self.empty:
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong("has to be a mapping: found another kind of value")
        found: dict[str, _Node] = {}
        for key, value in self.node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.wrong("has a key that is no text")
            inner = _Node(value, f"{self.path}.{key.value}" if self.path else key.value, self.remarks)
            if key.value in found:
                raise inner.wrong("is there twice, the second time")
            found[key.value] = inner
        return found

    def known(self, *names: str) -> dict[str, _Node]:
        """The members; a remark for each that nothing here reads: CodeBuild overlooks those."""
        found = self.members()
        for name, node in found.items():
            if name not in names:
                self.remarks.append(f"{node.path} at line {node.line} is unknown and has no effect")
        return found

    def text(self) -> str:
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.wrong("has to be of string type: found subkeys instead")
        if NO_TEXT.search(self.node.value):
            raise self.wrong("has a character that is none, such as NUL,")
        return "" if self.empty else str(self.node.value)

    def texts(self) -> list[str]:
        if self.empty:
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong("has to be a sequence of strings: found another kind of value")
        return [_Node(node, f"{self.path}[{number}]", []).text() for number, node in enumerate(self.node.value)]

    def flag(self) -> bool:
        said = self.text().lower()
        if said not in (*_YES, *_NO, ""):
            raise self.wrong(f"has to be yes or no, not {said!r}")
        return said in _YES

    def pairs(self) -> dict[str, str]:
        return {name: node.text() for name, node in self.members().items()}


def is_inline(text: str) -> bool:
    """Whether a project's `buildspec` is the text itself; else it is a path or the ARN of an object in S3."""
    return "\n" in text or text.lstrip().startswith("{")


def parse(text: str) -> Buildspec:
    """Raises BuildspecError."""
    top = _top(text)
    found = top.known("version", "run-as", "env", "phases", "reports", "artifacts", "cache", "proxy", "batch")
    version = found["version"].text() if "version" in found else ""
    if version not in ("0.1", "0.2"):
        raise BuildspecError(f"version has to be 0.2 (or 0.1), not {version!r}")
    for name in ("proxy", "batch"):
        if name in found:
            top.remarks.append(f"{name} at line {found[name].line} has no effect here")
    env = _env(found.get("env"))
    run_as = found["run-as"].text() if "run-as" in found else ""
    phases = _phases(found.get("phases"), run_as)
    if not phases:
        raise BuildspecError("phases: at least one phase with commands is needed")
    artifact, secondary = _artifacts(found.get("artifacts"))
    return Buildspec(
        version=version,
        phases=phases,
        reports=_reports(found.get("reports")),
        artifact=artifact,
        secondary_artifacts=secondary,
        cache=_cache(found.get("cache")),
        remarks=top.remarks,
        env=env,
    )


class _Loader(yaml.SafeLoader):
    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges of merges of merges would fill the memory."""
        super().flatten_mapping(node)
        if len(node.value) > _MERGED:
            raise BuildspecError(f"more than {_MERGED} keys come together by << at line {node.start_mark.line + 1}")


def _top(text: str) -> _Node:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise BuildspecError("YAML file is empty")
        for each in _mappings(node, set()):
            loader.flatten_mapping(each)  # `<<: *anchor`
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BuildspecError(f"{error.problem or error}{line}") from error
    except yaml.YAMLError as error:
        raise BuildspecError(str(error)) from error
    except RecursionError as error:
        raise BuildspecError("YAML file is nested too deeply") from error
    finally:
        loader.dispose()
    return _Node(node, "", [])


def _mappings(node: yaml.Node, seen: set[int]) -> Iterator[yaml.MappingNode]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value, seen)


def _env(node: _Node | None) -> Env:
    names = ("shell", "variables", "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper")
    found = node.known(*names) if node else {}
    shell = found["shell"].text() if "shell" in found else "sh"
    if shell not in ("sh", "/bin/sh", "bash", "/bin/bash"):
        raise found["shell"].wrong(f"is {shell!r}: sh and bash are what runs here")
    if "git-credential-helper" in found:
        found["git-credential-helper"].flag()  # the repository needs no credentials here
    tables = {
        name.replace("-", "_"): found[name].pairs() if name in found else {}
        for name in ("variables", "parameter-store", "secrets-manager")
    }
    for table, values in tables.items():
        for name in values:
            _check_name(name, f"env.{table.replace('_', '-')}")
    exported = found["exported-variables"].texts() if "exported-variables" in found else []
    for name in exported:
        _check_name(name, "env.exported-variables")
        if name.startswith("AWS_") or name in tables["secrets_manager"] or name in tables["parameter_store"]:
            raise found["exported-variables"].wrong(f"has {name}: secrets and names with AWS_ can't be exported")
    secrets, parameters = tables["secrets_manager"], tables["parameter_store"]
    return Env(shell.removeprefix("/bin/"), tables["variables"], parameters, secrets, exported)


def _check_name(name: str, place: str) -> None:
    if not NAME.fullmatch(name):
        raise BuildspecError(f"{place}: {name!r} is no name of an environment variable")
    if name.startswith("CODEBUILD_") and "exported" not in place:
        raise BuildspecError(f"{place}: {name} begins with CODEBUILD_, which is reserved")


def _phases(node: _Node | None, run_as: str) -> dict[str, Phase]:
    found = node.members() if node else {}
    for name, phase in found.items():
        if name not in PHASES:
            raise phase.wrong(f"is no phase: they are {', '.join(PHASES)}")
    return {name: _phase(phase, name, run_as) for name, phase in found.items()}


def _phase(node: _Node, name: str, run_as: str) -> Phase:
    names = ["commands", "finally", "run-as", "on-failure", *(["runtime-versions"] if name == "install" else [])]
    found = node.known(*names)
    runtimes = found["runtime-versions"].pairs() if "runtime-versions" in found else {}
    if "commands" not in found and not runtimes:
        raise node.wrong("needs commands")
    return Phase(
        commands=_commands(found["commands"]) if "commands" in found else [],
        always=_commands(found["finally"]) if "finally" in found else [],
        run_as=found["run-as"].text() if "run-as" in found else run_as,
        on_failure=_on_failure(found["on-failure"]) if "on-failure" in found else OnFailure(),
        runtimes=runtimes,
    )


def _commands(node: _Node) -> list[str]:
    """In AWS's words for what happens most: a colon in an unquoted command makes a mapping of it."""
    if isinstance(node.node, yaml.SequenceNode):
        for number, command in enumerate(node.node.value):
            if not isinstance(command, yaml.ScalarNode):
                raise BuildspecError(
                    f"Expected Commands[{number}] to be of string type: found subkeys instead at line "
                    f"{command.start_mark.line + 1}, value of the key tag on line {node.line - 1} might be empty"
                )
    return node.texts()


def _on_failure(node: _Node) -> OnFailure:
    """ABORT, CONTINUE, RETRY, RETRY-<count>, RETRY-<regex>, RETRY-<count>-<regex>."""
    said = node.text()
    if said in ("ABORT", "CONTINUE"):
        return OnFailure(said)
    form = re.fullmatch(r"RETRY(?:-(\d+))?(?:-(.+))?", said, re.DOTALL)
    if not form:
        raise node.wrong(f"is {said!r}: ABORT, CONTINUE and RETRY[-count][-regex] are known")
    count, pattern = form.groups()
    try:
        regex.compile(pattern or "")
    except regex.error as error:
        raise node.wrong(f"has a regular expression that is none ({error})") from error
    retries = int(count) if count else _RETRIES
    if not 1 <= retries <= 100:
        raise node.wrong(f"asks for {retries} retries: from 1 to 100 are possible")
    return OnFailure("RETRY", retries, pattern or ".*")


def _reports(node: _Node | None) -> dict[str, Report]:
    found = node.members() if node else {}
    if len(found) > _REPORT_GROUPS:
        raise BuildspecError(f"reports: a build writes to {_REPORT_GROUPS} report groups at most, not {len(found)}")
    return {name: _report(report) for name, report in found.items()}


def _report(node: _Node) -> Report:
    found = node.known("files", "base-directory", "discard-paths", "file-format")
    kind = found["file-format"].text().upper() if "file-format" in found else TEST_FORMATS[0]
    if kind in _OTHER_FORMATS:
        raise found["file-format"].wrong(
            f"is {kind}, which is not implemented by sagelocal: {', '.join((*TEST_FORMATS, *COVERAGE_FORMATS))} are"
        )
    if kind not in (*TEST_FORMATS, *COVERAGE_FORMATS):
        raise found["file-format"].wrong(f"is {kind!r}, which CodeBuild does not know")
    return Report(_files(node, found), kind)


def _files(node: _Node, found: Mapping[str, _Node]) -> Files:
    if "files" not in found or not (files := found["files"].texts()):
        raise node.wrong("needs files")
    return Files(
        files=files,
        exclude=found["exclude-paths"].texts() if "exclude-paths" in found else [],
        base=found["base-directory"].text() if "base-directory" in found else "",
        discard_paths="discard-paths" in found and found["discard-paths"].flag(),
        symlinks="enable-symlinks" in found and found["enable-symlinks"].flag(),
    )


_ARTIFACT = ("files", "name", "discard-paths", "base-directory", "exclude-paths", "enable-symlinks")


def _artifacts(node: _Node | None) -> tuple[Artifact | None, dict[str, Artifact]]:
    if node is None or node.empty:
        return None, {}
    found = node.known(*_ARTIFACT, "secondary-artifacts")
    secondary = found["secondary-artifacts"].members() if "secondary-artifacts" in found else {}
    primary = _artifact(node, found) if "files" in found or not secondary else None
    return primary, {name: _artifact(each, each.known(*_ARTIFACT)) for name, each in secondary.items()}


def _artifact(node: _Node, found: Mapping[str, _Node]) -> Artifact:
    return Artifact(_files(node, found), found["name"].text() if "name" in found else "")


def _cache(node: _Node | None) -> list[str]:
    found = node.known("paths", "key", "fallback-keys", "action") if node else {}
    for name in ("key", "fallback-keys", "action"):
        if name in found:
            raise found[name].wrong("is not implemented by sagelocal: a cache has one entry a project")
    return found["paths"].texts() if "paths" in found else []
