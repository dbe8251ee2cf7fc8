"""What runs for a container, and how it is reached: the one place that tells images apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal import containers, sandbox
from sagelocal.api.errors import AwsError
from sagelocal.endpoints import own_container
from sagelocal.endpoints.client import Address
from sagelocal.endpoints.launched import Launch, model_folder
from sagelocal.jobs.instances import instance
from sagelocal.jobs.logs import LogWriter

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_PROGRAM = "/opt/sagelocal/model_server"  # inside; the clone itself is not there
_ALGORITHMS = "/opt/sagelocal/algorithms"
_SOCKETS = "/run/model-server"
_SOCKET = "s"  # and the worker's number; short: a Unix socket's whole path has 107 bytes


def launch(app: SageLocal, plan: dict[str, Any], *, opt_ml: Path, model: Path, sockets: Path, log: LogWriter) -> Launch:
    """For the `Container` of a planned variant. Raises AwsError for an image of no known family."""
    container = plan["Container"]
    family = containers.family(container["Image"])
    if own := family.custom:
        return own_container.launch(app, plan, own, opt_ml=opt_ml, model=model, sockets=sockets, log=log)
    count = workers(app, plan)
    program = "algorithms.serving" if family.algorithm(container["Environment"]) else "model_server"
    return Launch(
        ["python", "-m", program, family.name, f"{_SOCKETS}/{_SOCKET}", family.version, str(count)],
        _sandbox(app, plan, opt_ml, model, sockets, log),
        Address([sockets / f"{_SOCKET}{number}" for number in range(count)], kept_alive=True, depth=0),
    )


def workers(app: SageLocal, plan: dict[str, Any]) -> int:
    """As AWS's images: as many as their variable says, else one a vCPU of the instance; here at most one a core.

    In multi-model mode one takes all requests, and each model has processes of its own.
    """
    if plan["Container"].get("Mode") == "MultiModel":
        return 1
    asked = plan["Container"]["Environment"].get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if plan.get("Serverless"):  # a concurrent request gets an instance of its own
        return 1
    try:
        return min(instance(plan["InstanceType"]).cpus, app.settings.cpus)
    except AwsError:  # a type that only AWS knows serves as well as any
        return app.settings.cpus


def _sandbox(
    app: SageLocal, plan: dict[str, Any], opt_ml: Path, model: Path, sockets: Path, log: LogWriter
) -> sandbox.Sandbox:
    settings, asked, network = app.settings, plan["Container"]["Environment"], not plan["Isolated"]
    family = containers.family(plan["Container"]["Image"])
    image = app.environments.inside(plan["Container"]["Image"], network=network)
    if image.note:
        log.write(f"{image.note}\n".encode())
    path = ":".join(part for part in (str(Path(_PROGRAM).parent), asked.get("PYTHONPATH")) if part)
    return sandbox.Sandbox(
        opt_ml=opt_ml,
        environment={**family.serving_environment, **settings.aws_environment(), **asked, "PYTHONPATH": path},
        hidden=sandbox.hidden_paths(settings.state),
        binds={
            **image.binds,
            _PROGRAM: Path(containers.__file__).parent / "serving",
            _ALGORITHMS: Path(containers.__file__).parent / "algorithms",
            model_folder(plan, opt_ml): model,
        },
        writable={_SOCKETS: sockets, **_library_folder(model, sockets)},
        network=network,
    )


def _library_folder(model: Path, sockets: Path) -> dict[str, Path]:
    """A writable /lib of links to what is there, for SDK v3's ModelBuilder, whose handler copies `shared_libs` over it.

    Only where /lib is a link itself, as in every Linux since about 2020; else the copy fails, and the log says so.
    """
    if not (model / "shared_libs").is_dir() or not Path("/lib").is_symlink():
        return {}
    folder = sockets / "lib"  # whose folder is new for each start
    folder.mkdir()
    for entry in Path("/lib").resolve().iterdir():
        (folder / entry.name).symlink_to(entry)
    return {"/lib": folder}
