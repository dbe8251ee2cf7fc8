"""A container of the user's own: `serve` of the declared image on port 8080, in a network namespace of its own.

No two of them collide, and none faces the network: requests come in by a door (sagelocal/jobs/network.py). Out it
reaches S3 and all else as a job of several hosts does, or nothing where the model has EnableNetworkIsolation.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal import sandbox
from sagelocal.containers import custom
from sagelocal.endpoints.client import Address
from sagelocal.endpoints.launched import Launch, model_folder
from sagelocal.jobs.logs import LogWriter
from sagelocal.jobs.network import Door, network

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_HOST = "model"
_CONNECTIONS = 64  # requests that a container has at once, each on a connection of its own


def launch(
    app: SageLocal,
    plan: dict[str, Any],
    image: custom.Image,
    *,
    opt_ml: Path,
    model: Path,
    sockets: Path,
    log: LogWriter,
) -> Launch:
    """Raises AwsError, RuntimeError and OSError where its packages or its network can't be made."""
    container, outside = plan["Container"], not plan["Isolated"]
    inside = app.environments.inside(container["Image"], network=outside)
    if inside.note:
        log.write(f"{inside.note}\n".encode())
    variables = {**inside.environment, **app.settings.aws_environment(), **container["Environment"]}
    door = Door(sockets / "d", custom.port(variables))
    with ExitStack() as started:
        namespace = started.enter_context(network(app.settings, [_HOST], outside, door))
        box = sandbox.Sandbox(
            opt_ml=opt_ml,
            environment={**variables, **namespace.environment},
            hidden=sandbox.hidden_paths(app.settings.state),
            binds={**inside.binds, model_folder(plan, opt_ml): model},
            join=namespace.holder,
            hosts={_HOST: "127.0.0.1"},
        )
        address = Address([door.path], kept_alive=False, depth=_CONNECTIONS, door=True)
        return Launch(image.command("serve"), box, address, image.path, started.pop_all().close)
