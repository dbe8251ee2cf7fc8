"""SageMaker Clarify's Processing job: bias and explanations from one analysis_config.json.

    python evaluation/clarify.py --config analysis_config.json --data data --output report

Bias of a table before and after training (bias.py), Kernel SHAP and partial dependence of a model behind an endpoint
(explainability.py), which is made for the job where a model is named. Writes analysis.json, explanations_shap/ and a
report; with `--baseline-constraints`, an earlier analysis.json, also constraint_violations.json. Options are
environment variables, too. This is what the Clarify image runs; in pipelines of this project bias.py and
explainability.py are checks of their own.

What the config asks for and this does not do is an error that names it, before anything is made.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_baseline
import analysis_config
import analysis_data
import analysis_job
import analysis_metrics
import analysis_model
import analysis_report
import bias
import bias_report
import explainability
import explanation_report
from analysis_config import Config
from analysis_data import Table
from bias import Bias
from explainability import Explained


@dataclass
class Args(analysis_metrics.MonitorArgs):
    """Where to read and write; command line before environment before default."""

    config: str = "/opt/ml/processing/input/config/analysis_config.json"  # Clarify's analysis configuration
    data: str = "/opt/ml/processing/input/data"  # file or folder, unless the configuration has a dataset_uri
    output: str = "/opt/ml/processing/output"  # folder for the results
    model_name: str = ""  # the model to ask, where the configuration names none


@dataclass(frozen=True)
class Analysis:
    biases: list[Bias]
    explained: Explained | None

    @property
    def document(self) -> dict[str, Any]:
        """analysis.json"""
        found = {"version": "1.0"} | {each.key: each.document for each in self.biases}
        return found | ({"explanations": self.explained.document} if self.explained else {})


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
    stages = analysis_config.stages(config)
    table = analysis_data.load(config, Path(args.data), need_roles=bool(stages))
    found = analyse(config, table, output, args.model_name)
    _write(output / "analysis.json", found.document)
    kind = bias.KINDS[stages[0]] if stages else explainability.KIND
    with tempfile.TemporaryDirectory() as workspace:
        before = analysis_baseline.previous(args, kind, Path(workspace))
        baseline = json.loads(before.files["constraints"].read_text(encoding="utf-8")) if before else {}
    violations = compare(found, baseline) if before else None
    if violations is not None:
        _write(output / "constraint_violations.json", {"version": "1.0", "violations": violations})
    write_report(config, found, baseline, violations, output)
    emit(args, found, violations)
    for violation in violations or []:
        print(f"{violation['metric_name']}: {violation['description']}")
    return "Completed: Job completed successfully." if violations is None else analysis_job.verdict(violations)


def analyse(config: Config, table: Table, output: Path, model_name: str = "") -> Analysis:
    """All that the config's methods name; a model that they need is asked through one endpoint."""
    stages, methods = analysis_config.stages(config), config["methods"]
    asks = "post_training" in stages and table.predicted is None
    explains = "shap" in methods or "pdp" in methods
    serving: Any = contextlib.nullcontext()
    if asks or explains:
        serving = analysis_model.serving(config.get("predictor") or {}, table.kind, model_name)
    with serving as model:
        predicted = bias.predicted(config, table, model=model) if asks else table
        explained = explainability.ask(config, table, output, model=model) if explains else None
    biases = [
        bias.measure(config, predicted if stage == "post_training" else table, stage, deviations=False)
        for stage in stages
    ]
    return Analysis(biases, explained)


def compare(found: Analysis, baseline: dict[str, Any]) -> list[dict[str, str]]:
    """The `violations` of constraint_violations.json against an earlier analysis.json."""
    violations = [violation for each in found.biases for violation in bias.compare(each, baseline)]
    explains = found.explained and baseline.get("explanations")
    return violations + (explainability.compare(found.explained, baseline) if explains and found.explained else [])


def emit(args: Args, found: Analysis, violations: list[dict[str, str]] | None) -> None:
    """Bias and explanations have namespaces of their own."""
    drifted = [each for each in violations or [] if each["constraint_check_type"] == "bias_drift_check"]
    others = len(violations or []) - len(drifted)
    if found.biases:
        metrics = [metric for each in found.biases for metric in bias.metrics(each)]
        count = None if violations is None else len(drifted)
        analysis_metrics.emit(bias.KINDS[found.biases[0].stage], args, metrics, count)
    if found.explained:
        metrics = list(explainability.metrics(found.explained))
        analysis_metrics.emit(explainability.KIND, args, metrics, None if violations is None else others)


def write_report(
    config: Config,
    found: Analysis,
    baseline: dict[str, Any],
    violations: list[dict[str, str]] | None,
    output: Path,
) -> None:
    options = config["methods"].get("report") or {}
    title = str(options.get("title") or "Analysis Report")
    drifted = [each for each in violations or [] if each["constraint_check_type"] == "bias_drift_check"]
    others = [each for each in violations or [] if each not in drifted]
    reports = []
    if found.biases:
        reports.append(bias_report.build(found.biases, baseline, None if violations is None else drifted, title))
    if found.explained:
        explained = explanation_report.build(found.explained, baseline, None if violations is None else others, title)
        reports.append(explained)
    whole = analysis_report.Report(
        title,
        " ".join(each.verdict for each in reports),
        None if violations is None else not violations,
        "; ".join(filter(None, (each.subtitle for each in reports))),
        [name for each in reports for name in each.named],
        [section for each in reports for section in each.sections],
    )
    analysis_report.write(whole, output, options.get("name") or "report")


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
