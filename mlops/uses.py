"""Which files of a clone a use case's pipeline uses, found by reading them and never by importing.

From `pipelines/churn.py` on: the project's modules that a module imports, wherever in it; the job scripts that such a
module names, by their path or by a pattern such as f"evaluation/{problem}.py" whose gaps any string of these modules
may fill; what a script takes along (pipelines.source), and its requirements file. The module of the same name in
`data/` and what every installation is made of belong to each use case.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.names import module_name
from pipelines import source

INSTALLED = ("setup.py", "constraints.txt")  # a change of either changes what every pipeline runs on
SCRIPTS = ("processing", "training", "evaluation")  # folders of what runs inside jobs, by path


@dataclass
class _Reader:
    root: Path
    scripts: list[str]  # every file in the folders of scripts
    strings: set[str] = field(default_factory=set)  # of the modules read so far
    patterns: dict[str, list[re.Pattern[str]]] = field(default_factory=dict)  # by the module that has them


def files(root: Path, use_case: str) -> dict[str, tuple[str, ...]]:
    """Each file that the use case uses, by its path under `root`, with the files that lead to it: the use case's own
    first, itself last.
    """
    module = module_name(use_case)
    own = [f"pipelines/{module}.py", f"data/{module}.py", *INSTALLED]
    found: dict[str, tuple[str, ...]] = {path: (path,) for path in own if (root / path).is_file()}
    reader = _Reader(root, sorted(_paths(root, *SCRIPTS)))
    _follow(found, reader)
    return found


def _follow(found: dict[str, tuple[str, ...]], reader: _Reader) -> None:
    """Breadth first, so that the way to a file is the shortest; again while strings fill gaps that they didn't yet."""
    waiting = list(found)
    while waiting:
        for path in waiting:
            for used in _used(reader, found[path]):
                found.setdefault(used, (*found[path], used))
        for path, patterns in reader.patterns.items():
            for script in _named(reader, patterns):
                found.setdefault(script, (*found[path], script))
        waiting = list(found)[list(found).index(waiting[-1]) + 1 :]


def _used(reader: _Reader, way: tuple[str, ...]) -> Iterator[str]:
    """What the last file of the way to it uses directly."""
    path = way[-1]
    if path in INSTALLED:
        return
    if _is_script(path):
        yield from _companions(reader.root / path, reader.root)
        if not _is_script(way[-2]):  # it is what the job runs
            yield from _requirements(reader.root / path, reader.root)
        return
    tree = _parsed(reader.root / path)
    if tree is None:
        return
    yield from _imports(reader.root, path, tree)
    reader.strings |= {node.value for node in ast.walk(tree) if _is_string(node)}  # type: ignore[attr-defined]
    reader.patterns[path] = list(_patterns(tree))


def _companions(script: Path, root: Path) -> Iterator[str]:
    """What a script, or a file that it takes along, takes into the job."""
    if script.suffix == ".py":
        with contextlib.suppress(SyntaxError):
            yield from (each.relative_to(root).as_posix() for each in source.references(script, script.parent))


def _requirements(script: Path, root: Path) -> Iterator[str]:
    """The requirements file that counts for it."""
    for requirements in (script.with_suffix(f".{source.REQUIREMENTS}"), script.with_name(source.REQUIREMENTS)):
        if requirements.is_file():
            yield requirements.relative_to(root).as_posix()
            return


def _imports(root: Path, path: str, tree: ast.AST) -> Iterator[str]:
    """Modules of the project that a module imports."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            yield from _modules(root, name)


def _modules(root: Path, dotted: str) -> Iterator[str]:
    """The file of a module and those of the packages that it is in."""
    parts = dotted.split(".")
    for length in range(1, len(parts) + 1):
        where = "/".join(parts[:length])
        yield from (each for each in (f"{where}/__init__.py", f"{where}.py") if (root / each).is_file())


def _patterns(tree: ast.AST) -> Iterator[re.Pattern[str]]:
    """f-strings and strings that may be the path of a script."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(part.value) if _is_string(part) else r"([\w-]+)" for part in node.values]  # type: ignore[attr-defined]
            yield re.compile("".join(parts))
        elif _is_string(node):
            yield re.compile(re.escape(node.value))  # type: ignore[attr-defined]


def _named(reader: _Reader, patterns: list[re.Pattern[str]]) -> Iterator[str]:
    for script in reader.scripts:
        matches = (pattern.fullmatch(script) for pattern in patterns)
        if any(match and set(match.groups()) <= reader.strings for match in matches):
            yield script


def _is_script(path: str) -> bool:
    return path.split("/")[0] in SCRIPTS


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _parsed(path: Path) -> ast.AST | None:
    """None for what isn't Python: then it is known to be used, and what it uses is not."""
    try:
        return ast.parse(path.read_bytes(), str(path)) if path.suffix == ".py" else None
    except SyntaxError:
        return None


def _paths(root: Path, *folders: str) -> Iterator[str]:
    for folder in folders:
        yield from (each.relative_to(root).as_posix() for each in (root / folder).rglob("*") if source.is_source(each))
