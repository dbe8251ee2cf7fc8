"""What the AWS images do: which family an image URI belongs to, and what its own `train` and `serve` commands run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagelocal.api.errors import validation

# Repository names of the SDK's own image tables (sagemaker/core/image_uri_config/{sklearn,xgboost,pytorch}.json).
_REPOSITORIES = {
    "sagemaker-scikit-learn": "scikit-learn",
    "sagemaker-xgboost": "xgboost",
    "pytorch-training": "pytorch",
    "pytorch-inference": "pytorch",
    "pytorch-training-arm64": "pytorch",
    "pytorch-inference-arm64": "pytorch",
    "pytorch-inference-graviton": "pytorch",
}
# Framework modules as the images name them in SAGEMAKER_TRAINING_MODULE / SM_FRAMEWORK_MODULE.
_TRAINING_MODULES = {
    "scikit-learn": "sagemaker_sklearn_container.training:main",
    "xgboost": "sagemaker_xgboost_container.training:main",
    "pytorch": "sagemaker_pytorch_container.training:main",
}


# The metrics that AWS's XGBoost image knows (its xgb_constants) and finds in the lines that XGBoost itself prints.
# A value ends at the next TAB, which AWS's logs write as #011.
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_XGBOOST_METRICS = (
    *("accuracy", "aft-nloglik", "auc", "aucpr", "balanced_accuracy", "cox-nloglik", "error", "f1", "f1_binary"),
    *("f1_macro", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy", "logloss", "mae", "map", "mape"),
    *("merror", "mlogloss", "mphe", "mse", "ndcg", "poisson-nloglik", "precision", "precision_macro"),
    *("precision_micro", "r2", "recall", "recall_macro", "recall_micro", "rmse", "rmsle", "tweedie-nloglik"),
)


@dataclass(frozen=True)
class Family:
    """`name` is scikit-learn, xgboost or pytorch; `version` as the tag says, such as 1.9-0 or 2.6.0."""

    name: str
    version: str
    repository: str

    @property
    def training_module(self) -> str:
        return _TRAINING_MODULES[self.name]

    @property
    def metric_definitions(self) -> list[dict[str, str]]:
        """A built-in algorithm's own MetricDefinitions; AWS counts XGBoost's image as one, also in script mode."""
        if self.name != "xgboost":
            return []
        return [
            {"Name": f"{split}:{metric}", "Regex": rf".*\[[0-9]+\].*#011{split}-{metric}:{_NUMBER}.*"}
            for split in ("train", "validation")
            for metric in _XGBOOST_METRICS
        ]


def family(image_uri: str) -> Family:
    """Raises AwsError naming the known families."""
    match = re.search(r"(?:^|/)(?P<repository>[a-z0-9_.-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?$", image_uri)
    repository = match["repository"] if match else ""
    if match is None or repository not in _REPOSITORIES:
        raise validation(
            f"The image {image_uri} is not known to sagelocal. Known families: scikit-learn (sagemaker-scikit-learn), "
            "XGBoost (sagemaker-xgboost), PyTorch (pytorch-training, pytorch-inference)."
        )
    version = re.match(r"\d+(?:\.\d+)*(?:-\d+)?", match["tag"] or "")
    return Family(_REPOSITORIES[repository], version[0] if version else "", repository)
