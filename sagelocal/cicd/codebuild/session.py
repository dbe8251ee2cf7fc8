"""The shell session of a build: one sandbox from the first command to the last.

CodeBuild runs each command as a script that first takes up the working folder and the variables which the command
before left, with all variables exported (`set -a`); so `cd`, assignments and background processes last, functions and
aliases do not, and `exit 1` ends the command only. With version 0.1 every command starts afresh.
"""

from __future__ import annotations

import os
import secrets
import shlex
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sagelocal import sandbox
from sagelocal.sandbox import Sandbox

OUTPUT, READONLY, TEMPORARY = "/codebuild/output", "/codebuild/readonly", "/codebuild/output/tmp"
_LARGEST = 64 * 2**20  # bytes of a file that is read back
_SECRET = b"\x1e"

# Reads "<token> <user> <script>" and prints "<RS><token> <status>" when the script has ended. A script sees the
# variables that the last one left and nothing of this shell's.
_DRIVER = f"""
cd "$1"; unset PIP_PREFIX; umask 022
{{ export -p > {TEMPORARY}/env.sh; cp {TEMPORARY}/env.sh {TEMPORARY}/first.sh; pwd > {TEMPORARY}/dir.txt; }} || exit 125
chmod 777 {TEMPORARY}; chmod 666 {TEMPORARY}/*
exec 3< {READONLY}/next
while IFS=' ' read -r token user script <&3; do
  as=
  [ "$user" = root ] || as="setpriv --reuid=$user --regid=$(id -g "$user") --init-groups"
  env -i PATH="$PATH" $as "$2" "$script" 3<&- < /dev/null
  printf '\\036%s %s\\n' "$token" "$?"
done
"""
_LASTING = """cd "$(cat {tmp}/dir.txt)"
. {tmp}/env.sh
set -a
{command}

CODEBUILD_LAST_EXIT=$?
export -p > {tmp}/env.sh
pwd > {tmp}/dir.txt
exit $CODEBUILD_LAST_EXIT
"""
_ISOLATED = """cd {start}
. {tmp}/first.sh

{command}
"""


class EndedError(Exception):
    """The sandbox is gone: the build was stopped, its time is over, sagelocal closes, or a command ended it."""


