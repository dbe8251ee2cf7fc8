"""One attempt of a transform job: model servers up, objects through them, outputs to S3, and only then the status.

Every instance is a model server of its own and gets whole objects. As on AWS, an object with a failing record has no
output while the others have theirs, and a job that was stopped stores nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.endpoints import artifacts
from sagelocal.endpoints.instance import Instance as Host
from sagelocal.jobs import reasons, staging, transfer
from sagelocal.jobs.container import Control
from sagelocal.jobs.instances import memory_limit
from sagelocal.jobs.transform_instance import FEW_PARTS, Instance, Item, Limits, execution_parameters
from sagelocal.jobs.transform_join import Processing
from sagelocal.jobs.utilisation import Together, Utilisation

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

LOG_GROUP = "/aws/sagemaker/TransformJobs"
Document = dict[str, Any]
_STARTUP_SECONDS = 240  # as for an endpoint's containers
_LOOK = 0.1  # s between looks at whether the job shall stop


class FailedError(Exception):
    """Why the job as a whole can't go on; the message is its FailureReason."""


class _StoppedError(Exception):
    """StopTransformJob was called."""


def run(app: SageLocal, name: str, control: Control) -> None:
    job = app.store.get("TransformJob", name)
    if control.stopping:
        _end(app, name, "Stopped")
        return
    folder = staging.begin(app, "TransformJob", name)
    try:
        items = _transform(app, job, folder, control)
        control.check()
        if control.stopping:
            raise _StoppedError
        done = [item for item in items if not item.failure]
        _publish(app, job, done)
        failed = [item for item in items if item.failure]
        _end(app, name, "Failed" if failed else "Completed", _reason(failed))
    except _StoppedError:
        _end(app, name, "Stopped")
    except FailedError as error:
        _end(app, name, "Failed", str(error))
    except transfer.TransferError as error:
        _end(app, name, "Failed", f"ClientError: {error}")
    finally:
        staging.remove(folder.parent)


def _transform(app: SageLocal, job: Document, folder: Path, control: Control) -> list[Item]:
    """What became of every input object; their outputs lie in `folder`."""
    source = job["TransformInput"]["DataSource"]["S3DataSource"]
    found = transfer.objects(app.s3, source["S3Uri"], source["S3DataType"])
    items = [Item(each, folder / f"{number}.out") for number, each in enumerate(found)]
    # An instance more than cores, or without an object, would do nothing but take memory.
    count = max(1, min(job["TransformResources"]["InstanceCount"], app.settings.cpus, len(items)))
    with _hosts(app, job, folder, count, control) as hosts:
        started = app.now()
        app.store.update("TransformJob", job["TransformJobName"], {"TransformStartTime": started})
        stamp = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        processing = Processing.of(job, stamp)
        asyncio.run(_run_instances(app, job, hosts, items, processing, control))
    return items


async def _run_instances(
    app: SageLocal,
    job: Document,
    hosts: Sequence[Host],
    items: Sequence[Item],
    processing: Processing,
    control: Control,
) -> None:
    limits = Limits.of(job, await execution_parameters(hosts[0]))
    instances = [Instance(app, job, host, limits, processing) for host in hosts]
    work = [
        asyncio.create_task(instance.run(items[number :: len(instances)])) for number, instance in enumerate(instances)
    ]
    usage = Utilisation(app, LOG_GROUP, job["TransformJobName"], app.settings.state, disk=False)
    memory = memory_limit(job["TransformResources"]["InstanceType"], app.settings.memory)
    try:
        while any(not task.done() for task in work):
            await asyncio.wait(work, timeout=_LOOK, return_when=asyncio.FIRST_EXCEPTION)
            for host in hosts:
                if processes := [server.process for server in host.servers if server.process]:
                    usage.look(host.name.rpartition("/")[2], Together(processes), memory)
            if control.stopping or control.closing or any(task.done() and task.exception() for task in work):
                break
        for task in work:
            if task.done():
                task.result()
    finally:
        usage.close()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        for instance in instances:
            await instance.close()
    control.check()
    if control.stopping:
        raise _StoppedError


@contextmanager
def _hosts(app: SageLocal, job: Document, folder: Path, count: int, control: Control) -> Iterator[Sequence[Host]]:
    """Healthy instances with all containers, stopped afterwards. Raises FailedError where one is not."""
    models = [_model(app, job, one["Source"], folder / f"container-{n}") for n, one in enumerate(job["_containers"])]
    plan = {
        "VariantName": "AllTraffic",
        "InstanceType": job["TransformResources"]["InstanceType"],
        "StartupSeconds": _STARTUP_SECONDS,
        "Containers": [{**container, "Environment": environment(job, container)} for container in job["_containers"]],
        "Execution": "Serial",
        "Isolated": job["_isolated"],
    }
    hosts: list[Host] = []
    try:
        for _ in range(count):
            # AWS's name of it: <job>/<instance id>-<epoch>
            name = f"{job['TransformJobName']}/i-{secrets.token_hex(8)}-{int(time.time())}"
            sockets = app.endpoints.sockets
            host = Host(app, plan, LOG_GROUP, models=models, folder=folder, sockets=sockets, name=name, between=None)
            host.start()
            hosts.append(host)
        for host in hosts:
            _await_health(host, control)
        yield hosts
    finally:
        with ThreadPoolExecutor(max_workers=count) as pool:
            list(pool.map(Host.stop, hosts))


