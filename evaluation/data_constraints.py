"""What a table should look like: constraints suggested from a baseline, and a table checked against them.

Types of check, their thresholds and the two files are Model Monitor's (SageMaker developer guide, "Schema for
constraints" and "Schema for violations"). `is_non_negative` is written but, as AWS publishes no check of it, not
checked: values that turn negative show as drift.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

from data_columns import MAX_CATEGORIES
from data_drift import (
    MAX_DOMAIN_SHARE,
    baseline_categories,
    baseline_points,
    chi_squared_p,
    linfinity_distance,
    numeric_distance,
)
from data_statistics import Profile, points

MAX_DOMAIN = 50  # distinct values beyond which a text column is a name or a comment, not a category
SMALLEST_WINDOW = 300  # records; suggested completeness leaves a window of this size three standard errors
# What Model Monitor takes for what a constraints.json leaves open.
MONITORING_CONFIG: dict[str, Any] = {
    "evaluate_constraints": "Enabled",
    "emit_metrics": "Enabled",
    "datatype_check_threshold": 1.0,
    "domain_content_threshold": 1.0,
    "distribution_constraints": {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
        "categorical_comparison_threshold": 0.1,
        "categorical_drift_method": "LInfinity",
    },
}
# What is suggested: distances beyond chance that matter. Model Monitor's 0.1 lets a category's share move by 14 points
# unseen in a window of 2,000 records (docs/data-quality.md has the measurements).
NUMERIC_THRESHOLD, CATEGORICAL_THRESHOLD = 0.05, 0.015


@dataclass
class Comparison:
    """One baseline feature against the current table. `distance` is None where the two can't be compared."""

    name: str
    expected_type: str
    observed_type: str
    expected_completeness: float
    completeness: float
    method: str = ""
    gap: float | None = None  # largest difference of the distribution functions or category shares, uncorrected
    distance: float | None = None  # the gap as the method counts it; a p-value where the method is ChiSquared
    threshold: float | None = None
    drifted: bool = False


def suggest(statistics: dict[str, Any]) -> dict[str, Any]:
    """constraints.json for tables like the one that these statistics describe."""
    features = [_suggest_feature(feature, statistics["dataset"]["item_count"]) for feature in statistics["features"]]
    config = copy.deepcopy(MONITORING_CONFIG)
    config["distribution_constraints"]["comparison_threshold"] = NUMERIC_THRESHOLD
    config["distribution_constraints"]["categorical_comparison_threshold"] = CATEGORICAL_THRESHOLD
    return {"version": 0, "features": features, "monitoring_config": config}


def _suggest_feature(feature: dict[str, Any], item_count: int) -> dict[str, Any]:
    kind = feature["inferred_type"]
    body = feature.get("numerical_statistics") or feature["string_statistics"]
    present = body["common"]["num_present"]
    suggestion = {
        "name": feature["name"],
        "inferred_type": kind,
        "completeness": _at_least(present / item_count if item_count else 0.0, item_count),
    }
    if kind in ("Integral", "Fractional"):
        return suggestion | {"num_constraints": {"is_non_negative": body["min"] >= 0}}
    buckets = body["distribution"]["categorical"]["buckets"]
    if not buckets or len(buckets) > min(MAX_DOMAIN, MAX_DOMAIN_SHARE * present):
        return suggestion
    suggestion["string_constraints"] = {"domains": sorted(bucket["value"] for bucket in buckets)}
    # the share of values that the baseline hasn't met: that of those it met once (Good, Biometrika 40, 1953)
    if unseen := sum(bucket["count"] == 1 for bucket in buckets) / present:
        known = {"domain_content_threshold": _at_least(1 - unseen, present)}
        suggestion["monitoringConfigOverrides"] = known
    return suggestion


def _at_least(share: float, count: int) -> float:
    """What a window of SMALLEST_WINDOW records has with near certainty, rounded down to a hundredth."""
    error = math.sqrt(share * (1 - share) / max(1, min(count, SMALLEST_WINDOW)))
    return max(0.0, math.floor((share - 3 * error) * 100) / 100)


