"""A model archive is unpacked into its folder and nowhere else, also by a Python without extraction filters."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import BinaryIO

import pytest

from sagelocal.endpoints import artifacts

SOURCE = {"S3Uri": "s3://bucket/model.tar.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}


class Bucket:
    """An S3 client that has one archive."""

    def __init__(self, *members: tarfile.TarInfo) -> None:
        self._body = io.BytesIO()
        with tarfile.open(fileobj=self._body, mode="w:gz") as tar:
            for member in members:
                tar.addfile(member, io.BytesIO(b"x" * member.size))

    def download_fileobj(self, bucket: str, key: str, target: BinaryIO) -> None:
        target.write(self._body.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
    return made


@pytest.fixture(params=["with filters", "without filters"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without filters":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        if trusting := getattr(tarfile, "fully_trusted_filter", None):  # what a Python without filters does
            monkeypatch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(trusting))
    return str(request.param)


def test_files_and_folders_arrive(tmp_path: Path, python: str) -> None:
    model = artifacts.stage(Bucket(member("weights"), member("code/inference.py")), SOURCE, tmp_path / "m")
    assert (model / "weights").read_text() == (model / "code" / "inference.py").read_text() == "x"


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("code/../../outside"),
        member("link", tarfile.SYMTYPE, "../../outside"),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda each: each.name,
)
def test_what_reaches_outside_is_refused(tmp_path: Path, python: str, bad: tarfile.TarInfo) -> None:
    with pytest.raises(tarfile.TarError):
        artifacts.stage(Bucket(member("weights"), bad), SOURCE, tmp_path / "m")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "m" / "outside").exists()
