"""The program of MiniStack's process; `sagelocal.ministack` starts it as `python -m sagelocal.ministack_child`.

Its standard input is its life line: the first line holds its orders as JSON, and the end of file, which the kernel sees
to however sagelocal dies, stops it. (PR_SET_PDEATHSIG would follow the thread that forked, not the process.)
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from sagelocal import (
    ministack_alarms,
    ministack_athena,
    ministack_calls,
    ministack_deliveries,
    ministack_dynamodb,
    ministack_firehose,
    ministack_kinesis,
    ministack_mappings,
    ministack_triggers,
    ministack_trino,
)
from sagelocal.ministack_gate import (
    Gate,
    Orders,
    give_lambda_the_key,
    know_the_key_as_the_role,
    let_athena_write_below_a_location,
    let_lambda_targets_take_turns,
    let_logs_be_filtered_by_prefix,
    taken,
)
from sagelocal.stacks import extension

_STOP_SECONDS = 5.0  # for saving its state; then it is killed
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SWITCH = 0.001  # s that a thread, of a delivery say, may keep the interpreter from a request that has come
_COLLECT = (1000, 10, 3)  # objects more than before, and collections of one generation before one of the next


def main() -> None:
    life_line = sys.stdin.buffer
    orders = Orders(**json.loads(life_line.readline()))
    with Path(orders.lock).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a predecessor whose sagelocal was killed may still be saving its state
        sys.addaudithook(_loopback_only)
        try:
            asyncio.run(_serve(orders, life_line))
        except Exception:
            traceback.print_exc()
        finally:
            _end_group()


def _loopback_only(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuses a socket that would be reachable from outside, whichever service of MiniStack asks for it."""
    if event != "socket.bind":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address[0] not in _LOOPBACK:
        raise PermissionError(f"sagelocal keeps MiniStack on the loopback address: {address} is refused")


async def _serve(orders: Orders, life_line: BinaryIO) -> None:
    # MiniStack patches Hypercorn and h11 when it is imported, so Hypercorn is what it is tried with.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    give_lambda_the_key(orders)
    know_the_key_as_the_role(orders)
    let_logs_be_filtered_by_prefix()
    let_athena_write_below_a_location()
    ministack_athena.install()
    ministack_trino.install()
    let_lambda_targets_take_turns()
    ministack_kinesis.install(Path(orders.lock).parent)
    ministack_dynamodb.install(Path(orders.lock).parent)
    ministack_mappings.install()
    ministack_firehose.install(orders.time_scale)
    starter = ministack_triggers.starter(orders.sagemaker_port, orders.access_key)
    ministack_triggers.install(starter, orders.time_scale)
    deliver = ministack_deliveries.starter(orders.sagemaker_port, orders.token)
    ministack_deliveries.install(ministack_deliveries.Starts(Path(orders.lock).parent / "starts", deliver))
    ministack_calls.install(ministack_calls.caller(orders.sagemaker_port, orders.access_key))
    extension.install(extension.Provisioner(orders.sagemaker_port, orders.port, orders.access_key, orders.secret_key))
    alarms = ministack_alarms.install(taken)
    collect_what_is_new()
    sys.setswitchinterval(_SWITCH)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    threading.Thread(target=_follow, args=(life_line, loop, stop), daemon=True).start()
    config = Config()
    config.bind = [f"127.0.0.1:{orders.port}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1.0
    await serve(Gate(app, orders), config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    alarms.cancel()


def collect_what_is_new() -> None:
    """A full collection of garbage stops all requests: for a quarter of a second, if it looks at all modules and items.

    What outlives one is what MiniStack keeps in memory, so the next one doesn't look at it again. A cycle that becomes
    garbage later stays: a few objects of the thirty thousand after which a full collection comes.
    """

    def settle(phase: str, about: dict[str, int]) -> None:
        if phase == "stop" and about["generation"] == 2:
            gc.freeze()

    gc.callbacks.append(settle)
    gc.collect()
    gc.set_threshold(*_COLLECT)


def _follow(life_line: BinaryIO, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    life_line.read()
    loop.call_soon_threadsafe(stop.set)
    threading.Event().wait(_STOP_SECONDS)
    _end_group()


def _end_group() -> None:
    """Ends this process and those of Lambda functions, which MiniStack leaves to themselves."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
