"""`mlops new returns --like churn`: another use case's files and tests under a new name, with its data until there is
your own.

The same file name everywhere is the use case, so what to copy is found and not registered: modules and scripts, files
that begin with the name (`titanic_features.py`, `census.requirements.txt`), and their tests. The page, which would
claim what was measured on another model, is begun anew.
"""

from __future__ import annotations

import ast
import importlib.util
import keyword
import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

from deploy.names import aws_name, module_name
from mlops import console, use_cases
from mlops.use_cases import ROOT

STAGES = ("data", "pipelines", "processing", "training")
# Lines of a data set's module that say where its data lies and whose it is: true of it under any name.
KEPT = re.compile(r"member=|citation=|source=|https?://")
TEMPLATES = ("baseline", "cicd", "project")  # whose parameters name the use cases
NOT_MEASURED = "not measured yet"


def new(name: str, like: str, root: Path = ROOT) -> list[Path]:
    """Writes them, and says which and what to do next.

    Raises ValueError for a name that cannot be a use case's, FileExistsError for files that are there, LookupError when
    there is no use case `like`.
    """
    model = module_name(use_cases.check(like, root))
    name = module_name(name)
    check_name(name)
    files = copies(root, model, name) | {root / "docs" / f"{name}.md": page(root, model, name)}
    there = [str(path.relative_to(root)) for path in files if path.exists()]
    if there:
        raise FileExistsError(f"{', '.join(there)} would be overwritten: remove it, or choose another name.")
    files |= entries(root, model, name)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    tell(root, list(files), name)
    return list(files)


def check_name(name: str) -> None:
    """Raises ValueError with the reason why AWS, Python or a job could not do with it."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > 40 or keyword.iskeyword(name):
        raise ValueError(
            f"{name!r} cannot name a use case: it takes lower-case letters, digits and single underscores."
        )
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise ValueError(
            f"{name!r} is a module already, which a script {name}.py would hide from jobs: choose another."
        )


def copies(root: Path, model: str, name: str) -> dict[Path, str]:
    """Path to text of what the use case `model` consists of, under the new name."""
    found = {}
    for stage in STAGES:
        tests = (root / "tests" / stage).glob(f"test_{model}*.py")
        for path in sorted([*(root / stage).glob(f"{model}*"), *tests]):
            if path.is_file() and re.match(rf"(test_)?{model}([._]|$)", path.name) and not others(root, path, model):
                new_path = path.with_name(path.name.replace(model, name, 1))
                found[new_path] = renamed(path.read_text(encoding="utf-8"), model, name)
    return found


def others(root: Path, path: Path, model: str) -> bool:
    """Whether a file belongs to another use case whose name begins alike."""
    stem = path.name.removeprefix("test_").split(".")[0]
    cases = (module_name(case.name) for case in use_cases.find_all(root))
    return any(case != model and case.startswith(f"{model}_") and stem.startswith(case) for case in cases)


def renamed(text: str, model: str, name: str) -> str:
    """With the new name for the old one, in both spellings, but where a line says where data comes from."""
    said = re.compile(rf"(?<![A-Za-z]){model}(?![a-z])|(?<![A-Za-z-]){aws_name(model)}(?![a-z-])")
    lines = [
        line if KEPT.search(line) else said.sub(lambda found: name if found[0] == model else aws_name(name), line)
        for line in text.splitlines(keepends=True)
    ]
    first = lines[0] if lines else ""
    lines[:1] = [first.replace(f'"""{title(model)}: ', f'"""{title(name)}: ', 1)] if first else []
    return "".join(lines)


def title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def summary(root: Path, model: str) -> str:
    """What the use case is, without its name."""
    tree = ast.parse((root / "pipelines" / f"{model}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0].partition(": ")[2]


def page(root: Path, model: str, name: str) -> str:
    rows = {
        "data": f"`data/{name}.py`: {model}'s, until it names yours",
        "clean and split": f"`processing/{name}.py`",
        "train": f"`training/{name}.py`",
        "run": f"`pipelines/{name}.py`",
    }
    return "\n".join(
        [
            f"# {title(name)}",
            "",
            f"Begun like [{model}]({model}.md): {summary(root, model)}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {what} | {where} |" for what, where in rows.items()),
            "",
            "## Data",
            "",
            f"Where it comes from, its licence and its citation are in `data/{name}.py`.",
            "",
            "## Measured",
            "",
            f"Nothing is: {NOT_MEASURED}. The gate in `pipelines/{name}.py` is still that of {model}.",
            "",
        ]
    )


def entries(root: Path, model: str, name: str) -> dict[Path, str]:
    """Files of the whole project that name every use case, with the new one in them."""
    readme, cards = root / "README.md", root / "deploy" / "model_cards.toml"
    row = f"| [{name}](docs/{name}.md) | begun like {model} | {model}'s, until there is its own | {NOT_MEASURED} |"
    text = readme.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[\w+\]\(docs/\w+\.md\) \|.*\n", text, re.MULTILINE)
    found = {readme: text.replace(rows[-1], f"{rows[-1]}{row}\n", 1)}
    text = cards.read_text(encoding="utf-8")
    if model in tomllib.loads(text):
        found[cards] = text.rstrip("\n") + "\n\n" + renamed(card(text, model), model, name)
    stages = root / "deploy" / "stages.yml"
    found[stages] = with_monitors(stages.read_text(encoding="utf-8"), model, name)
    cases = use_cases.find_all(root)
    like = next(case for case in cases if case.name == aws_name(model))
    cases.append(replace(like, name=aws_name(name)))
    for each in TEMPLATES:
        path = root / "deploy" / "cloudformation" / f"{each}.yml"
        text = with_default(path.read_text(encoding="utf-8"), "UseCases", cases)
        found[path] = with_default(text, "UseCasesWithModel", [case for case in cases if case.has_model])
    return found


def with_default(text: str, parameter: str, cases: list[use_cases.UseCase]) -> str:
    """A template in which the parameter, if it has it, is the use cases' names."""
    default = rf"(  {parameter}:\n(?:    .*\n)*?    Default: ).*"
    return re.sub(default, rf"\g<1>{','.join(sorted(case.name for case in cases))}", text, count=1)


def with_monitors(text: str, model: str, name: str) -> str:
    """`stages.yml` with what its stage `production` says of the use case `model` repeated for the new one."""
    begin = text.index("\nproduction:")
    own = re.compile(rf"^    {model}:.*\n(?:(?:      .*)?\n)*", re.MULTILINE).search(text, begin)
    stage_ends = re.compile(r"^\w", re.MULTILINE).search(text, begin + len("\nproduction:"))
    if not own or (stage_ends and own.start() > stage_ends.start()):
        return text
    block = own[0].rstrip("\n") + "\n"
    copied = re.sub(r" &\w+", "", renamed(block, model, name))  # an anchor may be there once
    return text[: own.start()] + block + copied + text[own.start() + len(block) :]


def card(text: str, model: str) -> str:
    """The tables of a use case's model card, as they are written."""
    parts = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    return "".join(part.rstrip("\n") + "\n\n" for part in parts if part.startswith(f"[{model}.")).rstrip("\n") + "\n"


def tell(root: Path, paths: list[Path], name: str) -> None:
    for path in paths:
        console.say(str(path.relative_to(root)))
    console.note(
        f"Try it: {console.command()} run {aws_name(name)}. Then make it yours: data/{name}.py, processing/{name}.py "
        f"(its Schema), training/{name}.py, the gate in pipelines/{name}.py, docs/{name}.md. What monitors its "
        "endpoint is in deploy/stages.yml."
    )
