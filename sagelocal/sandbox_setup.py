"""The shell script that builds a sandbox's root from this machine's folders and mounts, then becomes its PID 1."""

# Paths are text here: they go into a shell script, and some exist only inside.
# ruff: noqa: PTH110, PTH112, PTH114, PTH120, PTH208
from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelocal.sandbox import Sandbox

SETUP_FAILED = 125  # exit status when the sandbox itself could not be made (as `docker run` has it)
TOOLS_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = "/sys/kernel"  # where the new root is put together: a folder every Linux has and no job needs
_SYSTEM = ("usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")
# What root could still change the machine's kernel by: all of /proc that is not a process's and has a writable file.
_KERNEL = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "driver", "mtrr", "pressure")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Docker's default capabilities without those that reach devices, raw sockets or the file system's structure.
_CAPABILITIES = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+net_bind_service"
_PRESERVED_FLAGS = {"nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"}  # locked in a user namespace

# One SIGTERM is passed on once, whenever it comes: a second one would end a command whose handler is at work.
_INIT = """
stopped=; trap stopped=1 TERM
"$@" & child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM
[ -z "$stopped" ] || kill -TERM "$child" 2>/dev/null
while :; do wait "$child"; code=$?; kill -0 "$child" 2>/dev/null || exit $code; done
"""


def setup(sandbox: Sandbox, cwd: str) -> str:
    """The shell script that is PID 1 until the sandbox stands; "$@" is the command."""
    layout = Layout(sandbox)
    layout.plan()
    lines = [
        f'die() {{ echo "sandbox: $1" >&2; exit {SETUP_FAILED}; }}',
        "trap 'exit 143' TERM",
        f"{tool('mount')} -t tmpfs -o mode=755,size=64m,nosuid sandbox {_ROOT} || die 'no root file system'",
        f"cd {_ROOT}",
        f"{tool('mkdir')} -p old {_quoted(layout.folders)} || die 'no mount points'",
        _host_name(next(iter(sandbox.hosts), "algo-1")),
        "echo 500 > /proc/self/oom_score_adj",  # when memory ends, a job goes before what runs it
        *(f": > {shlex.quote(path)}" for path in layout.files),
        *(f"{tool('cp')} -P {_quoted(sources)} {shlex.quote(folder)}" for folder, sources in layout.links.items()),
        f"{tool('ln')} -s pts/ptmx dev/ptmx",
        f"printf %s {shlex.quote(_hosts(sandbox.hosts))} > run/hosts",
        f"printf %s {_fstab(layout.mounts)} > run/fstab",
        f"{tool('mount')} -a -T run/fstab || die 'a mount failed'",
        *([] if sandbox.network or sandbox.join else [_loopback()]),
        f"{tool('pivot_root')} . old || die 'no pivot_root'",
        f"{tool('umount')} -l /old || die 'the old root stays'",
        f"{tool('rm')} -d /old /run/fstab",
        *(
            f"{tool('mount')} -o {options} {shlex.quote(path)} || die 'not read-only: {path}'"
            for path, options in layout.closing
        ),
        f"cd {shlex.quote(cwd)} || die 'no working directory {cwd}'",
        f"exec {tool('setpriv')} --no-new-privs --bounding-set {_CAPABILITIES} "
        f'/bin/sh -c {shlex.quote(_INIT)} init {tool("env")} --default-signal=INT,QUIT "$@"',
    ]
    return "\n".join(lines)


