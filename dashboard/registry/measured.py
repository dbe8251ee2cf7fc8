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
    candidate: float
    current: float  # of the other version on these records; on its own it may have been another one
    lower: float  # of the lead's 95 % interval
    upper: float
    records: int

    @property
    def value(self) -> float:
        return self.candidate - self.current

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
            ends, records = each["lead"]["confidence_interval"], found.get("records", 0)
            yield metric, Lead(metric, each["candidate"], each["current"], ends["lower"], ends["upper"], records)


def headline(candidate: Version, current: Version | None) -> tuple[str, bool | None]:
    """A sentence on the metric that the gate asks, or else the first, and whether it is good news."""
    this = candidate.label
    if current is None:
        return f"{this.capitalize()} is compared with nothing.", None
    differences = compare(candidate.facts, current.facts)
    if not differences:
        return f"{this.capitalize()} and {current.label} have no metric in common.", None
    chosen = next((each for each in differences if each.name == gated(candidate.facts)), differences[0])
    if lead := leads(candidate, current).get(chosen.name):
        return _paired(lead, this, current.label), lead.better
    values = f"{named(chosen.name)} is {number(chosen.candidate)}, that of {current.label} {number(chosen.current)}"
    return f"{this.capitalize()}'s {values}: {_words(chosen, candidate, current)}.", chosen.better


def _paired(lead: Lead, this: str, that: str) -> str:
    how = {True: "better", False: "worse", None: "no more apart than by chance"}[lead.better]
    values = f"{named(lead.metric)} is {number(lead.candidate)}, that of {that} {number(lead.current)}"
    sure = f"95 % interval {number(lead.lower, sign=True)} to {number(lead.upper, sign=True)}"
    apart = f"{how}, by {number(lead.value, sign=True)} ({sure})"
    return f"On the same {lead.records:,} records {this}'s {values}: {apart}."


def _words(chosen: Difference, candidate: Version, current: Version) -> str:
    if chosen.better is not None:
        return f"{'better' if chosen.better else 'worse'}, their 95 % intervals are apart"
    if None in (candidate.facts["metrics"][chosen.name]["lower"], current.facts["metrics"][chosen.name]["lower"]):
        return "how sure that is isn't known" if chosen.candidate != chosen.current else "the same"
    return "no more apart than by chance, their 95 % intervals overlap"


def number(value: float, *, sign: bool = False) -> str:
    """Four digits after the point of a share, of what is larger six in all, and no exponent but of what is tiny."""
    if 0 < abs(value) < 5e-5:
        return f"{value:+.3g}" if sign else f"{value:.3g}"
    if abs(value) >= 1e6:
        return f"{value:+,.0f}" if sign else f"{value:,.0f}"
    if abs(value) <= 1:
        return f"{value:+.4f}" if sign else f"{value:.4f}"
    return f"{value:+,.6g}" if sign else f"{value:,.6g}"


def same_data(candidate: Version, current: Version | None) -> bool | None:
    """Whether both learnt from one data set; None where it isn't known."""
    ours, theirs = candidate.properties.get("InputDataUrl"), (current.properties if current else {}).get("InputDataUrl")
    return ours == theirs if ours and theirs else None
