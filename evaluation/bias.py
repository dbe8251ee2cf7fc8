"""Is the data, or the model, unfair to a group? A check in a pipeline, and a monitor.

    python evaluation/bias.py --config analysis_config.json --data predictions.csv --stage post_training --output report

The config is SageMaker Clarify's analysis_config.json: label, label_values_or_threshold, facets, group_variable, and
`methods.pre_training_bias` (labels) or `methods.post_training_bias` (predictions, from the column `predicted_label`
or, where the config has none, by asking its predictor). Metrics and results are Clarify's: analysis.json,
constraint_violations.json where there is a baseline, and a report. In a pipeline also check.json and
drift_check_baseline/ (analysis_baseline.py). Options are environment variables, too.

Only the columns concerned are read, a part at a time, and metrics follow from counts, so tables may be larger than
memory: by smclarify's own functions up to bias_metrics.MOST_WORK, by the same formulas beyond. The flip test (FT)
compares records, so it takes a sample of FLIP_RECORDS.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_baseline
import analysis_config
import analysis_data
import analysis_job
import analysis_metrics
import bias_counts
import bias_metrics
import bias_smclarify
import numpy as np
import pandas as pd
from analysis_config import Config
from analysis_data import Table
from bias_metrics import Group, Measured

FLIP_RECORDS = 10_000
KINDS = {"pre_training": "DATA_BIAS", "post_training": "MODEL_BIAS"}


@dataclass
class Args(analysis_metrics.MonitorArgs):
    """Where to read and write; command line before environment before default."""

    config: str = "/opt/ml/processing/input/config/analysis_config.json"  # Clarify's analysis configuration
    data: str = "/opt/ml/processing/input/data"  # file or folder, unless the configuration has a dataset_uri
    stage: str = ""  # pre_training or post_training; the only one of the configuration's methods if it is left out
    output: str = "/opt/ml/processing/output"  # folder for the results
    model_name: str = ""  # the model to ask, where the configuration names none
    intersections: str = "false"  # also the groups of two facets together, of those with listed values


@dataclass(frozen=True)
class Bias:
    """One stage's result."""

    stage: str
    counts: bias_counts.Counts
    groups: list[Group]
    document: dict[str, Any]  # `<stage>_bias_metrics` of analysis.json

    @property
    def key(self) -> str:
        return f"{self.stage}_bias_metrics"


def main() -> None:
    analysis_job.start(Args, __doc__, run)


def run(args: Args) -> str:
    """Measures, compares where there is a baseline, writes everything, and says what was found.

    Raises:
        ValueError: configuration, data or baseline cannot be used; the message says which and why.
    """
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    config = analysis_config.read(Path(args.config))
    stages = analysis_config.stages(config, args.stage)
    if len(stages) != 1:
        raise ValueError(f"the analysis config has {len(stages)} stages of bias: name one by --stage")
    stage, kind = stages[0], KINDS[stages[0]]
    with tempfile.TemporaryDirectory() as workspace:
        before = analysis_baseline.previous(args, kind, Path(workspace))
        table = analysis_data.load(config, Path(args.data))
        table = predicted(config, table, args.model_name) if stage == "post_training" else table
        found = measure(config, table, stage, analysis_baseline.true(args.intersections))
        _write(output / "analysis.json", {"version": "1.0", found.key: found.document})
        baseline = json.loads(before.files["constraints"].read_text(encoding="utf-8")) if before else {}
        violations = compare(found, baseline) if analysis_baseline.compares(args, before) else None
        if violations is not None:
            _write(output / "constraint_violations.json", {"version": "1.0", "violations": violations})
        write_report(config, args, found, baseline if violations is not None else {}, violations, output)
        if not args.sagemaker_monitoring_schedule_name:
            analysis_baseline.conclude(args, kind, output, before, violations or [])
    analysis_metrics.emit(kind, args, metrics(found), None if violations is None else len(violations))
    for violation in violations or []:
        print(
            f"{violation['facet']} {violation['facet_value']}: {violation['metric_name']}: {violation['description']}"
        )
    return "Completed: Job completed successfully." if violations is None else analysis_job.verdict(violations)


