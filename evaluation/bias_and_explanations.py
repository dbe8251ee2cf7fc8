"""Is the data or the model unfair, and what drives the model? SageMaker Clarify's Processing job.

    python evaluation/bias_and_explanations.py --config analysis_config.json --data data --output report

`analysis_config.json` is Clarify's (SageMaker developer guide, "Configure the analysis"): bias of a tabular dataset
before and after training by the metrics of AWS's own library smclarify; Kernel SHAP and partial dependence of a model
behind an endpoint, which is made for the job where a model is named. Writes analysis.json, explanations_shap/ and a
report; with `--baseline-constraints`, an earlier analysis.json, also constraint_violations.json. Options are
environment variables, too.

What the config asks for and this does not do is an error that names it, before anything is made.
"""

from __future__ import annotations

import dataclasses
import html
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_data
import analysis_job
import analysis_model
import bias_metrics
import partial_dependence
import shap_values
from analysis_data import Dataset

REFUSED = {
    "": (
        "time_series_data_config", "segment_config", "facet_dataset_uri", "predicted_label_dataset_uri",
        "joinsource_name_or_index",
    ),
    "methods": ("asymmetric_shapley_value",),
    "predictor": ("target_model", "accelerator_type", "time_series_predictor_config"),
}  # fmt: skip
METHODS = ("pre_training_bias", "post_training_bias", "shap", "pdp")
Config = dict[str, Any]


@dataclass
class Args:
    """Where to read and write; command line before environment before default."""

    config: str = "/opt/ml/processing/input/config/analysis_config.json"  # Clarify's analysis configuration
    data: str = "/opt/ml/processing/input/data"  # file or folder, unless the configuration has a dataset_uri
    output: str = "/opt/ml/processing/output"  # folder for the results
    baseline_constraints: str = ""  # file; makes this a comparison
    model_name: str = ""  # the model to ask, where the configuration names none
    job_output: str = "/opt/ml/output"  # the platform's folder for `message`

    @classmethod
    def parse(cls) -> Args:
        return cls(**analysis_job.options(dataclasses.fields(cls), __doc__, None))


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that an endpoint made here goes with a stopped job
    args = Args.parse()
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    config = read_config(Path(args.config))
    dataset = analysis_data.load(config, Path(args.data))
    analysis = analyse(config, dataset, output, args.model_name)
    (output / "analysis.json").write_text(json.dumps(analysis, indent=1), encoding="utf-8")
    summary = "Completed: Job completed successfully."
    if args.baseline_constraints:
        baseline = json.loads(Path(args.baseline_constraints).read_text(encoding="utf-8"))
        violations = compare(config, dataset, analysis, baseline)
        report = {"version": "1.0", "violations": violations}
        (output / "constraint_violations.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        for violation in violations:
            print(f"{violation['metric_name']}: {violation['description']}")
        summary = analysis_job.verdict(violations)
    write_report(config, analysis, output)
    analysis_job.finish(summary, args.job_output)


def read_config(path: Path) -> Config:
    """Raises:
    ValueError: the file, or what of it is not done here.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if config.get("version", "1.0") != "1.0":
        raise ValueError(f"version of the analysis config is {config['version']!r}: 1.0 is the only one")
    for where, names in REFUSED.items():
        for name in names:
            if (config.get(where) or {} if where else config).get(name) is not None:
                raise ValueError(f"{where + '.' if where else ''}{name} of the analysis config is not supported here")
    shap = config.get("methods", {}).get("shap") or {}
    for name in ("text_config", "image_config"):
        if shap.get(name):
            raise ValueError(f"methods.shap.{name} of the analysis config is not supported here: tables are")
    if not set(METHODS) & set(config.get("methods", {})):
        raise ValueError(f"the analysis config's methods must have at least one of {', '.join(METHODS)}")
    return config


def analyse(config: Config, dataset: Dataset, output: Path, model_name: str = "") -> dict[str, Any]:
    """analysis.json; the predicted labels of the dataset are left in `dataset`."""
    methods = config["methods"]
    found: dict[str, Any] = {"version": "1.0"}
    if "pre_training_bias" in methods:
        wanted = methods["pre_training_bias"]["methods"]
        found["pre_training_bias_metrics"] = bias_metrics.measure(config, dataset, "pre_training", wanted)
    predicts = "post_training_bias" in methods and dataset.predicted is None
    if predicts or "shap" in methods or "pdp" in methods:
        with analysis_model.serving(config.get("predictor") or {}, dataset.kind, model_name) as model:
            if predicts:
                dataset.predicted = model.labels(dataset, config.get("probability_threshold", 0.5))
            if "shap" in methods:
                found["explanations"] = {"kernel_shap": shap_values.explain(methods["shap"], dataset, model, output)}
            if "pdp" in methods:
                explanations = found.setdefault("explanations", {})
                shap = explanations.get("kernel_shap")
                explanations["pdp"] = partial_dependence.depend(methods["pdp"], dataset, model, shap)
    if "post_training_bias" in methods:
        wanted = methods["post_training_bias"]["methods"]
        found["post_training_bias_metrics"] = bias_metrics.measure(config, dataset, "post_training", wanted)
    return found


def compare(
    config: Config, dataset: Dataset, analysis: dict[str, Any], baseline: dict[str, Any]
) -> list[dict[str, str]]:
    """The `violations` of constraint_violations.json against an earlier analysis.json."""
    violations = []
    for stage in ("pre_training", "post_training"):
        key = f"{stage}_bias_metrics"
        if key in analysis and key in baseline:
            violations += bias_metrics.compare(config, dataset, stage, analysis[key], baseline[key])
    old = (baseline.get("explanations") or {}).get("kernel_shap")
    new = (analysis.get("explanations") or {}).get("kernel_shap")
    return violations + (shap_values.compare(new, old) if new and old else [])


def write_report(config: Config, analysis: dict[str, Any], output: Path) -> None:
    """Clarify's report.html with its numbers; its notebook and PDF are not made."""
    options = config["methods"].get("report") or {}
    title = html.escape(str(options.get("title", "Analysis Report")))
    parts = [f"<title>{title}</title><h1>{title}</h1>"]
    for stage in ("pre_training", "post_training"):
        bias = analysis.get(f"{stage}_bias_metrics")
        for facet, reports in (bias or {"facets": {}})["facets"].items():
            for each in reports:
                rows = [(metric["description"], metric.get("value", "")) for metric in each["metrics"]]
                head = f"{stage.replace('_', '-')} bias: {facet} = {each['value_or_threshold']}"
                parts.append(_table(head, ("metric", "value"), rows))
    for label, each in (analysis.get("explanations") or {}).get("kernel_shap", {}).items():
        ordered = sorted(each["global_shap_values"].items(), key=lambda item: -item[1])
        parts.append(_table(f"Global SHAP values: {label}", ("feature", "value"), ordered))
    (output / f"{options.get('name', 'report')}.html").write_text("\n".join(parts), encoding="utf-8")


def _table(title: str, head: tuple[str, str], rows: list[tuple[str, Any]]) -> str:
    lines = [f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(str(value))}</td></tr>" for name, value in rows]
    return f"<h2>{html.escape(title)}</h2><table><tr><th>{head[0]}</th><th>{head[1]}</th></tr>{''.join(lines)}</table>"


if __name__ == "__main__":
    main()
