"""Export jobs: a version's card as a PDF in S3.

AWS does not say what its program is. Here it is this project's `evaluation/model_card.py`, run by path in a process of
its own as the analyzers' scripts are, and nothing of it is imported.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sagelocal.model_cards.operations import CARD, EXPORT, find_version
from sagelocal.store import Closed, Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
_PROGRAM = Path(__file__).resolve().parents[2] / "evaluation" / "model_card.py"
_SECONDS = 120.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "MPLCONFIGDIR")


class Exporter:
    """Runs export jobs one after the other; those that a stop interrupted run again."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model-card")
        self._closing = threading.Event()

    def start(self, key: str) -> None:
        self._pool.submit(self._run, key)

    def resume(self) -> None:
        for job in self._app.store.list(EXPORT):
            if job["Status"] == "InProgress":
                self.start(job["_name"])

    def close(self) -> None:
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)

    def _run(self, key: str) -> None:
        try:
            self._app.store.update(EXPORT, key, self._result(key))
        except Missing:
            log.info("the export %s was deleted meanwhile", key)
        except Closed:
            log.info("the export %s goes on at the next start", key)

    def _result(self, key: str) -> dict[str, Any]:
        """The members that end the job, whatever went wrong. Raises Missing where there is no such job any more."""
        job = self._app.store.get(EXPORT, key)
        name = f"{job['ModelCardName']}-{job['ModelCardVersion']}.pdf"
        uri = f"{job['OutputConfig']['S3OutputPath'].rstrip('/')}/{job['ModelCardExportJobName']}/{name}"
        where = urlsplit(uri)
        try:
            card = self._app.store.get(CARD, job["ModelCardName"])
            body = _pdf(find_version(self._app, card, job["ModelCardVersion"]))
            self._app.s3.put_object(
                Bucket=where.netloc, Key=where.path.lstrip("/"), Body=body, ContentType="application/pdf"
            )
        except Closed:
            raise
        except Exception as error:  # the card was deleted, the program failed, S3 refused …
            log.exception("model card export %s", key)
            return {"Status": "Failed", "FailureReason": f"{type(error).__name__}: {error}"[:1024]}
        return {"Status": "Completed", "ExportArtifacts": {"S3ExportArtifacts": uri}}


def _pdf(version: dict[str, Any]) -> bytes:
    """Raises RuntimeError with the last line that the program wrote when it fails."""
    shown = ("ModelCardName", "ModelCardVersion", "ModelCardStatus", "LastModifiedTime")
    with tempfile.TemporaryDirectory() as folder:
        card, output = Path(folder, "card.json"), Path(folder, "card.pdf")
        document = {name: version[name] for name in shown} | {"Content": json.loads(version["Content"])}
        card.write_text(json.dumps(document), encoding="utf-8")
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        done = subprocess.run(
            [sys.executable, str(_PROGRAM), "--card", str(card), "--output", str(output)],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise RuntimeError(said[-1])
        return output.read_bytes()
