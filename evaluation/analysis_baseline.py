"""What a check in a pipeline compares with, and what the next run's will: the rules of AWS's own check steps.

The previous baseline is the one that is supplied, else DriftCheckBaselines of the latest approved version in the model
package group. `skip_check` and `register_new_baseline` decide as they do in QualityCheckStep and ClarifyCheckStep
(SageMaker developer guide, "Baseline calculation, drift detection and lifecycle"), but for one thing: where there is no
previous baseline, AWS's steps fail unless both are true, and this registers the new one, so that a first run needs no
other settings than the next.

A check writes, beside its own files,

    drift_check_baseline/<file>   what DriftCheckBaselines of the version is to point to: the previous or the new files
    check.json                    {"violations": 2, "verdict": "2 violations", "message": "2 violations: …",
                                   "compared_with": "<URI>" or null, "registered": "new" or "previous"}

A violation does not fail the job, since the outputs of a failed one are lost: the pipeline's gate reads check.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER, SUMMARY = "drift_check_baseline", "check.json"
JOB_CONFIG = Path("/opt/ml/config/processingjobconfig.json")
NAMED = 3  # violations in a message; a step's FailureReason has 1024 characters for those of all checks
# Kind of check -> what its files are called, and where DriftCheckBaselines holds them.
KINDS: dict[str, dict[str, tuple[str, str, str]]] = {
    "DATA_QUALITY": {
        "statistics": ("statistics.json", "ModelDataQuality", "Statistics"),
        "constraints": ("constraints.json", "ModelDataQuality", "Constraints"),
    },
    "MODEL_QUALITY": {
        "statistics": ("statistics.json", "ModelQuality", "Statistics"),
        "constraints": ("constraints.json", "ModelQuality", "Constraints"),
    },
    "DATA_BIAS": {"constraints": ("analysis.json", "Bias", "PreTrainingConstraints")},
    "MODEL_BIAS": {"constraints": ("analysis.json", "Bias", "PostTrainingConstraints")},
    "MODEL_EXPLAINABILITY": {"constraints": ("analysis.json", "Explainability", "Constraints")},
}


@dataclass
class CheckArgs:
    """Options of every check; `analysis_job.options` reads them. Texts, as environment variables are."""

    baseline_statistics: str = ""  # file, or S3 URI of one: the supplied previous baseline
    baseline_constraints: str = ""  # likewise
    model_package_group_name: str = ""  # whose latest approved version has the previous baseline
    skip_check: str = "false"
    register_new_baseline: str = "false"


@dataclass(frozen=True)
class Previous:
    """The previous baseline's files by part, `statistics` and `constraints`; empty where there is none."""

    files: Mapping[str, Path]
    origin: str | None = None  # URI of the constraints, or path

    def __bool__(self) -> bool:
        return bool(self.files)


def previous(args: CheckArgs, kind: str, workspace: Path) -> Previous:
    """The previous baseline, fetched into `workspace` where it lies on S3; none where there is no earlier version.

    Raises:
        ValueError: a supplied file that is not there, or one without the other where the kind has both.
        ClientError: the registry or S3 refuses.
    """
    supplied = {"statistics": args.baseline_statistics, "constraints": args.baseline_constraints}
    found = {part: supplied[part] for part in KINDS[kind] if supplied[part]}
    if not found and args.model_package_group_name:
        found = registered(args.model_package_group_name, kind)
    missing = [part for part in KINDS[kind] if part not in found]
    if found and missing and kind == "DATA_QUALITY":
        raise ValueError(f"the baseline has {', '.join(found)} and no {', '.join(missing)}: give both or neither")
    files = {part: _local(where, workspace / part) for part, where in found.items()}
    return Previous(files, found.get("constraints"))


