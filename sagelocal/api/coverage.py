"""The tables of docs/sagelocal.md, made from the code; `python -m sagelocal.api.coverage` writes them into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagelocal.api import service
from sagelocal.api.model import operation_names
from sagelocal.api.operations import handlers, refused
from sagelocal.cicd.codebuild import operations as codebuild
from sagelocal.cicd.codepipeline import operations as codepipeline
from sagelocal.feature_store import runtime as feature_store
from sagelocal.scaling import operations as scaling
from sagelocal.workflow.step_types import NOT_RUN, STEP_TYPES
from sagelocal.workflow.steps import RUN

PAGE = Path(__file__).parents[2] / "docs" / "sagelocal.md"
BEGIN = "<!-- tables: made by `python -m sagelocal.api.coverage` -->"
END = "<!-- end of the tables -->"
_OTHERS: dict[str, Any] = {
    "Application Auto Scaling": scaling,
    "CodeBuild": codebuild,
    "CodePipeline": codepipeline,
    "Feature Store Runtime": feature_store,
}


def page(text: str) -> str:
    """The page's text with its tables as the code says now. Raises ValueError where the page lacks their place."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return before + BEGIN + "\n\n" + "\n".join(tables()) + "\n\n" + END + after


def tables() -> Iterator[str]:
    yield from ("### Step types", "", "| step type | here |", "| --- | --- |")
    yield from (f"| {kind} | {'yes' if kind in RUN else 'no'} |" for kind in sorted({*STEP_TYPES, *NOT_RUN}))
    yield from ("", "### Operations", "", "| operation | here | refused by name |", "| --- | --- | --- |")
    for operation in sorted(handlers()):
        missing = ", ".join(f"`{path}`" for path in sorted(refused().get(operation, {})))
        yield f"| {operation} | {'partial' if missing else 'yes'} | {missing} |"
    absent = sorted(operation_names("sagemaker") - set(handlers()))
    yield from ("", f"<details><summary>no: the API's other {len(absent)} operations</summary>", "")
    yield from (", ".join(absent) + ".", "", "</details>")
    for title, part in _OTHERS.items():
        yield from service.table(title, part.SERVICE, part.OPERATIONS, part.REFUSED)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
