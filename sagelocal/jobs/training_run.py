"""The attempts of a Training job: channels down, containers, artifacts up, and only then the status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.containers import family
from sagelocal.jobs import container, distribution, pipe, reasons, staging, training_input, training_output, transfer
from sagelocal.jobs.container import Control, Ended, Host, Outcome, Plan
from sagelocal.jobs.instances import cluster, memory_limit
from sagelocal.jobs.metrics import FOLDER, Metrics
from sagelocal.jobs.sync import syncing
from sagelocal.jobs.transitions import moved

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
METRICS_FOLDER = f"{staging.OPT_ML}/{FOLDER}"
_TOOLKIT = Path(__file__).parent.parent / "containers" / "toolkit.py"
_TOOLKIT_INSIDE = "/opt/sagemaker/train.py"
_ALGORITHMS = _TOOLKIT.parent / "algorithms"
_ALGORITHMS_INSIDE = "/opt/sagelocal/algorithms"
_TOO_LONG = {Outcome.TIMED_OUT: "MaxRuntimeExceeded", Outcome.WAITED_TOO_LONG: "MaxWaitTimeExceeded"}
Document = dict[str, Any]


def run(app: SageLocal, name: str, control: Control) -> None:
    """All attempts of a job: another one follows when a managed spot job lost its instances."""
    job = app.store.get("TrainingJob", name)
    if job.get("_attempt") and job["SecondaryStatus"] != "Starting":
        _move(app, name, "Restarting")  # sagelocal ended while it ran
    definitions = job["AlgorithmSpecification"].get("MetricDefinitions") or []
    metrics = Metrics(app, name, definitions, app.tuning.listener(job))
    while _attempt(app, name, control, metrics):
        control.interrupted = False


def _attempt(app: SageLocal, name: str, control: Control, metrics: Metrics) -> bool:
    """Whether the job has to run again."""
    job = app.store.get("TrainingJob", name)
    if control.stopping:
        _end(app, name, "Stopped", "Stopped")
        return False
    if _wait_left(app, job) <= 0:
        _stopping(app, name)
        _end(app, name, "Stopped", "MaxWaitTimeExceeded")
        return False
    folder = staging.begin(app, "TrainingJob", name)
    try:
        return _on_hosts(app, job, training_input.hosts(job, folder), control, metrics)
    finally:
        staging.remove(folder.parent)


def _on_hosts(app: SageLocal, job: Document, hosts: list[Host], control: Control, metrics: Metrics) -> bool:
    name = job["TrainingJobName"]
    now = app.now()
    _move(app, name, "Downloading", _started=now, TrainingStartTime=job.get("TrainingStartTime", now))
    mirrors = training_input.checkpoints(app, job, hosts)
    try:
        feeds = training_input.stage(app, job, hosts)
        for mirror in mirrors:
            mirror.restore()
        distribution.check_drivers(hosts[0].opt_ml)
    except distribution.MissingError as error:
        _end(app, name, "Failed", "Failed", f"ClientError: {error}")
        return False
    except transfer.TransferError as error:
        _end(app, name, "Failed", "Failed", f"ClientError: Data download failed: {error}")
        return False
    control.check()
    if control.stopping:
        _end(app, name, "Stopped", "Stopped")
        return False
    _move(app, name, "Training")
    try:
        with pipe.piping(feeds, control.fail), syncing(mirrors):
            ended = container.run(app, _plan(app, job, hosts, metrics), control)
        for host in hosts:
            staging.readable(host.opt_ml)
            metrics.read(staging.result_folder(host.opt_ml, METRICS_FOLDER))
        metrics.flush()
        if ended.outcome is Outcome.INTERRUPTED:
            return _interrupted(app, name)
        _publish(app, job, hosts, ended, metrics)
    except pipe.StreamError as error:
        _end(app, name, "Failed", "Failed", f"ClientError: Data download failed: {error}")
    except transfer.TransferError as error:
        _end(app, name, "Failed", "Failed", f"ClientError: Artifact upload failed: {error}")
    return False


def _interrupted(app: SageLocal, name: str) -> bool:
    """Lifecycle of the developer guide: Interrupted, then Starting once there are instances, which is at once here."""

    def edit(document: Document) -> None:
        now = app.now()
        document["_seconds"] = document.get("_seconds", 0) + now - document.pop("_started")
        if document["TrainingJobStatus"] != "Stopping":
            moved(document, "Interrupted", now)
            moved(document, "Starting", now)

    app.store.update("TrainingJob", name, edit=edit)
    return True


def _plan(app: SageLocal, job: Document, hosts: list[Host], metrics: Metrics) -> Plan:
    algorithm = job["AlgorithmSpecification"]
    network = not job.get("EnableNetworkIsolation", False)
    aws = app.settings.aws_environment() if network else {"AWS_REGION": app.settings.region}
    command = algorithm.get("ContainerEntrypoint") or _own_train(job)
    return Plan(
        group=LOG_GROUP,
        job=job["TrainingJobName"],
        hosts=hosts,
        command=[*command, *(algorithm.get("ContainerArguments") or [])],
        environment={
            **aws,
            "SAGEMAKER_TRAINING_MODULE": family(algorithm["TrainingImage"]).training_module,
            "TRAINING_JOB_NAME": job["TrainingJobName"],
            "TRAINING_JOB_ARN": job["TrainingJobArn"],
            "SAGEMAKER_METRICS_DIRECTORY": METRICS_FOLDER,
            **(job.get("Environment") or {}),
        },
        network=network,
        image=algorithm["TrainingImage"],
        memory={host.name: memory_limit(host.instance_type, app.settings.memory, len(hosts)) for host in hosts},
        max_runtime=job["StoppingCondition"]["MaxRuntimeInSeconds"] - job.get("_seconds", 0),
        max_wait=_wait_left(app, job),
        stop_grace=app.jobs.stop_grace,
        binds={_TOOLKIT_INSIDE: _TOOLKIT, _ALGORITHMS_INSIDE: _ALGORITHMS},
        on_line=metrics.line,
    )


def _own_train(job: Document) -> list[str]:
    """The image's own `train`: its algorithm, the toolkit that runs the user's script, or the user's own program."""
    python = str(Path(sys.prefix) / "bin" / "python")
    image = family(job["AlgorithmSpecification"]["TrainingImage"])
    if own := image.custom:
        return own.command("train")
    program = (job.get("HyperParameters") or {}).get("sagemaker_program", "")
    if image.algorithm(job.get("Environment") or {}, program):
        return [python, _ALGORITHMS_INSIDE, image.name, image.version]
    return [python, _TOOLKIT_INSIDE]