def _model(app: SageLocal, job: Document, source: Document | None, folder: Path) -> Path:
    try:
        return artifacts.stage(app.s3, source, folder)
    except Exception as error:  # S3's errors, and an archive's
        uri = (source or {}).get("S3Uri")
        raise FailedError(
            f"ClientError: The model data {uri} of model {job['ModelName']} could not be used: {error}"
        ) from error


def _await_health(host: Host, control: Control) -> None:
    for server in host.servers:
        while not server.settled.wait(_LOOK):
            control.check()
            if control.stopping:
                raise _StoppedError
    if not host.healthy:
        server = host.unhealthy
        which = "primary container" if server.container == "primary" else server.container
        raise FailedError(
            f"AlgorithmError: The {which} did not pass the ping health check. Last line of the log "
            f"{LOG_GROUP} {server.stream}: {server.last_line}"
        )


def environment(job: Document, container: Document) -> dict[str, str]:
    """The model's, the job's, and the platform's own variables, of which three tell what the request set.

    (Developer guide, "How SageMaker Runs Your Inference Image": what the caller did not set is not passed.)
    """
    told = {"SAGEMAKER_BATCH": "true"}
    if "MaxPayloadInMB" in job:
        told["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(job["MaxPayloadInMB"])
    if "BatchStrategy" in job:
        told["SAGEMAKER_BATCH_STRATEGY"] = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}[
            job["BatchStrategy"]
        ]
    if "MaxConcurrentTransforms" in job:
        told["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(job["MaxConcurrentTransforms"])
    return {**container["Environment"], **(job.get("Environment") or {}), **told}


def _publish(app: SageLocal, job: Document, done: Sequence[Item]) -> None:
    target = job["TransformOutput"]["S3OutputPath"].rstrip("/")

    def upload(item: Item) -> None:
        bucket, key = transfer.split_uri(f"{target}/{item.source.path}.out")
        try:
            app.s3.upload_file(str(item.output), bucket, key, Config=FEW_PARTS)
        except (BotoCoreError, ClientError, S3UploadFailedError) as error:
            raise transfer.TransferError(f'Failed to upload "s3://{bucket}/{key}": {error}') from error

    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="s3") as pool:
        list(pool.map(upload, done))
    if done and (capture := job.get("DataCaptureConfig")):
        _capture(app, job["TransformJobName"], capture["DestinationS3Uri"].rstrip("/"), target, done)


def _capture(app: SageLocal, name: str, destination: str, target: str, done: Sequence[Item]) -> None:
    """Manifests of what went in and out, under the hour in which the job started. AWS does not name the files."""
    started = app.store.get("TransformJob", name)["TransformStartTime"]
    hour = datetime.fromtimestamp(started, UTC).strftime("%Y/%m/%d/%H")
    folders: dict[str, list[str]] = defaultdict(list)
    for item in done:
        prefix = item.source.key.removesuffix(item.source.path)
        folders[f"s3://{item.source.bucket}/{prefix}"].append(item.source.path)
    for number, (prefix, paths) in enumerate(folders.items()):
        stem = uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{started}/{number}")  # the same for an upload done again
        for side, manifest in (
            ("input", [{"prefix": prefix}, *paths]),
            ("output", [{"prefix": f"{target}/"}, *(f"{path}.out" for path in paths)]),
        ):
            bucket, key = transfer.split_uri(f"{destination}/{side}/{hour}/{stem}.json")
            app.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())


def _reason(failed: Sequence[Item]) -> str:
    """AWS says no more than "See job logs for more information"; this names the first file and record, too."""
    if not failed:
        return ""
    first = failed[0].failure
    assert first
    more = f" {len(failed)} input objects failed, this is the first." if len(failed) > 1 else ""
    return f"{first.kind}: {first.message[:700]}{more} See job logs for more information: {first.log}"


def _end(app: SageLocal, name: str, status: str, reason: str = "") -> None:
    changes: Document = {"TransformJobStatus": status, "TransformEndTime": app.now()}
    changes |= {"FailureReason": reason[: reasons.LIMIT]} if reason else {}
    app.store.update("TransformJob", name, changes)
