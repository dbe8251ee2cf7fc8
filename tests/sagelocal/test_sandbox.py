"""What a sandboxed process can see, reach and survive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from sagelocal import sandbox
from sagelocal.sandbox import Process, Sandbox

pytestmark = pytest.mark.namespaces


def run(command: list[str], box: Sandbox) -> tuple[int | None, str]:
    process = sandbox.start(command, box, subprocess.PIPE)
    assert process.output
    with process.output as output:
        said = output.read().decode()
    return process.wait(), said


def python(script: str, box: Sandbox) -> tuple[int | None, str]:
    return run(["python3", "-c", textwrap.dedent(script)], box)


def wait_for(file: Path) -> str:
    deadline = time.monotonic() + 30
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, f"{file} was not written"
        time.sleep(0.01)
    return file.read_text()


def test_root_is_read_only_and_opt_ml_is_not(tmp_path: Path) -> None:
    code, said = python(
        """
        import os
        for folder in ("/", "/usr", "/etc", "/opt", "/home", "/proc/sys/kernel"):
            try:
                open(f"{folder}/mine", "w")
            except OSError:
                continue
            print(folder)
        for folder in ("/opt/ml", "/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"]):
            open(f"{folder}/mine", "w").write("x")
        """,
        Sandbox(opt_ml=tmp_path),
    )
    assert (code, said) == (0, "")
    assert (tmp_path / "mine").read_text() == "x"
    assert not Path("/tmp/mine").exists()


def test_nothing_else_can_be_written(tmp_path: Path) -> None:
    """Every mount, every folder that is open to all on this machine, and what of /proc would change its kernel."""
    code, said = python(
        """
        import os, stat
        mounts = {line.split()[4].encode().decode("unicode_escape") for line in open("/proc/self/mountinfo")}
        def mine(path):
            while path not in mounts:
                path = os.path.dirname(path)
            return path in ("/opt/ml", "/tmp", "/var/tmp", "/dev/shm", "/root")
        def try_to(write, path):
            try:
                write(path)
            except OSError:
                return
            print(path)
        def make(folder):
            os.mkdir(f"{folder}/mine")
        for mount in mounts:
            if os.path.isdir(mount) and not mine(mount):
                try_to(make, mount)
        for folder, names, files in os.walk("/", topdown=True):
            if folder.count("/") > 4 or (folder.startswith("/proc/") and folder.split("/")[2].isdigit()):
                names.clear()
            if mine(folder):
                continue
            if folder.startswith("/proc/") and not folder.split("/")[2].isdigit():
                for name in files:
                    path = f"{folder}/{name}"
                    if os.access(path, os.W_OK) and os.lstat(path).st_mode & 0o222 and not os.path.islink(path):
                        try_to(lambda path: os.close(os.open(path, os.O_WRONLY)), path)
            elif os.lstat(folder).st_mode & stat.S_IWOTH:
                try_to(make, folder)
        """,
        Sandbox(opt_ml=tmp_path, hidden=sandbox.hidden_paths(tmp_path / "state")),
    )
    assert (code, said) == (0, "")


def test_state_home_and_clone_are_absent(tmp_path: Path) -> None:
    state, opt_ml = tmp_path / "state", tmp_path / "state" / "jobs" / "mine"
    opt_ml.mkdir(parents=True)
    (state / "secret").write_text("key")
    clone = Path(sandbox.__file__).parents[1]
    box = Sandbox(opt_ml=opt_ml, hidden=sandbox.hidden_paths(state))
    code, said = python(
        f"""
        import os
        paths = [{str(state / "secret")!r}, {str(clone / "sagelocal")!r}, {str(Path.home() / ".bashrc")!r}]
        print([path for path in paths if os.path.exists(path)], os.listdir(os.environ["HOME"]) == [] or "python only")
        try:
            import sagelocal
        except ImportError:
            print("no sagelocal")
        """,
        box,
    )
    assert code == 0, said
    assert said.startswith("[]")
    assert "no sagelocal" in said


def test_a_hidden_folder_inside_a_system_folder_is_empty(tmp_path: Path) -> None:
    folder = next(path for path in Path("/usr/share").iterdir() if path.is_dir() and any(path.iterdir()))
    code, said = run(["ls", str(folder)], Sandbox(opt_ml=tmp_path, hidden=[folder]))
    assert (code, said) == (0, "")


def test_environment_holds_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the user's own")
    monkeypatch.setenv("MLOPS_STATE", "/somewhere")
    code, said = python(
        "import json, os; print(json.dumps(dict(os.environ)))", Sandbox(opt_ml=tmp_path, environment={"STAGE": "dev"})
    )
    seen = json.loads(said)
    assert code == 0
    assert seen["STAGE"] == "dev"
    assert seen["HOME"] == "/root"
    assert not {"AWS_SECRET_ACCESS_KEY", "MLOPS_STATE"} & seen.keys()


def test_python_and_pip_are_this_environments(tmp_path: Path) -> None:
    code, said = run(["sh", "-c", "command -v python3 pip bash && python3 -c 'import numpy'"], Sandbox(opt_ml=tmp_path))
    assert code == 0, said
    assert said.startswith(f"{sys.prefix}/bin/python3")


def test_no_capability_undoes_the_sandbox(tmp_path: Path) -> None:
    code, said = run(
        ["sh", "-c", "mount -o remount,rw / ; umount /tmp; mount -t tmpfs x /mnt; unshare -m true; echo ended $?"],
        Sandbox(opt_ml=tmp_path),
    )
    assert code == 0
    assert said.rstrip().endswith("ended 1"), said


def test_two_side_by_side_neither_reads_writes_nor_signals_the_other(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first, second = state / "jobs" / "first", state / "jobs" / "second"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    (first / "private").write_text("first's data")
    victim = sandbox.start(
        ["sh", "-c", "echo started > /opt/ml/started; echo mine > /tmp/mine; sleep 60"],
        Sandbox(opt_ml=first, hidden=sandbox.hidden_paths(state)),
        subprocess.DEVNULL,
    )
    try:
        wait_for(first / "started")
        pids = [victim.pid, *(child.pid for child in psutil.Process(victim.pid).children(recursive=True))]
        code, said = python(
            f"""
            import os, signal
            found = []
            for path in ({str(first / "private")!r}, {str(state)!r}, "/tmp/mine", "/opt/ml/started"):
                found += [path] if os.path.exists(path) else []
            try:
                open({str(first / "written")!r}, "w")
                found.append("wrote")
            except OSError:
                pass
            visible = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
            for pid in {pids}:
                if pid in visible:
                    continue  # a process of this sandbox that happens to have the number
                try:
                    os.kill(pid, signal.SIGKILL)
                    found.append(pid)
                except OSError:
                    pass
                found += [pid] if os.path.exists(f"/proc/{{pid}}/root") else []
            print(found, len(visible))
            """,
            Sandbox(opt_ml=second, hidden=sandbox.hidden_paths(state)),
        )
        assert code == 0, said
        assert said.strip() == "[] 2"  # its init and itself
        assert victim.poll() is None
        assert sorted(path.name for path in first.iterdir()) == ["private", "started"]
    finally:
        victim.kill()
        victim.wait()


def test_network_isolation_leaves_a_loopback_of_its_own(tmp_path: Path) -> None:
    script = """
        import socket
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            socket.create_connection(server.getsockname(), timeout=5).close()
        print(socket.gethostbyname("algo-2"), [name for _, name in socket.if_nameindex()][0])
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=2)
            print("reached")
        except OSError:
            print("refused")
        """
    import socket

    with socket.socket() as outside:
        outside.bind(("127.0.0.1", 0))
        outside.listen()
        script = script.replace("PORT", str(outside.getsockname()[1]))
        hosts = {"algo-1": "127.0.0.1", "algo-2": "127.0.0.2"}
        isolated = python(script, Sandbox(opt_ml=tmp_path, network=False, hosts=hosts))
        shared = python(script, Sandbox(opt_ml=tmp_path, hosts=hosts))
    assert isolated == (0, "127.0.0.2 lo\nrefused\n")
    assert shared == (0, "127.0.0.2 lo\nreached\n")


def test_extra_binds(tmp_path: Path) -> None:
    (tmp_path / "ml").mkdir()
    (tmp_path / "sockets").mkdir()
    (tmp_path / "handler.py").write_text("print('handled')")
    box = Sandbox(
        opt_ml=tmp_path / "ml",
        binds={"/opt/sagemaker/handler.py": tmp_path / "handler.py"},
        writable={"/sockets": tmp_path / "sockets"},
    )
    code, said = run(["sh", "-c", "python3 /opt/sagemaker/handler.py && echo x > /sockets/y"], box)
    assert (code, said) == (0, "handled\n")
    assert (tmp_path / "sockets" / "y").read_text() == "x\n"
    assert run(["sh", "-c", "echo x > /opt/sagemaker/handler.py"], box)[0] != 0
    assert (tmp_path / "handler.py").read_text() == "print('handled')"


@pytest.mark.parametrize(
    ("command", "code"),
    [(["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["no-such-command"], 127)],
)
def test_exit_status(tmp_path: Path, command: list[str], code: int) -> None:
    assert run(command, Sandbox(opt_ml=tmp_path))[0] == code


def started(tmp_path: Path, script: str) -> Process:
    process = sandbox.start(["python3", "-c", textwrap.dedent(script)], Sandbox(opt_ml=tmp_path), subprocess.DEVNULL)
    wait_for(tmp_path / "ready")
    return process


def test_stop_lets_a_handler_finish_and_kills_who_ignores_it(tmp_path: Path) -> None:
    handler = """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (open("/opt/ml/saved", "w").write("model"), sys.exit(3)))
        open("/opt/ml/ready", "w").write("x")
        while True:
            time.sleep(0.1)  # Python asks for signals between two, not once one has begun
        """
    assert started(tmp_path, handler).stop(grace=30) == 3
    assert (tmp_path / "saved").read_text() == "model"
    (tmp_path / "ready").unlink()
    deaf = handler.replace('lambda *_: (open("/opt/ml/saved", "w").write("model"), sys.exit(3))', "signal.SIG_IGN")
    assert started(tmp_path, deaf).stop(grace=0.3) == 128 + signal.SIGKILL


def test_memory_is_that_of_the_process_tree(tmp_path: Path) -> None:
    process = started(
        tmp_path,
        """
        import subprocess, sys, time
        child = "x = bytearray(60_000_000); open('/opt/ml/ready', 'w').write('x'); import time; time.sleep(60)"
        subprocess.run([sys.executable, "-c", child])
        """,
    )
    try:
        assert 60_000_000 < process.memory() < 250_000_000
        assert process.resident() >= process.memory() * 0.9
    finally:
        process.kill()
        process.wait()


def test_dies_with_its_supervisor(tmp_path: Path) -> None:
    supervisor = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import subprocess, threading, time
                from pathlib import Path
                from sagelocal import sandbox
                box = sandbox.Sandbox(opt_ml=Path({str(tmp_path)!r}))
                command = ["sh", "-c", "echo x > /opt/ml/ready; sleep 300"]
                worker = threading.Thread(target=lambda: sandbox.start(command, box, subprocess.DEVNULL))
                worker.start()
                worker.join()  # the thread that asked is gone, the job is not
                time.sleep(300)
                """
            ),
        ],
        cwd=Path(sandbox.__file__).parents[1],
    )
    try:
        wait_for(tmp_path / "ready")
        tree = psutil.Process(supervisor.pid).children(recursive=True)
        assert any("sleep" in process.name() for process in tree)
    finally:
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
    _, alive = psutil.wait_procs(tree, timeout=30)
    assert alive == []


def test_probe_finds_namespaces_or_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox.probe() is None
    monkeypatch.setattr(sandbox, "tool", lambda name: "/bin/false" if name == "unshare" else f"/usr/bin/{name}")
    assert "--privileged" in (sandbox.probe() or "")


def test_where_namespaces_are_forbidden_nothing_starts_and_the_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "tool", lambda name: "/bin/false" if name == "unshare" else f"/usr/bin/{name}")
    monkeypatch.setattr(sandbox, "_works", threading.Event())
    with pytest.raises(sandbox.ForbiddenError, match="--privileged"):
        sandbox.start(["true"], Sandbox(opt_ml=tmp_path), subprocess.PIPE)


def test_what_the_linker_is_to_load_is_loaded_inside_only(tmp_path: Path) -> None:
    code, said = run(["/bin/sh", "-c", "echo $LD_PRELOAD"], Sandbox(tmp_path, environment={"LD_PRELOAD": "/absent.so"}))
    complaints = said.count("/absent.so") - 1  # the linker's own, a command each: env's child is the only one
    assert (code, said.splitlines()[-1], complaints) == (0, "/absent.so", 1)
