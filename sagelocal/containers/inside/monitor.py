"""What the images of Model Monitor and Clarify run: AWS's container contract in front of the project's analyses.

    python3 monitor.py <script of evaluation/>        python3 monitor.py merge

A schedule's job has captured records and the attributes of its input; the analyses take tables. So this makes a table
of the records (records.py), completes Clarify's configuration, calls the user's handlers, and runs the script in this
process. The container leaves its CloudWatch metrics in a file, and the service publishes them: the script itself must
not, too.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EVALUATION = Path("/opt/sagelocal/evaluation")
WORK = Path("/tmp/monitor")  # the container's own
OUTPUT = "/opt/ml/processing/output"
CAPTURED = ("sagemakerCaptureJson", "sagemakerMergeJson")


def main() -> None:
    sys.path[:0] = [str(EVALUATION), str(HERE)]
    script = sys.argv.pop(1)
    if script == "merge":
        import merge

        merge.run(os.environ)
        return
    import handlers

    environment = os.environ
    sys.argv[0] = str(EVALUATION / script)
    environment |= {"publish_cloudwatch_metrics": "Disabled"}
    if kind(environment.get("dataset_format", "")) in CAPTURED or nameless(environment) or explains(environment):
        prepare(environment.get("analysis_type", ""))
    runpy.run_path(sys.argv[0], run_name="__main__")
    handlers.postprocess(environment.get("post_analytics_processor_script"))


def prepare(analysis: str) -> None:
    """Replaces captured records by a table of them; `os.environ` then says what a table's job is told."""
    import records

    environment: Mapping[str, str] = os.environ
    WORK.mkdir(exist_ok=True)
    folder = WORK / "dataset"
    folder.mkdir(exist_ok=True)
    if analysis in ("MODEL_BIAS", "MODEL_EXPLAINABILITY"):
        config = json.loads(_only(Path("/opt/ml/processing/input/config")).read_text(encoding="utf-8"))
        captured = kind(environment.get("dataset_format", "")) in CAPTURED
        write = records.for_clarify if captured else records.for_clarify_batch
        columns = write(os.environ, config, folder / "records.csv")
        target = WORK / "analysis_config.json"
        target.write_text(json.dumps(clarify_config(config, columns, analysis)), encoding="utf-8")
        os.environ |= {"config": str(target), "data": str(folder)}
        os.environ |= {"output": environment.get("output_path", OUTPUT)}
    elif analysis == "MODEL_QUALITY":
        records.for_model_quality(os.environ, folder / "records.csv")
    elif nameless(os.environ):
        records.with_names(os.environ, folder / "records.csv")
    else:
        records.for_data_quality(os.environ, folder / "records.csv")
    os.environ |= {"dataset_source": str(folder), "dataset_format": '{"csv": {"header": true}}'}


def clarify_config(config: dict[str, Any], columns: list[str], analysis: str) -> dict[str, Any]:
    """A monitor's analysis configuration, which names columns and facets, with what the service adds to it."""
    complete = {**config, "version": "1.0", "dataset_type": "text/csv", "headers": columns}
    complete.pop("features", None)
    methods = dict(config.get("methods") or {})
    if analysis == "MODEL_BIAS":
        complete["predicted_label"] = "predicted_label"
        for stage in ("pre_training_bias", "post_training_bias"):
            methods.setdefault(stage, {"methods": "all"})
    else:
        complete.pop("label", None)
        predictor = {"content_type": "text/csv", **(config.get("predictor") or {})}
        complete["predictor"] = predictor
    methods.setdefault("report", {"name": "report", "title": "Analysis Report"})
    return {**complete, "methods": methods}


def kind(dataset_format: str) -> str:
    """The one member of dataset_format; the script says what is wrong with another text."""
    try:
        return str(next(iter(json.loads(dataset_format))))
    except (ValueError, TypeError, StopIteration):
        return ""


def explains(environment: Mapping[str, str]) -> bool:
    """Whether this is a schedule's job of the Clarify image over a batch transform's data."""
    return bool(environment.get("dataset_format")) and environment.get("analysis_type") == "MODEL_EXPLAINABILITY"


def nameless(environment: Mapping[str, str]) -> bool:
    """Whether a schedule's data is CSV without a header line, of a batch transform: names come from the baseline."""
    options = environment.get("dataset_format", "")
    scheduled = environment.get("sagemaker_monitoring_schedule_name") and environment.get("baseline_constraints")
    quality = environment.get("analysis_type") == "DATA_QUALITY"
    return (
        bool(scheduled and quality) and kind(options) == "csv" and not (json.loads(options)["csv"] or {}).get("header")
    )


def _only(folder: Path) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1:
        raise ValueError(f"{folder} has {len(files)} files: the analysis configuration alone is expected there")
    return files[0]


if __name__ == "__main__":
    main()
