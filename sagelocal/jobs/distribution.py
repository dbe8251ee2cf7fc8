"""Distributed training that the SDKs ask the image's toolkit for by hyperparameters, and which of it exists here."""

from __future__ import annotations

from collections.abc import Mapping

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


def check(hyperparameters: Mapping[str, str]) -> None:
    """Raises AwsError for a kind of distribution that the toolkit here does not run."""
    for name, what in _NOT_HERE.items():
        if hyperparameters.get(name, "").strip('"').lower() not in ("", "false", "null", "none", "[]"):
            raise not_implemented(
                f"The hyperparameter {name} ({what})", "Use torchrun: sagemaker_torch_distributed_enabled."
            )
