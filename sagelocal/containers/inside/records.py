"""Tables of captured records for an analysis, as AWS has them: answers first, then what was asked, then the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import capture_rows
import data_capture
import handlers
import numpy as np
import pandas as pd
from capture_rows import Layout, Rows
from captured_answers import PREDICTED, PROBABILITY, Answer
from data_capture import INPUT, OUTPUT, TRUTH, NoRecordsError, Tally, Window

LABEL = "ground_truth_label"
Environment = Mapping[str, str]


def for_data_quality(environment: Environment, target: Path) -> None:
    """Names come from the baseline's constraints, by position; what it lacks is called _c<position>."""
    names = _baseline_names(environment)
    with _Writer(environment, target) as writer:
        for records in writer.batches(_sides(environment)):
            if writer.preprocess:
                table = writer.preprocessed(records)
                table = table if set(table.columns) <= set(names) else table.set_axis(_named(table, names), axis=1)
            else:
                answers, asked = (_rows(records, side, writer.tally) for side in (OUTPUT, INPUT))
                table = _beside(answers, asked)
                table = table.set_axis(_named(table, names), axis=1) if _unnamed(table) else table
            writer.add(_without(table, environment.get("exclude_features_attribute", "")))


def with_names(environment: Environment, target: Path) -> None:
    """CSV files without header lines, with the names that the baseline's constraints give their columns."""
    names = _baseline_names(environment)
    files = sorted(path for path in Path(environment["dataset_source"]).rglob("*") if path.is_file())
    for number, file in enumerate(files):
        table = pd.read_csv(file, header=None, dtype=str, keep_default_na=False)
        table.columns = pd.Index(_named(table, names))
        table = _without(table, environment.get("exclude_features_attribute", ""))
        table.to_csv(target, mode="a", header=not number, index=False, encoding="utf-8")


def for_model_quality(environment: dict[str, str] | Any, target: Path) -> None:
    """Columns `predicted_label`, `probability` and the truth; the environment's attributes then name these."""
    with _Writer(environment, target) as writer:
        answer = _answer(environment)
        for records in writer.batches((OUTPUT, TRUTH)):
            truth = _truth(records)
            answered = answer.rows(data_capture.side_payloads(records, OUTPUT, writer.tally), writer.tally.reject)
            writer.add(_joined(_frame(answered), truth, LABEL))
    given = {"inference_attribute": PREDICTED, "probability_attribute": PROBABILITY}
    environment.update({name: column for name, column in given.items() if environment.get(name)})
    if not environment.get("inference_attribute") and not environment.get("probability_attribute"):
        environment["inference_attribute"] = PREDICTED
    environment["ground_truth_attribute"] = LABEL


def for_clarify(environment: Environment, config: Mapping[str, Any], target: Path) -> list[str]:
    """The features, and for bias the label and `predicted_label`; returns the columns."""
    bias = environment["analysis_type"] == "MODEL_BIAS"
    label = str(config.get("label") or "label")
    names = [name for name in config.get("headers") or [] if name != label]
    with _Writer(environment, target) as writer:
        for records in writer.batches((INPUT, OUTPUT, TRUTH) if bias else (INPUT,)):
            asked = INPUT if records[INPUT].null_count < records.num_rows else OUTPUT
            rows = capture_rows.together(
                list(
                    capture_rows.read(
                        _payloads(records, asked, writer.tally), Layout(tuple(names)), writer.tally.reject
                    )
                )
            )
            table = _frame(_features(rows, environment.get("features_attribute", "")))
            if bias:
                answered = _answer(environment).rows(
                    data_capture.side_payloads(records, OUTPUT, writer.tally), writer.tally.reject
                )
                predicted = _frame(answered)[[*KEY, PREDICTED]]
                table = _joined(table.merge(predicted, on=KEY), _truth(records), label)
            else:
                table = table.drop(columns=KEY)
            writer.add(_without(table, environment.get("exclude_features_attribute", "")))
    return writer.columns


