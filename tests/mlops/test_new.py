"""`mlops new` in a copy of the project: the new use case is whole, and its tests pass."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlops import new, use_cases

ROOT = Path(__file__).parents[2]
STAGES = ("data", "pipelines", "processing", "training")
FOLDERS = (*STAGES, *(f"tests/{stage}" for stage in STAGES), "deploy", "mlops")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the command reads and writes, as it is in the working tree."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "README.md", tmp_path / "README.md")
    (tmp_path / "docs").mkdir()
    return tmp_path


def test_a_new_use_case_is_whole_and_its_tests_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = {str(path.relative_to(project)) for path in new.new("late-returns", "churn", project)}
    parts = {f"{folder}/late_returns.py" for folder in ("data", "pipelines", "processing", "training")}
    tests = {f"tests/{folder}/test_late_returns.py" for folder in ("processing", "training")}
    assert parts | tests | {"docs/late_returns.md"} <= written
    said = capsys.readouterr()
    assert "pipelines/late_returns.py" in said.out
    assert "run late-returns" in said.err + said.out
    assert use_cases.UseCase("late-returns", use_case("late_returns")) in use_cases.find_all(project)
    assert 'steps.process(project, "late_returns"' in (project / "pipelines/late_returns.py").read_text()
    baseline = project / "deploy/cloudformation/baseline.yml"
    assert {"late-returns", "eda"} <= set(read_default(baseline, "UseCases"))
    assert "late-returns" in read_default(baseline, "UseCasesWithModel")
    assert "eda" not in read_default(baseline, "UseCasesWithModel")
    declared = yaml.safe_load((project / "deploy/stages.yml").read_text())["production"]["use_cases"]
    assert declared["late_returns"] == declared["churn"]
    assert "[late_returns.model_overview]" in (project / "deploy/model_cards.toml").read_text()
    assert new.NOT_MEASURED in (project / "docs/late_returns.md").read_text()
    assert passed(project, "tests/processing/test_late_returns.py", "-k", "stratified or baseline") > 0


@pytest.mark.slow
def test_all_of_its_tests_pass(project: Path) -> None:
    new.new("returns", "churn", project)
    written = [project / f"tests/{folder}/test_returns.py" for folder in ("processing", "training")]
    assert passed(project, *map(str, written)) >= sum(path.read_text().count("\ndef test_") for path in written) > 5


def passed(project: Path, *tests: str) -> int:
    """How many; none may fail."""
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "--noconftest"]
    ran = subprocess.run([*command, *tests], cwd=project, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return sum(map(int, re.findall(r"(\d+) passed", ran.stdout)))


def use_case(module: str) -> str:
    churn = next(case.summary for case in use_cases.find_all() if case.name == "churn")
    return churn.replace("Churn: ", f"{new.title(module)}: ")


def read_default(template: Path, parameter: str) -> list[str]:
    return re.findall(rf"  {parameter}:\n(?:    .*\n)*?    Default: (.*)", template.read_text())[0].split(",")


def test_a_data_set_stays_what_it_is(project: Path) -> None:
    new.new("returns", "churn", project)
    text = (project / "data/returns.py").read_text()
    assert 'name="returns"' in text
    assert 'member="evalml/demos/data/churn.csv"' in text


@pytest.mark.parametrize("name", ["Returns", "2024", "a__b", "class", "json", "pandas", "x" * 41])
def test_a_name_that_cannot_be_one_is_refused(project: Path, name: str) -> None:
    before = sorted(project.rglob("*"))
    with pytest.raises(ValueError, match="cannot name a use case|is a module already"):
        new.new(name, "churn", project)
    assert sorted(project.rglob("*")) == before


def test_nothing_is_overwritten(project: Path) -> None:
    (project / "processing/returns.py").write_text("mine")
    with pytest.raises(FileExistsError, match="processing/returns.py would be overwritten"):
        new.new("returns", "churn", project)
    assert not (project / "pipelines/returns.py").exists()
    with pytest.raises(LookupError, match="There is no use case 'chrn'. Did you mean churn?"):
        new.new("returns", "chrn", project)
