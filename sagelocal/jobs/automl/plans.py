"""What an AutoML job was asked for, by either of the two Create operations, and what is refused of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagelocal.api.errors import not_implemented, validation
from sagelocal.api.refused import Paths, others, paths
from sagelocal.jobs import checks

Document = dict[str, Any]
PROBLEMS = {"BinaryClassification": "binary", "MulticlassClassification": "multiclass", "Regression": "regression"}
# ProblemType -> AutoMLJobObjective; the first is the default (API reference, AutoMLJobObjective).
OBJECTIVES = {
    "BinaryClassification": ("F1", "Accuracy", "AUC", "BalancedAccuracy"),
    "MulticlassClassification": ("Accuracy", "BalancedAccuracy", "F1macro"),
    "Regression": ("MSE", "MAE", "R2", "RMSE"),
}
# AutoMLMetricEnum -> the metric that training jobs report, as the XGBoost image names it.
METRICS = {
    "F1": "f1",
    "F1macro": "f1_macro",
    "Accuracy": "accuracy",
    "BalancedAccuracy": "balanced_accuracy",
    "AUC": "auc",
    "MSE": "mse",
    "RMSE": "rmse",
    "MAE": "mae",
    "R2": "r2",
}
MINIMIZED = ("MSE", "RMSE", "MAE")
# AutoMLAlgorithm -> what the project's AutoML has of it. Without a choice there are those without a name here, too.
ALGORITHMS = {
    "xgboost": "boosted_trees",
    "lightgbm": "gradient_boosting",  # histograms as LightGBM has them, by scikit-learn
    "randomforest": "random_forest",
    "extra-trees": "extra_trees",
    "mlp": "network",
    "nn-torch": "network",
    "linear-learner": "linear",
}
FAMILIES = (*("boosted_trees", "gradient_boosting", "random_forest", "extra_trees", "network", "linear", "neighbours"),)
SECONDS = 300  # of a job without MaxAutoMLJobRuntimeInSeconds; AWS takes hours
LEAST_SECONDS = 10
_CSV = ("", "text/csv", "text/csv;header=present")


@dataclass(frozen=True)
class Plan:
    target: str
    data: str  # S3Uri
    problem: str  # ProblemType, "" where the data decides
    objective: str  # AutoMLMetricEnum, "" where the problem decides
    families: Sequence[str]
    seconds: int  # of the whole job
    job_seconds: int  # of a training job; 0: as long as it takes
    blends: bool  # the best candidates become one more, as in AWS's ensembling mode

    @property
    def searched(self) -> int:
        """Seconds for the families' searches; the rest is for cleaning, blending and starts."""
        return max(LEAST_SECONDS, int(0.7 * self.seconds))


def plan(job: Mapping[str, Any]) -> Plan:
    """Of a job as stored or as requested by either operation. Raises AwsError for what cannot be done."""
    tabular = (job.get("AutoMLProblemTypeConfig") or {}).get("TabularJobConfig")
    if tabular is None and "AutoMLProblemTypeConfig" in job:
        raise not_implemented(f"The problem type {', '.join(job['AutoMLProblemTypeConfig'])}", "Use TabularJobConfig.")
    (channel, *more) = job.get("AutoMLJobInputDataConfig") or job["InputDataConfig"]
    if more or channel.get("ChannelType", "training") != "training":
        raise not_implemented("A channel of the type validation", "Leave it out: candidates are cross-validated.")
    if not channel.get("DataSource"):
        raise validation("The training channel must have a DataSource.")
    if channel.get("ContentType", "").replace(" ", "") not in _CSV:
        raise not_implemented(f"The content type {channel['ContentType']}", "Give CSV with a header.")
    config = tabular if tabular is not None else job.get("AutoMLJobConfig") or {}
    target = (tabular or channel)["TargetAttributeName"]
    problem = (tabular or job).get("ProblemType", "")
    objective = (job.get("AutoMLJobObjective") or {}).get("MetricName", "")
    check_objective(problem, objective)
    criteria = config.get("CompletionCriteria") or {}
    most = criteria.get("MaxCandidates", len(FAMILIES) + 1)
    blends = config.get("Mode", "AUTO") != "HYPERPARAMETER_TUNING" and most > 1
    families = chosen(config.get("CandidateGenerationConfig") or {})[: max(1, most - blends)]
    return Plan(
        target=target,
        data=channel["DataSource"]["S3DataSource"]["S3Uri"],
        problem=problem,
        objective=objective,
        families=families,
        seconds=criteria.get("MaxAutoMLJobRuntimeInSeconds", SECONDS),
        job_seconds=criteria.get("MaxRuntimePerTrainingJobInSeconds", 0),
        blends=blends,
    )