class Layout:
    """Mount points to make and lines of an fstab, worked out from this machine's folders and mounts."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.host = _host_mounts()
        self.folders = [
            "proc",
            "dev/pts",
            "dev/shm",
            "sys",
            "tmp",
            "root",
            "var/tmp",
            "var/log",
            "run",
            "opt/ml",
            "home/sagemaker-user",  # the user of Studio's images; a notebook job's driver looks for it
            "mnt",
            "srv",
        ]
        self.files: list[str] = []
        self.links: dict[str, list[str]] = {"dev": ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"]}
        self.mounts: list[str] = []
        self.closing: list[tuple[str, str]] = []  # (path, options) of the mounts to change when all stands
        self.bound: list[str] = []

    def plan(self) -> None:
        for name in _SYSTEM:
            if f"/{name}" not in self.sandbox.writable:  # else the caller's folder stands in for it
                self.show("/" + name, ".")
        for child in sorted(Path("/opt").iterdir()) if Path("/opt").is_dir() else []:
            if child.name != "ml":
                self.show(str(child), "opt")
        self.devices()
        for path in self.sandbox.hidden:
            self.hide(path)
        self.mount("tmpfs", "/tmp", "tmpfs", "mode=1777,nosuid,nodev")
        self.mount("tmpfs", "/var/tmp", "tmpfs", "mode=1777,nosuid,nodev")
        self.mount("tmpfs", "/root", "tmpfs", "mode=700,nosuid,nodev")
        self.mount("tmpfs", "/dev/shm", "tmpfs", "mode=1777,nosuid,nodev")
        self.mount("devpts", "/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=620,nosuid,noexec")
        self.mount("proc", "/proc", "proc", "nosuid,nodev,noexec")
        self.names()
        for python in dict.fromkeys(
            (sys.base_prefix, os.path.realpath(sys.base_prefix), sys.prefix, os.path.realpath(sys.prefix))
        ):
            if python != "/usr":
                self.bind(python, python)
        self.bind(str(self.sandbox.opt_ml), "/opt/ml", writable=True)
        for inside, host in self.sandbox.binds.items():  # after /opt/ml, so that its model folder can be read-only
            self.bind(str(host), inside)
        for inside, host in self.sandbox.writable.items():
            self.bind(str(host), inside, writable=True)
        for name in _KERNEL:
            if os.path.exists(f"/proc/{name}"):
                self.mounts.append(f"{_ROOT}/proc/{name} {_ROOT}/proc/{name} none bind,ro,nosuid,nodev,noexec 0 0")
        self.closing.append(("/", "remount,bind,ro,nosuid"))

    def show(self, path: str, parent: str) -> None:
        if os.path.islink(path):
            self.links.setdefault(parent, []).append(path)
        elif os.path.isdir(path):
            self.bind(path, path)

    def hide(self, path: Path) -> None:
        """An empty read-only folder over what a system folder would show; never over the system itself."""
        hidden = str(path.resolve())
        if any(_inside(hidden, shown) and hidden != shown for shown in self.bound) and not _inside("/usr/sbin", hidden):
            self.mount("tmpfs", hidden, "tmpfs", "ro,size=4k,mode=755")

    def devices(self) -> None:
        gpu = [name for name in os.listdir("/dev") if name.startswith("nvidia") and not os.path.isdir(f"/dev/{name}")]
        for name in [*_DEVICES, *gpu]:
            if os.path.exists(f"/dev/{name}"):
                self.files.append(f"dev/{name}")
                self.mounts.append(f"/dev/{name} {_ROOT}/dev/{name} none bind 0 0")
        for path in ["/sys/devices", *(["/sys/bus", "/sys/class", "/sys/module"] if gpu else [])]:
            self.bind(path, path)

    def names(self) -> None:
        """The hosts file, and name resolution where /etc/resolv.conf is a link into /run."""
        if os.path.exists("/etc/hosts"):
            self.mounts.append(f"{_ROOT}/run/hosts {_ROOT}{os.path.realpath('/etc/hosts')} none bind,ro 0 0")
        resolver = os.path.realpath("/etc/resolv.conf")
        if resolver.startswith("/run/") and os.path.exists(resolver):
            self.bind(resolver, resolver)

    def mount(self, source: str, inside: str, kind: str, options: str) -> None:
        self.mounts.append(f"{_escaped(source)} {_escaped(_ROOT + inside)} {kind} X-mount.mkdir,{options} 0 0")

    def bind(self, source: str, inside: str, *, writable: bool = False) -> None:
        """A recursive bind; read-only it repeats the flags of its mount, which a user namespace may not drop."""
        real, target = os.path.realpath(source), os.path.normpath(inside)
        if os.path.isdir(real):
            made = "X-mount.mkdir,"
        else:
            made = ""
            self.folders.append(os.path.dirname(target).lstrip("/"))
            self.files.append(target.lstrip("/"))
        if not writable:
            self.bound.append(target)
            made += f"ro,{self.flags(real)}"
        self.mounts.append(f"{_escaped(real)} {_escaped(_ROOT + target)} none {made}rbind 0 0")
        for point in self.host if not writable else {}:
            if _inside(point, real) and point != real and real != "/sys/devices":
                self.closing.append((target + point[len(real) :], f"remount,bind,ro,{self.flags(point)}nosuid"))

    def flags(self, path: str) -> str:
        point = max((p for p in self.host if _inside(path, p)), key=len, default="/")
        return "".join(f"{flag}," for flag in self.host.get(point, ()))


def _host_mounts() -> dict[str, list[str]]:
    """Mount point -> those of its flags that a remount has to repeat."""
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = fields[4].encode().decode("unicode_escape")
        mounts[point] = [flag for flag in fields[5].split(",") if flag in _PRESERVED_FLAGS]
    return mounts


def _hosts(hosts: Mapping[str, str]) -> str:
    own = Path("/etc/hosts").read_text() if Path("/etc/hosts").exists() else "127.0.0.1 localhost\n"
    return "".join(f"{address} {name}\n" for name, address in hosts.items()) + own


def _host_name(name: str) -> str:
    """Only uid 0 of the machine may write the kernel's file; the system call works in a user namespace too."""
    command = shutil.which("hostname", path=TOOLS_PATH)
    return (
        f"{command} {shlex.quote(name)}"
        if command
        else f"echo {shlex.quote(name)} 2>/dev/null > /proc/sys/kernel/hostname || :"
    )


def _loopback() -> str:
    found = shutil.which("ip", path=TOOLS_PATH)
    if found:
        return f"{found} link set lo up || die 'no loopback'"
    flags = "import fcntl,socket,struct;fcntl.ioctl(socket.socket(),0x8914,struct.pack('16sh',b'lo',0x49)+bytes(22))"
    return f"{shlex.quote(sys.executable)} -S -c {shlex.quote(flags)} || die 'no loopback'"


def tool(name: str) -> str:
    found = shutil.which(name, path=TOOLS_PATH)
    if not found:
        raise RuntimeError(
            f"Jobs need the command {name}, which is in no folder of {TOOLS_PATH}: install util-linux and coreutils"
        )
    return found


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _quoted(paths: Sequence[str]) -> str:
    return " ".join(shlex.quote(path) for path in paths)


def _fstab(lines: Sequence[str]) -> str:
    return shlex.quote("\n".join(lines) + "\n")


def _escaped(path: str) -> str:
    """A path as fstab(5) writes it."""
    return (
        path.replace("\\", "\\134")
        .replace(" ", "\\040")
        .replace("\t", "\\011")
        .replace("\n", "\\012")
        .replace("#", "\\043")
    )
