"""A model's files from S3 into the folder that becomes /opt/ml/model."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from sagelocal.jobs.checks import s3_uri

_COMPLETE = ".complete"  # beside the folder: what is there can be served again after a kill, whatever S3 holds by then


def stage(s3: Any, source: dict[str, Any] | None, folder: Path) -> Path:
    """Fills `folder/model` from an S3DataSource and returns it; files of an earlier, complete staging are kept.

    Raises what S3 raises, and tarfile.TarError for an archive that is none or that reaches outside the folder.
    """
    model = folder / "model"
    if (folder / _COMPLETE).exists():
        return model
    shutil.rmtree(folder, ignore_errors=True)
    model.mkdir(parents=True)
    if source:
        _fetch(s3, source, model)
    (folder / _COMPLETE).touch()
    return model


def _fetch(s3: Any, source: dict[str, Any], model: Path) -> None:
    bucket, key = s3_uri(source["S3Uri"])
    if source["CompressionType"] == "Gzip":
        with tempfile.TemporaryFile(dir=model.parent) as archive:
            s3.download_fileobj(bucket, key, archive)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as packed:
                _unpack(packed, model)
    elif source["S3DataType"] == "S3Object":
        s3.download_file(bucket, key, str(model / key.rpartition("/")[2]))
    else:
        _copy_prefix(s3, bucket, key, model)


def _unpack(packed: tarfile.TarFile, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        packed.extractall(folder, filter="data")
        return
    # Python before 3.11.4 (Debian 12 has 3.11.2) knows no filters; a model needs nothing but files and folders.
    root = folder.resolve()
    for member in packed:
        if not (member.isfile() or member.isdir()) or not (root / member.name).resolve().is_relative_to(root):
            raise tarfile.ReadError(f"its member {member.name} is no plain file or folder inside the archive")
    packed.extractall(folder)


def _copy_prefix(s3: Any, bucket: str, prefix: str, model: Path) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            relative = found["Key"].removeprefix(prefix).lstrip("/")
            target = (model / relative).resolve()
            if relative and not relative.endswith("/") and target.is_relative_to(model.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, found["Key"], str(target))
