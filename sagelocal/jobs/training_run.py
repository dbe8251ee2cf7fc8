"""One attempt of a Training job: channels down, containers, artifacts up, and only then the status."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.containers import family
from sagelocal.jobs import container, reasons, staging, transfer
from sagelocal.jobs.container import Control, Ended, Host, Outcome, Plan
from sagelocal.jobs.instances import memory_limit
from sagelocal.jobs.metrics import Metrics
from sagelocal.jobs.sync import syncing
from sagelocal.jobs.transitions import moved

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_TOOLKIT = Path(__file__).parent.parent / "containers" / "toolkit.py"
_TOOLKIT_INSIDE = "/opt/sagemaker/train.py"
_ALGORITHMS = _TOOLKIT.parent / "algorithms"
_ALGORITHMS_INSIDE = "/opt/sagelocal/algorithms"
Document = dict[str, Any]


def run(app: SageLocal, name: str, control: Control) -> None:
    job = app.store.get("TrainingJob", name)
    if control.stopping:
        _end(app, name, "Stopped", "Stopped")
        return
    if job.get("_attempt"):
        _move(app, name, "Restarting")
    with _staged(app, job) as hosts:
        mirrors = _checkpoints(app, job, hosts)
        _move(app, name, "Downloading")
        try:
            _prepare(app, job, hosts)
            for mirror in mirrors:
                mirror.restore()
        except transfer.TransferError as error:
            _end(app, name, "Failed", "Failed", f"ClientError: Data download failed: {error}")
            return
        control.check()
        if control.stopping:
            _end(app, name, "Stopped", "Stopped")
            return
        definitions = job["AlgorithmSpecification"].get("MetricDefinitions") or []
        metrics = Metrics(app, name, definitions, app.tuning.listener(job))
        _move(app, name, "Training", TrainingStartTime=app.now())
        try:
            with syncing(mirrors):
                ended = container.run(app, _plan(app, job, hosts, metrics), control)
            for host in hosts:
                staging.readable(host.opt_ml)
            metrics.flush()
            _publish(app, job, hosts, ended, metrics)
        except transfer.TransferError as error:
            _end(app, name, "Failed", "Failed", f"ClientError: Artifact upload failed: {error}")


@contextmanager
def _staged(app: SageLocal, job: Document) -> Iterator[list[Host]]:
    folder = staging.begin(app, "TrainingJob", job["TrainingJobName"])
    try:
        yield [Host(host, folder / host) for host in staging.hosts(job["ResourceConfig"]["InstanceCount"])]
    finally:
        staging.remove(folder.parent)


def _prepare(app: SageLocal, job: Document, hosts: list[Host]) -> None:
    channels = job.get("InputDataConfig") or []
    found = []
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        found.append((channel, transfer.objects(app.s3, source["S3Uri"], source["S3DataType"])))
    for number, host in enumerate(hosts):
        for folder in ("input/config", "input/data", "model", "output/data", "code"):
            (host.opt_ml / folder).mkdir(parents=True, exist_ok=True)
        for name, document in config_files(job, host.name, [each.name for each in hosts]).items():
            staging.write_json(host.opt_ml / "input" / "config" / f"{name}.json", document)
        for channel, items in found:
            source = channel["DataSource"]["S3DataSource"]
            if source.get("S3DataDistributionType") == "ShardedByS3Key":
                items = transfer.shard(items, number, len(hosts))
            transfer.download(app.s3, items, host.opt_ml / "input" / "data" / channel["ChannelName"])


def config_files(job: Document, host: str, hosts: list[str]) -> Document:
    """What the platform writes to /opt/ml/input/config, by file name. FastFile data is on disk like File data here."""
    instance_type = job["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": hosts}
    files: Document = {
        "hyperparameters": job.get("HyperParameters") or {},
        "inputdataconfig": {
            channel["ChannelName"]: _channel_config(channel, job["AlgorithmSpecification"]["TrainingInputMode"])
            for channel in job.get("InputDataConfig") or []
        },
        "resourceconfig": {
            "current_host": host,
            "current_instance_type": instance_type,
            "current_group_name": "homogeneousCluster",
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",  # the hosts algo-N of one job are 127.0.0.N here
        },
    }
    if job.get("CheckpointConfig"):
        files["checkpointconfig"] = {"LocalPath": _checkpoint_path(job)}
    return files


def _channel_config(channel: Document, mode: str) -> Document:
    config = {
        "TrainingInputMode": channel.get("InputMode") or mode,
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {**config, **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})}


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
            **(job.get("Environment") or {}),
        },
        network=network,
        memory={
            host.name: memory_limit(job["ResourceConfig"]["InstanceType"], app.settings.memory, len(hosts))
            for host in hosts
        },
        max_runtime=job["StoppingCondition"]["MaxRuntimeInSeconds"],
        stop_grace=app.jobs.stop_grace,
        binds={_TOOLKIT_INSIDE: _TOOLKIT, _ALGORITHMS_INSIDE: _ALGORITHMS},
        on_line=metrics.line,
    )


def _own_train(job: Document) -> list[str]:
    """The image's own `train`: its algorithm, or the toolkit that runs the user's script."""
    python = str(Path(sys.prefix) / "bin" / "python")
    image = family(job["AlgorithmSpecification"]["TrainingImage"])
    program = (job.get("HyperParameters") or {}).get("sagemaker_program", "")
    if image.algorithm(job.get("Environment") or {}, program):
        return [python, _ALGORITHMS_INSIDE, image.name, image.version]
    return [python, _TOOLKIT_INSIDE]


def _checkpoint_path(job: Document) -> str:
    path: str = job["CheckpointConfig"].get("LocalPath", "/opt/ml/checkpoints")
    return path


def _checkpoints(app: SageLocal, job: Document, hosts: list[Host]) -> list[transfer.Mirror]:
    """Several hosts share one prefix: what one of them lacks must not be deleted there."""
    if not job.get("CheckpointConfig"):
        return []
    uri, path = job["CheckpointConfig"]["S3Uri"], _checkpoint_path(job)
    return [
        transfer.Mirror(app.s3, staging.host_path(host.opt_ml, path), uri, root=host.opt_ml, deletions=len(hosts) == 1)
        for host in hosts
    ]


def _publish(app: SageLocal, job: Document, hosts: list[Host], ended: Ended, metrics: Metrics) -> None:
    """AWS keeps the model of a job that was stopped, by Stop or by its time limit, but not that of a failed one."""
    name, folders = job["TrainingJobName"], [host.opt_ml for host in hosts]
    final: Document = {"FinalMetricDataList": values} if (values := metrics.final()) else {}
    usable = ended.outcome in (Outcome.STOPPED, Outcome.TIMED_OUT) or (
        ended.outcome is Outcome.EXITED and ended.code == 0
    )
    if not usable:
        _end(app, name, "Failed", "Failed", _reason(app, job, folders, ended), **final)
        return
    if ended.outcome is Outcome.EXITED:
        _move(app, name, "Uploading")
    artifacts = _upload(app, job, hosts)
    final["ModelArtifacts"] = {"S3ModelArtifacts": artifacts}
    if ended.outcome is Outcome.STOPPED:
        _end(app, name, "Stopped", "Stopped", **final)
    elif ended.outcome is Outcome.TIMED_OUT:
        _end(app, name, "Stopped", "MaxRuntimeExceeded", _reason(app, job, folders, ended), **final)
    else:
        _end(app, name, "Completed", "Completed", **final)


def _upload(app: SageLocal, job: Document, hosts: list[Host]) -> str:
    """The model's URI. All hosts' files go into one archive, as on AWS."""
    output = job["OutputDataConfig"]
    prefix = f"{output['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output"
    models = [folder for host in hosts if (folder := staging.result_folder(host.opt_ml, "/opt/ml/model"))]
    data = [folder for host in hosts if (folder := staging.result_folder(host.opt_ml, "/opt/ml/output/data"))]
    if output.get("CompressionType") == "NONE":
        for folder in models:
            transfer.upload(app.s3, folder, f"{prefix}/model")
        for folder in data:
            transfer.upload(app.s3, folder, f"{prefix}/output")
        return f"{prefix}/model/"
    attempt = hosts[0].opt_ml.parent
    transfer.put_file(app.s3, _archive(attempt / "model.tar.gz", models), f"{prefix}/model.tar.gz")
    if any(any(folder.iterdir()) for folder in data):
        transfer.put_file(app.s3, _archive(attempt / "output.tar.gz", data), f"{prefix}/output.tar.gz")
    return f"{prefix}/model.tar.gz"


def _archive(file: Path, folders: list[Path]) -> Path:
    with tarfile.open(file, "w:gz", compresslevel=6) as tar:
        for folder in folders:
            for child in sorted(folder.iterdir()):
                tar.add(child, arcname=child.name)
    return file


def _reason(app: SageLocal, job: Document, folders: list[Path], ended: Ended) -> str:
    instance_type = job["ResourceConfig"]["InstanceType"]
    return reasons.failure(
        ended,
        folders,
        instance_type=instance_type,
        limit=memory_limit(instance_type, app.settings.memory),
        max_runtime=job["StoppingCondition"]["MaxRuntimeInSeconds"],
    )


def _move(app: SageLocal, name: str, status: str, **changes: Any) -> None:
    """A Stop that came meanwhile stays the secondary status."""

    def edit(document: Document) -> None:
        if document["TrainingJobStatus"] != "Stopping":
            moved(document, status, app.now())

    app.store.update("TrainingJob", name, changes, edit=edit)


def _end(app: SageLocal, name: str, status: str, secondary: str, reason: str = "", **changes: Any) -> None:
    def edit(document: Document) -> None:
        now = app.now()
        document["TrainingJobStatus"] = status
        if reason:
            document["FailureReason"] = reason[: reasons.LIMIT]
        document["TrainingEndTime"] = now
        if "TrainingStartTime" in document:
            seconds = max(1, round(now - document["TrainingStartTime"]))
            document |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        moved(document, secondary, now, reason)

    app.store.update("TrainingJob", name, changes, edit=edit)
