"""Model quality for people: the verdict, the metrics beside the baseline's, plots, and what kind of drift it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import drift_taxonomy as drift
import numpy as np
from analysis_report import Badge, Picture, Report, Section, Table, Text
from model_quality_constraints import GREATER
from model_quality_metrics import CONSTANT, Metric
from model_quality_statistics import Measured, calibration, confusion, curves, residuals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Document = Mapping[str, Any]
MOST_CLASSES = 12  # of a confusion matrix that is shown


def make(
    title: str,
    measured: Measured,
    constraints: Mapping[str, Document],
    baseline: Document | None,
    violations: Sequence[Mapping[str, str]],
) -> Report:
    """`baseline` is a statistics.json, AWS's own or this script's, or None."""
    before = _metrics_of(baseline)
    named = [violation["metric_name"] for violation in violations]
    sections: list[Section] = [_metrics(measured.metrics, before, constraints, named)]
    if measured.classes:
        sections += _drift(measured, baseline, before, named)
        sections += _classification(measured, baseline, before)
    elif measured.numbers and len(measured.numbers):
        sections += _residuals(measured, baseline)
    if measured.captured:
        sections.append(Text("Captures", [measured.captured]))
    return Report(
        title=title,
        verdict=_verdict(measured, constraints, named),
        good=not named if constraints else None,
        subtitle=_subtitle(measured, baseline),
        named=named,
        sections=sections,
    )


def _verdict(measured: Measured, constraints: Mapping[str, Document], named: Sequence[str]) -> str:
    if not constraints:
        return f"A baseline of {measured.records:,} records: nothing to compare with yet."
    if not named:
        return "The predictions are as good as the baseline's, as far as these records can tell."
    worst = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    return f"The predictions are worse than the baseline allows: {worst}."


def _subtitle(measured: Measured, baseline: Document | None) -> str:
    parts = [f"{measured.records:,} records with their truth"]
    if measured.skipped:
        parts.append(f"{measured.skipped:,} left out without truth or prediction")
    if measured.window.start or measured.window.end:
        parts.append(str(measured.window))
    if baseline:
        parts.append(f"baseline of {baseline['dataset']['item_count']:,} records")
    return ", ".join(parts)


def _metrics_of(document: Document | None) -> Document:
    return next((value for name, value in (document or {}).items() if name.endswith("_metrics")), {})


def _metrics(
    metrics: Mapping[str, Metric], before: Document, constraints: Mapping[str, Document], named: Sequence[str]
) -> Table:
    rows = []
    for name, found in metrics.items():
        if name.endswith(CONSTANT):
            continue
        constant = metrics.get(f"{name}{CONSTANT}")
        rows.append(
            [
                name,
                _with_deviation(found.described()),
                _with_deviation(before.get(name)),
                _limit(constraints.get(name)),
                constant.value if constant else None,
                _badge(name, constraints, named),
            ]
        )
    # What has a bound and no value belongs here most of all.
    rows += [
        [name, "no value", _with_deviation(before.get(name)), _limit(limit), None, Badge("not known")]
        for name, limit in constraints.items()
        if name not in metrics
    ]
    return Table(
        "Metrics",
        ["Metric", "Now", "Baseline", "Limit", "Constant answer", "Verdict"],
        rows,
        "± is the standard deviation over five samples of 80 %, from 200 records on. A limit counts as crossed beyond "
        "three standard errors. The constant answer is what always saying the same would reach.",
        frozenset(place for place, row in enumerate(rows) if row[0] in named),
    )


def _with_deviation(metric: Document | None) -> str | None:
    if not metric or "value" not in metric:
        return None
    deviation = metric.get("standard_deviation", "NaN")
    value = f"{metric['value']:.4g}"
    return value if deviation == "NaN" else f"{value} ± {deviation:.2g}"


def _limit(constraint: Document | None) -> str | None:
    if not constraint:
        return None
    sign = "≤" if constraint["comparison_operator"] == GREATER else "≥"
    return f"{sign} {float(constraint['threshold']):.4g}"


def _badge(name: str, constraints: Mapping[str, Document], named: Sequence[str]) -> Badge:
    if name not in constraints:
        return Badge("no limit")
    return Badge("worse", False) if name in named else Badge("good", True)


def _drift(measured: Measured, baseline: Document | None, before: Document, named: Sequence[str]) -> list[Section]:
    if "confusion_matrix" not in before or not measured.classes:
        return []
    return [drift.section(drift.classify(evidence(measured, baseline or {}, before, named)))]


def evidence(measured: Measured, baseline: Document, before: Document, named: Sequence[str]) -> drift.Evidence:
    """What labels tell: shares of truths and predictions, what is predicted for each truth, and y - p."""
    data, old = measured.classes, before["confusion_matrix"]
    assert data is not None
    new = confusion(data)
    performance = [
        drift.Metric(name, float(before[name]["value"]), found.value, name in named)
        for name, found in measured.metrics.items()
        if name in before and not name.endswith(CONSTANT)
    ]
    binary = {"0", "1"} >= set(data.labels)
    scores = drift.Scores(data.positive.astype(int), data.probability) if binary and len(data.probability) else None
    earlier = drift.binned(baseline.get("calibration")) if scores else None
    return drift.of_confusions(new, old, scores, earlier, performance)


def _classification(measured: Measured, baseline: Document | None, before: Document) -> list[Section]:
    data = measured.classes
    assert data is not None
    sections: list[Section] = []
    if len(data.probability):
        now = curves(data)
        if now:
            sections.append(
                Picture(
                    "Ranking by probability",
                    lambda: [_roc(before, now), _precision_recall(before, now)],
                    "ROC curve and precision-recall curve, baseline and now",
                )
            )
        else:
            sections.append(Text("Curves", ["All records have the same truth: there is no ROC curve, and no AUC."]))
        bins = {"baseline": (baseline or {}).get("calibration"), "now": calibration(data)}
        sections.append(
            Picture(
                "Calibration",
                lambda: _calibration({name: each for name, each in bins.items() if each}),
                "Share of positive truths by predicted probability, baseline and now",
                "On the dotted line what is predicted happens. By tenth of the probability.",
            )
        )
    sections.append(_confusion("Confusion matrix now", confusion(data)))
    if "confusion_matrix" in before:
        sections.append(_confusion("Confusion matrix of the baseline", before["confusion_matrix"]))
    return sections


def _confusion(title: str, matrix: Document) -> Table:
    """Shares of each truth's records; of many classes those with the most."""
    sizes = drift.by_truth(matrix)
    largest = sorted(sizes, key=lambda label: -sizes[label])[:MOST_CLASSES]
    shown = [label for label in matrix if label in largest]
    rows = []
    for label in shown:
        row, size = matrix[label], sizes[label]
        cells = [f"{row.get(other, 0):,} ({row.get(other, 0) / size:.0%})" if size else "0" for other in shown]
        rows.append([label, *cells, int(size)])
    note = f"The {MOST_CLASSES} largest of {len(matrix)} classes." if len(matrix) > MOST_CLASSES else ""
    return Table(title, ["Truth", *(f"predicted {label}" for label in shown), "All"], rows, note)


