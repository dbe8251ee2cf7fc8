"""What AWS checks of a training job's InputDataConfig."""

from __future__ import annotations

from typing import Any

from sagelocal.api.errors import validation
from sagelocal.api.refused import paths
from sagelocal.jobs import checks

_SOURCE = "InputDataConfig[].DataSource"
REFUSED = paths(
    *(f"{_SOURCE}.{name}" for name in ("FileSystemDataSource", "DatasetSource")),
    *(f"{_SOURCE}.S3DataSource.{name}" for name in ("ModelAccessConfig", "HubAccessConfig", "S3DataType=Converse")),
)


def check(request: dict[str, Any]) -> None:
    """Raises AwsError."""
    channels = request.get("InputDataConfig") or []
    groups = [group["InstanceGroupName"] for group in request["ResourceConfig"].get("InstanceGroups") or []]
    for channel in channels:
        _check_source(channel, groups)
        _check_mode(channel, channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"])
    checks.unique([each["ChannelName"] for each in channels], "ChannelName")


def _check_source(channel: dict[str, Any], groups: list[str]) -> None:
    name = channel["ChannelName"]
    where = f"InputDataConfig[{name}]."
    if name in (".", ".."):  # AWS's pattern takes them; as a folder they would be another one's
        raise validation(f"{where}ChannelName {name} can't name the folder of a channel.")
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise validation(f"{where}DataSource.S3DataSource must be given.")
    checks.s3_uri(source["S3Uri"])
    for group in source.get("InstanceGroupNames") or []:
        if group not in groups:
            raise validation(f"{where}DataSource.S3DataSource.InstanceGroupNames has {group}, which is no group.")


def _check_mode(channel: dict[str, Any], mode: str) -> None:
    where = f"InputDataConfig[{channel['ChannelName']}]."
    source = channel["DataSource"]["S3DataSource"]
    augmented = source["S3DataType"] == "AugmentedManifestFile"
    if mode == "FastFile" and source["S3DataType"] != "S3Prefix":
        raise validation(f"{where}InputMode FastFile is only possible with S3DataType S3Prefix.")
    if augmented and mode != "Pipe":
        raise validation(f"{where}S3DataType AugmentedManifestFile is only possible with InputMode Pipe.")
    if augmented != bool(source.get("AttributeNames")):
        raise validation(f"{where}S3DataType AugmentedManifestFile and AttributeNames must be given together.")
    if mode == "Pipe":
        return
    if channel.get("CompressionType", "None") != "None":
        raise validation(f"{where}CompressionType Gzip is only possible with InputMode Pipe.")
    if channel.get("RecordWrapperType", "None") != "None":
        raise validation(f"{where}RecordWrapperType RecordIO is only possible with InputMode Pipe.")
