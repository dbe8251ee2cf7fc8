"""What the AWS images do: which family an image URI belongs to, and what its own `train` and `serve` commands run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sagelocal import config
from sagelocal.api.errors import validation
from sagelocal.containers import custom, metric_definitions

# Repository names of the SDK's own image tables (sagemaker/core/image_uri_config/*.json).
_REPOSITORIES = {
    "sagemaker-scikit-learn": "scikit-learn",
    "sagemaker-xgboost": "xgboost",
    "xgboost": "xgboost",  # the first image, version 1: algorithm mode only
    "pytorch-training": "pytorch",
    "pytorch-inference": "pytorch",
    "pytorch-training-arm64": "pytorch",
    "pytorch-inference-arm64": "pytorch",
    "pytorch-inference-graviton": "pytorch",
    "huggingface-pytorch-training": "huggingface",
    "huggingface-pytorch-inference": "huggingface",
    # Studio's images, for notebook jobs and remote functions; they bring no `train` command.
    "sagemaker-distribution-prod": "sagemaker-distribution",
    "sagemaker-distribution": "sagemaker-distribution",
    "sagemaker-base-python-310": "base-python",
    "sagemaker-base-python-38": "base-python",
    "factorization-machines": "factorization-machines",
    "kmeans": "kmeans",
    "knn": "knn",
    "linear-learner": "linear-learner",
    "pca": "pca",
    "randomcutforest": "randomcutforest",
    "sagemaker-model-monitor-analyzer": "model-monitor",
    "sagemaker-model-monitor-groundtruth-merger": "model-monitor",
    "sagemaker-clarify-processing": "clarify",
}
# Framework modules as the images name them in SAGEMAKER_TRAINING_MODULE / SM_FRAMEWORK_MODULE.
_TRAINING_MODULES = {
    "scikit-learn": "sagemaker_sklearn_container.training:main",
    "xgboost": "sagemaker_xgboost_container.training:main",
    "pytorch": "sagemaker_pytorch_container.training:main",
    "huggingface": "sagemaker_pytorch_container.training:main",
}
_VERSION = r"^\d+(?:\.\d+)*(?:-\d+)?"
_FIRST_PARTY = ("factorization-machines", "kmeans", "knn", "linear-learner", "pca", "randomcutforest")
# Libraries of the `algorithms` extra, by the family that computes with them.
_LIBRARIES = {"knn": "faiss"}
# The first-party images that can serve several models; all of them can share an instance with others.
_FIRST_PARTY_MULTI_MODEL = ("knn", "linear-learner", "randomcutforest")
# Variables that an image's `serve` sets where the model's Environment does not.
_SERVING = {"xgboost": {"OMP_NUM_THREADS": "1"}}


@dataclass(frozen=True)
class Family:
    """`name` is scikit-learn, xgboost, pytorch, knn …; `version` as the tag says, such as 1.9-0 or 2.6.0.

    Hugging Face's version is that of transformers. An image of the user's own is of the family `custom`.
    """

    name: str
    version: str
    repository: str

    @property
    def training_module(self) -> str:
        """Empty for AWS's own algorithms, whose images run no script."""
        return _TRAINING_MODULES.get(self.name, "")

    @property
    def custom(self) -> custom.Image | None:
        """The declaration of an image of the user's own."""
        return custom.find(self.repository) if self.name == "custom" else None

    @property
    def serving_environment(self) -> Mapping[str, str]:
        return _SERVING.get(self.name, {})

    @property
    def metric_definitions(self) -> list[dict[str, str]]:
        """A built-in algorithm's own MetricDefinitions; AWS counts XGBoost's image as one, also in script mode."""
        return metric_definitions.of(self.name)

    @property
    def runs_scripts(self) -> bool:
        return self.name not in _FIRST_PARTY and self.repository != "xgboost"

    def algorithm(self, environment: Mapping[str, str], program: str = "") -> bool:
        """Whether the container runs the image's algorithm, as neither `program` nor SAGEMAKER_PROGRAM is a script."""
        built_in = self.name == "xgboost" or self.name in _FIRST_PARTY
        return built_in and not (self.runs_scripts and (program or environment.get("SAGEMAKER_PROGRAM")))

    @property
    def accepts_port(self) -> bool:
        """The label accept-bind-to-port: whether the image can run beside others of one model."""
        return self.custom.accept_bind_to_port if self.custom else True

    @property
    def multi_models(self) -> bool:
        """The label multi-models, as AWS's guide and Dockerfiles have it for images without a GPU."""
        if self.custom:
            return self.custom.multi_models
        return self.name in (*_TRAINING_MODULES, *_FIRST_PARTY_MULTI_MODEL) and self.repository != "xgboost"

    def check_libraries(self) -> None:
        """Raises AwsError naming the extra to install, for an algorithm whose library is not there."""
        library = _LIBRARIES.get(self.name)
        if library and importlib.util.find_spec(library) is None:
            raise validation(
                f"The {self.name} algorithm computes with {library}, which is not installed here: "
                "pip install 'sagemaker-mlops-template[algorithms]'."
            )


def family(image_uri: str) -> Family:
    """Raises AwsError naming the known families."""
    match = re.search(r"(?:^|/)(?P<repository>[a-z0-9_.-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?$", image_uri)
    repository = match["repository"] if match else ""
    tag = (match["tag"] or "") if match else ""
    if repository in _REPOSITORIES:
        name = _REPOSITORIES[repository]
        version = re.search(r"(?<=transformers)\d+(?:\.\d+)*" if name == "huggingface" else _VERSION, tag)
        return Family(name, version[0] if version else "", repository)
    if repository and custom.find(repository):
        return Family("custom", tag, repository)
    raise validation(
        f"The image {image_uri} is not known to sagelocal. Known families: scikit-learn (sagemaker-scikit-learn), "
        "XGBoost (sagemaker-xgboost, xgboost), PyTorch (pytorch-training, pytorch-inference), "
        "Hugging Face (huggingface-pytorch-training, huggingface-pytorch-inference), "
        "SageMaker Distribution (sagemaker-distribution-prod), base Python (sagemaker-base-python-310), "
        "Model Monitor (sagemaker-model-monitor-analyzer), Clarify (sagemaker-clarify-processing), "
        f"and the algorithms {', '.join(_FIRST_PARTY)}. An image of your own: declare its repository "
        f"{repository or '<name>'} in {config.images_file()} (docs/containers.md, Your own container)."
    )