def registered(group: str, kind: str) -> dict[str, str]:
    """URIs by part of the latest approved version's DriftCheckBaselines; empty without such a version or baseline."""
    import boto3
    from botocore.exceptions import ClientError

    sagemaker = boto3.client("sagemaker")
    try:
        listed = sagemaker.list_model_packages(
            ModelPackageGroupName=group,
            ModelApprovalStatus="Approved",
            SortBy="CreationTime",
            SortOrder="Descending",
            MaxResults=1,
        )["ModelPackageSummaryList"]
    except ClientError as error:  # a first run comes before the group
        if "does not exist" in str(error):
            return {}
        raise
    if not listed:
        return {}
    package = sagemaker.describe_model_package(ModelPackageName=listed[0]["ModelPackageArn"])
    baselines = package.get("DriftCheckBaselines") or {}
    found = {
        part: ((baselines.get(member) or {}).get(leaf) or {}).get("S3Uri")
        for part, (_, member, leaf) in KINDS[kind].items()
    }
    return {part: uri for part, uri in found.items() if uri} if all(found.values()) else {}


def compares(args: CheckArgs, before: Previous) -> bool:
    """Whether there is something to compare with, and the check is not to be skipped."""
    return bool(before) and not true(args.skip_check)


def conclude(
    args: CheckArgs, kind: str, output: Path, before: Previous, violations: Sequence[Mapping[str, Any]]
) -> None:
    """Writes drift_check_baseline/ and check.json into `output`, which holds the new baseline's files already."""
    new = true(args.register_new_baseline) or not before
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for part, (name, _, _) in KINDS[kind].items():
        source = output / name if new or part not in before.files else before.files[part]
        shutil.copyfile(source, folder / name)
    compared = compares(args, before)
    verdict = _counted(violations) if compared else "skipped" if before else "no earlier baseline"
    summary = {
        "violations": len(violations),
        "verdict": verdict,
        "message": f"{verdict}{_named(violations, output)}.",
        "compared_with": before.origin if compared else None,
        "registered": "new" if new else "previous",
    }
    (output / SUMMARY).write_text(json.dumps(summary, indent=1), encoding="utf-8")


def _counted(violations: Sequence[Mapping[str, Any]]) -> str:
    return {0: "no violation", 1: "1 violation"}.get(len(violations), f"{len(violations)} violations")


def _named(violations: Sequence[Mapping[str, Any]], output: Path) -> str:
    """The first violations by what they are about, a feature, a group, a metric, and where the report is."""
    if not violations:
        return ""
    first = ", ".join(f"{_subject(each)} ({each.get('constraint_check_type')})" for each in violations[:NAMED])
    more = f" and {len(violations) - NAMED} more" if len(violations) > NAMED else ""
    return f": {first}{more}; see {_address(output)}/report.html"


def _subject(violation: Mapping[str, Any]) -> str:
    facet = f"{violation['facet']}={violation.get('facet_value')}" if "facet" in violation else ""
    parts = (facet, violation.get("feature_name") or violation.get("metric_name"))
    return " ".join(str(part) for part in parts if part)


def _address(folder: Path) -> str:
    """Where the platform uploads a folder of this job to; by hand the folder itself."""
    try:
        outputs = json.loads(JOB_CONFIG.read_text(encoding="utf-8"))["ProcessingOutputConfig"]["Outputs"]
    except OSError:
        return str(folder)
    uris = (each["S3Output"]["S3Uri"] for each in outputs if Path(each["S3Output"]["LocalPath"]) == folder)
    return next(uris, str(folder)).rstrip("/")


def true(text: str) -> bool:
    """Raises ValueError for what is neither true nor false."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _local(where: str, folder: Path) -> Path:
    if not where.startswith("s3://"):
        if not Path(where).is_file():
            raise ValueError(f"baseline file {where} cannot be read: it is not there")
        return Path(where)
    import boto3

    bucket, _, key = where.removeprefix("s3://").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / key.rpartition("/")[2]
    boto3.client("s3").download_file(bucket, key, str(target))
    return target
