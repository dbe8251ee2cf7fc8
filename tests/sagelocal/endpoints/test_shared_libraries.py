"""What SDK v3's ModelBuilder packs as shared_libs: its handler copies them over /lib when it loads the model."""

from __future__ import annotations

import ctypes.util
import io
import os
import re
import tarfile
import zlib
from pathlib import Path

import pytest

from sagelocal.config import Settings
from tests.sagelocal.endpoints.test_endpoints import ENVIRONMENT, SKLEARN, Account

SCRIPT = """
import ctypes, os, shutil

def model_fn(model_dir):
    shutil.copytree(f"{model_dir}/shared_libs", "/lib", dirs_exist_ok=True)
    return ctypes.CDLL("libmine.so.1")

def transform_fn(model, body, content_type, accept):
    model.zlibVersion.restype = ctypes.c_char_p
    return model.zlibVersion(), accept
"""


@pytest.mark.namespaces
@pytest.mark.skipif(not Path("/lib").is_symlink(), reason="/lib is a folder of its own on this machine")
def test_a_models_own_library_is_found(laptop: Settings, tmp_path: Path) -> None:
    account = Account(laptop)
    ctypes.CDLL(ctypes.util.find_library("z"))
    library = Path(re.findall(r"(/\S*/libz\.\S*)", Path("/proc/self/maps").read_text())[0])
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(library.resolve(), "shared_libs/libmine.so.1")
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        archive.addfile(entry, io.BytesIO(SCRIPT.encode()))
    account.s3.upload_file(str(packed), laptop.bucket, "library.tar.gz")
    url = f"s3://{laptop.bucket}/library.tar.gz"
    # Each worker copies, and one that is using the library while another overwrites it dies (SIGBUS).
    environment = {**ENVIRONMENT, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    container = {"Image": SKLEARN, "ModelDataUrl": url, "Environment": environment}
    account.sagemaker.create_model(ModelName="library", PrimaryContainer=container)
    account.deploy("library", account.config("library", "library"))
    assert account.ask("library", "x") == zlib.ZLIB_RUNTIME_VERSION
    assert not os.path.lexists("/lib/libmine.so.1")
