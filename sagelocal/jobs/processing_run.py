"""One attempt of a Processing job: inputs down, containers, outputs up, and only then the status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.containers import analyzers
from sagelocal.jobs import container, reasons, staging, transfer
from sagelocal.jobs.container import Control, Ended, Host, Outcome, Plan
from sagelocal.jobs.instances import memory_limit
from sagelocal.jobs.sync import syncing
from sagelocal.monitoring import metrics

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
Document = dict[str, Any]


def run(app: SageLocal, name: str, control: Control) -> None:
    job = app.store.get("ProcessingJob", name)
    if control.stopping:
        _end(app, name, "Stopped")
        return
    with _staged(app, job) as hosts:
        try:
            _prepare(app, job, hosts)
        except transfer.TransferError as error:
            _end(app, name, "Failed", f"ClientError: Failed to download data. {error}")
            return
        control.check()
        if control.stopping:
            _end(app, name, "Stopped")
            return
        app.store.update("ProcessingJob", name, {"ProcessingStartTime": app.now()})
        try:
            with syncing(_mirrors(app, job, hosts)):
                ended = container.run(app, _plan(app, job, hosts), control)
            for host in hosts:
                staging.readable(host.opt_ml)
            _publish(app, job, hosts, ended)
        except transfer.TransferError as error:
            _end(app, name, "Failed", f"ClientError: Failed to upload data. {error}")


@contextmanager
def _staged(app: SageLocal, job: Document) -> Iterator[list[Host]]:
    name = job["ProcessingJobName"]
    folder = staging.begin(app, "ProcessingJob", name)
    try:
        yield [Host(host, folder / host) for host in staging.hosts(_cluster(job)["InstanceCount"])]
    finally:
        staging.remove(folder.parent)


def _prepare(app: SageLocal, job: Document, hosts: list[Host]) -> None:
    names = [host.name for host in hosts]
    inputs = [each for each in job.get("ProcessingInputs") or [] if not each.get("AppManaged")]
    found = [
        (each["S3Input"], transfer.objects(app.s3, each["S3Input"]["S3Uri"], each["S3Input"]["S3DataType"]))
        for each in inputs
    ]
    for number, host in enumerate(hosts):
        (host.opt_ml / "output").mkdir(parents=True)
        staging.write_json(host.opt_ml / "config" / "processingjobconfig.json", config_file(job))
        staging.write_json(
            host.opt_ml / "config" / "resourceconfig.json",
            {
                "current_host": host.name,
                "hosts": names,
                "current_instance_type": _cluster(job)["InstanceType"],
                "network_interface_name": "lo",
            },
        )
        for output in _outputs(job):
            staging.host_path(host.opt_ml, output["LocalPath"]).mkdir(parents=True, exist_ok=True)
        for source, items in found:
            if source.get("S3DataDistributionType") == "ShardedByS3Key":
                items = transfer.shard(items, number, len(hosts))
            transfer.download(app.s3, items, staging.host_path(host.opt_ml, source["LocalPath"]))


def config_file(job: Document) -> Document:
    """The request as /opt/ml/config/processingjobconfig.json shows it: options that were not given are null."""
    specification = job["AppSpecification"]
    cluster = _cluster(job)
    outputs = job.get("ProcessingOutputConfig") or {}
    return {
        "ProcessingJobArn": job["ProcessingJobArn"],
        "ProcessingJobName": job["ProcessingJobName"],
        "AppSpecification": {
            "ImageUri": specification["ImageUri"],
            "ContainerEntrypoint": specification.get("ContainerEntrypoint"),
            "ContainerArguments": specification.get("ContainerArguments"),
        },
        "Environment": job.get("Environment"),
        "NetworkConfig": job.get("NetworkConfig"),
        "ProcessingInputs": [
            {**each, "S3Input": {"S3CompressionType": "None", "S3DownloadMode": "StartOfJob", **each["S3Input"]}}
            for each in job.get("ProcessingInputs") or []
        ],
        "ProcessingOutputConfig": {"Outputs": outputs.get("Outputs", []), "KmsKeyId": outputs.get("KmsKeyId")},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster}},
        "RoleArn": job["RoleArn"],
        "StoppingCondition": job["StoppingCondition"],
    }


def _plan(app: SageLocal, job: Document, hosts: list[Host]) -> Plan:
    specification = job["AppSpecification"]
    network = not (job.get("NetworkConfig") or {}).get("EnableNetworkIsolation", False)
    aws = app.settings.aws_environment() if network else {"AWS_REGION": app.settings.region}
    return Plan(
        group=LOG_GROUP,
        job=job["ProcessingJobName"],
        hosts=hosts,
        command=[*_entrypoint(job), *(specification.get("ContainerArguments") or [])],
        binds=analyzers.binds(specification["ImageUri"]),
        environment={**aws, **(job.get("Environment") or {})},
        network=network,
        image=specification["ImageUri"],
        memory=dict.fromkeys([host.name for host in hosts], _memory(app, job)),
        max_runtime=job["StoppingCondition"]["MaxRuntimeInSeconds"],
        stop_grace=app.jobs.stop_grace,
    )


def _entrypoint(job: Document) -> list[str]:
    """The request's, else the image's own, which only an analyzer's image has."""
    specification = job["AppSpecification"]
    given = specification.get("ContainerEntrypoint")
    return given or analyzers.command(specification["ImageUri"], job.get("Environment") or {})