def _roc(before: Document, now: Document) -> Figure:
    key = "receiver_operating_characteristic_curve"
    pairs = {
        name: (curve["false_positive_rates"], curve["true_positive_rates"])
        for name, curve in (("baseline", before.get(key)), ("now", now.get(key)))
        if curve
    }
    return _lines(pairs, "false positive rate", "true positive rate", diagonal=True)


def _precision_recall(before: Document, now: Document) -> Figure:
    key = "precision_recall_curve"
    pairs = {
        name: (curve["recalls"], curve["precisions"])
        for name, curve in (("baseline", before.get(key)), ("now", now.get(key)))
        if curve
    }
    return _lines(pairs, "recall", "precision")


def _calibration(bins: Mapping[str, Document]) -> Figure:
    pairs = {}
    for name, each in bins.items():
        records, positives, total = (np.array(each[part]) for part in ("records", "positives", "probabilities"))
        some = records > 0
        pairs[name] = (total[some] / records[some], positives[some] / records[some])
    return _lines(pairs, "predicted probability", "share that came true", diagonal=True, marker="o")


def _lines(
    pairs: Mapping[str, tuple[Any, Any]], across: str, up: str, diagonal: bool = False, marker: str = ""
) -> Figure:
    import report_pictures as pictures

    figure, axes = pictures.panel(margins=(0.62, 0.5, 0.1, 0.32))
    if diagonal:
        axes.plot([0, 1], [0, 1], color=pictures.LINE, linestyle=":", linewidth=1)
    colours = {"baseline": pictures.BASELINE, "now": pictures.CURRENT}
    for name, (x, y) in pairs.items():
        axes.plot(x, y, color=colours[name], marker=marker or None, markersize=3.5, linewidth=1.8, label=name)
    axes.set(xlabel=across, ylabel=up, xlim=(-0.01, 1.01), ylim=(0, 1.02))
    if len(pairs) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2)
    return figure


def _residuals(measured: Measured, baseline: Document | None) -> list[Section]:
    assert measured.numbers is not None
    now, before = residuals(measured.numbers), (baseline or {}).get("residuals")

    def figure() -> Figure:
        import report_pictures as pictures

        shown = {"baseline": before, "now": now} if before else {"now": now}
        figure, axes = pictures.panel(margins=(0.62, 0.5, 0.1, 0.32))
        for name, each in shown.items():
            counts, edges = np.array(each["counts"], float), np.array(each["edges"])
            density = counts / counts.sum() / np.diff(edges)
            colour = pictures.BASELINE if name == "baseline" else pictures.CURRENT
            axes.stairs(density, edges, color=colour, fill=name == "baseline", alpha=0.6, linewidth=1.8, label=name)
        axes.set(xlabel="truth less prediction", ylabel="density", ylim=(0, None))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2)
        return figure

    said = f"Mean of truth less prediction: {now['mean']:.4g}" + (f", was {before['mean']:.4g}." if before else ".")
    return [Picture("Residuals", figure, "Histogram of truth less prediction, baseline and now", said)]
