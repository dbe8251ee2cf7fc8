"""The pages: links lead to files and headings that are there, and the command line's page has what `--help` has."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mlops import cli

ROOT = Path(__file__).parents[1]
PAGES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page, broken = ROOT / name, []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue  # the web's
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def commands(group: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command with its whole name, without `mlops`."""
    for each, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*name, each))
        else:
            yield " ".join((*name, each)), command


@pytest.mark.parametrize(("name", "command"), list(commands(typer.main.get_command(cli.app))))
def test_the_page_has_each_command_with_its_options(name: str, command: Any) -> None:
    """Those of several commands have a section of their own."""
    shared = COMMAND_LINE.partition("## Options of many commands")[2].partition("##")[0]
    rows = [line for line in COMMAND_LINE.splitlines() if re.match(rf"\| [^|]*`{name}[` ]", line)]
    assert rows, "no row"
    known = {each for option in command.params for each in option.opts if each.startswith("--")}
    told = {each for row in rows for each in re.findall(r"--[a-z][a-z-]*", row)}
    assert {each for each in known - told if f"`{each}`" not in shared} == set()
    if all(row.split("|")[1].count("`") == 2 for row in rows):  # a row of two commands has the options of both
        assert told - known == set()