def for_clarify_batch(environment: Environment, config: Mapping[str, Any], target: Path) -> list[str]:
    """What a batch transform job was asked, as CSV: the features, named by the configuration; returns the columns."""
    options = json.loads(environment["dataset_format"])
    if "csv" not in options:
        raise ValueError(f"dataset_format {options} of a batch transform is not supported for explanations: CSV is")
    label = str(config.get("label") or "")
    names = [name for name in config.get("headers") or [] if name != label]
    header = 0 if (options["csv"] or {}).get("header") else None
    columns: list[str] = []
    for file in sorted(path for path in Path(environment["dataset_source"]).rglob("*") if path.is_file()):
        table = pd.read_csv(file, header=header, dtype=str, keep_default_na=False)
        table.columns = table.columns.astype(str) if header == 0 else pd.Index(_named(table, names))
        table = _without(table, environment.get("exclude_features_attribute", ""))
        table.to_csv(target, mode="a", header=not columns, index=False, encoding="utf-8")
        columns = columns or list(table.columns)
    return columns


KEY = ["_request", "_place"]


class _Writer:
    """A CSV file of all batches; a column that a later batch has besides is an error that names it."""

    def __init__(self, environment: Environment, target: Path) -> None:
        self.tally, self.columns = Tally(), list[str]()
        self._environment, self._target, self._rows, self._number = environment, target, 0, 0
        script = environment.get("record_preprocessor_script")
        self.preprocess = handlers.preprocessor(script) if script else None
        # A batch transform's records have the time of their job, and its manifest lies in an hour of the window.
        limits = ("start_time", "end_time") if environment.get("sagemaker_endpoint_name") else ()
        self._window = Window.parse(*([environment.get(name) for name in limits] or [None, None]))

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, failed: Any, *_: Any) -> None:
        print(self.tally)
        if not failed and not self._rows:
            where = (
                self._environment.get("sagemaker_endpoint_datacapture_prefix") or self._environment["dataset_source"]
            )
            raise NoRecordsError(f"no record to analyse under {where} from {self._window}: {self.tally}")

    def batches(self, sides: Sequence[str]) -> Iterator[Any]:
        for files in data_capture.file_batches(Path(self._environment["dataset_source"])):
            if self.preprocess:
                files = [(name, self._replaced(body)) for name, body in files]
            records = data_capture.records(files, sides, self._window, self.tally)
            if records.num_rows:
                yield records

    def _replaced(self, body: bytes) -> bytes:
        """Records whose payload is what the handler made of them: the answer where there is a truth, else the input."""
        assert self.preprocess
        lines = []
        for line in body.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                lines.append(line)  # counted with the unparseable ones
                continue
            rows = self.preprocess(record)
            if not rows:
                continue
            side = OUTPUT if TRUTH in record else INPUT
            payload = {"data": json.dumps(rows), "encoding": "JSON", "observedContentType": "application/json"}
            lines.append(json.dumps({**record, "captureData": {side: payload}}).encode())
        return b"\n".join(lines)

    def preprocessed(self, records: Any) -> pd.DataFrame:
        """Columns in the order of their names, as AWS sorts them."""
        table = _rows(records, INPUT, self.tally)
        assert table is not None
        return table.drop(columns=KEY)[sorted(set(table.columns) - set(KEY), key=_order)]

    def add(self, table: pd.DataFrame) -> None:
        if not len(table):
            return
        self.columns = self.columns or list(map(str, table.columns))
        if more := [str(name) for name in table.columns if str(name) not in self.columns]:
            raise ValueError(f"some captured records have columns that others lack: {', '.join(more)}")
        table.reindex(columns=self.columns).to_csv(
            self._target, mode="a", header=not self._rows, index=False, encoding="utf-8"
        )
        self._rows += len(table)


def _order(name: str) -> tuple[int, str]:
    return (int(name[2:]), "") if name.startswith("_c") and name[2:].isdigit() else (0, name)


def _sides(environment: Environment) -> Sequence[str]:
    options = next(iter(json.loads(environment["dataset_format"]).values())) or {}
    return tuple(options.get("captureIndexNames") or (INPUT, OUTPUT))


def _baseline_names(environment: Environment) -> list[str]:
    if not (path := environment.get("baseline_constraints")):
        return []
    constraints = json.loads(Path(path).read_text(encoding="utf-8"))
    return [feature["name"] for feature in constraints.get("features", [])]


