"""What jobs can import, and what their requirements install: real jobs, an index of packages on this machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sagelocal.app import SageLocal
from sagelocal.environments.overlays import Overlays, trim
from tests.sagelocal.environments.conftest import CODE, SKLEARN, ended

pytestmark = pytest.mark.namespaces
Job = Callable[..., Any]


class Index(ThreadingHTTPServer):
    """A folder of wheels; `held` makes requests wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.held = threading.Event()
        self.held.set()
        index = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests.append(self.path)
                index.held.wait(30)
                super().do_GET()

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel: Callable[..., Path]) -> Iterator[Index]:
    """The only place where pip finds packages: `hello` of two versions, which needs `greeting`."""
    folder = tmp_path / "index"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, "hello", version, f"VERSION = '{version}'\ndef main(): print('hello', VERSION)\n", "greeting")
    wheel(folder, "greeting", "1.0", "")
    server = Index(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_address[1]}/")
    yield server
    server.held.set()
    server.shutdown()
    server.server_close()


def overlays(app: SageLocal) -> set[str]:
    folder = app.settings.state / "environments" / "overlays"
    return {each.name for each in folder.iterdir()} if folder.is_dir() else set()


def test_a_package_that_the_image_lacks_is_missing_as_on_aws_and_the_error_says_why(job: Job) -> None:
    done = job("lacks", "import matplotlib")
    said = (
        "ModuleNotFoundError: No module named 'matplotlib'. This laptop has it, AWS's scikit-learn 1.9-0 image does "
        "not: add matplotlib to requirements.txt."
    )
    assert done.status == "Failed"
    assert done.reason.startswith(f"AlgorithmError: {said}")
    assert "sagelocal_site" not in done.log  # the traceback is the user's own


def test_a_package_of_the_image_that_this_laptop_lacks_is_named(job: Job) -> None:
    done = job("absent", "import retrying")
    said = "AWS's scikit-learn 1.9-0 image has it (retrying 1.3.3), this laptop does not: pip install retrying"
    assert f"No module named 'retrying'. {said}" in done.reason


def test_whoever_asks_gets_the_same_answer(job: Job) -> None:
    script = """
import importlib.metadata, importlib.util, json, numpy, pkgutil, subprocess, sys
try:
    import matplotlib
except ImportError as error:
    assert type(error) is ModuleNotFoundError and error.name == "matplotlib"
assert importlib.util.find_spec("matplotlib") is None
try:
    importlib.metadata.version("matplotlib")
except importlib.metadata.PackageNotFoundError:
    pass
assert importlib.metadata.version("numpy") == numpy.__version__
assert "matplotlib" not in {each.name for each in pkgutil.iter_modules()}
assert subprocess.run([sys.executable, "-c", "import matplotlib"], capture_output=True).returncode == 1
try:
    import no_such_module
except ModuleNotFoundError as error:
    assert str(error) == "No module named 'no_such_module'"
sys.path.insert(0, "/tmp")
open("/tmp/matplotlib.py", "w").write("mine = True")
import matplotlib
assert matplotlib.mine
"""
    assert job("same", script).status == "Completed"


def test_what_this_laptop_has_needs_no_pip(app: SageLocal, job: Job, index: Index) -> None:
    script = "import matplotlib, jinja2, shutil; print(matplotlib.__file__); assert shutil.which('ttx')"
    for name in ("has-1", "has-2"):
        done = job(name, script, "# what the image lacks\njinja2>=3\nmatplotlib\n")
        assert done.status == "Completed", done.log
        assert "/opt/sagelocal/overlays/" in done.log
    assert index.requests == []
    assert job("has-3", "import matplotlib").status == "Failed"  # it was that job's alone


def test_an_install_is_made_once_and_then_reused_without_network(app: SageLocal, job: Job, index: Index) -> None:
    script = "import hello, shutil; print(hello.__file__, hello.VERSION, shutil.which('hello'))"
    first = job("once-1", script, "hello==1.0\n")
    assert first.status == "Completed", first.log
    assert "1.0 /root/.local/bin/hello" in first.log
    requests = len(index.requests)
    assert requests
    assert job("once-2", script, "  Hello == 1.0  # again").status == "Completed"
    assert len(index.requests) == requests
    other = job("once-3", script, "hello\n")
    assert "2.0 /root/.local/bin/hello" in other.log
    assert len(index.requests) > requests


def test_installs_of_a_script_lie_over_those_before_and_reach_the_running_process(job: Job, index: Index) -> None:
    script = """
import subprocess, sys
def pip(*words):
    subprocess.check_call([sys.executable, "-m", "pip", *words])
import hello
assert hello.VERSION == "1.0"
pip("install", "-q", "--upgrade", "hello")
del sys.modules["hello"]
import hello
assert hello.VERSION == "2.0", hello.__file__
subprocess.check_call("pip install six && hello && python -c 'import hello; print(hello.VERSION)'", shell=True)
subprocess.check_call("pip uninstall --yes typing", shell=True)
"""
    done = job("over", script, "hello==1.0")
    assert done.status == "Completed", done.log
    assert "hello 2.0" in done.log


