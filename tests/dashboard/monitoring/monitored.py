"""What monitors leave behind, made by hand: statistics, constraints, violations, and runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.monitoring.monitors import Monitor
from dashboard.monitoring.runs import Run, State
from deploy.declaration import Kind

NAME = "shop-staging-data-quality"
ARN = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{NAME}"
MONITOR = Monitor(NAME, Kind.DATA_QUALITY, "shop-staging", ARN)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def run(hour: int, state: State = State.HEALTHY, violations: int = 0) -> Run:
    """Of an hour after noon."""
    return Run(
        f"r{hour}", f"{ARN}/execution/r{hour}", NOON + timedelta(hours=hour), state, violations, job=f"job-{hour}"
    )


def numbers(name: str, values: list[float], weights: int = 1) -> dict[str, Any]:
    """A numeric feature as statistics.json has it; `weights` is a power of two that each value stands for."""
    level = weights.bit_length() - 1
    sketch = {"parameters": {"c": 0.64, "k": 2048.0}, "data": [[]] * level + [values]}
    body = {
        "common": {"num_present": len(values) * weights, "num_missing": 0},
        "mean": sum(values) / len(values),
        "distribution": {"kll": {"buckets": [], "sketch": sketch}},
    }
    return {"name": name, "inferred_type": "Fractional", "numerical_statistics": body}


def texts(name: str, counts: dict[str, int], missing: int = 0) -> dict[str, Any]:
    buckets = [{"value": value, "count": count} for value, count in counts.items()]
    common = {"num_present": sum(counts.values()), "num_missing": missing}
    body = {"common": common, "distribution": {"categorical": {"buckets": buckets}}}
    return {"name": name, "inferred_type": "String", "string_statistics": body}


def statistics(*features: dict[str, Any], records: int = 100) -> dict[str, Any]:
    return {"version": 0, "dataset": {"item_count": records}, "features": list(features)}


BEFORE = statistics(numbers("age", [20.0 + at % 50 for at in range(100)]), texts("plan", {"a": 50, "b": 50}))
MOVED = statistics(numbers("age", [60.0 + at % 50 for at in range(100)]), texts("plan", {"a": 90, "c": 10}))
CONSTRAINTS = {
    "version": 0,
    "features": [
        {"name": "age", "inferred_type": "Fractional", "completeness": 1.0},
        {
            "name": "plan",
            "inferred_type": "String",
            "completeness": 1.0,
            "monitoringConfigOverrides": {"distribution_constraints": {"categorical_comparison_threshold": 0.2}},
        },
    ],
    "monitoring_config": {
        "distribution_constraints": {"comparison_threshold": 0.05, "categorical_comparison_threshold": 0.015}
    },
}
VIOLATIONS = [
    {
        "feature_name": "plan",
        "constraint_check_type": "baseline_drift_check",
        "description": "Distribution differs from the baseline: LInfinity, Robust distance exceeds the threshold, "
        "0.145 against 0.015.",
    },
    {
        "feature_name": "age",
        "constraint_check_type": "baseline_drift_check",
        "description": "Distribution differs from the baseline: Robust distance exceeds the threshold, "
        "0.5454 against 0.05.",
    },
]
