"""`mlops performance`: how good a stream's alerts were by day, as far as labels say; with a page and a picture."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import streams
from mlops import console, fraud_labels
from mlops.errors import Failure
from mlops.targets import Target
from mlops.use_cases import ROOT

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("transactions", "frauds", "alerts", "average_precision", "card_precision", "precision", "recall")
METRICS = {"average_precision": "AveragePrecision", "card_precision": "CardPrecision", "recall": "Recall"}
_LAST = 14  # days that the terminal shows; the page has all


def show(target: Target, use_case: str, days: int, top: int, as_of: datetime | None, reports: Path) -> pd.DataFrame:
    """The days up to one, with what is known of them as of then. Raises LookupError where nothing was scored."""
    moment = as_of or datetime.now(UTC)
    first = moment.date() - timedelta(days=days - 1)
    scored = fraud_labels.table(target, use_case, first, moment.date(), moment)
    if not len(scored):
        raise LookupError(f"Nothing of {first} to {moment.date()} is in {streams.scores_table(use_case)}.")
    found = judge(scored.assign(scenario=-1), reports / use_case / "performance", top=top)
    tell(found)
    if as_of is None:
        publish(target, use_case, found)
    return found


def judge(
    scored: pd.DataFrame, folder: Path, *, top: int = 0, new: int = -1, events: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """A row a day, by evaluation/rare_events_daily.py; its page and picture stay in the folder.

    `scored`: as `fraud_labels.table`, with `scenario`. Raises Failure with the script's last line.
    """
    import pandas as pd

    table = scored.rename(columns={"customer_id": "card"}).assign(day=scored["transaction_time"].str[:10])
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "scored.parquet"
        table.to_parquet(file, index=False)
        options = {"scored": file, "output": folder, "top": top, "new": new, "events": json.dumps(dict(events or {}))}
        run("evaluation/rare_events_daily.py", [f"--{name}={value}" for name, value in options.items()])
    return pd.read_csv(folder / "daily.csv", index_col="day", dtype={"day": str, "models": str})


def run(script: str, arguments: Sequence[str]) -> str:
    """A job's script as a process of its own, as scripts import each other; what it printed."""
    ran = subprocess.run([sys.executable, str(ROOT / script), *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Failure(f"{script}: {(ran.stderr.strip().splitlines() or ['failed'])[-1]}")
    return ran.stdout


def tell(days: pd.DataFrame) -> None:
    columns = [name for name in SHOWN if name in days]
    rows = [(day, row["models"], *(shown(row[name]) for name in columns)) for day, row in days.tail(_LAST).iterrows()]
    console.show(("day", "model", *(name.replace("_", " ") for name in columns)), rows)
    known = days.index[days["known"] == 1]
    console.say(
        f"{len(known)} of {len(days)} days have all their labels" + (f", up to {known[-1]}" if len(known) else "")
    )


def shown(value: float) -> str:
    if value != value:
        return ""
    return f"{value:,.0f}" if value == int(value) and value > 1 else f"{value:.2f}"


def publish(target: Target, use_case: str, days: pd.DataFrame) -> None:
    """The newest judged day as CloudWatch metrics, for alarms and dashboards."""
    judged = days[days["known"] == 1]
    if not len(judged):
        return
    newest = judged.iloc[-1]
    dimensions = [{"Name": streams.STREAM, "Value": streams.transactions_stream(use_case)}]
    data = [
        {"MetricName": name, "Dimensions": dimensions, "Value": float(newest[column])}
        for column, name in METRICS.items()
        if column in judged and newest[column] == newest[column]
    ]
    if data:
        target.client("cloudwatch").put_metric_data(Namespace=streams.metrics_namespace(use_case), MetricData=data)
