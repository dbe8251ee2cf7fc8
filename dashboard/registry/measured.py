"""What is known of a version by the files that it was registered with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboard.registry import reading, versions
from dashboard.registry.reading import Document
from deploy import comparison
from evaluation.version_differences import Difference, compare, gated, less_is_better, named

# What a file is called on the page, and where ModelMetrics has its address.
_FILES = {
    "bias of the predictions": ("Bias", "PostTrainingReport"),
    "bias of the data": ("Bias", "PreTrainingReport"),
    "bias": ("Bias", "Report"),
    "explanation": ("Explainability", "Report"),
    "data statistics": ("ModelDataQuality", "Statistics"),
    "data constraints": ("ModelDataQuality", "Constraints"),
}
EVALUATION = "evaluation"


@dataclass(frozen=True)
class Version:
    package: Document  # DescribeModelPackage
    documents: dict[str, Document]  # by what they are, those that could be read
    missing: dict[str, str]  # the same of the others: why

    @property
    def number(self) -> int:
        return int(self.package["ModelPackageVersion"])

    @property
    def label(self) -> str:
        return f"version {self.number}"

    @property
    def evaluation(self) -> Document:
        return self.documents.get(EVALUATION, {})

    @property
    def facts(self) -> dict[str, Any]:
        """As deploy/comparison.py tells a version."""
        return comparison.told(self.package, self.evaluation, self.documents.get("bias of the predictions", {}))

    @property
    def properties(self) -> Document:
        found: Document = self.package.get("CustomerMetadataProperties", {})
        return found


def read(packages: list[Document]) -> list[Version]:
    """All files of all the versions at once."""
    wanted = [addresses(each) for each in packages]
    files = reading.files(tuple(uri for each in wanted for uri in each.values()))
    return [
        Version(
            package,
            {what: files.found[uri] for what, uri in each.items() if uri in files.found},
            {what: f"{uri} {files.missing[uri]}" for what, uri in each.items() if uri in files.missing},
        )
        for package, each in zip(packages, wanted, strict=True)
    ]


def addresses(package: Document) -> dict[str, str]:
    """What there is to read, with its S3 URI.

    This template's pipelines say where their evaluation.json is in a property, which has all that was measured; others'
    register it, or less, as ModelMetrics' ModelQuality, as SageMaker's own examples do.
    """
    metrics = package.get("ModelMetrics", {})
    found = {what: uri(metrics, *path) for what, path in _FILES.items()}
    judged = package.get("CustomerMetadataProperties", {}).get("Evaluation") or uri(
        metrics, "ModelQuality", "Statistics"
    )
    if found["bias"] in (found["bias of the predictions"], found["bias of the data"]):
        found["bias"] = ""
    return {what: each for what, each in {EVALUATION: judged, **found}.items() if each.startswith("s3://")}


def uri(metrics: Document, kind: str, member: str) -> str:
    return str(metrics.get(kind, {}).get(member, {}).get("S3Uri", ""))


def reports(package: Document) -> dict[str, str]:
    """Where the pages for people are, beside the JSON files."""
    found = addresses(package)
    named = {what: each.rpartition("/")[0] + "/report.html" for what, each in found.items() if each.endswith(".json")}
    return {what: each for place, (what, each) in enumerate(named.items()) if each not in list(named.values())[:place]}


@dataclass(frozen=True)
class Lead:
    """Of a version over another on the same records, which were drawn in pairs: sharper than two intervals."""

    metric: str
    value: float
    lower: float
    upper: float
    records: int

    @property
    def better(self) -> bool | None:
        """None where the interval has zero in it."""
        if self.lower <= 0 <= self.upper:
            return None
        return (self.value > 0) is not less_is_better(self.metric)


def leads(candidate: Version, current: Version | None) -> dict[str, Lead]:
    """What the candidate's evaluation found against this very model, by metric; empty if it met another, or none."""
    found = candidate.evaluation.get("comparison") or {}
    if current is None or found.get("current_model") != versions.artifact(current.package):
        return {}
    return dict(_leads(found))


def _leads(found: Document) -> Iterator[tuple[str, Lead]]:
    for metric, each in found.items():
        if isinstance(each, dict) and "lead" in each:
            interval = each["lead"]["confidence_interval"]
            value, records = each["lead"]["value"], found.get("records", 0)
            yield metric, Lead(metric, value, interval["lower"], interval["upper"], records)


def headline(candidate: Version, current: Version | None) -> tuple[str, bool | None]:
    """A sentence on the metric that the gate asks, or else the first, and whether it is good news."""
    this = f"Version {candidate.number}"
    if current is None:
        return f"{this} is compared with nothing.", None
    differences = compare(candidate.facts, current.facts)
    if not differences:
        return f"{this} and {current.label} have no metric in common.", None
    chosen = next((each for each in differences if each.name == gated(candidate.facts)), differences[0])
    lead = leads(candidate, current).get(chosen.name)
    better = lead.better if lead else chosen.better
    values = f"{named(chosen.name)} is {number(chosen.candidate)}, that of {current.label} {number(chosen.current)}"
    return f"{this}'s {values}: {_words(chosen, candidate, current, lead, better)}.", better


def _words(chosen: Difference, candidate: Version, current: Version, lead: Lead | None, better: bool | None) -> str:
    if lead:
        how = {True: "better", False: "worse", None: "no more apart than by chance"}[better]
        sure = f"95 % interval {number(lead.lower, sign=True)} to {number(lead.upper, sign=True)}"
        return f"{how}, by {number(lead.value, sign=True)} on the same {lead.records:,} records ({sure})"
    if better is not None:
        return f"{'better' if better else 'worse'}, their 95 % intervals are apart"
    if None in (candidate.facts["metrics"][chosen.name]["lower"], current.facts["metrics"][chosen.name]["lower"]):
        return "neither's uncertainty is known" if chosen.candidate != chosen.current else "the same"
    return "no more apart than by chance, their 95 % intervals overlap"


def number(value: float, *, sign: bool = False) -> str:
    """Four digits after the point of a share, of what is larger six in all."""
    if abs(value) <= 1:
        return f"{value:+.4f}" if sign else f"{value:.4f}"
    return f"{value:+,.6g}" if sign else f"{value:,.6g}"


def same_data(candidate: Version, current: Version | None) -> bool | None:
    """Whether both learnt from one data set; None where it isn't known."""
    ours, theirs = candidate.properties.get("InputDataUrl"), (current.properties if current else {}).get("InputDataUrl")
    return ours == theirs if ours and theirs else None