def _mirrors(app: SageLocal, job: Document, hosts: list[Host]) -> list[transfer.Mirror]:
    return [
        transfer.Mirror(app.s3, staging.host_path(host.opt_ml, output["LocalPath"]), output["S3Uri"], root=host.opt_ml)
        for output in _outputs(job)
        if output["S3UploadMode"] == "Continuous"
        for host in hosts
    ]


def _publish(app: SageLocal, job: Document, hosts: list[Host], ended: Ended) -> None:
    """EndOfJob outputs of a job that succeeded, then its end. An empty output uploads nothing, as on AWS."""
    name, folders = job["ProcessingJobName"], [host.opt_ml for host in hosts]
    try:
        message = reasons.exit_message(folders)
    except UnicodeDecodeError:
        _end(app, name, "Failed", "ClientError: The file /opt/ml/output/message is not UTF-8 text.")
        return
    if ended.outcome is Outcome.STOPPED:
        _end(app, name, "Stopped", message=message)
    elif ended.outcome is Outcome.EXITED and ended.code == 0:
        for output in _outputs(job):
            for folder in folders:
                if output["S3UploadMode"] == "EndOfJob" and (
                    results := staging.result_folder(folder, output["LocalPath"])
                ):
                    transfer.upload(app.s3, results, output["S3Uri"])
        metrics.publish(app, job, folders)
        _end(app, name, "Completed", message=message)
    else:
        _end(app, name, "Failed", _reason(app, job, folders, ended), message)


def _reason(app: SageLocal, job: Document, folders: list[Path], ended: Ended) -> str:
    return reasons.failure(
        ended,
        folders,
        instance_type=_cluster(job)["InstanceType"],
        limit=_memory(app, job),
        max_runtime=job["StoppingCondition"]["MaxRuntimeInSeconds"],
    )


def _end(app: SageLocal, name: str, status: str, reason: str = "", message: str = "") -> None:
    changes: Document = {"ProcessingJobStatus": status, "ProcessingEndTime": app.now()}
    changes |= {"FailureReason": reason[: reasons.LIMIT]} if reason else {}
    changes |= {"ExitMessage": message} if message else {}
    app.store.update("ProcessingJob", name, changes)


def _memory(app: SageLocal, job: Document) -> int:
    cluster = _cluster(job)
    return memory_limit(cluster["InstanceType"], app.settings.memory, cluster["InstanceCount"])


def _cluster(job: Document) -> Document:
    cluster: Document = job["ProcessingResources"]["ClusterConfig"]
    return cluster


def _outputs(job: Document) -> list[Document]:
    outputs = (job.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    return [each["S3Output"] for each in outputs if not each.get("AppManaged")]
