"""Buildspecs: what they say, and where they are wrong."""

from __future__ import annotations

import pytest

from sagelocal.cicd.codebuild import buildspec
from sagelocal.cicd.codebuild.buildspec import BuildspecError, OnFailure, parse

FULL = """\
version: 0.2
run-as: root
env:
  shell: /bin/bash
  variables: {VERSION: 1.10, FLAG: yes, EMPTY: }
  parameter-store: {TOKEN: /team/token}
  secrets-manager: {KEY: name:json:AWSCURRENT}
  exported-variables: [OUT, VERSION]
  git-credential-helper: yes
phases:
  install:
    runtime-versions: {python: 3.12}
  build:
    run-as: nobody
    on-failure: RETRY-2-^Error
    commands: [one, two]
    finally:
      - three
reports:
  unit: {files: ["**/*.xml"], base-directory: reports, discard-paths: no}
  arn:aws:codebuild:us-east-1:000000000000:report-group/g: {files: [c.xml], file-format: CoberturaXml}
artifacts:
  type: zip
  files: ["**/*"]
  name: out-$(date +%Y)
  exclude-paths: ["*.tmp"]
  discard-paths: yes
  secondary-artifacts:
    Other: {files: [x], base-directory: d, enable-symlinks: yes}
cache: {paths: [/root/.cache/**/*]}
"""


# Merges of nine merges of nine merges ...
LAUGHS = "a0: &a0 {a: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9))


def minimal(more: str = "", build: str = "commands: [true]") -> str:
    return f"version: 0.2\nphases:\n  build:\n    {build}\n{more}"


def test_a_full_buildspec():
    spec = parse(FULL)
    assert (spec.version, spec.env.shell) == ("0.2", "bash")
    assert spec.env.variables == {"VERSION": "1.10", "FLAG": "yes", "EMPTY": ""}, "the text of the file, untouched"
    assert (spec.env.parameter_store, spec.env.exported) == ({"TOKEN": "/team/token"}, ["OUT", "VERSION"])
    assert list(spec.phases) == ["install", "build"]
    install, build = spec.phases.values()
    assert (install.runtimes, install.run_as) == ({"python": "3.12"}, "root")
    assert (build.commands, build.always, build.run_as) == (["one", "two"], ["three"], "nobody")
    assert build.on_failure == OnFailure("RETRY", 2, "^Error")
    assert [(name[:4], report.format) for name, report in spec.reports.items()] == [
        ("unit", "JUNITXML"),
        ("arn:", "COBERTURAXML"),
    ]
    assert spec.artifact is not None and spec.artifact.files.exclude == ["*.tmp"]
    assert spec.artifact.files.discard_paths and spec.artifact.name == "out-$(date +%Y)"
    assert spec.secondary_artifacts["Other"].files.symlinks
    assert spec.cache == ["/root/.cache/**/*"]
    assert spec.remarks == ["artifacts.type at line 23 is unknown and has no effect"]


def test_anchors_and_merged_keys():
    spec = parse("version: 0.2\nx: &x {commands: [a]}\nphases:\n  build: {<<: *x, finally: [b]}\n")
    assert (spec.phases["build"].commands, spec.phases["build"].always) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("ABORT", OnFailure("ABORT")),
        ("CONTINUE", OnFailure("CONTINUE")),
        ("RETRY", OnFailure("RETRY", 3, ".*")),
        ("RETRY-5", OnFailure("RETRY", 5, ".*")),
        ("RETRY-timed out", OnFailure("RETRY", 3, "timed out")),
        ("RETRY-2-exit status [0-9]+", OnFailure("RETRY", 2, "exit status [0-9]+")),
    ],
)
def test_forms_of_on_failure(said, meant):
    assert parse(minimal(f"    on-failure: {said}\n")).phases["build"].on_failure == meant


def test_a_pattern_that_never_ends_retries_nothing(monkeypatch):
    monkeypatch.setattr(buildspec, "_SEARCH_SECONDS", 0.05)
    assert OnFailure("RETRY", 1, "exit status [0-9]").retried("Reason: exit status 1")
    assert not OnFailure("RETRY", 1, "(a+)+$").retried("a" * 60 + "!")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "YAML file is empty"),
        ("phases: {build: {commands: [a]}}", "version has to be 0.2"),
        ("version: 0.3\nphases: {build: {commands: [a]}}", "not '0.3'"),
        ("version: 0.2\n", "at least one phase"),
        ("version: 0.2\nphases:\n  biuld: {commands: [a]}\n", "phases.biuld is no phase.*at line 3"),
        ("version: 0.2\nphases:\n  build:\n    commands:\n      - a: b\n", r"Expected Commands\[0\] .* at line 5"),
        ("version: 0.2\nphases:\n  build: [a\n", "at line 4"),
        ("version: 0.2\nphases: {build: {finally: [a]}}", "phases.build needs commands at line 2"),
        (minimal("    on-failure: NEVER\n"), "phases.build.on-failure is 'NEVER'"),
        (minimal("    on-failure: RETRY-0\n"), "from 1 to 100"),
        (minimal(build=r'commands: ["echo \0"]'), r"phases.build.commands\[0\] has a character that is none"),
        (minimal(build=r'commands: ["echo \ud800"]'), "has a character that is none"),
        (minimal(f"x: {'[' * 3000}{']' * 3000}\n"), "nested too deeply"),
        (minimal(LAUGHS), "more than 1000 keys come together by <<"),
        (minimal("    on-failure: RETRY-3-(\n"), "regular expression"),
        (minimal("env: {variables: {CODEBUILD_X: 1}}\n"), "reserved"),
        (minimal("env: {variables: {a-b: 1}}\n"), "'a-b' is no name"),
        (minimal("env: {variables: {A: [1]}}\n"), "env.variables.A has to be of string type"),
        (minimal("env: {exported-variables: [AWS_REGION]}\n"), "can't be exported"),
        (minimal("env: {secrets-manager: {K: s}, exported-variables: [K]}\n"), "can't be exported"),
        (minimal("env: {shell: powershell.exe}\n"), "sh and bash"),
        (minimal("env: {variables: {A: 1, A: 2}}\n"), "env.variables.A is there twice.*at line 5"),
        (minimal("reports: {r: {files: [x], file-format: TESTNGXML}}\n"), "TESTNGXML.*not implemented by sagelocal"),
        (minimal("reports: {r: {files: [x], file-format: CSV}}\n"), "CodeBuild does not know"),
        (minimal("reports: {" + ", ".join(f"r{n}: {{files: [x]}}" for n in range(6)) + "}\n"), "5 report groups"),
        (minimal("artifacts: {name: x}\n"), "artifacts needs files at line 5"),
        (minimal("artifacts: {files: [x], discard-paths: perhaps}\n"), "yes or no"),
        (minimal("cache: {paths: [x], key: k}\n"), "cache.key is not implemented"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, complaint):
    with pytest.raises(BuildspecError, match=complaint):
        parse(text)


def test_version_1_of_the_format():
    assert parse(minimal().replace("0.2", "0.1")).version == "0.1"
