"""FailureReason from what a container left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelocal.jobs import reasons
from sagelocal.jobs.container import Ended, Outcome

PLAIN = """starting
Traceback (most recent call last):
  File "/x.py", line 3, in <module>
    f()
NoRows: the table is empty
done
"""
CHAINED = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'tenure'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: no column tenure
"""
DRIVER = """2026-11-21 05:00:00,000 - INFO - Traceback (most recent call last):
2026-11-21 05:00:00,000 - INFO - File "train.py", line 1, in <module>
2026-11-21 05:00:00,000 - INFO - ValueError: bad label
Command failed with exit code 1. Traceback: Traceback (most recent call last):
  File "/opt/ml/input/data/sm_drivers/common/utils.py", line 1, in execute_commands
    raise subprocess.CalledProcessError(exitcode, commands)
subprocess.CalledProcessError: Command '['python3', 'train.py']' returned non-zero exit status 1.

An error occurred with exit code 1
"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (PLAIN, "NoRows: the table is empty"),
        (CHAINED, "ValueError: no column tenure"),
        (DRIVER, "ValueError: bad label"),
        ('  File "x.py", line 1\n    if\n      ^\nSyntaxError: invalid syntax\n', "SyntaxError: invalid syntax"),
        ("bash: line 1: nothing: command not found\n", "bash: line 1: nothing: command not found"),
        ("", ""),
    ],
)
def test_last_exception(output: str, line: str) -> None:
    assert reasons.last_exception(output) == line


def failure(
    tmp_path: Path, tail: str, code: int = 1, outcome: Outcome = Outcome.EXITED, others: tuple[Path, ...] = ()
) -> str:
    ended = Ended(outcome, code, 3 * 2**30, tail, Path("/state/logs/x.log"), tmp_path, "algo-1")
    return reasons.failure(ended, [*others, tmp_path], instance_type="ml.m5.large", limit=2**31, max_runtime=60)


def test_the_host_that_failed_first_says_why(tmp_path: Path) -> None:
    for host, text in (("algo-1", "ExitCode 143"), ("algo-2", "data is late")):
        (tmp_path / host / "output").mkdir(parents=True)
        (tmp_path / host / "output" / "failure").write_text(text)
    assert "data is late" in failure(tmp_path / "algo-2", PLAIN, others=(tmp_path / "algo-1",))


def test_a_failure_file_wins_over_the_log(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "failure").write_text("data is late")
    assert failure(tmp_path, PLAIN) == "AlgorithmError: data is late, exit code: 1. See the log /state/logs/x.log"
    (tmp_path / "output" / "failure").write_text(CHAINED)
    assert failure(tmp_path, PLAIN).startswith("AlgorithmError: ValueError: no column tenure, exit code: 1.")
    (tmp_path / "output" / "failure").write_text(
        "Training Execution failed. For more details, see CloudWatch logs at 'aws/sagemaker/TrainingJobs'."
    )
    assert failure(tmp_path, DRIVER).startswith("AlgorithmError: ValueError: bad label, exit code: 1.")


def test_the_log_is_named_however_long_the_cause(tmp_path: Path) -> None:
    reason = failure(tmp_path, "ValueError: " + "x" * 5000)
    assert len(reason) == 1024
    assert reason.endswith("exit code: 1. See the log /state/logs/x.log")


def test_memory_names_limit_and_peak(tmp_path: Path) -> None:
    reason = failure(tmp_path, "", outcome=Outcome.OUT_OF_MEMORY)
    assert "used 3.00 GiB of memory, over its limit of 2.00 GiB" in reason


def test_exit_message_is_a_kib_of_utf8(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    message = tmp_path / "output" / "message"
    message.write_text("é" * 600)
    assert reasons.exit_message([tmp_path]) == "é" * 512
    message.write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        reasons.exit_message([tmp_path])