def _answer(environment: Environment) -> Answer:
    inference, probability = (environment.get(f"{name}_attribute", "") for name in ("inference", "probability"))
    threshold = environment.get("probability_threshold_attribute") or "0.5"
    return Answer.make("", inference or ("" if probability else "0"), probability, threshold)


def _rows(records: Any, side: str, tally: Tally) -> pd.DataFrame | None:
    """Rows of one side with their request and place; None where no record has it."""
    if side not in records.column_names or records[side].null_count == records.num_rows:
        return None
    payloads = data_capture.side_payloads(records, side, tally)
    layout = Layout((), scalars=side == OUTPUT)
    return _frame(capture_rows.together(list(capture_rows.read(payloads, layout, tally.reject))))


def _payloads(records: Any, side: str, tally: Tally) -> Any:
    return data_capture.side_payloads(records, side, tally)


def _frame(rows: Rows) -> pd.DataFrame:
    frame = rows.table.to_pandas()
    payload = pd.Series(rows.payload)
    return frame.assign(_request=payload.to_numpy(), _place=payload.groupby(payload).cumcount().to_numpy())


def _beside(answers: pd.DataFrame | None, asked: pd.DataFrame | None) -> pd.DataFrame:
    if answers is None or asked is None:
        found = asked if answers is None else answers
        return pd.DataFrame() if found is None else found.drop(columns=KEY)
    if _unnamed(answers) and _unnamed(asked):
        width = answers.shape[1] - len(KEY)
        asked = asked.rename(columns={f"_c{at}": f"_c{at + width}" for at in range(asked.shape[1] - len(KEY))})
    joined: pd.DataFrame = answers.merge(asked, on=KEY, suffixes=("_output", ""))
    return joined.drop(columns=KEY)


def _unnamed(table: pd.DataFrame) -> bool:
    return all(str(name).startswith("_c") for name in table.columns if name not in KEY)


def _named(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    width = table.shape[1]
    return [*names[:width], *(f"_c{position}" for position in range(len(names), width))]


def _features(rows: Rows, attribute: str) -> Rows:
    """What a JMESPath finds in each record, in place of the whole record."""
    if not attribute:
        return rows
    import jmespath
    import pyarrow as pa

    found = [jmespath.search(attribute, record) for record in rows.table.to_pylist()]
    if not all(isinstance(each, dict | list) for each in found):
        raise ValueError(f"FeaturesAttribute {attribute} finds no features in some captured records")
    table = pd.DataFrame(found).rename(columns=lambda name: f"_c{name}" if isinstance(name, int) else name)
    return Rows(pa.Table.from_pandas(table.astype(str), preserve_index=False), rows.payload)


def _truth(records: Any) -> pd.DataFrame:
    """The merge job's labels: as many lines in a record as its request has rows."""
    lines = records[TRUTH].to_pandas().fillna("").str.split("\n").explode()
    request = lines.index.to_numpy()
    return pd.DataFrame(
        {
            "_request": request,
            "_place": pd.Series(request).groupby(request).cumcount().to_numpy(),
            "_truth": np.array(lines),
        }
    )


def _joined(table: pd.DataFrame, truth: pd.DataFrame, label: str) -> pd.DataFrame:
    joined = table.merge(truth[truth["_truth"] != ""], on=KEY).drop(columns=KEY)
    return joined.rename(columns={"_truth": label})


def _without(table: pd.DataFrame, excluded: str) -> pd.DataFrame:
    """ExcludeFeaturesAttribute: names or positions, with commas."""
    columns = [str(name) for name in table.columns]
    names = {
        columns[int(each)] if each.isdigit() and each not in columns and int(each) < len(columns) else each
        for each in filter(None, (part.strip() for part in excluded.split(",")))
    }
    if unknown := sorted(names - set(columns)):
        raise ValueError(f"ExcludeFeaturesAttribute names {', '.join(unknown)}; the columns are {', '.join(columns)}")
    return table.drop(columns=[name for name in table.columns if str(name) in names])
