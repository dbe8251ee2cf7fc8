"""Is the traffic still like the training data? One Processing script, two uses.

    python evaluation/data_quality.py --dataset-source train.csv --output-path baseline
    python evaluation/data_quality.py --dataset-source capture --output-path report \\
        --baseline-statistics baseline/statistics.json --baseline-constraints baseline/constraints.json

Without baseline files it describes a table with a header line and suggests constraints (statistics.json,
constraints.json). With them it compares captured traffic, or another table, with the baseline and also writes
constraint_violations.json and report.html. Every option is also an environment variable of Model Monitor's container
contract (SageMaker developer guide, "Container contract inputs" and "outputs"): `--output-path` is `output_path`.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_baseline
import analysis_job
import analysis_report
import data_report
from analysis_metrics import MonitorArgs, emit, metric
from data_capture import Tally, Window, read_capture
from data_constraints import Comparison, check, leave_open, override_drift_method, settings, suggest
from data_statistics import Profile, describe, profile
from data_tables import FORMATS, read_table

KIND = "DATA_QUALITY"
CSV = '{"csv": {"header": true}}'
CAPTURE = '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput"]}}'


@dataclass
class Args(MonitorArgs):
    """Where to read and write; command line before environment before default."""

    dataset_source: str = "/opt/ml/processing/input/endpoint"  # file or folder to analyse
    output_path: str = "/opt/ml/processing/output"  # folder for the results
    dataset_format: str = ""  # as JSON; a CSV table for a baseline, endpoint captures for a comparison
    answer_column: str = ""  # of a baseline, what the model said: has no threshold yet, as another model says otherwise
    categorical_drift_method: str = ""  # instead of the one in the constraints: LInfinity or ChiSquared
    sagemaker_endpoint_datacapture_prefix: str = ""  # S3 prefix of the captures, for messages
    engine: str = "arrow"  # or spark, for a table that one machine can't hold

    @classmethod
    def parse(cls, argv: list[str] | None = None) -> Args:
        """From the command line and the environment."""
        args = cls(**analysis_job.options(dataclasses.fields(cls), __doc__, argv))
        if args.engine not in ENGINES:
            raise ValueError(f"engine is {args.engine!r}: {' and '.join(ENGINES)} exist")
        return args


@dataclass(frozen=True)
class Checked:
    """A table, and what its comparison with a baseline found."""

    current: Profile
    statistics: dict[str, Any]
    constraints: dict[str, Any]  # suggested from the table
    tally: Tally


def main() -> None:
    args = Args.parse()
    output = Path(args.output_path)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as workspace:
        before = analysis_baseline.previous(args, KIND, Path(workspace))
        files = {part: _load(file) for part, file in before.files.items()}
        found = describe_table(args, files.get("constraints"))
        _write(output / "statistics.json", found.statistics)
        _write(output / "constraints.json", found.constraints)
        comparing = analysis_baseline.compares(args, before)
        violations = compare(args, output, found, **files) if comparing else None
        if violations is None:
            analysis_report.write(
                data_report.described(_title(args), _subtitle(args, found, None), found.statistics), output
            )
        if not args.sagemaker_monitoring_schedule_name:
            analysis_baseline.conclude(args, KIND, output, before, violations or [])
    analysis_job.finish(_summary(found, violations), args.job_output)


def describe_table(args: Args, constraints: dict[str, Any] | None) -> Checked:
    """The table's statistics and the constraints they suggest; those of a baseline name the captures' columns."""
    tally = Tally()
    columns = [feature["name"] for feature in (constraints or {}).get("features", [])]
    current = _profile(args, columns, tally)
    statistics = describe(current)
    if tally.records:
        print(tally)
    suggested = suggest(statistics)
    if args.answer_column:
        leave_open(suggested, args.answer_column)
    return Checked(current, statistics, suggested, tally)


def compare(
    args: Args, output: Path, found: Checked, statistics: dict[str, Any], constraints: dict[str, Any]
) -> list[dict[str, str]]:
    """Checks the table against the baseline, writes what was found, publishes metrics, and returns the violations."""
    if args.categorical_drift_method:
        override_drift_method(constraints, args.categorical_drift_method)
    comparisons, violations = check(constraints, statistics, found.current)
    _write(output / "constraint_violations.json", {"violations": violations})
    subtitle = _subtitle(args, found, statistics)
    report = data_report.compared(_title(args), subtitle, statistics, found.current, comparisons, violations)
    analysis_report.write(report, output)
    for violation in violations:
        print("{feature_name}: {constraint_check_type}: {description}".format(**violation))
    _emit(args, constraints, found.current, comparisons, len(violations))
    return violations


def _summary(found: Checked, violations: list[dict[str, str]] | None) -> str:
    if violations is not None:
        return analysis_job.verdict(violations)
    counts = f"{found.current.item_count} records with {len(found.current.columns)} features"
    return f"Completed: Job completed successfully with a baseline of {counts}."


def _title(args: Args) -> str:
    names = " / ".join(filter(None, (args.sagemaker_endpoint_name, args.sagemaker_monitoring_schedule_name)))
    return f"Data quality: {names}" if names else "Data quality"


def _subtitle(args: Args, found: Checked, baseline: dict[str, Any] | None) -> str:
    captured = f"captured from {Window.parse(args.start_time, args.end_time)} ({found.tally})"
    parts = [f"{found.current.item_count:,} records{f', {captured}' if found.tally.records else ''}"]
    if baseline is not None:
        parts.append(f"baseline of {baseline['dataset']['item_count']:,} records")
    return "; ".join(parts)


def _emit(
    args: Args, constraints: dict[str, Any], current: Profile, comparisons: list[Comparison], violations: int
) -> None:
    features = constraints["features"]
    emitting = {each["name"] for each in features if settings(constraints, each)["emit_metrics"] == "Enabled"}
    metrics = [each for name in sorted(emitting & set(current.columns)) for each in _feature_metrics(name, current)]
    for each in comparisons:
        if each.distance is not None and each.name in emitting:
            metrics.append(metric(f"feature_baseline_drift_{each.name}", each.distance))
    emit(KIND, args, metrics, violations)


def _feature_metrics(name: str, current: Profile) -> Iterator[dict[str, Any]]:
    column = current.columns[name]
    if column.inferred_type in ("Integral", "Fractional"):
        total = column.mean * column.numbers
        extremes = {"Minimum": column.minimum, "Maximum": column.maximum}
        yield metric(f"feature_data_{name}", {"SampleCount": float(column.numbers), "Sum": total} | extremes)
    yield metric(f"feature_non_null_{name}", current.completeness(name))


def _profile(args: Args, columns: list[str], tally: Tally) -> Profile:
    text = args.dataset_format or (CAPTURE if columns else CSV)
    try:
        kind, options = next(iter(json.loads(text).items()))
    except (ValueError, AttributeError, StopIteration) as error:
        raise ValueError(f"dataset_format is {text!r}: a JSON object such as {CSV} is expected") from error
    source = Path(args.dataset_source)
    if kind in ("csv", "json", "parquet"):
        return ENGINES[args.engine](source, kind, options or {})
    sides = (options or {}).get("captureIndexNames", ["endpointInput"]) if kind == "sagemakerCaptureJson" else []
    if len(sides) == 1 and columns:
        window = Window.parse(args.start_time, args.end_time)
        return profile(
            read_capture(source, columns, window, tally, sides[0], args.sagemaker_endpoint_datacapture_prefix)
        )
    raise ValueError(
        f"dataset_format {text} is not supported: a baseline reads {FORMATS}, a comparison also {CAPTURE} "
        "with one of endpointInput and endpointOutput"
    )


def _here(source: Path, kind: str, options: dict[str, Any]) -> Profile:
    return profile(read_table(source, kind, options))


def _on_spark(source: Path, kind: str, options: dict[str, Any]) -> Profile:
    from data_spark import spark_profile  # pyspark is in AWS's Spark images, and an extra

    return spark_profile(str(source), kind, options)


ENGINES = {"arrow": _here, "spark": _on_spark}


def _load(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"baseline file {path} cannot be read: {error}") from error


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
