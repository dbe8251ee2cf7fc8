"""A model card as a PDF: what SageMaker's model card JSON says, as tables and plots.

    python evaluation/model_card.py --card card.json --output card.pdf

The card is {"ModelCardName", "ModelCardVersion", "ModelCardStatus", "LastModifiedTime" (epoch seconds), "Content"},
whose content follows the model card JSON schema of SageMaker's developer guide; what the schema doesn't have is shown,
too. sagelocal runs this for CreateModelCardExportJob.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis_report import Picture, Report, Section, Table, drawings
from report_pdf import pdf

Content = Mapping[str, Any]
TITLES = {
    "model_overview": "Model overview",
    "model_package_details": "Model package",
    "intended_uses": "Intended uses",
    "business_details": "Business details",
}
NUMBERED = ("number", "string", "boolean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    card = json.loads(args.card.read_text(encoding="utf-8"))
    made = report(card)
    args.output.write_bytes(pdf(made, drawings(made)))


def report(card: Mapping[str, Any]) -> Report:
    content: Content = card["Content"]
    overview = content.get("model_overview", {})
    moment = datetime.fromtimestamp(card["LastModifiedTime"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Report(
        title=f"Model card: {card['ModelCardName']}",
        subtitle=f"Version {card['ModelCardVersion']} of the card, {moment}",
        verdict=" ".join(
            [f"{card['ModelCardStatus']}.", str(overview.get("model_description", "The card has no description."))]
        ),
        good={"Approved": True}.get(card["ModelCardStatus"]),
        sections=list(sections(content)),
    )


def sections(content: Content) -> Iterator[Section]:
    for name, title in TITLES.items():
        yield from members(title, content.get(name, {}), "model_package_")
    yield from _training(content.get("training_details", {}))
    for evaluation in content.get("evaluation_details", []):
        yield from _evaluation(evaluation)
    additional = dict(content.get("additional_information", {}))
    details = additional.pop("custom_details", {})
    yield from members("Additional information", additional)
    if details:
        yield Table("Details", ["what", "is"], sorted(details.items()))
    known = {*TITLES, "training_details", "evaluation_details", "additional_information"}
    for name, members_ in content.items():
        if name not in known:
            yield from members(words(name), members_ if isinstance(members_, Mapping) else {name: members_})


def members(title: str, found: Mapping[str, Any], prefix: str = "") -> Iterator[Section]:
    """A table of the members, without a beginning that all their names have; nothing where there are none."""
    rows = [row for name, value in found.items() for row in _rows(name.removeprefix(prefix), value)]
    if rows:
        yield Table(title, ["what", "is"], rows)


def _rows(name: str, value: Any) -> list[tuple[str, str]]:
    """A row for each text: a list's first has the name, and a mapping's members have their own."""
    if isinstance(value, Mapping):
        return [row for inner, each in value.items() for row in _rows(inner, each)]
    if isinstance(value, list):
        rows = [row for each in value for row in _rows(name, each)]
        return [
            (label if place == 0 or label != rows[place - 1][0] else "", text)
            for place, (label, text) in enumerate(rows)
        ]
    return [(words(name), str(value))] if value not in (None, "") else []


def words(name: str) -> str:
    """`Risk rating` for `risk_rating`."""
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]


def _training(details: Mapping[str, Any]) -> Iterator[Section]:
    job = dict(details.get("training_job_details", {}))
    parameters = [*job.pop("hyper_parameters", []), *job.pop("user_provided_hyper_parameters", [])]
    metrics = [*job.pop("training_metrics", []), *job.pop("user_provided_training_metrics", [])]
    rest = {name: value for name, value in details.items() if name != "training_job_details"}
    yield from members("Training", {**rest, **job})
    if parameters:
        yield Table("Hyperparameters", ["name", "value"], [(each["name"], each.get("value")) for each in parameters])
    if metrics:
        rows = [(each["name"], each["value"], each.get("notes")) for each in metrics]
        yield Table("Training metrics", ["metric", "value", "notes"], rows)


def _evaluation(evaluation: Mapping[str, Any]) -> Iterator[Section]:
    head = {name: value for name, value in evaluation.items() if name not in ("name", "metric_groups")}
    yield from members(f"Evaluation: {evaluation['name']}", head)
    for group in evaluation.get("metric_groups", []):
        title = f"{evaluation['name']}: {group['name']}"
        single = [each for each in group["metric_data"] if each["type"] in NUMBERED]
        if single:
            rows = [(each["name"], each["value"], each.get("notes")) for each in single]
            yield Table(title, ["metric", "value", "notes"], rows)
        for each in group["metric_data"]:
            if each["type"] not in NUMBERED:
                yield _drawn(title, each)


def _drawn(group: str, metric: Mapping[str, Any]) -> Section:
    title = f"{group}: {metric['name']}"
    if metric["type"] == "matrix":
        values = metric["value"]
        across = metric.get("x_axis_name") or [str(place) for place in range(len(values[0]))]
        down = metric.get("y_axis_name") or [str(place) for place in range(len(values))]
        rows = [(name, *row) for name, row in zip(down, values, strict=True)]
        return Table(title, ["", *across], rows, note=metric.get("notes", ""))
    if metric["type"] == "bar_chart":
        return Picture(title, lambda: _bars(metric), alt=_alt(metric), note=metric.get("notes", ""))
    return Picture(title, lambda: _line(metric), alt=_alt(metric), note=metric.get("notes", ""))


def _alt(metric: Mapping[str, Any]) -> str:
    return f"{metric['name']}, {len(metric['value'])} values"


def _bars(metric: Mapping[str, Any]) -> Any:
    from report_pictures import CURRENT, panel, plain

    values: Sequence[float] = metric["value"]
    names = [plain(each, 40) for each in metric.get("x_axis_name") or map(str, range(len(values)))]
    figure, axes = panel(height=0.7 + 0.21 * len(values), width=7.0)
    axes.barh(names[::-1], values[::-1], color=CURRENT, height=0.65)
    axes.set(xlabel=plain(str(metric.get("y_axis_name", ""))))
    return figure


def _line(metric: Mapping[str, Any]) -> Any:
    from report_pictures import CURRENT, panel, plain

    figure, axes = panel()
    axes.plot([x for x, _ in metric["value"]], [y for _, y in metric["value"]], color=CURRENT)
    axes.set(xlabel=plain(str(metric.get("x_axis_name", ""))), ylabel=plain(str(metric.get("y_axis_name", ""))))
    return figure


if __name__ == "__main__":
    main()
