"""Which use cases there are: each module in pipelines/ with a `build` function. They are discovered, not registered."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path

from deploy import names

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class UseCase:
    name: str  # as AWS and users know it: with dashes where its files have underscores
    summary: str  # first line of its module's docstring
    has_model: bool = True  # a report alone has none


def find_all(root: Path = ROOT) -> list[UseCase]:
    """Sorted by name. Modules are read and not imported: the SageMaker SDK would take two seconds."""
    found = []
    for path in sorted((root / "pipelines").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "def build(" not in text:  # parsing all of them takes a tenth of a second, on each page of the dashboard
            continue
        tree = ast.parse(text)
        if any(isinstance(node, ast.FunctionDef) and node.name == "build" for node in tree.body):
            found.append(
                UseCase(
                    names.aws_name(path.stem), (ast.get_docstring(tree) or "").partition("\n")[0], "register(" in text
                )
            )
    return found


def check_model(name: str, root: Path = ROOT) -> str:
    """As `check`. Raises LookupError for a use case whose pipeline registers none, too."""
    found = check(name, root)
    if not any(case.has_model for case in find_all(root) if case.name == found):
        raise LookupError(f"{found} has no model: its pipeline makes a report, which mlops run {found} leaves.")
    return found


def check(name: str, root: Path = ROOT) -> str:
    """The name itself. Raises LookupError naming the known use cases when it is none."""
    known = [case.name for case in find_all(root)]
    if names.aws_name(name) in known:
        return names.aws_name(name)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known) or 'none'}."
    raise LookupError(f"There is no use case {name!r}. {hint}")
