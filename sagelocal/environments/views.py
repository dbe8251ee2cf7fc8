"""Folders that stand in for this Python's site-packages and bin: links to the distributions that an image has.

A view is made once for an image and a state of this laptop's environment, and kept. Its links point to where the real
site-packages is inside a sandbox. A folder that distributions of both kinds share (a namespace package) is made of
links to what is in it.
"""

# Thousands of names are compared here, most of which never become a path.
# ruff: noqa: PTH208
from __future__ import annotations

import hashlib
import json
import os
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sagelocal.environments.laptop import SAME, Distribution, Laptop
from sagelocal.environments.manifests import Manifest

PACKAGES = "/opt/sagelocal/packages"  # this Python's real site-packages, inside
_INSIDE = Path(__file__).with_name("inside")
_TOOLKITS = Path(__file__).with_name("toolkits")
# AWS's serving toolkits as far as scripts import them, by the distribution of an image that brings them.
_TOOLKIT_OF = {
    "sagemaker-containers": "sagemaker_containers",
    "sagemaker-inference": "sagemaker_inference",
    "sagemaker-pytorch-inference": "sagemaker_inference",
    "sagemaker-xgboost-container": "sagemaker_xgboost_container",
}
_TOOLS = ("pip", "setuptools", "wheel")  # of every image's Python
_FORMAT = 1  # a change of the layout makes new views


@dataclass(frozen=True)
class View:
    """`site` and `bin` below `folder`; `shown` are the distributions in it."""

    key: str
    folder: Path
    shown: frozenset[str]


def view(root: Path, laptop: Laptop, manifest: Manifest | None, image: str) -> View:
    """The view of an image, made now if there is none. Without a manifest it shows all but what is being developed."""
    names = [*manifest.packages, *_TOOLS] if manifest else _installed(laptop)
    shown = laptop.with_dependencies(names)
    facts = json.dumps([_FORMAT, laptop.identity, image, sorted(names), _hooks()])
    key = hashlib.sha256(facts.encode()).hexdigest()[:20]
    made = View(key, root / key, frozenset(shown))
    if not made.folder.is_dir():
        with building(made.folder) as folder:
            _make(folder, laptop, shown, manifest, image, key)
    return made


def _installed(laptop: Laptop) -> list[str]:
    """Not the editable ones: their source is not there, and `pip` would look for it."""
    editable = ("__editable__", "__editable___")
    return [
        each.name for each in laptop.distributions.values() if not any(file.startswith(editable) for file in each.files)
    ]


