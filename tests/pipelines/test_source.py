"""What travels with a job, and when its address changes."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines import source
from pipelines.source import Bundle, bundle, folder

ROOT = Path(source.__file__).parent.parent
SCRIPT = 'import json\nimport churn_features\nfrom shared import scale\nPAGE = "page.html.j2"\n'


def stage(root: Path) -> Path:
    """A training folder in which two use cases share a module."""
    training = root / "training"
    (training / "shared").mkdir(parents=True)
    (training / "churn.py").write_text(SCRIPT)
    (training / "churn_features.py").write_text("import pandas\nimport leaf\n")
    (training / "leaf.py").write_text("x = 1\n")
    (training / "shared" / "__init__.py").write_text("")
    (training / "shared" / "scale.py").write_text("y = 2\n")
    (training / "page.html.j2").write_text("<html>")
    (training / "fraud.py").write_text("import leaf\n")
    return training


def test_a_job_gets_what_it_imports_and_names_and_nothing_else(tmp_path: Path) -> None:
    stage(tmp_path)
    files = set(bundle(tmp_path, "training/churn.py").files)
    assert files == {
        "churn.py",
        "churn_features.py",
        "leaf.py",
        "page.html.j2",
        "shared/__init__.py",
        "shared/scale.py",
    }
    assert set(bundle(tmp_path, "training/fraud.py").files) == {"fraud.py", "leaf.py"}


def test_a_file_that_is_only_mentioned_stays_behind(tmp_path: Path) -> None:
    training = stage(tmp_path)
    (training / "fraud.py").write_text('"""See churn.py for the features."""\n# page.html.j2\n')
    assert set(bundle(tmp_path, "training/fraud.py").files) == {"fraud.py"}


def test_editing_churn_leaves_fraud_alone(tmp_path: Path) -> None:
    training = stage(tmp_path)
    churn, fraud = (bundle(tmp_path, f"training/{name}.py").digest for name in ("churn", "fraud"))
    (training / "churn.py").write_text(SCRIPT + "z = 3\n")
    assert bundle(tmp_path, "training/churn.py").digest != churn
    assert bundle(tmp_path, "training/fraud.py").digest == fraud
    (training / "leaf.py").write_text("x = 2\n")
    assert bundle(tmp_path, "training/fraud.py").digest != fraud


def test_the_digest_knows_neither_place_nor_time(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    stage(first)
    (stage(second) / "churn.py").touch()
    assert bundle(first, "training/churn.py").digest == bundle(second, "training/churn.py").digest


def test_the_digest_knows_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text("same")
    before = folder(tmp_path / "a", "drivers").digest
    (tmp_path / "a" / "one").rename(tmp_path / "a" / "two")
    assert folder(tmp_path / "a", "drivers").digest != before


def test_requirements_of_the_script_come_before_those_of_the_folder(tmp_path: Path) -> None:
    training = stage(tmp_path)
    assert bundle(tmp_path, "training/churn.py").command == ["python3", "/opt/ml/processing/input/code/churn.py"]
    (training / "requirements.txt").write_text("for-all")
    (training / "churn.requirements.txt").write_text("for-churn")
    churn, fraud = bundle(tmp_path, "training/churn.py"), bundle(tmp_path, "training/fraud.py")
    assert (churn.files["requirements.txt"], fraud.files["requirements.txt"]) == (b"for-churn", b"for-all")
    assert churn.command[:2] == ["/bin/bash", "-c"]
    assert "pip install" in churn.command[2]
    assert churn.command[3] == "/opt/ml/processing/input/code/churn.py"


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no training/absent\.py in"):
        bundle(tmp_path, "training/absent.py")


def test_an_upload_sends_only_what_the_bucket_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    stage(tmp_path)
    fraud = bundle(tmp_path, "training/fraud.py")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        uri = fraud.upload(s3, "bucket", "team")
        assert uri == f"s3://bucket/team/code/training/fraud/{fraud.digest}/"
        sent = []
        s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: sent.append(params["url"]))
        assert fraud.upload(s3, "bucket", "team") == uri
        assert sent == []
        s3.delete_object(Bucket="bucket", Key=f"team/code/training/fraud/{fraud.digest}/leaf.py")
        fraud.upload(s3, "bucket", "team")
        assert [url.rsplit("/", 1)[-1] for url in sent] == ["leaf.py"]


@pytest.mark.parametrize(
    "script", ["processing/churn.py", "training/churn.py", "evaluation/classification.py", "evaluation/data_quality.py"]
)
def test_our_scripts_start_from_their_bundle_alone(script: str, tmp_path: Path) -> None:
    files = bundle(ROOT, script).files
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    # -P -I would hide the script's own folder, which the container's python3 does look into.
    command = [sys.executable, str(tmp_path / Path(script).name), "--help"]
    started = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PATH": ""}, check=False)
    assert started.returncode == 0, started.stderr


def test_an_archive_is_the_same_for_the_same_files_and_is_sent_once() -> None:
    files = Bundle("training/churn", {"churn.py": b"print()", "a/b.json": b"{}"})
    again = Bundle("training/churn", {"a/b.json": b"{}", "churn.py": b"print()"})
    assert files.archive() == again.archive()
    with tarfile.open(fileobj=io.BytesIO(files.archive())) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == files.files  # type: ignore[union-attr]
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        uri = files.upload_archive(s3, "bucket", "p/")
        assert (
            uri == f"s3://bucket/p/code/training/churn/{files.digest}.tar.gz" == files.upload_archive(s3, "bucket", "p")
        )
        (listed,) = s3.list_object_versions(Bucket="bucket")["Versions"]
        assert listed["Key"] == uri.removeprefix("s3://bucket/")
