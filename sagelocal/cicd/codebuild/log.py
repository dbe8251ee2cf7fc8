"""A build's log in CodeBuild's look: to CloudWatch Logs, a file, and S3 as `logsConfig` says."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.jobs.logs import LogWriter, log_file

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_log = logging.getLogger(__name__)
Document = dict[str, Any]
_SHORTEST = 4  # characters of a secret that is hidden: less would hide half of the log
_LONGEST_LINE = 200_000  # bytes; what has no newline for longer is cut there


def places(project: str, config: Document, build: str, region: str, account: str) -> Document:
    """The member `logs` of a build; `build` is its UUID."""
    cloudwatch = config.get("cloudWatchLogs") or {"status": "ENABLED"}
    s3 = config.get("s3Logs") or {"status": "DISABLED"}
    found: Document = {"cloudWatchLogs": cloudwatch, "s3Logs": s3}
    if cloudwatch["status"] == "ENABLED":
        group = cloudwatch.get("groupName") or f"/aws/codebuild/{project}"
        prefix = cloudwatch.get("streamName")
        stream = f"{prefix}/{build}" if prefix else build
        found |= {
            "groupName": group,
            "streamName": stream,
            "cloudWatchLogsArn": f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}",
            "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logsV2:log-groups/log-group/{_escaped(group)}/log-events/{_escaped(stream)}",
        }
    if s3["status"] == "ENABLED":
        key = f"{s3.get('location', '').removeprefix('arn:aws:s3:::').rstrip('/')}/{build}.gz"
        found |= {
            "s3LogsArn": f"arn:aws:s3:::{key}",
            "s3DeepLink": f"https://s3.console.aws.amazon.com/s3/object/{key}?region={region}",
        }
    return found


def _escaped(name: str) -> str:
    """As the console's addresses have names: percent-encoded twice, with `$` for the outer percent sign."""
    return name.replace("$", "$2524").replace("/", "$252F").replace("[", "$255B").replace("]", "$255D")


def file_of(state: Path, build: Document) -> Path:
    """Where a build's log lies as plain text, also when it goes nowhere else."""
    group = build["logs"].get("groupName") or f"/aws/codebuild/{build['projectName']}"
    return log_file(state, group, build["logs"].get("streamName") or build["id"].split(":")[1])


class BuildLog:
    """`said` writes a line of CodeBuild's own, `output` what a command prints."""

    def __init__(self, app: SageLocal, build: Document) -> None:
        self._app = app
        self._logs: Document = build["logs"]
        self.path = file_of(app.settings.state, build)
        self._writer = LogWriter(app, self._logs["groupName"], self._logs["streamName"]) if self._cloudwatch else None
        if not self._writer:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = None if self._writer else self.path.open("ab", buffering=0)
        self._closed = False
        self._rest = b""  # of a line that has not ended
        self._hidden: list[bytes] = [app.settings.secret_key.encode()]

    @property
    def _cloudwatch(self) -> bool:
        return "groupName" in self._logs

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on the log has *** for these, as CodeBuild does for what comes from its secret stores."""
        found = {line.encode() for secret in secrets for line in secret.splitlines() if len(line) >= _SHORTEST}
        self._hidden = sorted({*self._hidden, *found}, key=len, reverse=True)

    def said(self, line: str) -> None:
        now = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S.%f")
        self.output(f"{chr(10) if self._rest else ''}[Container] {now} {line}\n".encode())

    def output(self, data: bytes) -> None:
        ended, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            ended, newline, self._rest = ended + newline + self._rest, b"\n", b""
        if newline:
            self._write(ended + newline)

    def _write(self, data: bytes) -> None:
        for secret in self._hidden:
            data = data.replace(secret, b"***")
        if self._writer:
            self._writer.write(data)
        elif self._file:
            self._file.write(data)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._rest:
            self._write(self._rest + b"\n")
        if self._writer:
            self._writer.close()
        if self._file:
            self._file.close()
        if "s3LogsArn" in self._logs:
            bucket, _, key = str(self._logs["s3LogsArn"]).removeprefix("arn:aws:s3:::").partition("/")
            try:
                self._app.s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(self.path.read_bytes()))
            except (BotoCoreError, ClientError) as error:
                _log.warning("the log of a build could not go to s3://%s/%s: %s", bucket, key, error)