def test_another_version_of_what_the_image_has_lies_over_it(
    app: SageLocal, job: Job, index: Index, wheel: Callable[..., Path], tmp_path: Path
) -> None:
    """Also of a package whose files lie beside others' in site-packages and bin: pip would remove those first."""
    wheel(index.folder, "six", "1.0", "VERSION = '1.0'\ndef main(): ...\n")
    mine = wheel(tmp_path, "six", "1.1", "VERSION = '1.1'\n")
    app.s3.put_object(Bucket=app.settings.bucket, Key=f"replaces/{mine.name}", Body=mine.read_bytes())
    script = f"""
import subprocess, sys
import six
print("first", six.VERSION)
subprocess.check_call(["pip", "install", "{CODE}/{mine.name}"])
subprocess.check_call([sys.executable, "-c", "import six; print('second', six.VERSION)"])
subprocess.check_call(["pip", "uninstall", "--yes", "six"])
subprocess.check_call([sys.executable, "-c", "import six; print('third', six.VERSION)"])
"""
    done = job("replaces", script, "six==1.0")
    assert done.status == "Completed", done.log
    assert "first 1.0" in done.log
    assert "second 1.1" in done.log
    assert "third 1.0" in done.log


def test_what_belongs_to_the_job_is_installed_by_its_own_pip_and_kept_nowhere(
    app: SageLocal, job: Job, tmp_path: Path, wheel: Callable[..., Path]
) -> None:
    before = overlays(app)
    mine = wheel(tmp_path, "mine", "1.0", "x = 1\n")
    app.s3.put_object(Bucket=app.settings.bucket, Key=f"own/{mine.name}", Body=mine.read_bytes())
    script = f"""
import subprocess
subprocess.check_call(["pip", "install", "{CODE}/{mine.name}"])
import mine
print(mine.__file__)
"""
    done = job("own", script)
    assert done.status == "Completed", done.log
    assert "/root/.local/lib/" in done.log
    assert overlays(app) == before


def test_an_install_that_fails_leaves_nothing(app: SageLocal, job: Job, index: Index) -> None:
    before = overlays(app)
    done = job("fails", "", "hello==9.9\n")
    assert done.status == "Failed"
    assert "No matching distribution found for hello==9.9" in done.reason
    assert overlays(app) == before


def test_jobs_that_ask_at_once_share_one_install(app: SageLocal, job: Job, index: Index) -> None:
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda number: job(f"both-{number}", "import hello", "hello\nsix\n"), range(3)))
    assert [each.status for each in done] == ["Completed"] * 3, done
    assert sum("Successfully installed" in each.log for each in done) == 1


def test_an_install_whose_job_is_stopped_is_broken_off(app: SageLocal, job: Job, index: Index) -> None:
    before = overlays(app)
    index.held.clear()
    job("broken", "", "greeting\nhello==1.0\n", wait=False)
    while not index.requests:
        time.sleep(0.01)
    app.call("StopProcessingJob", {"ProcessingJobName": "broken"})
    index.held.set()
    assert ended(app, "broken").status == "Stopped"
    assert not [name for name in overlays(app) - before if name.startswith(".")]
    assert job("whole", "import hello, greeting", "greeting\nhello==1.0\n").status == "Completed"


def test_a_job_without_network_installs_nothing(app: SageLocal, job: Job, index: Index) -> None:
    isolated = {"NetworkConfig": {"EnableNetworkIsolation": True}, "Environment": {"PIP_RETRIES": "0"}}
    assert job("isolated-1", "import numpy", "numpy\n", **isolated).status == "Completed"
    lacking = job("isolated-2", "", "matplotlib\n", **isolated)
    assert lacking.status == "Failed"
    assert "No matching distribution found for matplotlib" in lacking.reason


def test_the_log_says_which_versions_differ_and_which_image_stands_in(job: Job) -> None:
    done = job("old", "import numpy", image=SKLEARN.replace("1.9-0", "1.5-0"))
    first = done.log.splitlines()[0]
    assert first.startswith("sagelocal: scikit-learn 1.4-2 image of AWS: version 1.5-0 is not known here")
    assert "numpy " in first and "(AWS 2.1.0)" in first


def test_what_a_kill_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    for name in ("overlays/.half", "overlays/whole", "views/.half", "scratch-1/out"):
        (tmp_path / name).mkdir(parents=True)
    Overlays(tmp_path, [])
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.glob("*/*"))] == ["overlays/whole"]


def test_the_longest_unused_go_when_there_are_too_many(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "older", "oldest")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 1000)
        os.utime(tmp_path / name, (time.time() - age * 100,) * 2)
    trim(tmp_path, 2500)
    assert {each.name for each in tmp_path.iterdir()} == {"new", "older"}