def leave_open(constraints: dict[str, Any], name: str) -> None:
    """Of that feature no distance is too large until somebody sets a threshold. Raises ValueError where there is none
    of that name.
    """
    found = [each for each in constraints["features"] if each["name"] == name]
    if not found:
        raise ValueError(f"answer_column is {name!r}, and the table has no such column")
    thresholds = dict.fromkeys(("comparison_threshold", "categorical_comparison_threshold"), 1.0)
    found[0].setdefault("monitoringConfigOverrides", {})["distribution_constraints"] = thresholds


def settings(constraints: dict[str, Any], feature: dict[str, Any]) -> dict[str, Any]:
    """The monitoring_config of one feature: defaults, then the file's, then the feature's monitoringConfigOverrides."""
    merged = copy.deepcopy(MONITORING_CONFIG)
    for layer in (constraints.get("monitoring_config", {}), feature.get("monitoringConfigOverrides", {})):
        distribution = merged["distribution_constraints"] | layer.get("distribution_constraints", {})
        merged |= layer | {"distribution_constraints": distribution}
    return merged


def override_drift_method(constraints: dict[str, Any], method: str) -> None:
    """Puts `method` in place of the constraints' global categorical_drift_method; a feature's own stays."""
    config = constraints.setdefault("monitoring_config", {})
    config.setdefault("distribution_constraints", {})["categorical_drift_method"] = method


def check(
    constraints: dict[str, Any], baseline: dict[str, Any], current: Profile
) -> tuple[list[Comparison], list[dict[str, str]]]:
    """Compare the current table with the baseline's constraints and statistics.

    Returns:
        One comparison per feature that both have, and the `violations` of constraint_violations.json.

    Raises:
        ValueError: a constrained feature without baseline statistics, or an unknown method.
    """
    described = {feature["name"]: feature for feature in baseline["features"]}
    comparisons, violations = [], _check_columns(constraints, current)
    for feature in constraints["features"]:
        name = feature["name"]
        if name not in current.columns:
            continue
        if name not in described:
            raise ValueError(f"feature {name!r} has constraints but no baseline statistics: both come from one run")
        config = settings(constraints, feature)
        comparison = _compare(feature, described[name], current, config)
        comparisons.append(comparison)
        if config["evaluate_constraints"] == "Enabled":
            violations += _check_feature(feature, comparison, current, config)
    return comparisons, violations


def _violation(name: str, kind: str, description: str) -> dict[str, str]:
    return {"feature_name": name, "constraint_check_type": kind, "description": description}


def _check_columns(constraints: dict[str, Any], current: Profile) -> list[dict[str, str]]:
    if settings(constraints, {})["evaluate_constraints"] != "Enabled":
        return []
    expected = [feature["name"] for feature in constraints["features"]]
    counts = f"The records hold {len(current.columns)} columns, the baseline {len(expected)}."
    missing = [name for name in expected if name not in current.columns]
    extra = [name for name in current.columns if name not in set(expected)]
    return [
        *(_violation(name, "missing_column_check", f"Column is missing. {counts}") for name in missing),
        *(_violation(name, "extra_column_check", f"Column is not in the baseline. {counts}") for name in extra),
    ]


def _check_feature(
    feature: dict[str, Any], comparison: Comparison, current: Profile, config: dict[str, Any]
) -> list[dict[str, str]]:
    findings = {
        "data_type_check": _check_type(feature, current, config),
        "completeness_check": _check_completeness(comparison),
        "categorical_values_check": _check_domain(feature, current, config),
        "baseline_drift_check": _check_drift(comparison),
    }
    return [_violation(feature["name"], kind, text) for kind, text in findings.items() if text]


