"""What a commit touches, in a repository of two use cases and in this one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from mlops import changed, uses
from mlops.changed import Changes
from mlops.targets import HERE, Target
from mlops.use_cases import ROOT

FILES = {
    "pipelines/churn.py": "from pipelines import steps\n\n\ndef build(p): steps.chain('churn', 'classification')\n",
    "pipelines/fraud.py": "from pipelines.steps import chain\n\n\ndef build(project): chain('fraud', 'ranking')\n",
    "pipelines/steps.py": (
        "from deploy import names\n\n\ndef chain(use_case, problem):\n"
        "    return f'processing/{use_case}.py', f'evaluation/{problem}.py'\n"
    ),
    "pipelines/monitoring.py": "SCRIPT = 'evaluation/drift.py'\n",
    "deploy/names.py": "",
    "deploy/stages.yml": "production: {}\n",
    "data/churn.py": "",
    "data/fraud.py": "",
    "processing/churn.py": "import tabular\n",
    "processing/fraud.py": "",
    "processing/tabular.py": "",
    "evaluation/classification.py": "PAGE = 'page.html'\n",
    "evaluation/classification.requirements.txt": "matplotlib\n",
    "evaluation/drift.py": "",
    "evaluation/page.html": "",
    "evaluation/ranking.py": "import tables\n",
    "evaluation/tables.py": "",
    "training/requirements.txt": "",
    "tests/processing/test_churn.py": "",
    "constraints.txt": "",
    "README.md": "",
}
BOTH = {"churn", "fraud"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        write(tmp_path, name, content)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    return tmp_path


def write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


def git(root: Path, *arguments: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.com"]
    command = ["git", *identity, "-C", str(root), *arguments]
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True).stdout.strip()


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A change")
    return git(root, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pipelines/churn.py", {"churn"}),
        ("pipelines/steps.py", BOTH),
        ("pipelines/monitoring.py", set()),
        ("deploy/names.py", BOTH),
        ("deploy/stages.yml", set()),
        ("data/fraud.py", {"fraud"}),
        ("processing/tabular.py", {"churn"}),
        ("evaluation/page.html", {"churn"}),
        ("evaluation/classification.requirements.txt", {"churn"}),
        ("evaluation/tables.py", {"fraud"}),
        ("evaluation/drift.py", set()),
        ("tests/processing/test_churn.py", set()),
        ("constraints.txt", BOTH),
        ("setup.py", BOTH),
        ("README.md", set()),
        ("sagelocal/store.py", set()),
    ],
)
@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_a_file_touches_who_uses_it(repository: Path, name: str, expected: set[str], how: str) -> None:
    if name not in FILES:
        write(repository, name, "")
        commit(repository)
    if how == "changed":
        with (repository / name).open("a") as file:
            file.write("\n# more\n")
    else:
        (repository / name).unlink()
    commit(repository)
    if (how, name) == ("deleted", "pipelines/churn.py"):
        expected = set()  # there is no such use case any more
    found = changed.find("HEAD~1", repository)
    assert (found.unknown, found.files) == ("", (name,))
    assert set(found.touched) == expected


def test_a_renamed_file_touches_who_used_it_and_who_does(repository: Path) -> None:
    git(repository, "mv", "processing/tabular.py", "processing/tables.py")
    write(repository, "processing/churn.py", "")
    write(repository, "processing/fraud.py", "import tables\n")
    commit(repository)
    found = changed.find("HEAD~1", repository).touched
    assert {way[-1] for way in found["churn"]} == {"processing/churn.py", "processing/tabular.py"}
    assert {way[-1] for way in found["fraud"]} == {"processing/fraud.py", "processing/tables.py"}


def test_what_is_no_python_any_more_still_is_used(repository: Path) -> None:
    write(repository, "processing/churn.py", "import (\n")
    commit(repository)
    assert set(changed.find("HEAD~1", repository).touched) == {"churn"}


def test_where_a_commit_is_unknown_all_are_touched_and_it_says_why(repository: Path, tmp_path: Path) -> None:
    gone = "1234567890123456789012345678901234567890"
    for since, reason in (
        ("0" * 40, "no commit before this push"),
        (gone, "history was rewritten"),
        ("--output=x", "history was rewritten"),
    ):
        found = changed.find(since, repository)
        assert set(found.touched) == BOTH
        assert reason in found.unknown
    first, shallow = git(repository, "rev-parse", "HEAD"), tmp_path / "shallow"
    write(repository, "README.md", "more")
    commit(repository)
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), str(shallow))
    assert "shallow" in changed.find(first, shallow).unknown


def test_outside_a_clone_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no clone"):
        changed.find("HEAD", tmp_path)


def test_the_last_build_that_succeeded_is_where_changes_begin(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_PROJECT", "team")
    built = git(repository, "rev-parse", "HEAD")
    write(repository, "processing/fraud.py", "# once")
    failed = commit(repository)
    write(repository, "README.md", "more")
    commit(repository)
    client = boto3.client("codepipeline", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    target = Target(HERE, "111122223333", "eu-west-1", Session(client))
    summaries = [execution("InProgress", failed), execution("Failed", failed), execution("Succeeded", built)]
    with Stubber(client) as stub:
        asked = {"pipelineName": "team-build"}
        stub.add_response("list_pipeline_executions", {"pipelineExecutionSummaries": summaries}, asked)
        found = changed.built(target, repository)
        stub.add_client_error("list_pipeline_executions", "PipelineNotFoundException", expected_params=asked)
        unbuilt = changed.built(target, repository)
    assert (found.since, set(found.touched)) == (built, {"fraud"})
    assert set(unbuilt.touched) == BOTH
    monkeypatch.setenv("MLOPS_FIRST_BUILD", "fraud, gone")
    with Stubber(client) as stub:
        stub.add_response("list_pipeline_executions", {"pipelineExecutionSummaries": []}, asked)
        assert set(changed.built(target, repository).touched) == {"fraud"}
    monkeypatch.setenv("MLOPS_FIRST_BUILD", "gone")
    assert changed.first(repository) == []  # so all of them
    changed.changed(found, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["use_cases"] == {
        "fraud": [{"file": "processing/fraud.py", "by": ["pipelines/fraud.py", "pipelines/steps.py"]}]
    }
    changed.changed(unbuilt, as_json=False)
    assert "No execution of the pipeline team-build has succeeded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "all_of_them"),
    [("processing/churn.py", False), ("sagelocal/store.py", True), ("evaluation/bias.py", True), ("setup.py", True)],
)
def test_sagelocals_own_tests_run_where_a_change_can_reach_it(file: str, all_of_them: bool) -> None:
    arguments = changed.pytest_arguments(Changes("b", "a", files=("README.md", file)))
    assert ("--ignore=tests/sagelocal/" not in arguments) == all_of_them
    assert "--ignore=tests/sagelocal/" in changed.pytest_arguments(Changes("b", "", unknown="Nobody knows."))


class Session:
    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, service: str, config: Any) -> Any:
        return self._client


def execution(status: str, commit: str) -> dict[str, Any]:
    return {"status": status, "sourceRevisions": [{"actionName": "Source", "revisionId": commit}]}


def test_this_repositorys_shared_files_are_used_by_both() -> None:
    churn, census = (uses.files(ROOT, name) for name in ("churn", "census"))
    shared = {
        "processing/tabular.py",
        "training/tabular_trees.py",
        "evaluation/report_page.html.j2",
        "pipelines/steps.py",
        "data/bucket.py",
    }
    assert shared <= set(churn) & set(census)
    way = census["evaluation/fairness_trade_off.py"]
    assert (way[0], way[-1]) == ("pipelines/census.py", "evaluation/fairness_trade_off.py")
    assert {"evaluation/fairness_trade_off.py", "processing/census.py", "training/census.requirements.txt"}.isdisjoint(
        churn
    )
    assert "training/churn.requirements.txt" not in census
