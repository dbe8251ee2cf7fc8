"""A `pip install` command line as data: what it asks for, whatever the order and the layout of its lines."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# What only changes how pip works or speaks; -U is said separately.
_SILENT = {
    *("-q", "-qq", "-qqq", "--quiet", "-v", "--verbose", "--no-cache-dir", "--disable-pip-version-check", "--no-input"),
    *("--no-color", "--no-warn-script-location", "--no-python-version-warning", "--user", "--break-system-packages"),
    *("--no-warn-conflicts", "--compile", "--no-compile"),
}
_SILENT_VALUES = {"--progress-bar", "--root-user-action", "--timeout", "--default-timeout", "--retries"}
# What changes the result.
_FLAGS = {"--pre", "--no-deps", "--no-index", "--prefer-binary", "--no-build-isolation", "--use-pep517", "-I"} | {
    "--force-reinstall",
    "--ignore-installed",
    "--require-hashes",
}
_VALUES = {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--only-binary"} | {
    "--no-binary",
    "--upgrade-strategy",
}
_VARIABLES = {
    "PIP_INDEX_URL": "--index-url",
    "PIP_EXTRA_INDEX_URL": "--extra-index-url",
    "PIP_TRUSTED_HOST": "--trusted-host",
}
_SILENT_VARIABLES = {"PIP_NO_CACHE_DIR", "PIP_QUIET", "PIP_PROGRESS_BAR", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"}
_COMMENT = re.compile(r"(^|\s+)#.*$")


class OwnPipError(Exception):
    """Only the job's own pip can do this: it names a path of the job, or an option that is not understood here."""


@dataclass
class Install:
    requirements: list[str] = field(default_factory=list)  # as pip reads them, names normalised
    constraints: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)  # those that change the result, with their values
    upgrade: bool = False
    quiet: bool = False

    def key(self, below: Sequence[str]) -> str:
        """Of the result over `below`, a view's key and those of overlays; passwords in URLs don't count."""
        facts = [list(below), sorted(set(self.requirements)), sorted(set(self.constraints)), self.upgrade]
        text = json.dumps([*facts, sorted(_without_password(each) for each in self.options)])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def wanted(self) -> list[Requirement] | None:
        """For a look at what is installed; None when that cannot tell: an option, a hash or an upgrade decides."""
        lines = [*self.requirements, *self.constraints]
        if any(option in _FLAGS for option in self.options) or any(" --" in each or "://" in each for each in lines):
            return None
        wanted = [Requirement(line) for line in self.requirements]
        exact = all(len(each.specifier) == 1 and next(iter(each.specifier)).operator == "==" for each in wanted)
        if self.upgrade and not exact:
            return None
        limits = {canonicalize_name(each.name): each.specifier for each in map(Requirement, self.constraints)}
        for each in wanted:
            each.specifier &= limits.pop(canonicalize_name(each.name), each.specifier)
        return None if limits else wanted  # limits on dependencies are for pip to keep


def parse(arguments: Sequence[str], files: Mapping[str, str], environment: Mapping[str, str]) -> Install:
    """Raises OwnPipError. `files` holds the text of requirement and constraint files by the path that names them."""
    install = Install()
    for name, value in environment.items():
        if name in _VARIABLES:
            install.options += [word for each in value.split() for word in (_VARIABLES[name], each)]
        elif name not in _SILENT_VARIABLES:
            raise OwnPipError(name)
    _read(install, list(arguments), files, folder="", constraint=False)
    return install


def _read(install: Install, words: list[str], files: Mapping[str, str], *, folder: str, constraint: bool) -> None:
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            (install.constraints if constraint else install.requirements).append(_requirement(word))
            continue
        option, equals, value = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
        if option in ("-r", "--requirement", "-c", "--constraint"):
            path = posixpath.normpath(posixpath.join(folder, value or _next(words)))
            for line in _lines(files, path):
                inner = line.split() if line.startswith("-") else [line]
                is_constraint = constraint or option in ("-c", "--constraint")
                _read(install, inner, files, folder=posixpath.dirname(path), constraint=is_constraint)
        elif word in ("-U", "--upgrade"):
            install.upgrade = True
        elif word in _SILENT:
            install.quiet |= word.startswith(("-q", "--quiet"))
        elif option in _SILENT_VALUES:
            value if equals else _next(words)
        elif word in _FLAGS:
            install.options.append(word)
        elif option in _VALUES:
            value = value if value else _next(words)
            if option in ("-f", "--find-links") and "://" not in value:
                raise OwnPipError(word)
            install.options += [option, value]
        else:
            raise OwnPipError(word)


def _next(words: list[str]) -> str:
    if not words:
        raise OwnPipError("an option without its value")
    return words.pop(0)


def _lines(files: Mapping[str, str], path: str) -> Iterator[str]:
    """As pip reads them: continued lines joined, comments and empty lines left out."""
    if path not in files:
        raise OwnPipError(path)  # pip says what is wrong with it
    for line in re.sub(r"\\\n\s*", " ", files[path]).splitlines():
        text = _COMMENT.sub("", line).strip()
        if "${" in text:
            raise OwnPipError(text)
        if text:
            yield text


def _requirement(line: str) -> str:
    plain, space, hashes = line.partition(" --")
    if plain.startswith(("https://", "http://", "git+https://")):
        return line
    try:
        requirement = Requirement(plain.strip())
    except InvalidRequirement as error:
        raise OwnPipError(line) from error  # a path, or something that pip has to complain about
    if requirement.url and requirement.url.startswith("file:"):
        raise OwnPipError(line)
    requirement.name = canonicalize_name(requirement.name)
    return f"{requirement}{space}{hashes}"


def _without_password(text: str) -> str:
    if "@" not in text or "://" not in text:
        return text
    parts = urlsplit(text)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