def predicted(config: Config, table: Table, model_name: str = "", model: Any = None) -> Table:
    """The table with predicted labels: of `model`, or else the config's predictor, where it has none. Then in memory.

    Raises:
        ValueError: there is no label to tell what kind of answer is one.
    """
    if table.predicted:
        return table
    if table.label is None:
        raise ValueError("label is required for bias metrics, and the analysis config has none")
    import analysis_model

    if model is None:
        with analysis_model.serving(config.get("predictor") or {}, table.kind, model_name) as serving:
            return predicted(config, table, model_name, serving)
    frame = table.read()
    answers = model.labels(frame[table.features], frame[table.label], config.get("probability_threshold") or 0.5)
    name = "predicted_label" if "predicted_label" not in frame else "predicted_label_of_the_model"
    columns = [*table.columns, name]
    return dataclasses.replace(table, frame=frame.assign(**{name: answers}), columns=columns, predicted=name)


def measure(config: Config, table: Table, stage: str, intersections: bool = False, deviations: bool = True) -> Bias:
    """Every metric of the stage that the config asks for. Raises ValueError for what the config or the table lacks."""
    wanted = bias_metrics.chosen(config, stage)
    counts = bias_counts.count(config, table, stage == "post_training", intersections)
    groups = bias_metrics.measure(counts, wanted, config.get("group_variable") is not None)
    if "FT" in wanted:
        flips = flip_tests(table, counts)
        groups = [
            group._replace(metrics=sorted([*group.metrics, flip], key=lambda each: each.name))
            for group, flip in zip(groups, flips, strict=True)
        ]
    assert table.label
    return Bias(stage, counts, groups, bias_metrics.document(config, counts, table.label, groups, deviations))


def compare(found: Bias, baseline: dict[str, Any]) -> list[dict[str, str]]:
    """Violations against an earlier analysis.json; none where that has no metrics of this stage."""
    return bias_metrics.compare(found.groups, baseline[found.key]) if found.key in baseline else []


def metrics(found: Bias) -> Iterable[dict[str, Any]]:
    """CloudWatch's (developer guide, "CloudWatch metrics for bias drift analysis"), where infinity is its largest."""
    for group in found.groups:
        for each in group.metrics:
            if not math.isnan(each.value):
                yield analysis_metrics.metric(
                    f"bias_metric_{each.name}",
                    max(-analysis_metrics.LARGEST, min(analysis_metrics.LARGEST, each.value)),
                    BiasStage={"pre_training": "Pre-training", "post_training": "Post-Training"}[found.stage],
                    Label=found.document["label"],
                    LabelValue=found.document["label_value_or_threshold"],
                    Facet=group.facet,
                    FacetValue=group.value,
                )


def flip_tests(table: Table, counts: bias_counts.Counts) -> list[Measured]:
    """smclarify's own, for each group, of a sample; with text among the other features there is none."""
    nothing = Measured("FT", math.nan, math.nan, (math.nan, math.nan))
    columns = table.features
    generator, share = np.random.default_rng(0), FLIP_RECORDS / max(counts.records, 1)
    parts = [part[generator.random(len(part)) < share] for part in table.parts([*columns, str(table.predicted)])]
    sample = pd.concat(parts, ignore_index=True)
    found = []
    groups = [(facet, number) for facet in counts.facets for number in range(len(facet.groups))]
    for facet, number in groups:
        features = sample[[name for name in columns if name not in facet.columns]]
        try:
            numbers = features.astype(object).apply(pd.to_numeric)
        except (ValueError, TypeError):
            found.append(nothing._replace(error="the flip test does not take non-numeric features"))
            continue
        codes = facet.codes(sample)
        group = codes == (number if facet.one_against_rest else bias_counts.SENSITIVE)
        keep = (codes >= 0) & numbers.notna().all(axis=1).to_numpy() & sample[table.predicted].notna().to_numpy()
        found.append(_flip_test(numbers[keep], group[keep], counts.positive(sample[table.predicted][keep])))
    return found


def _flip_test(features: pd.DataFrame, group: np.ndarray, positive: np.ndarray) -> Measured:
    nothing = Measured("FT", math.nan, math.nan, (math.nan, math.nan))
    try:
        return nothing._replace(value=bias_smclarify.flip_test(features, group, positive))
    except ValueError as error:
        return nothing._replace(error=str(error))


def write_report(
    config: Config,
    args: Args,
    found: Bias,
    baseline: dict[str, Any],
    violations: list[dict[str, str]] | None,
    output: Path,
) -> None:
    import bias_report
    from analysis_report import write

    options = config["methods"].get("report") or {}
    monitor = " / ".join(filter(None, (args.sagemaker_endpoint_name, args.sagemaker_monitoring_schedule_name)))
    report = bias_report.build([found], baseline, violations, options.get("title") or monitor)
    write(report, output, options.get("name", "report"))


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