def _hooks() -> str:
    files = [*sorted(_INSIDE.glob("*.py")), *sorted(_TOOLKITS.rglob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class building:  # noqa: N801 - a context manager, used like a function
    """A folder beside `target` that takes its place when the block ends: `target` is whole, or absent."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> Path:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=".", dir=self._target.parent))
        self._folder.chmod(0o755)
        return self._folder

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._folder.rename(self._target)
            except OSError:
                if not self._target.is_dir():  # else somebody else made the same
                    raise
        shutil.rmtree(self._folder, ignore_errors=True)


def _make(folder: Path, laptop: Laptop, shown: set[str], manifest: Manifest | None, image: str, key: str) -> None:
    hidden = link(laptop, shown, folder / "site")
    scripts(laptop, shown, folder / "bin")
    for each in (laptop.distributions[name] for name in shown):
        if each.name in SAME and SAME[each.name] not in laptop.distributions:
            _alias(each, SAME[each.name], folder / "site")
    known = manifest.packages if manifest else {}
    absent = {name: version for name, version in known.items() if not laptop.find(name)}
    for name in absent:
        toolkit = _TOOLKIT_OF.get(name, "")
        if toolkit and not (folder / "site" / toolkit).exists():
            shutil.copytree(
                _TOOLKITS / toolkit, folder / "site" / toolkit, ignore=shutil.ignore_patterns("__pycache__")
            )
    facts = {"view": key, "image": image, "hidden": hidden, "absent": absent}
    (folder / "site" / "sagelocal_image.json").write_text(json.dumps(facts))
    _add_hooks(folder / "site")


def _add_hooks(site: Path) -> None:
    """Compiled, as nothing inside may write; the .pth file runs before others, whose imports `pip` does not need.

    Under importlib's own name, so that a traceback leaves out the finders' frames as it does the import system's.
    """
    for source in _INSIDE.glob("*.py"):
        py_compile.compile(
            str(source), str(site / f"{source.stem}.pyc"), dfile="<frozen importlib._bootstrap>", doraise=True
        )
    (site / "0.sagelocal.pth").write_text("import sagelocal_site\n")


def _alias(distribution: Distribution, name: str, site: Path) -> None:
    """Metadata under the name that AWS's image has it by, so that `pip` and importlib.metadata find it."""
    info = site / f"{name.replace('-', '_')}-{distribution.version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {distribution.version}\n")
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text("")


def link(laptop: Laptop, shown: set[str], site: Path, only: set[str] | None = None) -> dict[str, str]:
    """Links to the files of `shown`; of those in folders where a distribution of `only` has some, if given.

    Returns the modules that were left out, with their distribution.
    """
    owners = _owners(laptop.distributions.values())
    hidden: dict[str, str] = {}
    site.mkdir()
    for name in sorted(os.listdir(laptop.folder)):
        if only is None or owners.get(name, set()) & only:
            _link(laptop, shown, owners, name, site, hidden)
    return hidden


def _link(
    laptop: Laptop, shown: set[str], owners: Mapping[str, set[str]], path: str, site: Path, hidden: dict[str, str]
) -> None:
    """Links `path`, or what of it is `shown`."""
    mine = owners.get(path, set())
    if not mine and path.endswith(".pth"):
        return  # somebody's hook into this very environment
    if mine <= shown:
        (site / path).symlink_to(f"{PACKAGES}/{path}")
        return
    if module := _module(path):
        # The distribution of a shared module's name brings its parts: `sagemaker`, not `sagemaker-core`.
        named = module in laptop.distributions and module not in shown
        hidden.setdefault(module, module if named else min(mine - shown))
    if mine & shown and (laptop.folder / path).is_dir():
        (site / path).mkdir()
        for name in sorted(os.listdir(laptop.folder / path)):
            _link(laptop, shown, owners, f"{path}/{name}", site, hidden)
        if module:
            del hidden[module]


def _module(path: str) -> str:
    """The dotted name of the module or package that a path is, else nothing."""
    name = path.partition(".")[0].replace("/", ".")
    extension = path.rpartition("/")[2].partition(".")[2]
    importable = not extension or extension.rpartition(".")[2] in ("py", "so")
    return (
        name
        if importable and all(part.isidentifier() for part in name.split(".")) and "__pycache__" not in name
        else ""
    )


def _owners(distributions: Iterable[Distribution]) -> dict[str, set[str]]:
    """Who has files in or below each path."""
    owners: dict[str, set[str]] = {}
    for each in distributions:
        for path in {folder for file in each.files if not file.startswith("..") for folder in _upwards(file)}:
            owners.setdefault(path, set()).add(each.name)
    return owners


def _upwards(path: str) -> Iterator[str]:
    """A path and the folders that it is in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def scripts(laptop: Laptop, shown: set[str], folder: Path, only: set[str] | None = None) -> None:
    """The environment's bin folder, without the scripts of what is not shown."""
    folder.mkdir()
    chosen = laptop.distributions.values() if only is None else [laptop.distributions[name] for name in only]
    if only is None:
        left_out = {name for each in chosen if each.name not in shown for name in each.scripts}
        names = set(os.listdir(_bin())) - left_out
    else:
        names = {name for each in chosen for name in each.scripts} & set(os.listdir(_bin()))
    for name in names:
        if not (_bin() / name).is_dir():
            shutil.copy2(_bin() / name, folder / name, follow_symlinks=False)


def _bin() -> Path:
    return Path(sys.prefix) / "bin"