class Session:
    """Runs commands one after the other; `output` gets what they print, as it comes.

    `folder` is the build's own on the host: `readonly`, `tmp` and `taken` are made in it; the last is not seen inside.
    """

    def __init__(
        self,
        folder: Path,
        box: Callable[[Mapping[str, Path], Mapping[str, Path]], Sandbox],
        shell: str,
        start: str,
        output: Callable[[bytes], None],
        lasting: bool = True,
    ) -> None:
        """`box` gets binds and writable folders to add to its own; `start` is the folder of the first command."""
        self.readonly, self._tmp, self._taken = folder / "readonly", folder / "tmp", folder / "taken"
        for each in (self.readonly, self._tmp, self._taken):
            each.mkdir(exist_ok=True)
        self._start, self._output, self._lasting = start, output, lasting
        self._closed = False
        fifo = self.readonly / "next"
        os.mkfifo(fifo)
        self._next = os.open(fifo, os.O_RDWR)  # a reader of its own, so that opening never waits
        made = box({READONLY: self.readonly}, {TEMPORARY: self._tmp})
        command = [shell, "-c", _DRIVER, "codebuild", start, shell]
        try:
            self.process = sandbox.start(command, made, subprocess.PIPE, cwd="/")
        except BaseException:
            os.close(self._next)
            raise
        assert self.process.output
        self._stream = self.process.output

    def run(self, command: str, user: str = "") -> int:
        """The command's exit status. Raises EndedError."""
        template = _LASTING if self._lasting else _ISOLATED
        return self._execute(template.format(tmp=TEMPORARY, start=shlex.quote(self._start), command=command), user)

    def tool(self, command: str) -> int:
        """A command of sagelocal's own: it sees the first variables and changes nothing of the session."""
        return self._execute(_ISOLATED.format(tmp=TEMPORARY, start=shlex.quote(self._start), command=command), "")

    def expand(self, texts: Sequence[str]) -> list[str]:
        """The texts as the shell has them in double quotes, with the session's variables. Raises EndedError."""
        if not texts:
            return []
        words = " ".join('"' + text.replace('"', '\\"') + '"' for text in texts)
        left = "env.sh" if self._lasting else "first.sh"
        script = f". {TEMPORARY}/{left}\nprintf '%s\\0' {words} > {TEMPORARY}/expanded\n"
        if self._execute(f"cd {shlex.quote(self._start)}\n{script}", ""):
            return list(texts)
        return self.read("expanded").decode(errors="replace").split("\0")[:-1]

    def append(self, line: str) -> None:
        """A shell line that all later commands see, whichever way they get their variables. Raises EndedError."""
        self._execute(f"echo {shlex.quote(line)} | tee -a {TEMPORARY}/env.sh {TEMPORARY}/first.sh > /dev/null", "")

    def read(self, name: str) -> bytes:
        """A file that a tool left in TEMPORARY. Only a plain file is read: the build may have put a link there."""
        descriptor = os.open(self._tmp / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{name} is no plain file")
            return file.read(_LARGEST)

    def take(self, name: str) -> Path:
        """Such a file's place on the host, where the build cannot put a link for it any more. Raises OSError."""
        path = (self._tmp / name).rename(self._taken / name)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(f"{name} is no plain file")
        return path

    def put(self, name: str, content: str) -> str:
        """Makes a file that the build can only read; its path inside."""
        draft = self.readonly / f".{name}"
        draft.write_text(content)
        draft.replace(self.readonly / name)
        return f"{READONLY}/{name}"

    def close(self) -> None:
        """Ends the sandbox and all that runs in it; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self.process.kill()
        self._stream.close()
        self.process.wait()
        os.close(self._next)

    def _execute(self, script: str, user: str) -> int:
        path = self.put("script.sh", script)
        token = secrets.token_hex(16)
        os.write(self._next, f"{token} {user or 'root'} {path}\n".encode())
        return self._until(_SECRET + token.encode() + b" ")

    def _until(self, mark: bytes) -> int:
        """Passes output on up to `mark`; the status behind it."""
        waiting = b""
        while True:
            data = self._stream.read1(65536)  # type: ignore[attr-defined]
            if not data:
                self._output(waiting)
                raise EndedError
            waiting += data
            place = waiting.find(mark)
            if place >= 0 and (end := waiting.find(b"\n", place)) >= 0:
                self._output(waiting[:place])
                return int(waiting[place + len(mark) : end])
            if place < 0:
                kept = next((n for n in range(min(len(mark), len(waiting)), 0, -1) if waiting.endswith(mark[:n])), 0)
                self._output(waiting[: len(waiting) - kept])
                waiting = waiting[len(waiting) - kept :]


class Guard:
    """Ends a build: on demand, or when a time is over. `reason` is "", "stopped", "timed out" or "closing"."""

    def __init__(self) -> None:
        self.reason = ""
        self._kill: Callable[[], None] = lambda: None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def end(self, reason: str) -> None:
        with self._lock:
            self.reason = self.reason or reason
            kill = self._kill
        kill()

    def watch(self, kill: Callable[[], None]) -> None:
        """From now on `kill` is what ends the build. At once, if it has ended meanwhile."""
        with self._lock:
            self._kill = kill
            over = bool(self.reason)
        if over:
            kill()

    def limit(self, seconds: float, over: Callable[[], None]) -> None:
        """Calls `over` after `seconds`, in the place of an earlier limit."""
        self.close()
        self._timer = threading.Timer(max(0.0, seconds), over)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def check(self) -> None:
        """Raises EndedError when the build has to end."""
        if self.reason:
            raise EndedError
