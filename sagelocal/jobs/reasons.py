"""FailureReason and ExitMessage: what a user reads first when a job failed."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from sagelocal.jobs.container import Ended, Outcome
from sagelocal.sandbox_setup import SETUP_FAILED

LIMIT = 1024  # characters of FailureReason and of ExitMessage
_TRACEBACK = "Traceback (most recent call last):"
# Also behind a logger's prefix, as the SDK's driver prints a script's output.
_EXCEPTION = re.compile(r"(?:^|\s)((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)(?:: .*)?)$")
_WRAPPERS = ("subprocess.CalledProcessError", "CalledProcessError", "ExecuteUserScriptError")
_BUILT_IN = ("ClientError: ", "InternalServerError: ")  # AWS's own algorithms tell whose fault it was
_DRIVER_DEFAULT = "Training Execution failed. For more details"  # what sm_train.sh writes when nobody else did


def last_exception(output: str) -> str:
    """The line that names a Python exception, the last one that is not a driver's own; else the last line said."""
    found = ""
    awaiting = False
    for line in output.splitlines():
        if _TRACEBACK in line:
            awaiting = True
        elif awaiting and line[:1].strip() and not line.startswith("Traceback"):
            awaiting = False
            if not line.startswith(_WRAPPERS) and re.match(r"[A-Za-z_][\w.]*(:|$)", line):
                found = line.strip()
        if (match := _EXCEPTION.search(line)) and not match[1].startswith(_WRAPPERS):
            found = match[1]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return found or (lines[-1] if lines else "")


def failure(ended: Ended, opt_ml: list[Path], *, instance_type: str, limit: int, max_runtime: float) -> str:
    """At most 1024 characters; the log file's path is never what is cut."""
    host = f" of {ended.host}" if len(opt_ml) > 1 else ""
    where = f" See the log{host} {ended.log}"
    if ended.outcome is Outcome.OUT_OF_MEMORY:
        cause = (
            f"ClientError: The job used {_gib(ended.peak)} of memory, over its limit of {_gib(limit)} (the memory of "
            f"{instance_type}, at most its share of half this machine's). Use an instance type with more memory, or "
            "less data."
        )
    elif ended.outcome is Outcome.TIMED_OUT:
        cause = f"ClientError: The job ran longer than MaxRuntimeInSeconds, {max_runtime:g} s, and was stopped."
    elif ended.outcome is Outcome.WAITED_TOO_LONG:
        cause = "ClientError: The job waited and ran longer than MaxWaitTimeInSeconds, and was stopped."
    elif ended.code == SETUP_FAILED and "sandbox: " in ended.tail:
        cause = f"InternalServerError: The sandbox could not be made: {ended.tail.strip()[-400:]}"
    else:
        failed_first = sorted(opt_ml, key=lambda folder: folder != ended.opt_ml)
        cause = _cause(ended.tail, failed_first)
        if ended.code not in (2, 3) or not cause.startswith(_BUILT_IN):
            cause = f"AlgorithmError: {cause}"
        where = f", exit code: {ended.code}.{where}"
    return cause[: LIMIT - len(where)] + where


def exit_message(opt_ml: list[Path]) -> str:
    """The first KiB of the hosts' /opt/ml/output/message files. Raises UnicodeDecodeError unless they are UTF-8."""
    decode = codecs.getincrementaldecoder("utf-8")  # what is cut in the middle of a character is no error
    texts = [decode().decode(_start(folder, "message")) for folder in opt_ml]
    return "".join(texts).encode()[:LIMIT].decode("utf-8", errors="ignore")


def _cause(tail: str, opt_ml: list[Path]) -> str:
    """The container's own failure text; where that is a traceback or the driver's stock text, the exception's line."""
    for folder in opt_ml:
        text = _start(folder, "failure").decode("utf-8", errors="replace").strip()
        if text and _TRACEBACK not in text and _DRIVER_DEFAULT not in text:
            return text[:LIMIT]
        if text and _TRACEBACK in text and "CalledProcessError" not in text:
            return last_exception(text)
    return last_exception(tail)


def _start(opt_ml: Path, name: str) -> bytes:
    """The beginning of a file in /opt/ml/output; a job may have put a link or a fifo there, which is not read."""
    file = opt_ml / "output" / name
    if not file.resolve().is_relative_to(opt_ml.resolve()) or not file.is_file():
        return b""
    with file.open("rb") as opened:
        return opened.read(64 * LIMIT)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
