"""python -m <this package> FAMILY SOCKET VERSION WORKERS: loads the model, then answers on <SOCKET>0, <SOCKET>1 …"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from . import families, multi, workers
from .handler import Handler, prepare

_SECONDS = 60  # a request's time, where SAGEMAKER_MODEL_SERVER_TIMEOUT does not say


def main() -> None:
    family, socket, _, count = sys.argv[1:5]
    if multi.asked(os.environ):
        multi.serve_scripts(family, socket)
        return
    workers.limit_threads(int(count))
    defaults = families.of(family, os.environ)
    workers.preload(workers.imported(prepare(defaults, os.environ)))
    serve(lambda: Handler(defaults, os.environ), socket, int(count))


def serve(make: Callable[[], Any], socket: str, count: int) -> None:
    """Answers with what `respond(body, headers)` of the object that `make` gives returns, until SIGTERM.

    `make` is called in each of `count` processes. The object may have `execution_parameters()`, and `batch_limit` with
    `asked`, `read`, `predict_together`, `written` and `failed` as a handler of scripts has them.
    """
    seconds = float(os.environ.get("SAGEMAKER_MODEL_SERVER_TIMEOUT") or _SECONDS)
    sys.exit(workers.Workers(make, socket, count, seconds).run())


if __name__ == "__main__":
    main()
