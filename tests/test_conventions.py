"""What a reviewer would repeat: a use case's parts, who imports whom, that what is imported is declared."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from deploy.names import module_name
from mlops.use_cases import find_all

ROOT = Path(__file__).parents[1]
FOLDERS = ["pipelines", "processing", "training", "evaluation", "deploy", "sagelocal", "mlops", "data", "dashboard"]
JOBS = ["processing", "training", "evaluation"]  # what runs inside jobs
USE_CASES = [module_name(case.name) for case in find_all()]
WITH_MODEL = [module_name(case.name) for case in find_all() if case.has_model]
FORBIDDEN = {
    **{folder: {"pipelines", "deploy", "sagelocal", "mlops", "data"} for folder in JOBS},
    "sagelocal": {"pipelines", "processing", "training", "deploy", "mlops", "data", "sagemaker"},
    "pipelines": {"sagelocal", "mlops"},
    "deploy": {"pipelines", "sagelocal", "mlops", "sagemaker"},
    "dashboard": {"pipelines", "sagelocal", "sagemaker"},
    "data": {"pipelines", "sagelocal", "mlops", "deploy", "sagemaker"},
}
LOCAL_WORDS = re.compile(r"sagelocal|ministack|localhost|127\.0\.0\.1|is_local|local_mode", re.IGNORECASE)


def sources(*folders: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if line.endswith(".py") and (ROOT / line).exists()]


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Top-level names of all that a file imports, wherever in it."""
    return frozenset(imported(ast.parse(path.read_text(encoding="utf-8"))))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_there_is_a_use_case() -> None:
    assert "churn" in WITH_MODEL
    assert set(USE_CASES) - set(WITH_MODEL) == {"eda"}


@pytest.mark.parametrize("name", USE_CASES)
def test_a_use_case_has_all_its_parts(name: str) -> None:
    parts = {
        "processing script": (ROOT / "processing" / f"{name}.py").is_file(),
        "training script or folder": name not in WITH_MODEL
        or any((ROOT / "training" / each).exists() for each in (f"{name}.py", name)),
        "data entry": (ROOT / "data" / f"{name}.py").is_file(),
        "tests of its scripts": all(
            (ROOT / "tests" / each / f"test_{name}.py").is_file()
            for each in ("processing", "pipelines", *(["training"] if name in WITH_MODEL else []))
        ),
        "page": (ROOT / "docs" / f"{name}.md").is_file(),
        "README row": bool(re.search(rf"^\| \[?{name}\b", (ROOT / "README.md").read_text(), re.MULTILINE)),
    }
    assert [part for part, there in parts.items() if not there] == []


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_who_imports_whom(folder: str) -> None:
    found = {(str(path.relative_to(ROOT)), name) for path in sources(folder) for name in imports(path)}
    assert {each for each in found if each[1] in FORBIDDEN[folder]} == set()


def test_nothing_but_the_command_line_knows_of_two_targets() -> None:
    """Names in code, not words in a docstring, decide: no branch on being on a laptop."""
    guilty = []
    for path in sources("pipelines", "deploy", *JOBS):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.id] if isinstance(node, ast.Name) else [node.attr] if isinstance(node, ast.Attribute) else []
            guilty += [f"{path.relative_to(ROOT)}: {name}" for name in names if LOCAL_WORDS.search(name)]
    assert guilty == []


def test_no_file_of_a_job_hides_a_library() -> None:
    """A script run by path has its folder first in sys.path: `training/regex.py` would be everyone's `regex`."""
    libraries = set(sys.stdlib_module_names) | set(metadata.packages_distributions())
    stems = {(folder, path.stem) for folder in JOBS for path in (ROOT / folder).glob("*.py")}
    hidden = {(folder, stem) for folder, stem in stems if stem in libraries - {"__init__", *FOLDERS}}
    assert hidden == set()


def test_no_top_level_folder_hides_a_library() -> None:
    assert set(FOLDERS) & set(sys.stdlib_module_names) == set()
    for folder in FOLDERS:
        spec = importlib.util.find_spec(folder)
        assert spec is not None
        places = list(spec.submodule_search_locations or [])
        assert {Path(place).parent for place in places if Path(place).exists()} == {ROOT}


def declared() -> set[str]:
    """Distributions that setup.py names, in base and extras."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {match[1].lower() for text in texts if (match := re.fullmatch(r"([\w-]+)\s*(?:[=<>].*)?(?:;.*)?", text))}


def test_what_is_imported_is_declared_in_setup() -> None:
    names = {name for path in sources(*FOLDERS) for name in imports(path)}
    ours = {path.stem for path in sources(*FOLDERS)} | set(FOLDERS)
    known, by_module = declared(), metadata.packages_distributions()
    missing = {
        name: by_module.get(name, ["?"])
        for name in names - set(sys.stdlib_module_names) - ours
        if name not in PLATFORM_ONLY and not {name, *(each.lower() for each in by_module.get(name, []))} & known
    }
    assert missing == {}


# Of AWS's own containers, imported under `try`.
PLATFORM_ONLY = {"sagemaker_containers", "sagemaker_training", "sagemaker_inference"}


def test_what_jobs_require_is_locked_so_that_a_laptop_downloads_nothing_for_it() -> None:
    lock = (ROOT / "constraints.txt").read_text().splitlines()
    files = [path for folder in JOBS for path in (ROOT / folder).glob("*requirements.txt")]
    lines = {line for path in files for line in path.read_text().splitlines() if line and not line.startswith("#")}
    assert lines and lines <= set(lock)


def test_hooks_have_the_locked_versions() -> None:
    """A hook's tool is the one that `make test` runs."""
    lock = (ROOT / "constraints.txt").read_text().splitlines()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    pinned = set(re.findall(r"\[([\w-]+==[\w.]+)\]", hooks))
    locked = {each.split("==")[0] for each in lock}
    assert {each for each in pinned if each.split("==")[0] in locked and each not in lock} == set()
    assert any(each.startswith("ruff==") for each in pinned)


def test_the_makefile_and_the_hooks_have_the_same_versions() -> None:
    """Of tools that have an environment of their own, outside the lock."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    pinned = re.findall(r":= ([\w-]+==[\w.]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [each for each in pinned if f"[{each}]" not in hooks] == []
    assert any(each.startswith("checkov==") for each in pinned)


def test_the_lock_has_no_cuda_and_one_version_each() -> None:
    names = [line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("nvidia") or name == "torch"] == []
