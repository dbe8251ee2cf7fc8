"""A pip command line as data: what is the same install, and what only the job's own pip can do."""

from __future__ import annotations

import pytest

from sagelocal.environments.installs import Install, OwnPipError, parse


def install(*arguments: str, **files: str) -> Install:
    return parse(arguments, {name.replace("_txt", ".txt"): text for name, text in files.items()}, {})


def key(*arguments: str, below: str = "view", **files: str) -> str:
    return install(*arguments, **files).key([below])


def test_layout_order_and_spelling_do_not_make_another_install() -> None:
    text = "# what the image lacks\njinja2 == 3.1.6   # templates\n\nmatplotlib==3.11.2\n"
    assert key("-r", "a.txt", a_txt=text) == key("--requirement=b.txt", "-q", b_txt="Matplotlib==3.11.2\nJinja2==3.1.6")
    assert key("-r", "./a.txt", a_txt=text) == key("jinja2==3.1.6", "matplotlib==3.11.2", "--no-cache-dir")


@pytest.mark.parametrize(
    "other",
    [
        ("matplotlib==3.11.1",),
        ("matplotlib==3.11.2", "jinja2"),
        ("matplotlib[extra]==3.11.2",),
        ("matplotlib==3.11.2; python_version < '3'",),
        ("matplotlib==3.11.2", "--pre"),
        ("matplotlib==3.11.2", "-U"),
        ("matplotlib==3.11.2", "-i", "https://other/simple"),
        ("matplotlib==3.11.2", "-c", "limits.txt"),
    ],
)
def test_what_changes_the_result_makes_another_install(other: tuple[str, ...]) -> None:
    assert key(*other, limits_txt="numpy<2") != key("matplotlib==3.11.2")


def test_another_image_makes_another_install_and_a_new_password_does_not() -> None:
    assert key("six") != key("six", below="another view")
    first, second = (key("six", "-i", f"https://aws:{token}@ca.example/simple/") for token in ("one", "two"))
    assert first == second


def test_files_within_files_are_read_relative_to_the_file_that_names_them() -> None:
    nested = {
        "code/r.txt": "-r more/s.txt\n-c c.txt\nsix \\\n  ==1.17.0\n",
        "code/more/s.txt": "a\n",
        "code/c.txt": "b<2",
    }
    read = parse(["-r", "code/r.txt"], nested, {})
    assert (read.requirements, read.constraints) == (["a", "six==1.17.0"], ["b<2"])


@pytest.mark.parametrize(
    "arguments",
    [
        (".",),
        ("-e", "."),
        ("./wheels/x-1-py3-none-any.whl",),
        ("x @ file:///opt/ml/x.whl",),
        ("-r", "absent.txt"),
        ("--target", "/opt/ml/model", "six"),
        ("--find-links", "/opt/ml/wheels", "six"),
        ("--index-url", "https://${TOKEN}@x/simple", "-r", "r.txt"),
        ("-r",),
    ],
)
def test_paths_of_the_job_and_unknown_options_are_left_to_its_own_pip(arguments: tuple[str, ...]) -> None:
    with pytest.raises(OwnPipError):
        install(*arguments, r_txt="x==${VERSION}")


def test_a_jobs_own_index_counts_and_a_variable_not_understood_is_left_to_pip() -> None:
    assert parse(["six"], {}, {"PIP_INDEX_URL": "https://x/simple"}).key([]) != parse(["six"], {}, {}).key([])
    with pytest.raises(OwnPipError):
        parse(["six"], {}, {"PIP_CONSTRAINT": "/opt/ml/c.txt"})


def test_what_a_look_at_the_installed_packages_cannot_decide() -> None:
    assert install("six").wanted() is not None
    assert install("-U", "six==1.17.0").wanted() is not None
    assert install("-U", "six").wanted() is None
    assert install("six", "-c", "c.txt", c_txt="numpy<2").wanted() is None
    assert install("https://x/y-1-py3-none-any.whl").wanted() is None
    limited = install("six", "-c", "c.txt", c_txt="six<1").wanted()
    assert limited and not limited[0].specifier.contains("1.17.0")