def _check_type(feature: dict[str, Any], current: Profile, config: dict[str, Any]) -> str | None:
    column, kind = current.columns[feature["name"]], feature["inferred_type"]
    accepted = {"Integral": ("Integral",), "Fractional": ("Integral", "Fractional")}.get(kind)
    if not accepted or not column.present:  # text holds anything; an empty column is the completeness check's
        return None
    share, threshold = sum(column.kinds[each] for each in accepted) / column.present, config["datatype_check_threshold"]
    if share >= threshold:
        return None
    return f"Type does not match. Expected: {threshold:.2%} of the values {kind}. Observed: {share:.2%}."


def _check_completeness(comparison: Comparison) -> str | None:
    if comparison.completeness >= comparison.expected_completeness:
        return None
    return (
        f"Too many values are missing. Expected: at least {comparison.expected_completeness:.1%} present. "
        f"Observed: {comparison.completeness:.1%}."
    )


def _check_domain(feature: dict[str, Any], current: Profile, config: dict[str, Any]) -> str | None:
    domains = feature.get("string_constraints", {}).get("domains")
    column, threshold = current.columns[feature["name"]], config["domain_content_threshold"]
    if not domains or not column.present:
        return None
    if column.categories is None:
        return f"Over {MAX_CATEGORIES} different values. Expected: the {len(domains)} values of the baseline."
    unknown = column.categories[~column.categories.index.isin(domains)]
    share = 1 - unknown.sum() / column.present
    if share >= threshold:
        return None
    examples = ", ".join(repr(value) for value in unknown.nlargest(3).index)
    return f"Unknown values, such as {examples}. Expected: {threshold:.2%} from the baseline. Observed: {share:.2%}."


def _check_drift(comparison: Comparison) -> str | None:
    if not comparison.drifted:
        return None
    relation = "p-value is below" if comparison.method == "ChiSquared" else "distance exceeds"
    return (
        f"Distribution differs from the baseline: {comparison.method} {relation} the threshold, "
        f"{comparison.distance:.4g} against {comparison.threshold}."
    )


def _compare(
    feature: dict[str, Any], described: dict[str, Any], current: Profile, config: dict[str, Any]
) -> Comparison:
    name = feature["name"]
    comparison = Comparison(
        name=name,
        expected_type=feature["inferred_type"],
        observed_type=current.columns[name].inferred_type,
        expected_completeness=feature.get("completeness", 0.0),
        completeness=current.completeness(name),
    )
    if config["distribution_constraints"]["perform_comparison"] == "Enabled":
        _measure(comparison, described, current, config["distribution_constraints"])
    return comparison


def _measure(comparison: Comparison, described: dict[str, Any], current: Profile, config: dict[str, Any]) -> None:
    column, method = current.columns[comparison.name], config["comparison_method"]
    if numeric := baseline_points(described):
        if column.numbers:
            comparison.method, comparison.threshold = method, config["comparison_threshold"]
            comparison.gap = numeric_distance(numeric, points(column), "Simple")
            comparison.distance = numeric_distance(numeric, points(column), method)
            comparison.drifted = comparison.distance > comparison.threshold
        return
    counts = baseline_categories(described)
    if counts is None or column.categories is None or not column.present:
        return
    comparison.threshold = config["categorical_comparison_threshold"]
    comparison.gap = linfinity_distance(counts, column.categories, "Simple")
    if config["categorical_drift_method"] == "ChiSquared":
        comparison.method, comparison.distance = "ChiSquared", chi_squared_p(counts, column.categories)
        comparison.drifted = comparison.distance < comparison.threshold
    elif config["categorical_drift_method"] == "LInfinity":
        comparison.method = f"LInfinity, {method}"
        comparison.distance = linfinity_distance(counts, column.categories, method)
        comparison.drifted = comparison.distance > comparison.threshold
    else:
        raise ValueError(
            f"categorical_drift_method of {comparison.name} is {config['categorical_drift_method']!r}: "
            "LInfinity and ChiSquared exist"
        )
