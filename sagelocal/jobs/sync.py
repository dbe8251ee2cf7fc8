"""Folders that go to S3 while their job runs."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sagelocal.jobs.transfer import Mirror, TransferError

_log = logging.getLogger(__name__)
_INTERVAL = 1.0  # seconds


@contextmanager
def syncing(mirrors: Sequence[Mirror]) -> Iterator[None]:
    """Syncs each mirror about once a second, and a last time after the block, however that ended."""
    if not mirrors:
        yield
        return
    done = threading.Event()

    def keep() -> None:
        while not done.wait(_INTERVAL):
            for mirror in mirrors:
                try:
                    mirror.sync()
                except (TransferError, OSError) as error:  # the last sync reports what still fails then
                    _log.warning("%s", error)

    thread = threading.Thread(target=keep, name="sync", daemon=True)
    thread.start()

    def stop() -> None:
        done.set()
        thread.join()

    try:
        yield
    except BaseException:  # sagelocal closes, mostly: that is what the caller has to hear of, not of a failed transfer
        stop()
        for mirror in mirrors:
            with contextlib.suppress(TransferError, OSError):
                mirror.sync()
        raise
    stop()
    for mirror in mirrors:
        mirror.sync()
