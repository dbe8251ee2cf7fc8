"""Distributed training that the SDKs ask the image's toolkit for by hyperparameters, and which of it exists here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sagelocal.api.errors import not_implemented

# The toolkit's reserved hyperparameters, as SDK v2's `distribution` argument sets them. The toolkit here runs torchrun
# (sagemaker_torch_distributed_enabled); MPI and what AWS's images build on it need their mpirun and SSH servers.
_NOT_HERE = {
    "sagemaker_mpi_enabled": "MPI",
    "sagemaker_pytorch_ddp_enabled": "pytorchddp, by MPI",
    "sagemaker_distributed_dataparallel_enabled": "smdistributed.dataparallel",
    "sagemaker_parameter_server_enabled": "parameter servers",
    "sagemaker_multi_worker_mirrored_strategy_enabled": "MultiWorkerMirroredStrategy",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch XLA",
    "sagemaker_distribution_instance_groups": "a distribution on some instance groups",
}


_DRIVERS = Path("input/data/sm_drivers/sm_train.sh")  # SDK v3's, below /opt/ml


class MissingError(Exception):
    """The job's drivers need what this machine's sandbox does not have."""


def check_drivers(opt_ml: Path) -> None:
    """SDK v3 names its driver nowhere in the request, only in the script that it uploads. Raises MissingError."""
    script = opt_ml / _DRIVERS
    if script.is_file() and "mpi_driver.py" in script.read_text(errors="replace"):
        raise MissingError(
            "The SDK's MPI driver needs mpirun, SSH servers and an /etc that it may write, which jobs on sagelocal do "
            "not have. Use Torchrun(), which trains on several hosts here too."
        )


def check(hyperparameters: Mapping[str, str]) -> None:
    """Raises AwsError for a kind of distribution that the toolkit here does not run."""
    for name, what in _NOT_HERE.items():
        if hyperparameters.get(name, "").strip('"').lower() not in ("", "false", "null", "none", "[]"):
            raise not_implemented(
                f"The hyperparameter {name} ({what})", "Use torchrun: sagemaker_torch_distributed_enabled."
            )
