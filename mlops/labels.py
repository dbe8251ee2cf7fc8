"""`mlops label`: a table of what became of requests goes where the monitors look for it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import declaration, labels, names
from mlops import console
from mlops.errors import Failure
from mlops.targets import Target
from mlops.use_cases import ROOT

if TYPE_CHECKING:
    import pandas as pd

IDS = ("inference_id", "event_id")  # the order in which monitors go by them
SHOWN = 3  # rows at fault that a message names


def label(
    target: Target, use_case: str, stage: str, file: Path, id_column: str | None, label_column: str | None
) -> int:
    """Uploads the labels of a file and says where to; the number of requests.

    Raises Failure for a file, columns or values that cannot be used.
    """
    endpoint = names.endpoint_name(use_case, stage)
    monitoring = declaration.monitored(use_case).get(stage)
    column = label_column or (monitoring.label if monitoring else "") or "label"
    table = read(file)
    ids = request_ids(table, id_column, file)
    values = readable(_column(table, column, "--label-column", file), ids, meanings(use_case))
    place = target.place
    where = (monitoring.ground_truth if monitoring else "") or names.ground_truth_uri(
        place.bucket, place.prefix, endpoint
    )
    found = labels.by_request(ids, values)
    made = labels.upload(target.client("s3"), where, found)
    shares = ", ".join(f"{value}: {count:,}" for value, count in values.value_counts().head(5).items())
    console.say(f"{len(found):,} requests of {endpoint} have labels now ({shares})")
    console.say(f"{made[0]}{f' and {len(made) - 1} more' if len(made) > 1 else ''}")
    if several := sum(not isinstance(each, str) for each in found.values()):
        console.note(f"{several:,} of them come in several rows: each is taken for a request of so many records.")
    console.note("Monitors see those whose requests are captured, before or after this.")
    return len(found)


def read(file: Path) -> pd.DataFrame:
    """All as text, blank where there is none. Raises Failure for a file that is no table, or has no rows."""
    import pandas as pd

    try:
        if file.suffix == ".csv":
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
        elif file.suffix == ".parquet":
            table = _text(pd.read_parquet(file))
        elif file.suffix in (".jsonl", ".ndjson", ".json"):
            table = _text(pd.read_json(file, lines=file.suffix != ".json", dtype=False, convert_dates=False))
        else:
            raise Failure(f"{file} is none of .csv, .parquet and .jsonl: convert it, or name it by what it is.")
    except (ValueError, OSError) as error:  # pandas' and pyarrow's errors are of these kinds
        raise Failure(f"{file} cannot be read as {file.suffix[1:]}: {str(error).splitlines()[0]}") from error
    if table.empty:
        raise Failure(f"{file} has no rows: give a line for each request, with its id and what became of it.")
    return table


def _text(table: pd.DataFrame) -> pd.DataFrame:
    """Integers that a missing value made floats are integers again."""
    return table.convert_dtypes().astype("string").astype(object).fillna("")


def request_ids(table: pd.DataFrame, column: str | None, file: Path) -> pd.Series:
    """What each row's request is called. Raises Failure for a row without an id."""
    if column:
        found = _column(table, column, "--id-column", file)
    else:
        given = [name for name in IDS if name in table]
        if not given:
            raise Failure(f"{file} has no column {' or '.join(IDS)}, but {', '.join(table)}. Name it with --id-column.")
        found = table[given[0]]
        for name in given[1:]:
            found = found.where(found.str.strip() != "", table[name])
    found = found.str.strip()
    if (found == "").any():
        raise Failure(f"{file}: {_rows(found == '')} no request id. Drop them, or give the id.")
    return found


def _column(table: pd.DataFrame, name: str, option: str, file: Path) -> pd.Series:
    if name not in table:
        raise Failure(f"{file} has no column {name}, but {', '.join(map(str, table))}. Name it with {option}.")
    return table[name]


def readable(values: pd.Series, ids: pd.Series, meaning: Mapping[str, str]) -> pd.Series:
    """The labels as the model was trained on them. Raises Failure naming the first rows with others."""
    values = values.str.strip()
    unknown = ~values.isin(list(meaning)) if meaning else values == ""
    if unknown.any():
        first = ", ".join(
            f"row {place + 1} ({ids.iloc[place]}) has {values.iloc[place]!r}"
            for place in unknown.to_numpy().nonzero()[0][:SHOWN]
        )
        more = f", and {int(unknown.sum()) - SHOWN} more" if unknown.sum() > SHOWN else ""
        known = f"labels are {', '.join(meaning)}" if meaning else "every row needs a label"
        raise Failure(f"{values.name}: {first}{more}; {known}. Leave out requests whose truth is not known yet.")
    return values.map(meaning) if meaning else values


def _rows(chosen: pd.Series) -> str:
    places = [str(place + 1) for place in chosen.to_numpy().nonzero()[0]]
    if len(places) == 1:
        return f"row {places[0]} has"
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"rows {', '.join(places[:SHOWN])}{more} have"


def meanings(use_case: str, root: Path = ROOT) -> dict[str, str]:
    """A label as people write it to the one that the model learned: `Schema(labels={"Yes": 1, ...})` of the use case's
    processing script, which is read and not imported: scripts import each other as a job's folder holds them. Empty
    where it says nothing: then labels are taken as they are written.
    """
    script = root / "processing" / f"{names.module_name(use_case)}.py"
    if not script.is_file():
        return {}
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Schema":
            for keyword in node.keywords:
                if keyword.arg == "labels":
                    return {str(written): str(meant) for written, meant in ast.literal_eval(keyword.value).items()}
    return {}