def _wait_left(app: SageLocal, job: Document) -> float:
    """Seconds until MaxWaitTimeInSeconds, which counts from the job's creation: waiting for its turn is part of it."""
    longest = job["StoppingCondition"].get("MaxWaitTimeInSeconds") if job.get("EnableManagedSpotTraining") else None
    return float("inf") if longest is None else job["CreationTime"] + longest - app.now()


def _publish(app: SageLocal, job: Document, hosts: list[Host], ended: Ended, metrics: Metrics) -> None:
    """AWS keeps the model of a job that was stopped, by Stop or by its time limit, but not that of a failed one."""
    name, folders = job["TrainingJobName"], [host.opt_ml for host in hosts]
    final: Document = {"FinalMetricDataList": values} if (values := metrics.final()) else {}
    final["_metrics"] = metrics.totals()
    usable = ended.outcome in (Outcome.STOPPED, *_TOO_LONG) or (ended.outcome is Outcome.EXITED and ended.code == 0)
    if not usable:
        _end(app, name, "Failed", "Failed", _reason(app, job, folders, ended), **final)
        return
    if ended.outcome is Outcome.EXITED:
        _move(app, name, "Uploading")
    elif ended.outcome in _TOO_LONG:
        _stopping(app, name)
    artifacts = training_output.upload(app, job, hosts)
    final["ModelArtifacts"] = {"S3ModelArtifacts": artifacts}
    if ended.outcome is Outcome.STOPPED:
        _end(app, name, "Stopped", "Stopped", **final)
    elif ended.outcome in _TOO_LONG:
        _end(app, name, "Stopped", _TOO_LONG[ended.outcome], _reason(app, job, folders, ended), **final)
    else:
        _end(app, name, "Completed", "Completed", **final)


def _reason(app: SageLocal, job: Document, folders: list[Path], ended: Ended) -> str:
    _host, instance_type, _group = next(member for member in cluster(job["ResourceConfig"]) if member[0] == ended.host)
    return reasons.failure(
        ended,
        folders,
        instance_type=instance_type,
        limit=memory_limit(instance_type, app.settings.memory, len(folders)),
        max_runtime=job["StoppingCondition"]["MaxRuntimeInSeconds"],
    )


def _stopping(app: SageLocal, name: str) -> None:
    """What a job goes through that ran or waited too long."""

    def edit(document: Document) -> None:
        if document["TrainingJobStatus"] != "Stopping":
            document["TrainingJobStatus"] = "Stopping"
            moved(document, "Stopping", app.now())

    app.store.update("TrainingJob", name, edit=edit)


def _move(app: SageLocal, name: str, status: str, **changes: Any) -> None:
    """A Stop that came meanwhile stays the secondary status."""

    def edit(document: Document) -> None:
        if document["TrainingJobStatus"] != "Stopping":
            moved(document, status, app.now())

    app.store.update("TrainingJob", name, changes, edit=edit)


def fail(app: SageLocal, name: str, reason: str) -> None:
    """The end of a job that could not be run."""
    _end(app, name, "Failed", "Failed", reason)


def _end(app: SageLocal, name: str, status: str, secondary: str, reason: str = "", **changes: Any) -> None:
    def edit(document: Document) -> None:
        now = app.now()
        document["TrainingJobStatus"] = status
        if reason:
            document["FailureReason"] = reason[: reasons.LIMIT]
        document["TrainingEndTime"] = now
        if "TrainingStartTime" in document:
            # On its instances: without the waiting for them, or what an internal error or a kill of sagelocal ended.
            spent = document.get("_seconds", 0) + now - document.get("_started", now)
            seconds = max(1, round(spent))
            document |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        if "WarmPoolStatus" in document:
            document["WarmPoolStatus"] = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}
        moved(document, secondary, now, reason)

    app.store.update("TrainingJob", name, changes, edit=edit)
