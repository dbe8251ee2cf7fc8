"""A TorchScript model behind the PyTorch image's own functions, through an endpoint."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from sagelocal.config import Settings
from tests.sagelocal.endpoints.test_endpoints import Account, failing

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"


@pytest.mark.namespaces
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_an_endpoint_of_the_image_serves_torchscript(laptop: Settings, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is an extra of its own")
    account = Account(laptop)
    torch.jit.trace(torch.nn.Sigmoid(), torch.zeros(1, 2)).save(tmp_path / "model.pth")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "model.pth", "model.pth")
    account.s3.upload_file(str(tmp_path / "model.tar.gz"), laptop.bucket, "sigmoid.tar.gz")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{laptop.bucket}/sigmoid.tar.gz"}
    account.sagemaker.create_model(ModelName="sigmoid", PrimaryContainer=container)
    endpoint = account.deploy("sigmoid", account.config("sigmoid", "sigmoid"))
    assert endpoint["EndpointStatus"] == "InService", endpoint["FailureReason"]
    assert json.loads(account.ask("sigmoid", "0.0,0.0\n0.0,0.0")) == [[0.5, 0.5], [0.5, 0.5]]
    array = io.BytesIO()
    np.save(array, np.zeros((1, 2), "float32"))
    answer = account.runtime.invoke_endpoint(
        EndpointName="sigmoid", Body=array.getvalue(), ContentType="application/x-npy", Accept="application/x-npy"
    )
    assert np.load(io.BytesIO(answer["Body"].read())).tolist() == [[0.5, 0.5]]
    refused = failing(account.runtime.invoke_endpoint, EndpointName="sigmoid", Body=b"<a/>", ContentType="text/xml")
    assert refused["OriginalStatusCode"] == 500
    assert "Traceback" in refused["OriginalMessage"]
