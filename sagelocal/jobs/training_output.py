"""What a training job leaves on S3: the model and the output data of all its hosts."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.jobs import staging, transfer
from sagelocal.jobs.container import Host

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


def upload(app: SageLocal, job: dict[str, Any], hosts: Sequence[Host]) -> str:
    """The model's URI, as ModelArtifacts.S3ModelArtifacts names it. Raises TransferError.

    All hosts' files go into one archive, as on AWS; of files with the same path the first host's counts (AWS asks that
    there be none and does not say which one stays). CompressionType NONE puts the files under output/model/ and
    output/data/ (the latter is not documented).
    """
    output = job["OutputDataConfig"]
    prefix = f"{output['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output"
    models = _folders(hosts, "/opt/ml/model")
    data = _folders(hosts, "/opt/ml/output/data")
    if output.get("CompressionType") == "NONE":
        for folders, name in ((models, "model"), (data, "data")):
            for folder in reversed(folders):  # the first host's files come last and stay
                transfer.upload(app.s3, folder, f"{prefix}/{name}")
        return f"{prefix}/model/"
    attempt = hosts[0].opt_ml.parent
    transfer.put_file(app.s3, _archive(attempt / "model.tar.gz", models), f"{prefix}/model.tar.gz")
    if any(any(folder.iterdir()) for folder in data):
        transfer.put_file(app.s3, _archive(attempt / "output.tar.gz", data), f"{prefix}/output.tar.gz")
    return f"{prefix}/model.tar.gz"


def _folders(hosts: Sequence[Host], inside: str) -> list[Path]:
    return [folder for host in hosts if (folder := staging.result_folder(host.opt_ml, inside))]


def _archive(file: Path, folders: Sequence[Path]) -> Path:
    """The folders' contents merged. FIFOs, sockets and links that lead out of their folder are left out."""
    added = set()
    with tarfile.open(file, "w:gz", compresslevel=6) as tar:
        for folder in folders:
            for path in _contents(folder):
                name = path.relative_to(folder).as_posix()
                if name not in added:
                    added.add(name)
                    tar.add(path, arcname=name, recursive=False, filter=_owned_by_root)
    return file


def _contents(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(parent) / name
            if path.is_symlink():
                if not path.readlink().is_absolute() and path.resolve().is_relative_to(root):
                    yield path
            elif path.is_file() or path.is_dir():
                yield path


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """As in an image's container, whoever runs sagelocal."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
