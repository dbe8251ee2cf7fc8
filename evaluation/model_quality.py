"""How good are predictions whose truth is known, and are they as good as they were? One Processing script, three uses.

    python evaluation/model_quality.py --dataset-source predictions.csv --output-path report \\
        --problem-type BinaryClassification --inference-attribute predicted_label \\
        --probability-attribute probability --ground-truth-attribute Churn

A check in a pipeline compares with the latest approved version (analysis_baseline.py), a monitor with the baseline that
it is given, AWS's container contract with the files its environment names; without one it makes a baseline. Writes
statistics.json, constraints.json, report.html and report.pdf, where it compares also constraint_violations.json. Reads
a table, or merged captures (`sagemakerCaptureJson`). Every option is an environment variable, too.

Metrics of BinaryClassification, MulticlassClassification and Regression and all files are Model Monitor's (SageMaker
developer guide, "Model quality metrics"); Ranking and Forecasting are additions in the same shape.
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
import model_quality_constraints as bounds
import model_quality_data as reading
import model_quality_report
from analysis_metrics import MonitorArgs, emit, metric
from data_capture import Tally, Window
from data_tables import FORMATS
from model_quality_data import Attributes, Columns
from model_quality_forecasting import forecast
from model_quality_metrics import Metric, classified, numbers
from model_quality_ranking import ranked
from model_quality_statistics import KEYS, Measured, statistics_of

KIND = "MODEL_QUALITY"
GROUPED = ("Ranking", "Forecasting")
CAPTURE = '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}'


@dataclass
class Args(MonitorArgs):
    """Where to read and write; command line before environment before default."""

    dataset_source: str = "/opt/ml/processing/input/baseline_dataset_input"  # file or folder with predictions and truth
    output_path: str = "/opt/ml/processing/output"  # folder for the results
    dataset_format: str = '{"csv": {"header": true}}'  # as JSON
    sagemaker_endpoint_datacapture_prefix: str = ""  # S3 prefix of captures, for messages
    problem_type: str = "BinaryClassification"  # or MulticlassClassification, Regression, Ranking, Forecasting
    inference_attribute: str = ""  # column (name or index) of the predicted label, number or score
    probability_attribute: str = ""  # column of the probability of the positive class
    probability_threshold_attribute: str = ""  # from it on a probability counts as positive; 0.5
    ground_truth_attribute: str = ""  # column of the truth; of a ranking the relevance
    group_attribute: str = ""  # column of a record's query (Ranking) or series (Forecasting)
    first: str = "10"  # Ranking: how many of a query's records count
    quantile_attributes: str = ""  # Forecasting: 0.1=p10,0.9=p90, the columns of quantiles
    scale_attribute: str = ""  # Forecasting: column of the naive forecast's mean absolute error in a series' history
    season: str = "1"  # Forecasting: records until the naive forecast's value comes again

    @classmethod
    def parse(cls, argv: list[str] | None = None) -> Args:
        """From the command line and the environment."""
        return cls(**analysis_job.options(dataclasses.fields(cls), __doc__, argv))

    def number(self, name: str, least: float) -> float:
        """An option as a number. Raises ValueError for what is none, or less than `least`."""
        text = getattr(self, name)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not value >= least:
            raise ValueError(f"{name} is {text!r}: a number of at least {least:g} is expected")
        return value

    @property
    def quantiles(self) -> dict[str, float]:
        """Column to the level of the quantile. Raises ValueError."""
        try:
            pairs = [pair.split("=") for pair in self.quantile_attributes.split(",") if pair]
            found = {column.strip(): float(level) for level, column in pairs}
        except ValueError as error:
            raise ValueError(
                f"quantile_attributes is {self.quantile_attributes!r}: 0.1=p10,0.9=p90 is meant"
            ) from error
        if any(not 0 < level < 1 for level in found.values()):
            raise ValueError(f"quantile_attributes is {self.quantile_attributes!r}: levels lie between 0 and 1")
        return found


def main() -> None:
    args = Args.parse()
    analysis_job.perform(lambda: run(args), args.job_output)


def run(args: Args) -> str:
    """Measures, compares where there is a baseline, writes everything, and says what was found.

    Raises:
        ValueError: options, table or baseline cannot be used; the message says which and why.
    """
    if args.problem_type not in KEYS:
        raise ValueError(f"problem_type is {args.problem_type!r}: {', '.join(KEYS)} are known")
    output = Path(args.output_path)
    output.mkdir(parents=True, exist_ok=True)
    measured = measure(args)
    with tempfile.TemporaryDirectory() as workspace:
        before = analysis_baseline.previous(args, KIND, Path(workspace))
        baseline = {part: _load(path) for part, path in before.files.items()}
        group = f"{KEYS[args.problem_type]}_constraints"
        _write(output / "statistics.json", statistics_of(args.problem_type, measured))
        _write(output / "constraints.json", {"version": 0.0, group: bounds.suggest(measured.metrics)})
        compared = analysis_baseline.compares(args, before)
        constraints = _constraints(baseline["constraints"], group) if compared else {}
        violations = bounds.check(constraints, measured.metrics)
        if compared:
            _write(output / "constraint_violations.json", {"version": 0.0, "violations": violations})
        if args.model_package_group_name:
            analysis_baseline.conclude(args, KIND, output, before, violations)
    report = model_quality_report.make(_title(args), measured, constraints, baseline.get("statistics"), violations)
    analysis_report.write(report, output)
    shown = [metric(name, found.value) for name, found in measured.metrics.items()]
    emit(KIND, args, shown, len(violations) if compared else None)
    for violation in violations:
        print(f"{violation['metric_name']}: {violation['description']}")
    if compared:
        return analysis_job.verdict(violations)
    return f"Completed: Job completed successfully with the metrics of {measured.records} records."


def measure(args: Args) -> Measured:
    """Reads and computes. Raises ValueError as `run` does."""
    tally, window = Tally(), Window.parse(args.start_time, args.end_time)
    pieces = _pieces(args, tally, window)
    captured = str(tally) if tally.records else ""
    if args.problem_type in ("BinaryClassification", "MulticlassClassification"):
        binary = args.problem_type == "BinaryClassification"
        classes = reading.Classes(binary)
        for piece in pieces:
            classes.add(piece)
        _some(args, classes)
        data = classes.data
        found = Measured(classified(data, binary), len(data), classes.skipped, window, captured, classes=data)
    else:
        figures = reading.Figures(_more(args))
        for piece in pieces:
            figures.add(piece)
        _some(args, figures)
        both = figures.numbers
        found = Measured(_figures(args, figures), len(both), figures.skipped, window, captured, numbers=both)
    return dataclasses.replace(found, captured=str(tally) if tally.records else "")


def _figures(args: Args, figures: reading.Figures) -> dict[str, Metric]:
    if args.problem_type == "Ranking":
        return ranked(figures.ranked, int(args.number("first", 1)))
    if args.problem_type == "Forecasting":
        return forecast(figures.forecasts(args.quantiles, int(args.number("season", 1))))
    return numbers(figures.numbers)


def _pieces(args: Args, tally: Tally, window: Window) -> Iterator[Columns]:
    attributes = Attributes(
        args.ground_truth_attribute,
        args.inference_attribute,
        args.probability_attribute,
        float(args.probability_threshold_attribute or 0.5),
        _more(args),
    )
    try:
        kind, options = next(iter(json.loads(args.dataset_format).items()))
    except (ValueError, AttributeError, StopIteration) as error:
        raise ValueError(f"dataset_format is {args.dataset_format!r}: one of {FORMATS} is expected") from error
    if kind == "sagemakerCaptureJson":
        prefix = args.sagemaker_endpoint_datacapture_prefix
        return reading.merged(Path(args.dataset_source), attributes, window, tally, prefix)
    if kind not in ("csv", "json", "parquet"):
        raise ValueError(f"dataset_format {args.dataset_format} is not supported: {FORMATS} and {CAPTURE} are")
    if not args.ground_truth_attribute:
        raise ValueError("give a ground_truth_attribute: the column of the truth")
    return reading.table(Path(args.dataset_source), kind, options or {}, attributes)


def _more(args: Args) -> dict[str, str]:
    if args.problem_type not in GROUPED:
        return {}
    if args.problem_type == "Ranking" and not args.group_attribute:
        raise ValueError("give a group_attribute: the column of a record's query")
    named = {name: getattr(args, name) for name in ("group_attribute", "scale_attribute") if getattr(args, name)}
    return named | {column: column for column in args.quantiles}


def _some(args: Args, problem: reading.Problem) -> None:
    if problem.records == problem.skipped:
        raise ValueError(
            f"none of the {problem.records} records of {args.dataset_source} has both a prediction and its truth: "
            f"{args.ground_truth_attribute or 'the truth'} or {args.inference_attribute or args.probability_attribute} "
            "is blank in each. Upload labels (mlops label), or look at a longer window"
        )


def _constraints(document: dict[str, Any], group: str) -> dict[str, Any]:
    """The baseline's part for this problem. Raises ValueError where it is for another."""
    if group not in document:
        found = ", ".join(name for name in document if name.endswith("_constraints")) or "none"
        raise ValueError(
            f"the baseline's constraints are for another problem_type: {group} is expected, and found {found}"
        )
    return dict(document[group])


def _title(args: Args) -> str:
    named = filter(None, (args.sagemaker_endpoint_name, args.sagemaker_monitoring_schedule_name))
    return " / ".join(("Model quality", *named))


def _load(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"baseline file {path} cannot be read: {error}") from error


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