def check_objective(problem: str, objective: str) -> None:
    """Raises AwsError."""
    if bool(problem) != bool(objective):
        raise validation(
            "You must either provide both the AutoMLJobObjective and the ProblemType, or none of them: "
            f"{'ProblemType' if problem else 'AutoMLJobObjective'} is given alone."
        )
    if problem and objective not in OBJECTIVES[problem]:
        raise not_implemented(
            f"The objective {objective} of a {problem} problem", f"There are {', '.join(OBJECTIVES[problem])}."
        )


def chosen(generation: Mapping[str, Any]) -> list[str]:
    """Families of models, in the order in which they begin. Raises AwsError for an algorithm that is not there."""
    algorithms = [name for each in generation.get("AlgorithmsConfig") or [] for name in each["AutoMLAlgorithms"]]
    for name in algorithms:
        if name not in ALGORITHMS:
            raise not_implemented(f"The algorithm {name}", f"There are {', '.join(ALGORITHMS)}.")
    wanted = {ALGORITHMS[name] for name in algorithms} or set(FAMILIES)
    return [each for each in FAMILIES if each in wanted]


def check(request: Mapping[str, Any]) -> Plan:
    """What a request asks for. Raises AwsError for what AWS or sagelocal refuses beyond shapes."""
    found = plan(request)
    checks.s3_uri(found.data)
    checks.s3_uri(request["OutputDataConfig"]["S3OutputPath"])
    if found.seconds < LEAST_SECONDS:
        raise validation(f"MaxAutoMLJobRuntimeInSeconds is {found.seconds}, and at least {LEAST_SECONDS} are needed.")
    return found


_SOURCE = "DataSource.S3DataSource.S3DataType"
_TABULAR = "AutoMLProblemTypeConfig.TabularJobConfig"
_V2: Paths = {
    **paths(
        "ModelDeployConfig",
        "DataSplitConfig",
        "AutoMLComputeConfig",
        f"{_TABULAR}.FeatureSpecificationS3Uri",
        f"{_TABULAR}.GenerateCandidateDefinitionsOnly",
        f"{_TABULAR}.SampleWeightAttributeName",
        f"AutoMLJobInputDataConfig[].{_SOURCE}=ManifestFile",
        f"AutoMLJobInputDataConfig[].{_SOURCE}=AugmentedManifestFile",
        "AutoMLJobInputDataConfig[].CompressionType=Gzip",
    ),
    **others("CreateAutoMLJobV2", "AutoMLProblemTypeConfig", ("TabularJobConfig",)),
}
_V1: Paths = paths(
    "ModelDeployConfig",
    "GenerateCandidateDefinitionsOnly",
    "AutoMLJobConfig.DataSplitConfig",
    "AutoMLJobConfig.CandidateGenerationConfig.FeatureSpecificationS3Uri",
    "InputDataConfig[].SampleWeightAttributeName",
    f"InputDataConfig[].{_SOURCE}=ManifestFile",
    f"InputDataConfig[].{_SOURCE}=AugmentedManifestFile",
    "InputDataConfig[].CompressionType=Gzip",
)
REFUSED = {"CreateAutoMLJobV2": _V2, "CreateAutoMLJob": _V1}
