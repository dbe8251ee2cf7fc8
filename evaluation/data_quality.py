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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_job
import pandas as pd
from analysis_metrics import MonitorArgs, emit, metric
from data_capture import Tally, Window, read_capture
from data_constraints import Comparison, check, override_drift_method, settings, suggest
from data_statistics import Profile, describe, profile
from data_tables import FORMATS, read_table

CSV = '{"csv": {"header": true}}'
CAPTURE = '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput"]}}'


@dataclass
class Args(MonitorArgs):
    """Where to read and write; command line before environment before default."""

    dataset_source: str = "/opt/ml/processing/input/endpoint"  # file or folder to analyse
    output_path: str = "/opt/ml/processing/output"  # folder for the results
    dataset_format: str = ""  # as JSON; a CSV table for a baseline, endpoint captures for a comparison
    categorical_drift_method: str = ""  # instead of the one in the constraints: LInfinity or ChiSquared
    sagemaker_endpoint_datacapture_prefix: str = ""  # S3 prefix of the captures, for messages

    @classmethod
    def parse(cls, argv: list[str] | None = None) -> Args:
        """From the command line and the environment."""
        return cls(**analysis_job.options(dataclasses.fields(cls), __doc__, argv))

    @property
    def compares(self) -> bool:
        """Whether there is a baseline to compare with.

        Raises:
            ValueError: one of the two baseline files without the other.
        """
        if bool(self.baseline_statistics) != bool(self.baseline_constraints):
            raise ValueError(
                f"baseline_statistics is {self.baseline_statistics!r}, baseline_constraints is "
                f"{self.baseline_constraints!r}: give both to compare, neither to make a baseline"
            )
        return bool(self.baseline_statistics)


def main() -> None:
    args = Args.parse()
    output = Path(args.output_path)
    output.mkdir(parents=True, exist_ok=True)
    summary = compare(args, output) if args.compares else baseline(args, output)
    analysis_job.finish(summary, args.job_output)


def baseline(args: Args, output: Path) -> str:
    """Describe a table, suggest its constraints, and say so."""
    statistics = describe(profile(_frames(args, [], Tally())))
    _write(output / "statistics.json", statistics)
    _write(output / "constraints.json", suggest(statistics))
    counts = f"{statistics['dataset']['item_count']} records with {len(statistics['features'])} features"
    return f"Completed: Job completed successfully with a baseline of {counts}."


def compare(args: Args, output: Path) -> str:
    """Check traffic against the baseline, write every result, publish metrics, and say what was found."""
    from data_report import render  # a baseline needs neither jinja2 nor matplotlib

    constraints, statistics = _load(args.baseline_constraints), _load(args.baseline_statistics)
    if args.categorical_drift_method:
        override_drift_method(constraints, args.categorical_drift_method)
    tally = Tally()
    current = profile(_frames(args, [feature["name"] for feature in constraints["features"]], tally))
    comparisons, violations = check(constraints, statistics, current)
    described = describe(current)
    _write(output / "statistics.json", described)
    _write(output / "constraints.json", suggest(described))
    _write(output / "constraint_violations.json", {"violations": violations})
    title = " / ".join(filter(None, (args.sagemaker_endpoint_name, args.sagemaker_monitoring_schedule_name)))
    captured = f"Captured from {Window.parse(args.start_time, args.end_time)}" if tally.records else "A table"
    records = str(tally) if tally.records else ""
    page = render(title or "Data quality", captured, records, statistics, current, comparisons, violations)
    (output / "report.html").write_text(page, encoding="utf-8")
    if tally.records:
        print(tally)
    for violation in violations:
        print("{feature_name}: {constraint_check_type}: {description}".format(**violation))
    _emit(args, constraints, current, comparisons, len(violations))
    return analysis_job.verdict(violations)


def _emit(
    args: Args, constraints: dict[str, Any], current: Profile, comparisons: list[Comparison], violations: int
) -> None:
    features = constraints["features"]
    emitting = {each["name"] for each in features if settings(constraints, each)["emit_metrics"] == "Enabled"}
    metrics = [each for name in sorted(emitting & set(current.columns)) for each in _feature_metrics(name, current)]
    for each in comparisons:
        if each.distance is not None and each.name in emitting:
            metrics.append(metric(f"feature_baseline_drift_{each.name}", each.distance))
    emit("DATA_QUALITY", args, metrics, violations)


def _feature_metrics(name: str, current: Profile) -> Iterator[dict[str, Any]]:
    column = current.columns[name]
    if column.inferred_type in ("Integral", "Fractional"):
        total = column.mean * column.numbers
        extremes = {"Minimum": column.minimum, "Maximum": column.maximum}
        yield metric(f"feature_data_{name}", {"SampleCount": float(column.numbers), "Sum": total} | extremes)
    yield metric(f"feature_non_null_{name}", current.completeness(name))


def _frames(args: Args, columns: list[str], tally: Tally) -> Iterator[pd.DataFrame]:
    text = args.dataset_format or (CAPTURE if args.compares else CSV)
    try:
        kind, options = next(iter(json.loads(text).items()))
    except (ValueError, AttributeError, StopIteration) as error:
        raise ValueError(f"dataset_format is {text!r}: a JSON object such as {CSV} is expected") from error
    source = Path(args.dataset_source)
    if kind in ("csv", "json", "parquet"):
        return read_table(source, kind, options or {})
    sides = (options or {}).get("captureIndexNames", ["endpointInput"]) if kind == "sagemakerCaptureJson" else []
    if len(sides) == 1 and columns:
        window = Window.parse(args.start_time, args.end_time)
        return read_capture(source, columns, window, tally, sides[0], args.sagemaker_endpoint_datacapture_prefix)
    raise ValueError(
        f"dataset_format {text} is not supported: a baseline reads {FORMATS}, a comparison also {CAPTURE} "
        "with one of endpointInput and endpointOutput"
    )


def _load(path: str) -> dict[str, Any]:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"baseline file {path} cannot be read: {error}") from error


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
