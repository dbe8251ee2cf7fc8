"""The lists of packages in AWS's images, and what of this laptop's an image shows."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from sagelocal.environments import manifests, views
from sagelocal.environments.laptop import laptop
from sagelocal.environments.service import note

FILES = sorted(manifests.FOLDER.glob("*/*.toml"))


def sklearn() -> manifests.Manifest:
    found = manifests.find("scikit-learn", "sagemaker-scikit-learn", "1.9-0")
    assert found
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_manifest_has_its_sources_normal_names_and_valid_versions(file: Path) -> None:
    document = tomllib.loads(file.read_text())
    assert set(document) == {"python", "sources", "named", "dependencies"}
    assert document["sources"] and all(url.startswith("https://github.com/aws/") for url in document["sources"])
    packages = {**document["named"], **document["dependencies"]}
    assert all(canonicalize_name(name) == name for name in packages)
    assert all(Version(version) for version in packages.values() if version)


def test_the_pipelines_images_have_their_own_manifest() -> None:
    source = (Path(manifests.__file__).parents[2] / "pipelines" / "jobs.py").read_text()  # to import it takes seconds
    images = next(line for line in source.splitlines() if line.startswith("IMAGES = "))
    versions = ast.literal_eval(images.removeprefix("IMAGES = ").partition("#")[0].strip())
    repositories = {
        "sklearn": "sagemaker-scikit-learn",
        "xgboost": "sagemaker-xgboost",
        "pytorch": "pytorch-training",
    }
    for framework, version in versions.items():
        found = manifests.find(framework, repositories[framework], version)
        assert found is not None
        assert found.version.startswith(version)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("1.9-0", "1.9-0"),
        ("1.4-2", "1.4-2"),
        ("1.5-1", "1.4-2"),
        ("0.20.0", "0.23-1"),
        ("2.0-0", "1.9-0"),
        ("", "1.9-0"),
    ],
)
def test_the_nearest_version_stands_in_for_an_unknown_one(wanted: str, found: str) -> None:
    assert manifests.nearest(wanted, ["0.23-1", "1.9-0", "1.4-2", "1.0-1"]) == found


def test_variants_for_other_processors_have_the_same_packages_and_others_none() -> None:
    arm = manifests.find("pytorch", "pytorch-inference-arm64", "2.6.0")
    assert arm and arm == manifests.find("pytorch", "pytorch-inference", "2.6.0")
    assert manifests.find("x", "no-such-repository", "1") is None


# A build of sagelocal's CodeBuild sees its packages in another Python's folder, and has no images of its own.
needs_packages = pytest.mark.skipif(
    "numpy" not in laptop().distributions, reason="this Python's packages are in another Python's folder"
)


@needs_packages
def test_the_note_names_other_versions_and_a_version_that_is_not_known() -> None:
    found = sklearn()
    other = manifests.Manifest("scikit-learn 1.9-0", "1.9-0", {"numpy": "0.1", "not-here": "1"}, {}, found.sources)
    assert "numpy" in note(other, "1.9-0", laptop()) and "(AWS 0.1)" in note(other, "1.9-0", laptop())
    assert "not-here" not in note(other, "1.9-0", laptop())
    assert "version 1.5-0 is not known here, 1.9-0 stands in for it" in note(other, "1.5-0", laptop())
    same = manifests.Manifest("x", "1", {"numpy": laptop().distributions["numpy"].version}, {}, ())
    assert note(same, "1", laptop()) == ""


@needs_packages
def test_a_view_shows_the_images_packages_with_what_they_need_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    view = views.view(tmp_path, laptop(), sklearn(), "scikit-learn 1.9-0")
    site = view.folder / "site"
    assert {"numpy", "pandas", "jinja2", "jmespath", "pip"} <= view.shown
    assert not {"matplotlib", "xgboost-cpu", "typer", "sagemaker-core"} & view.shown
    assert (site / "numpy").is_symlink() and not (site / "matplotlib").is_symlink()
    assert not any("editable" in path.name for path in site.iterdir())
    facts = json.loads((site / "sagelocal_image.json").read_text())
    assert facts["hidden"]["matplotlib"] == facts["hidden"]["mpl_toolkits"] == "matplotlib"
    assert facts["hidden"]["imblearn"] == "imbalanced-learn"
    assert facts["hidden"]["sagemaker"] == "sagemaker"
    assert "numpy" not in facts["hidden"]
    scripts = {path.name for path in (view.folder / "bin").iterdir()}
    assert {"python3", "pip"} <= scripts and not {"mlops", "typer"} & scripts
    assert views.view(tmp_path, laptop(), sklearn(), "scikit-learn 1.9-0") == view
    assert [path.name for path in tmp_path.iterdir()] == [view.key]


@needs_packages
def test_a_package_of_another_name_here_has_aws_s_name_too(tmp_path: Path) -> None:
    manifest = manifests.find("xgboost", "sagemaker-xgboost", "3.2-0")
    view = views.view(tmp_path, laptop(), manifest, "xgboost 3.2-0")
    assert list((view.folder / "site").glob("xgboost-*.dist-info"))


@needs_packages
def test_an_image_without_a_manifest_shows_all_but_what_is_being_developed(tmp_path: Path) -> None:
    view = views.view(tmp_path, laptop(), None, "another 1")
    assert {"matplotlib", "typer"} <= view.shown
    assert "sagemaker-mlops-template" not in view.shown


@needs_packages
def test_what_is_missing_over_a_view_is_this_laptops_or_for_pip() -> None:
    here = laptop()
    shown = here.with_dependencies(["numpy"])

    def missing(*lines: str, **above: str) -> set[str] | None:
        return here.missing([Requirement(line) for line in lines], shown, above)

    version = here.distributions["jinja2"].version
    assert missing("numpy>=1", "six; python_version < '3'") == set()
    assert missing(f"jinja2=={version}") == {"jinja2", "markupsafe"}
    assert missing("jinja2==0.1") is None
    assert missing("numpy==0.1") is None
    assert missing("no-such-package") is None
    assert missing("xgboost>=1") >= {"xgboost-cpu", "scipy"}  # type: ignore[operator]
    assert missing("numpy==0.1", numpy="0.1") == set()
    assert missing("jinja2 @ https://x/jinja2-3.1.6-py3-none-any.whl") is None
