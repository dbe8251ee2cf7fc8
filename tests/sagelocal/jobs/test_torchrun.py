"""Distributed training as SDK v3's ModelTrainer asks for it: torchrun on two hosts, over gloo."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from sagelocal.config import Settings

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312"
SCRIPT = """
import os
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
net = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
generator = torch.Generator().manual_seed(rank)  # each host has data of its own
for _ in range(30):
    x = torch.randn(32, 4, generator=generator)
    loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
weights = [torch.zeros(4) for _ in range(dist.get_world_size())]
dist.all_gather(weights, net.module.weight[0].detach())
assert len(weights) == 2 and torch.equal(*weights)
print(os.environ["MASTER_ADDR"], "loss:", loss.item())
open(os.path.join(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"]), "w").write(str(rank))
dist.destroy_process_group()
"""


@pytest.fixture
def sdk(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The SageMaker SDK works on this sagelocal."""
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    return laptop


def trainer(distributed: Any, folder: Path) -> Any:
    from sagemaker.core.training.configs import Compute, SourceCode
    from sagemaker.train import ModelTrainer

    (folder / "train.py").write_text(SCRIPT)
    return ModelTrainer(
        training_image=IMAGE,
        source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
        distributed=distributed,
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=2),
        base_job_name="ddp",
        role="arn:aws:iam::000000000000:role/sagelocal-execution",
    )


def last_job(settings: Settings) -> dict[str, Any]:
    client = settings.client("sagemaker")
    (newest, *_) = client.list_training_jobs(SortBy="CreationTime", SortOrder="Descending")["TrainingJobSummaries"]
    description: dict[str, Any] = client.describe_training_job(TrainingJobName=newest["TrainingJobName"])
    return description


def test_torchrun_trains_on_two_hosts(sdk: Settings, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra: pip install -e '.[torch]'")
    if not shutil.which("torchrun", path=str(Path(sys.prefix) / "bin")):
        pytest.skip("torchrun is not in this environment")
    from sagemaker.train.distributed import Torchrun

    trainer(Torchrun(process_count_per_node=1), tmp_path).train(logs=False)
    job = last_job(sdk)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    log = sdk.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job["TrainingJobName"], filterPattern="loss"
    )
    said = [event["message"] for event in log["events"]]
    assert len(said) == 2 and all(line.startswith("algo-1 loss: ") for line in said)
    assert all(float(line.split()[-1]) < 0.1 for line in said)


def test_mpi_is_refused_with_what_it_lacks(sdk: Settings, tmp_path: Path) -> None:
    from sagemaker.train.distributed import MPI

    with pytest.raises(Exception, match=r"needs mpirun, SSH servers .* Use Torchrun\(\)"):
        trainer(MPI(process_count_per_node=1), tmp_path).train(logs=False)
