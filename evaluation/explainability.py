"""What drives the model, and is that what drove it before? A check in a pipeline, and a monitor.

    python evaluation/explainability.py --config analysis_config.json --data test.csv --model model --output report

The config is SageMaker Clarify's analysis_config.json: `methods.shap` and `methods.pdp`. A folder with model.tar.gz
gives exact SHAP values of its trees (tree_shap.py); without one the config's predictor, an endpoint or a model, is
asked for Kernel SHAP. So is an artifact of `estimator_inference.py`: what kind of model won may change from version to
version, and values of two methods cannot be compared. Results are Clarify's: analysis.json, explanations_shap/out.csv,
constraint_violations.json where there is a baseline, and a report; TreeSHAP's are under `tree_shap` where Clarify has
`kernel_shap`. In a pipeline also check.json and drift_check_baseline/ (analysis_baseline.py). Options are environment
variables, too.

`local_values(folder, table)` is the calculation alone, for whoever has a table in memory.
"""

from __future__ import annotations

import json
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
import artifact_scores
import model_artifact
import numpy as np
import pandas as pd
import partial_dependence
import shap_values
import tree_shap
from analysis_config import Config
from analysis_data import Table
from shap_values import Explanation

KIND = "MODEL_EXPLAINABILITY"
PDP_RECORDS = 2000  # of the dataset, drawn at random, that partial dependence of an artifact is averaged over
KERNEL_RECORDS = 200  # the same of Kernel SHAP, which asks an artifact for `num_samples` answers a record


@dataclass
class Args(analysis_metrics.MonitorArgs):
    """Where to read and write; command line before environment before default."""

    config: str = "/opt/ml/processing/input/config/analysis_config.json"  # Clarify's analysis configuration
    data: str = "/opt/ml/processing/input/data"  # file or folder, unless the configuration has a dataset_uri
    model: str = "/opt/ml/processing/input/model"  # folder with model.tar.gz; without one the predictor is asked
    output: str = "/opt/ml/processing/output"  # folder for the results
    model_name: str = ""  # the model to ask, where the configuration names none


@dataclass(frozen=True)
class Explained:
    """`document` is `explanations` of analysis.json; without SHAP there is no `shap`."""

    shap: Explanation | None
    document: dict[str, Any]


def main() -> None:
    analysis_job.start(Args, __doc__, run)


def run(args: Args) -> str:
    """Explains, compares where there is a baseline, writes everything, and says what was found.

    Raises:
        ValueError: configuration, data, model or baseline cannot be used; the message says which and why.
    """
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    config = analysis_config.read(Path(args.config))
    with tempfile.TemporaryDirectory() as workspace:
        before = analysis_baseline.previous(args, KIND, Path(workspace))
        found = _explain(config, args, output)
        _write(output / "analysis.json", {"version": "1.0", "explanations": found.document})
        baseline = json.loads(before.files["constraints"].read_text(encoding="utf-8")) if before else {}
        compared = analysis_baseline.compares(args, before)
        if compared and found.shap is None:
            raise ValueError("the analysis config's methods have no shap, whose values are what a baseline is for")
        violations = compare(found, baseline) if compared else None
        if violations is not None:
            _write(output / "constraint_violations.json", {"version": "1.0", "violations": violations})
        write_report(config, args, found, baseline if violations is not None else {}, violations, output)
        if not args.sagemaker_monitoring_schedule_name:
            analysis_baseline.conclude(args, KIND, output, before, violations or [])
    analysis_metrics.emit(KIND, args, metrics(found), None if violations is None else len(violations))
    for violation in violations or []:
        print(f"{violation['label']}: {violation['description']}")
    return "Completed: Job completed successfully." if violations is None else analysis_job.verdict(violations)


def _explain(config: Config, args: Args, output: Path) -> Explained:
    if not {"shap", "pdp"} & set(config["methods"]):
        raise ValueError("the analysis config's methods have neither shap nor pdp")
    table = analysis_data.load(config, Path(args.data), need_roles=False)
    folder = Path(args.model)
    if not any((folder / name).exists() for name in ("model.tar.gz", "metadata.json")):
        return ask(config, table, output, args.model_name)
    with tempfile.TemporaryDirectory() as workspace:
        return open_up(config, table, model_artifact.load(folder, Path(workspace)), output)


