"""Names that try to leave their folder: keys, manifests, channels, archives, job names."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.jobs import transfer
from sagelocal.jobs.training_output import _archive
from sagelocal.jobs.transfer import Object, TransferError

Train = Callable[..., dict[str, Any]]


class Empty:
    """An S3 client whose objects are all empty."""

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": self}

    def iter_chunks(self, size: int) -> list[bytes]:
        return [b""]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../a", "outside its folder"),
        ("b/../../a", "outside its folder"),
        ("/etc/passwd", "outside its folder"),
        ("a\0b", "outside its folder"),
        ("x" * 300, "can't be a file: File name too long"),
        ("/".join(["x" * 200] * 30), "can't be a file: File name too long"),
    ],
)
def test_keys_that_are_no_file_of_the_folder_are_refused(tmp_path: Path, path: str, message: str) -> None:
    folder = tmp_path / "data"
    with pytest.raises(TransferError, match=message):
        transfer.download(Empty(), [Object("b", path, path)], folder)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_keys_that_would_be_one_file_are_refused(tmp_path: Path) -> None:
    items = [Object("b", "p/a/b", "a/b"), Object("b", "p/a//b", "a//b")]
    with pytest.raises(TransferError, match='keys "p/a/b" and "p/a//b" of bucket "b" would be one file, a/b'):
        transfer.download(Empty(), items, tmp_path)


def test_odd_keys_that_are_files_arrive(tmp_path: Path) -> None:
    names = ["a//b", " leading", "ünï", "new\nline", "...", "-rf", "'quoted'"]
    transfer.download(Empty(), [Object("b", name, name) for name in names], tmp_path / "data")
    found = {
        path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*") if path.is_file()
    }
    assert found == {"a/b", *names[1:]}


def test_an_archive_has_no_device_pipe_or_link_to_the_outside(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "file").write_text("1")
    (tmp_path / "secret").write_text("secret")
    (model / "absolute").symlink_to(tmp_path / "secret")
    (model / "relative").symlink_to("../secret")
    (model / "folder").symlink_to("..")
    (model / "dangling").symlink_to("deep/none")
    (model / "fine").symlink_to("deep/file")
    os.mkfifo(model / "fifo")
    file = _archive(tmp_path / "model.tar.gz", [model])
    with tarfile.open(file) as tar:
        assert sorted(tar.getnames()) == ["dangling", "deep", "deep/file", "fine"]


@pytest.mark.namespaces
def test_a_hostile_source_archive_stays_in_its_job(app: SageLocal, train: Train, tmp_path: Path) -> None:
    """Members with `..`, absolute names and links: the job fails or runs, but nothing is written beyond its sandbox."""
    buffer = io.BytesIO()
    outside = tmp_path / "outside"
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("../../../../../.." + str(outside), str(outside)):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    app.s3.put_object(Bucket=app.settings.bucket, Key="hostile/source.tar.gz", Body=buffer.getvalue())
    code = f"s3://{app.settings.bucket}/hostile/source.tar.gz"
    job = train("hostile", "", {"sagemaker_program": "train.py", "sagemaker_submit_directory": code})
    assert job["TrainingJobStatus"] == "Failed"
    assert not outside.exists()


def test_a_job_name_can_be_no_path(app: SageLocal) -> None:
    for name in ("../x", "a/b", "a b", "-a", ".", "a" * 64):
        with pytest.raises(AwsError, match="trainingJobName"):
            app.call("CreateTrainingJob", {"TrainingJobName": name})


@pytest.mark.namespaces
def test_names_that_differ_in_case_alone_are_one_job(app: SageLocal, train: Train) -> None:
    """Its ARN has the name in lower case, and Describe takes that too."""
    train("Case", "", algorithm={"ContainerEntrypoint": ["true"]})
    with pytest.raises(AwsError, match="already exists") as caught:
        train("case", "", algorithm={"ContainerEntrypoint": ["true"]})
    assert caught.value.code == "ResourceInUse"
    assert app.call("DescribeTrainingJob", {"TrainingJobName": "case"})["TrainingJobName"] == "Case"
