"""The MetricDefinitions that belong to AWS's built-in algorithms; their users can give none of their own."""

from __future__ import annotations

# A value ends at the next TAB, which AWS's logs write as #011.
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
# The metrics that the XGBoost image knows (its xgb_constants) and finds in the lines that XGBoost itself prints.
_XGBOOST = (
    *("accuracy", "aft-nloglik", "auc", "aucpr", "balanced_accuracy", "cox-nloglik", "error", "f1", "f1_binary"),
    *("f1_macro", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy", "logloss", "mae", "map", "mape"),
    *("merror", "mlogloss", "mphe", "mse", "ndcg", "poisson-nloglik", "precision", "precision_macro"),
    *("precision_micro", "r2", "recall", "recall_macro", "recall_micro", "rmse", "rmsle", "tweedie-nloglik"),
)
# name -> how the algorithm's line calls it and whether that is a <score> or a <loss>, as recorded in descriptions of
# linear learner jobs on AWS and, where none could be found, after the metric's name in the documentation.
_LINEAR = {
    "absolute_loss": "absolute_loss <loss>",
    "binary_classification_accuracy": "binary_classification_accuracy <score>",
    "binary_f_beta": r"binary_f_\S+ <score>",
    "dcg": "dcg <score>",
    "macro_f_beta": r"macro_f_\S+ <score>",
    "macro_precision": "macro_precision <score>",
    "macro_recall": "macro_recall <score>",
    "mse": "mse <loss>",
    "multiclass_accuracy": "multiclass_accuracy <score>",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+ <score>",
    "precision": "precision <score>",
    "recall": "recall <score>",
    "rmse": "rmse <loss>",
    "roc_auc_score": "roc_auc_score <score>",
}
_TRAINED_LINEAR = ("absolute_loss", "binary_classification_accuracy", "binary_f_beta", "mse", "precision", "recall")
_ACCURACY = "binary_classification_accuracy <score>"
_ENTROPY = "binary_classification_cross_entropy <loss>"
_TESTED = {
    "knn": {"accuracy": "accuracy <score>", "mse": "mse <loss>"},
    "kmeans": {"msd": "msd <loss>", "ssd": "ssd <loss>"},
    "pca": {},
    "randomcutforest": {"f1": "f1 <score>"},
    "factorization-machines": {
        "binary_classification_accuracy": _ACCURACY,
        "binary_classification_cross_entropy": _ENTROPY,
        "binary_f_beta": r"binary_f_\S+ <score>",
        "rmse": "rmse <loss>",
    },
}
_TRAINED = {
    "kmeans": {"msd": "msd <loss>", "ssd": "ssd <loss>"},
    "factorization-machines": {
        "binary_classification_accuracy:epoch": _ACCURACY,
        "binary_classification_cross_entropy:epoch": _ENTROPY,
        "rmse:epoch": "rmse <loss>",
    },
}


def of(family: str) -> list[dict[str, str]]:
    """`[{"Name", "Regex"}]`, empty for a family that is no built-in algorithm."""
    if family == "xgboost":
        return [
            _definition(f"{split}:{metric}", rf".*\[[0-9]+\].*#011{split}-{metric}:{_NUMBER}.*")
            for split in ("train", "validation")
            for metric in _XGBOOST
        ]
    if family == "linear-learner":
        return [*_linear(), *_speed()]
    if family not in _TESTED:
        return []
    tested = [_quality(f"test:{name}", f"test {words}") for name, words in _TESTED[family].items()]
    trained = [
        _quality(f"train:{name}", f"train {words}", r"epoch=\S+, " if name.endswith(":epoch") else "")
        for name, words in _TRAINED.get(family, {}).items()
    ]
    return [*tested, *trained, *_speed()]


def _linear() -> list[dict[str, str]]:
    found = [_quality(f"train:{name}", f"train {_LINEAR[name]}") for name in _TRAINED_LINEAR]
    for split in ("validation", "test"):
        # AWS's list has no test:rmse.
        found += [
            _quality(f"{split}:{name}", f"{split} {words}")
            for name, words in _LINEAR.items()
            if (split, name) != ("test", "rmse")
        ]
    loss = r"\S+_objective <loss>"
    for split in ("train", "validation"):
        found.append(_quality(f"{split}:objective_loss", f"{split} {loss}", r"epoch=\S+, "))
        found.append(_quality(f"{split}:objective_loss:final", f"{split} {loss}"))
    return [*found, _quality("test:objective_loss", f"test {loss}")]


def _speed() -> list[dict[str, str]]:
    return [
        _definition("train:progress", r"#progress_metric: host=\S+, completed (\S+) %"),
        _definition("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
    ]


def _quality(name: str, words: str, where: str = "") -> dict[str, str]:
    return _definition(name, rf"#quality_metric: host=\S+, {where}{words}=(\S+)")


def _definition(name: str, expression: str) -> dict[str, str]:
    return {"Name": name, "Regex": expression}