def local_values(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """SHAP values of a model artifact's trees: a row a record of `table`, a column a raw feature.

    Args:
        folder: has model.tar.gz, or the unpacked model.
        table: the model's features by name.
    """
    with tempfile.TemporaryDirectory() as workspace:
        found, names = tree_shap.Trees(model_artifact.load(folder, Path(workspace))).values(table)
    return pd.DataFrame(found[:, :, -1], columns=names, index=table.index)


def open_up(config: Config, table: Table, artifact: model_artifact.Artifact, output: Path) -> Explained:
    """SHAP and partial dependence of an artifact: of its trees, or by asking it where any estimator may be inside."""
    if "problem" in artifact.metadata:
        model = artifact_scores.ArtifactScores(artifact)
        records = tree_shap.typed(_sample(table, model.names, KERNEL_RECORDS))
        return _asked(config, records, model, output)
    methods, trees = config["methods"], tree_shap.Trees(artifact)
    shap = tree_shap.explain(methods["shap"], table, trees, output) if "shap" in methods else None
    found: dict[str, Any] = {"tree_shap": shap.document()} if shap else {}
    if "pdp" in methods:
        sample = tree_shap.typed(_sample(table, trees.names(table), PDP_RECORDS))
        found["pdp"] = partial_dependence.depend(methods["pdp"], sample, trees, found.get("tree_shap"))
    return Explained(shap, found)


def ask(config: Config, table: Table, output: Path, model_name: str = "", model: Any = None) -> Explained:
    """Kernel SHAP and partial dependence by requests to `model`, or else to the config's predictor."""
    import analysis_model

    if model is None:
        with analysis_model.serving(config.get("predictor") or {}, table.kind, model_name) as serving:
            return ask(config, table, output, model_name, serving)
    return _asked(config, table.read()[table.features], model, output)


def _asked(config: Config, features: pd.DataFrame, model: Any, output: Path) -> Explained:
    methods = config["methods"]
    shap = shap_values.kernel(methods["shap"], features, model, output) if "shap" in methods else None
    found: dict[str, Any] = {"kernel_shap": shap.document()} if shap else {}
    if "pdp" in methods:
        found["pdp"] = partial_dependence.depend(methods["pdp"], features, model, found.get("kernel_shap"))
    return Explained(shap, found)


def compare(found: Explained, baseline: dict[str, Any]) -> list[dict[str, str]]:
    """Violations against an earlier analysis.json.

    Raises:
        ValueError: that has values of the other method, which are no measure for these.
    """
    old = baseline.get("explanations") or {}
    if found.shap is None:
        return []
    if found.shap.method not in old:
        has = ", ".join(each for each in shap_values.METHODS if each in old) or "no SHAP values"
        raise ValueError(f"the baseline has {has}, and cannot be compared with {found.shap.method}")
    return shap_values.compare(found.document[found.shap.method], old[found.shap.method])


def metrics(found: Explained) -> Iterable[dict[str, Any]]:
    """CloudWatch's (developer guide, "CloudWatch metrics for feature attribution drift")."""
    if found.shap is None:
        return
    method = shap_values.METHODS[found.shap.method]
    for label, each in found.document[found.shap.method].items():
        named = {"ExplainabilityMethod": method, "Label": label}
        for name, value in each["global_shap_values"].items():
            yield analysis_metrics.metric(f"feature_{name}", value, **named, ValueType="GlobalShapValues")
        yield analysis_metrics.metric("expected_value", each["expected_value"], **named, ValueType="ExpectedValue")


def write_report(
    config: Config,
    args: Args,
    found: Explained,
    baseline: dict[str, Any],
    violations: list[dict[str, str]] | None,
    output: Path,
) -> None:
    import explanation_report
    from analysis_report import write

    options = config["methods"].get("report") or {}
    monitor = " / ".join(filter(None, (args.sagemaker_endpoint_name, args.sagemaker_monitoring_schedule_name)))
    report = explanation_report.build(found, baseline, violations, options.get("title") or monitor)
    write(report, output, options.get("name", "report"))


def _sample(table: Table, names: list[str], records: int) -> pd.DataFrame:
    """So many at random, or all if there are fewer; each part is thinned to what is still likely to be drawn."""
    generator, kept, keys = np.random.default_rng(0), pd.DataFrame(columns=names), np.array([])
    for part in table.parts(names):
        kept = part if kept.empty else pd.concat([kept, part], ignore_index=True)
        keys = np.append(keys, generator.random(len(part)))
        at = np.sort(np.argsort(keys)[:records])
        kept, keys = kept.iloc[at].reset_index(drop=True), keys[at]
    return kept


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
