from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops import cli, demo, use_cases

ROOT = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(arguments))
    output = capsys.readouterr()
    return int(stopped.value.code or 0), output.out, output.err


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from mlops import cli
try:
    cli.main(sys.argv[1:])
finally:
    print("loaded", [name for name in ("boto3", "botocore", "sagemaker", "pandas", "starlette") if name in sys.modules])
"""
    for arguments in (["--help"], ["traffic", "--help"], ["list"]):
        run = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert "loaded []" in run.stdout


def test_every_command_of_the_project_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    wanted = {"list", "run", "definition", "status", "logs", "models", "approve", "reject", "deploy", "invoke"}
    wanted |= {"changed", "cicd", "lineage"}
    wanted |= {
        "why-not-cached",
        "traffic",
        "monitor",
        "interrupt",
        "undeploy",
        "up",
        "down",
        "env",
        "doctor",
        "prune",
        "demo",
    }
    assert {name for name in wanted if f" {name} " not in out} == set()


def test_an_option_that_would_do_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "demo", "drift", "--count", "5")
    assert code == 2
    assert "takes no --count" in error


def test_list_shows_use_cases_with_their_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert "churn" in out
    assert "customers are about to leave" in out


def test_an_error_is_one_line_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "run", "chrun")
    assert (code, out) == (1, "")
    assert err == "error: There is no use case 'chrun'. Did you mean churn?\n"


def test_v_raises_the_error_itself() -> None:
    with pytest.raises(LookupError, match="chrun"):
        cli.main(["models", "chrun", "-v"])


def test_a_parameter_needs_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "run", "churn", "--param", "Eta")
    assert code == 1
    assert err == "error: --param Eta: write it as Name=value.\n"


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "traffic", "churn", "--count", "0")
    assert code == 2
    assert "--count" in err


def test_use_cases_are_modules_with_build(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "fraud.py").write_text('"""Fraud: one line.\n\nMore."""\n\ndef build(project): ...\n')
    (folder / "steps.py").write_text("def process(): ...\n")
    assert use_cases.find_all(tmp_path) == [use_cases.UseCase("fraud", "Fraud: one line.", has_model=False)]
    with pytest.raises(LookupError, match="Known: fraud"):
        use_cases.check("zzz", tmp_path)


@pytest.mark.parametrize("command", ["models", "approve", "card", "deploy", "invoke", "traffic", "monitor", "demo"])
def test_a_use_case_without_a_model_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, command, "eda")
    assert (code, err) == (1, "error: eda has no model: its pipeline makes a report, which mlops run eda leaves.\n")


def test_the_demo_says_what_it_cannot_play_before_it_begins() -> None:
    nowhere: Any = None
    with pytest.raises(
        LookupError, match=r"iris has no shifted population: data/iris_shift\.py would make one, and the"
    ):
        demo.demo(nowhere, "iris", 1, Path())


def test_a_use_case_is_known_by_its_files_name_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "run", "linear_regresion")
    assert code == 1
    assert "There is no use case 'linear-regresion'. Did you mean linear-regression?" in err
