"""What a training job's hosts find in /opt/ml when they start: folders, configuration, channels, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.jobs import pipe, staging, transfer
from sagelocal.jobs.container import Host
from sagelocal.jobs.instances import cluster
from sagelocal.jobs.metrics import FOLDER as METRICS_FOLDER

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_CHECKPOINTS = "/opt/ml/checkpoints"  # CheckpointConfig.LocalPath's default
_FOLDERS = ("input/config", "input/data", "model", "output/data", METRICS_FOLDER, "code")


def hosts(job: Document, folder: Path) -> list[Host]:
    """The job's hosts, each with its /opt/ml below `folder`; a checkpoint path outside /opt/ml has a folder too."""
    found = []
    for name, instance_type, group in cluster(job["ResourceConfig"]):
        writable = {}
        if (path := checkpoint_path(job)) and not path.startswith(f"{staging.OPT_ML}/"):
            writable[path] = folder / f"{name}-checkpoints"
            writable[path].mkdir()
        found.append(Host(name, folder / name, writable, instance_type, group))
    return found


def stage(app: SageLocal, job: Document, hosts: Sequence[Host]) -> list[tuple[Path, str, pipe.Source]]:
    """Fills each host's /opt/ml, and returns what `pipe.piping` has to stream. Raises TransferError."""
    feeds = []
    for host in hosts:
        for folder in _FOLDERS:
            (host.opt_ml / folder).mkdir(parents=True, exist_ok=True)
        for name, document in config_files(job, host, hosts).items():
            staging.write_json(host.opt_ml / "input" / "config" / f"{name}.json", document)
    for channel in job.get("InputDataConfig") or []:
        source = channel["DataSource"]["S3DataSource"]
        items = transfer.objects(app.s3, source["S3Uri"], source["S3DataType"])
        receivers = [host for host in hosts if _gets(channel, host)]
        for number, host in enumerate(receivers):
            data = host.opt_ml / "input" / "data"
            feed = pipe.Source(app.s3, channel, items, number, len(receivers))
            if _mode(job, channel) == "Pipe":
                feeds.append((data, channel["ChannelName"], feed))
            else:
                transfer.download(app.s3, list(feed.objects(0)), data / channel["ChannelName"])
    return feeds


def config_files(job: Document, host: Host, hosts: Sequence[Host]) -> Document:
    """What the platform writes to /opt/ml/input/config, by file name. FastFile data is on disk like File data here."""
    groups = dict.fromkeys((each.group, each.instance_type) for each in hosts)
    files: Document = {
        "hyperparameters": job.get("HyperParameters") or {},
        "inputdataconfig": {
            channel["ChannelName"]: _channel_config(job, channel)
            for channel in job.get("InputDataConfig") or []
            if _gets(channel, host)
        },
        "resourceconfig": {
            "current_host": host.name,
            "current_instance_type": host.instance_type,
            "current_group_name": host.group,
            "hosts": [each.name for each in hosts],
            "instance_groups": [
                {
                    "instance_group_name": group,
                    "instance_type": instance_type,
                    "hosts": [each.name for each in hosts if each.group == group],
                }
                for group, instance_type in groups
            ],
            "network_interface_name": "lo",  # the hosts algo-N of one job are 127.0.0.N here
        },
    }
    if path := checkpoint_path(job):
        files["checkpointconfig"] = {"LocalPath": path}
    return files


def checkpoint_path(job: Document) -> str:
    """Empty for a job without checkpoints."""
    config = job.get("CheckpointConfig")
    return str(config.get("LocalPath", _CHECKPOINTS)) if config else ""


def checkpoints(app: SageLocal, job: Document, hosts: Sequence[Host]) -> list[transfer.Mirror]:
    """A host's folder each, all with one prefix: a file is deleted there when no host has it any more."""
    path = checkpoint_path(job)
    if not path:
        return []
    folders = [host.writable.get(path) or staging.host_path(host.opt_ml, path) for host in hosts]
    uri = job["CheckpointConfig"]["S3Uri"]
    return [
        transfer.Mirror(
            app.s3,
            folder,
            uri,
            root=folder if host.writable else host.opt_ml,
            deletions=True,
            twins=[twin for twin in folders if twin != folder],
        )
        for host, folder in zip(hosts, folders, strict=True)
    ]


def _mode(job: Document, channel: Document) -> str:
    return str(channel.get("InputMode") or job["AlgorithmSpecification"]["TrainingInputMode"])


def _gets(channel: Document, host: Host) -> bool:
    groups = channel["DataSource"]["S3DataSource"].get("InstanceGroupNames")
    return not groups or host.group in groups


def _channel_config(job: Document, channel: Document) -> Document:
    config = {
        "TrainingInputMode": _mode(job, channel),
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {**config, **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})}
