"""A segmentation's evaluation as a page: who is in the segments, why so many, whether they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import clustering_pictures as draw
import compared_models
import learning_curves
import numpy as np
from analysis_report import Badge, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from clustering import Placed

FOUND_AGAIN, DISSOLVED = 0.75, 0.5  # Hennig 2007, of a segment's overlap
MEANINGS = {
    "silhouette": "−1 to 1: how much nearer a record is to its own segment than to the next",
    "davies_bouldin": "spread of segments over their distance, of the worst pairs; lower is better",
    "calinski_harabasz": "variance between segments over variance within; higher is better",
    "dunn": "least distance between segments over the widest segment, on train; decided by single records",
    "stability": "adjusted Rand index with segmentations of bootstrap samples; 1 is the same, 0 chance",
    "segments": "",
    "unassigned": "share of the records in no segment",
    "share_difference": "share of the records by which the segments' sizes differ between train and test",
}
NAMES = {"davies_bouldin": "Davies-Bouldin index", "calinski_harabasz": "Calinski-Harabasz index", "dunn": "Dunn index"}


def describe(evaluation: Mapping[str, Any], facts: Mapping[str, Any], train: Placed, test: Placed) -> Report:
    numbers = evaluation["clustering_metrics"]
    segments = evaluation["segments"]
    candidates = facts.get("candidates", [])
    sections: list[Section] = [
        segment_table(segments, facts),
        Picture(
            "Segments on a map",
            lambda: draw.scatter(train.points, train.labels, names_of(segments)),
            "Training records in the plane of their first two principal components, coloured by segment",
            "Distances are those in which segments were made, seen from the side on which records differ most.",
        ),
        Picture(
            "What sets them apart",
            lambda: draw.profiles(train.table, train.labels, names_of(segments)),
            "Medians of each column by segment",
            "Medians of the training records.",
        ),
        metric_table(numbers),
        Picture(
            "How well each record fits",
            lambda: draw.silhouettes(test.points[test.inside], test.labels[test.inside], names_of(segments)),
            "Silhouettes of the test records by segment, each in falling order",
            "Test records, a line each. Below 0 a record lies nearer to another segment than to its own.",
        ),
        stability_table(segments),
    ]
    if candidates:
        sections += choice(candidates, facts)
    sections += compared_models.sections(facts.get("comparison"))
    if "curves" in evaluation:
        sections += curve_pictures(evaluation["curves"])
    silhouette, held = numbers["silhouette"], numbers["stability"]
    return Report(
        "Segmentation",
        f"{numbers['segments']['value']} segments: silhouette {silhouette['value']:.3f} on records they were not made "
        f"of, and an agreement of {held['value']:.2f} with segments of bootstrap samples.",
        None,
        subtitle="Made of {train:,} records, judged by {test:,} others".format(**evaluation["dataset"]),
        sections=sections,
    )


def names_of(segments: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    return {each["label"]: each["name"] for each in segments}


def segment_table(segments: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> Section:
    """Sentences where the artifact has them."""
    told = facts.get("descriptions", {})
    rows = [
        [each["name"], f"{each['train_share']:.1%}", f"{each['test_share']:.1%}", told.get(each["name"])]
        for each in segments
    ]
    columns = ["segment", "share, train", "share, test", "who they are"]
    if not told:
        columns, rows = columns[:3], [row[:3] for row in rows]
    return Table("Segments", columns, rows)


def metric_table(numbers: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, each in numbers.items():
        interval = each.get("confidence_interval")
        between = f"{interval['lower']:.3f} to {interval['upper']:.3f}" if interval else None
        rows.append([NAMES.get(name, name.replace("_", " ")), each["value"], between, MEANINGS.get(name, "")])
    return Table("Measures", ["measure", "value", "95 % interval", ""], rows, "On test, where nothing else is said.")


def stability_table(segments: Sequence[Mapping[str, Any]]) -> Table:
    rows = [[each["name"], each["overlap"], holds(each["overlap"]), each["silhouette"]] for each in segments]
    return Table(
        "Does each segment hold?",
        ["segment", "overlap", "", "silhouette"],
        rows,
        "Overlap: records that a segment and the most alike one of a bootstrap sample's segmentation share, of those "
        "in either, on average. Above 0.75 the segment is found again, below 0.5 it dissolves (Hennig 2007).",
    )


def holds(overlap: float) -> Badge:
    if overlap >= FOUND_AGAIN:
        return Badge("found again", True)
    return Badge("dissolves", False) if overlap < DISSOLVED else Badge("blurred")


def choice(candidates: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[Section]:
    found = facts["chosen"]
    ranked = sorted((each for each in candidates if each["rank"] is not None), key=lambda each: each["rank"])
    rows = [
        [
            each["name"],
            each["segments"],
            each["silhouette"],
            each["davies_bouldin"],
            each["dunn"],
            each["elbow"],
            each["stability"],
            each["smallest"],
            each["unassigned"],
            None if each["rank"] is None else round(each["rank"], 2),
            each["refused"] or (Badge("chosen", True) if each == found else None),
        ]
        for each in [*ranked, *(each for each in candidates if each["rank"] is None)]
    ]
    columns = ["algorithm", "segments", "silhouette", "Davies-Bouldin", "Dunn", "elbow", "stability", "smallest share",
               "in none", "mean rank", ""]  # fmt: skip
    return [
        Text("Why these segments", list(facts.get("argument", []))),
        Picture(
            "Measures by number of segments",
            lambda: draw.by_number(candidates, found),
            "Silhouette, Davies-Bouldin index, Dunn index, sum of squares and stability by number of segments",
            "A line an algorithm, in the space in which the chosen one seeks its segments. Dotted: the choice. "
            "Stability is measured of what the ranks put first and of its neighbours.",
        ),
        Table(
            "All candidates",
            columns,
            rows,
            "On the training records, all judged in the same space. Mean rank: by silhouette, Dunn, Davies-Bouldin and "
            "elbow, of those that keep the limits; stability is asked from the best rank down until one is stable, and "
            "of its neighbours. Measures of density-based algorithms leave out the records in no segment, which "
            "flatters them.",
            frozenset({0}) if rows else frozenset(),
        ),
    ]


def curve_pictures(found: Mapping[str, Any]) -> list[Section]:
    drawn = learning_curves.figures(found)
    learning, validation = found["learning"], found["validation"]
    gap = learning["train"][-1] - learning["test"][-1]
    best = validation["values"][int(np.nanargmax(validation["test"]))]
    return [
        Picture(
            "Learning curve",
            drawn["learning_curve"],
            "Silhouette of records that segments were made of, and of others, by how many they were made of",
            f"Means over {found['folds']} folds, with one standard deviation. With all records the silhouettes differ "
            f"by {gap:.2g}: that is variance, segments fitted to chance. What both lack to 1 is bias, or records that "
            "lie between any segments.",
        ),
        Picture(
            f"Validation curve: {validation['parameter']}",
            drawn["validation_curve"],
            f"Silhouette of records that segments were made of, and of others, by {validation['parameter']}",
            f"Highest on unseen records with {best}; this model has {validation['chosen']}. A silhouette alone favours "
            "few segments: few are far apart.",
        ),
    ]
