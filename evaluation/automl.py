"""Judges AutoML's model by the evaluation of its kind of problem, and shows how it was found.

    python evaluation/automl.py --model DIR --train DIR --validation DIR --test DIR --output DIR --predictions DIR

Writes what `classification.py`, `multiclass.py` or `regression.py` writes, as the artifact's problem is; beside it
`leaderboard.html` and `leaderboard.pdf`, and in evaluation.json the member `automl`, which a pipeline's condition can
read whatever the problem: `skill.value` is 0 for an answer that ignores the record, and 1 for one that is always right
(2 AUC - 1; of classes, the share of the most frequent class's errors that is avoided; R²).
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import analysis_report
import automl_leaderboard
import evaluation_job


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with the records that it learnt from"""
    validation: str = "/opt/ml/processing/input/validation"
    """folder with CSV files: chooses the threshold of a binary problem"""
    test: str = "/opt/ml/processing/input/test"
    """the same: is measured"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json and the pages"""
    predictions: str = "/opt/ml/processing/output/predictions"
    """folder for predictions.csv"""
    resamples: int = 1000
    """bootstrap resamples behind each interval"""
    shuffles: int = 5
    """times that each feature is shuffled for its permutation importance"""
    seed: int = 0
    """of resamples and shuffles"""


def main(args: Args) -> None:
    facts = metadata(Path(args.model))
    judge(facts["problem"], args)
    path = Path(args.output) / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["automl"] = {
        "problem": facts["problem"],
        "metric": facts["metric"],
        "skill": {"value": skill(evaluation, facts["problem"])},
        "leaderboard": facts["leaderboard"],
    }
    path.write_text(json.dumps(evaluation, indent=2) + "\n")
    report = automl_leaderboard.describe(facts, evaluation)
    analysis_report.write(report, Path(args.output), "leaderboard")
    print(f"test:skill={evaluation['automl']['skill']['value']:.6f}")


def metadata(folder: Path) -> dict[str, Any]:
    """Raises ValueError for a folder without an artifact of AutoML's."""
    archive = folder / "model.tar.gz"
    if archive.is_file():
        with tarfile.open(archive) as bundle:
            member = bundle.extractfile("metadata.json")
            assert member is not None
            facts = json.load(member)
    else:
        facts = json.loads((folder / "metadata.json").read_text())
    if "leaderboard" not in facts:
        raise ValueError(f"The model in {folder} has no leaderboard: give it the artifact of automl_ensemble.py.")
    return dict(facts)


def judge(problem: str, args: Args) -> None:
    """Only the evaluation that is needed is imported."""
    if problem == "binary":
        import classification

        classification.main(of(classification.Args, args))
    elif problem == "multiclass":
        import multiclass

        multiclass.main(of(multiclass.Args, args))
    else:
        import regression

        regression.main(of(regression.Args, args))


def of(kind: Any, args: Args) -> Any:
    """Those options that the other evaluation has, too."""
    return kind(**{field.name: getattr(args, field.name) for field in fields(kind) if hasattr(args, field.name)})


def skill(evaluation: dict[str, Any], problem: str) -> float:
    if problem == "binary":
        return 2 * float(evaluation["binary_classification_metrics"]["auc"]["value"]) - 1
    if problem == "regression":
        return float(evaluation["regression_metrics"]["r2"]["value"])
    found = evaluation["multiclass_classification_metrics"]
    counts = [sum(row.values()) for row in found["confusion_matrix"].values()]
    trivial = 1 - max(counts) / sum(counts)
    return 1 - (1 - float(found["accuracy"]["value"])) / trivial


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
