"""What an endpoint was asked and answered in a window, and what turned out to be true, as tables.

    python evaluation/captured_traffic.py --capture-uri s3://bucket/data-capture/churn-production --window PT1H \\
        --features constraints.json --label Churn --ground-truth-uri s3://bucket/.../ground-truth --output-path DIR

Fetches from S3 the hours of the window of all variants below the prefix, with the ground truth of their requests
however late that came, and writes

    features/features.csv        a row a record, as text as it was captured
    answered/answered.csv        the same with the answer as a column, where `answer_column` names one
    predictions/predictions.csv  with `predicted_label`, `probability`, `event_id`, `inference_id`, `inference_time`
    labelled/labelled.csv        the same of the records whose truth is known, with the label
    recent/recent.csv            features and label alone, as the training pipeline takes them
    summary.json                 counts, window and S3 keys

A batch transform job's captures (`--capture-uri` of its DataCaptureConfig) are read, too; `GenerateInferenceId` gives
their records the ids that labels need. Memory holds a batch of captures (64 MB) and the window's ids.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_job
import batch_capture
import captured_objects
import captured_tables
import ground_truth
import pandas as pd
import pyarrow as pa
from analysis_baseline import true
from capture_rows import Layout
from captured_answers import PREDICTED, PROBABILITY, Answer
from data_capture import NoRecordsError, Tally, Window

ANSWERED = {"label": PREDICTED, "probability": PROBABILITY}
EARLY = pd.Timedelta("1D")  # labels may have been uploaded before their requests; so much before the window's start


@dataclass
class Args:
    """Command line before environment before default. Texts, as environment variables are."""

    capture_uri: str = ""  # s3://<bucket>/<prefix>/<endpoint>, a variant below it, or a transform job's captures
    ground_truth_uri: str = ""  # s3:// prefix of labels by hour of upload; none: nothing is labelled
    window: str = "PT1H"  # ISO 8601 duration up to `end`, where no start is given
    start: str = ""  # ISO 8601; first inference time of the window
    end: str = ""  # ISO 8601; first inference time after the window; now
    at: str = ""  # ISO 8601, when a schedule started this: with no end given, the window ends at that whole minute
    not_before: str = ""  # ISO 8601; a window that begins earlier begins there
    delay: str = "PT0S"  # ISO 8601 duration, less that: captures take minutes to be stored, labels take longer
    features: str = ""  # constraints.json, or a CSV file's header: names and order; file, folder of one, or S3 URI
    optional: str = ""  # columns, with commas, that a CSV record without header may carry before the features
    label: str = ""  # what the truth's column shall be called
    answer_column: str = ""  # of `features`, that is no feature but the answer
    answered: str = "label"  # what of the answer that column is: label or probability
    answer: str = "probability,label"  # what the fields of a CSV answer without header are, in order
    inference_attribute: str = "label"  # the answer's label or number: a column, its index, or JMESPath of JSON
    probability_attribute: str = "probability"  # likewise the probability of the positive class
    probability_threshold_attribute: str = "0.5"  # labels 1 from this probability on, where answers have no label
    require_labels: str = "false"  # true: a window without a label is an error
    output_path: str = "/opt/ml/processing/output"  # folder for the results
    job_output: str = "/opt/ml/output"  # the platform's folder for `message`

    @classmethod
    def parse(cls, argv: list[str] | None = None) -> Args:
        """From the command line and the environment."""
        return cls(**analysis_job.options(dataclasses.fields(cls), __doc__, argv))


def main() -> None:
    args = Args.parse()
    analysis_job.perform(lambda: collect(args), args.job_output)


def collect(args: Args) -> str:
    """Does all of it, and says what was found.

    Raises:
        ValueError: options that don't fit; NoRecordsError where the window has nothing.
    """
    import boto3

    s3 = boto3.client("s3")
    window, features = wanted_window(args), feature_names(s3, args.features, (args.label, args.answer_column))
    if args.ground_truth_uri and not args.label:
        raise ValueError("ground_truth_uri is given and label is not: --label names the column of the truth")
    if args.answered not in ANSWERED:
        raise ValueError(f"answered is {args.answered!r}, and {' and '.join(ANSWERED)} exist")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        spool = captured_tables.Spool(Path(folder))
        source = _source(s3, args, window)
        layout = Layout(tuple(features), tuple(filter(None, args.optional.split(","))))
        answer = Answer.make(
            args.answer, args.inference_attribute, args.probability_attribute, args.probability_threshold_attribute
        )
        for table in source.tables(layout, answer, window, tally):
            spool.add(table)
        if not spool.rows:
            raise NoRecordsError(f"no record in {args.capture_uri} from {window}: {tally}; {_named(source.keys)}")
        labels, merged = _labels(s3, args, window, spool)
        part = ANSWERED[args.answered]
        columns = captured_tables.Columns(features, layout.optional, args.label, args.answer_column, part)
        spool.write(Path(args.output_path), columns, labels, merged)
    if args.ground_truth_uri and not merged.labelled and true(args.require_labels):
        raise NoRecordsError(
            f"none of the {spool.rows} records of {args.capture_uri} from {window} has a label in "
            f"{args.ground_truth_uri}, where {merged.labels} labels since {_since(window).isoformat()} were read; "
            f"{_named(source.keys)}"
        )
    _summary(args, window, tally, merged, spool, source.keys)
    said = f"; {merged}" if args.ground_truth_uri else ""
    return f"Completed: {spool.rows} records of {spool.requests} requests from {window} ({tally}){said}."


def wanted_window(args: Args) -> Window:
    """From start, end, at, delay, not_before and window. Raises ValueError."""
    end = args.end or (_scheduled(args) if args.at else pd.Timestamp.now(tz="UTC").isoformat())
    if args.start:
        return Window.parse(args.start, end)
    whole = Window.parse(args.not_before or None, end)
    assert whole.end is not None
    start = whole.end - _duration("window", args.window)
    return Window.parse((max(start, whole.start) if whole.start else start).isoformat(), end)


def _scheduled(args: Args) -> str:
    """So windows follow on each other to the second, however long the job took to start."""
    began = Window.parse(None, args.at).end
    assert began is not None
    return (began.floor("min") - _duration("delay", args.delay)).isoformat()


def _duration(option: str, text: str) -> pd.Timedelta:
    try:
        length = pd.Timedelta(text) if text.startswith("P") else pd.NaT
    except ValueError:
        length = pd.NaT
    if pd.isna(length) or length < pd.Timedelta(0):
        raise ValueError(f"{option} is {text!r}: an ISO 8601 duration such as PT1H or P7D is expected")
    return length


def feature_names(s3: Any, where: str, others: Sequence[str]) -> list[str]:
    """Names in order, without the others; empty where `where` is. Raises ValueError for a file that has none."""
    if not where:
        return []
    if where.startswith("s3://"):
        bucket, _, key = where.removeprefix("s3://").partition("/")
        name, text = key, s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    else:
        path = Path(where)
        files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
        if len(files) != 1 or not files[0].is_file():
            raise ValueError(
                f"features is {where!r}: constraints.json or a CSV file is expected there, and nothing else"
            )
        name, text = files[0].name, files[0].read_text(encoding="utf-8")
    try:
        if name.endswith(".json"):
            names = [feature["name"] for feature in json.loads(text)["features"]]
        else:
            names = [each.strip().strip('"') for each in text.split("\n", 1)[0].split(",")]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{where} names no features: constraints.json has them under features[].name") from error
    return [each for each in names if each and each not in others]


def _source(s3: Any, args: Args, window: Window) -> captured_tables.EndpointCaptures | batch_capture.BatchCaptures:
    assert window.start is not None and window.end is not None
    bucket, prefix = captured_objects.split(args.capture_uri)
    below = captured_objects.folders(s3, bucket, prefix)
    if set(below) == {"input/", "output/"}:
        return batch_capture.BatchCaptures.of(s3, bucket, prefix, window.start, window.end)
    variants = [""] if any(map(captured_objects.YEAR.fullmatch, below)) else below
    found = {
        variant.rstrip("/"): captured_objects.by_hour(s3, bucket, prefix + variant, window.start, window.end)
        for variant in variants
    }
    return captured_tables.EndpointCaptures(s3, bucket, found)


def _labels(s3: Any, args: Args, window: Window, spool: captured_tables.Spool) -> tuple[pa.Table, ground_truth.Merged]:
    merged = ground_truth.Merged()
    if not args.ground_truth_uri:
        return ground_truth.NONE, merged
    bucket, prefix = captured_objects.split(args.ground_truth_uri)
    stored = captured_objects.by_hour(s3, bucket, prefix, _since(window))
    stored.sort(key=lambda each: (each.modified, each.key))
    return ground_truth.read(captured_objects.contents(s3, bucket, stored), spool.ids(), merged), merged


def _since(window: Window) -> pd.Timestamp:
    assert window.start is not None
    return window.start - EARLY


def _named(keys: list[str]) -> str:
    if not keys:
        return "no S3 key lies in these hours"
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"S3 keys {', '.join(keys[:3])}{more}"


def _summary(
    args: Args,
    window: Window,
    tally: Tally,
    merged: ground_truth.Merged,
    spool: captured_tables.Spool,
    keys: list[str],
) -> None:
    assert window.start is not None and window.end is not None
    unparseable: dict[str, dict[str, int]] = {}
    for (file, why), count in tally.unparseable.items():
        unparseable.setdefault(file, {})[why] = count
    content = {
        "records": spool.rows,
        "requests": spool.requests,
        "without_answer": spool.unanswered,
        "unparseable": unparseable,
        "labelled": merged.labelled,
        "ground_truth": merged.counts() if args.ground_truth_uri else None,
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "keys": keys,
    }
    (Path(args.output_path) / "summary.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
