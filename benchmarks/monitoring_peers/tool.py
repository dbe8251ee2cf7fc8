"""One tool's statistics and drift of every column of one table against another; run in the tool's own environment.

    python tool.py {ours,evidently,whylogs,nannyml} baseline.parquet current.parquet

Prints one JSON line: seconds from the files to the results, what of them the baseline took, and reading the files where
that comes before all else, CPU seconds (all threads and child processes), the peak of the process' memory above what it
had with everything imported, and how many columns were compared.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
Step = tuple[Any, Any]  # what describes the baseline, and what compares the current table with it
_read: list[float] = []  # seconds of each table


def ours() -> Step:
    sys.path.insert(0, os.environ["EVALUATION"])
    from data_constraints import check, suggest
    from data_statistics import describe, profile
    from data_tables import read_table

    def describe_baseline(path: Path) -> Any:
        statistics = describe(profile(read_table(path, "parquet", {})))
        return statistics, suggest(statistics)

    def compare(baseline: Any, path: Path) -> int:
        statistics, constraints = baseline
        current = profile(read_table(path, "parquet", {}))
        suggest(describe(current))
        comparisons, _ = check(constraints, statistics, current)
        return sum(each.distance is not None for each in comparisons)

    return describe_baseline, compare


def read_parquet(path: Path) -> Any:
    """The whole table, for those that take a data frame."""
    import pandas as pd

    start = time.perf_counter()
    table = pd.read_parquet(path)
    _read.append(time.perf_counter() - start)
    return table


def evidently() -> Step:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    def describe_baseline(path: Path) -> Any:  # a report takes both tables at once
        return read_parquet(path)

    def compare(baseline: Any, path: Path) -> int:
        current = read_parquet(path)
        numeric = [name for name in current if current[name].dtype.kind in "if"]
        rest = [name for name in current if name not in numeric]
        columns = DataDefinition(numerical_columns=numeric, categorical_columns=rest)
        tables = [Dataset.from_pandas(table, columns) for table in (current, baseline)]
        found = Report([DataSummaryPreset(), DataDriftPreset()]).run(*tables).dict()
        return str(found).count("ValueDrift(")

    return describe_baseline, compare


def whylogs() -> Step:
    import whylogs as why
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    def describe_baseline(path: Path) -> Any:
        return why.log(read_parquet(path)).view()

    def compare(baseline: Any, path: Path) -> int:
        current = why.log(read_parquet(path)).view()
        current.to_pandas()
        scores = calculate_drift_scores(current, baseline, with_thresholds=True)
        return sum(score is not None for score in scores.values())

    return describe_baseline, compare


def nannyml() -> Step:
    import nannyml as nml

    def describe_baseline(path: Path) -> Any:
        table = read_parquet(path)
        names = list(table.columns)
        numeric = [name for name in names if table[name].dtype.kind in "if"]
        drift = nml.UnivariateDriftCalculator(
            column_names=names,
            treat_as_categorical=[name for name in names if name not in numeric],
            continuous_methods=["kolmogorov_smirnov"],
            categorical_methods=["l_infinity"],
            chunk_number=1,
        )
        statistics = [nml.MissingValuesCalculator(column_names=names, chunk_number=1)]
        kinds = (nml.SummaryStatsAvgCalculator, nml.SummaryStatsStdCalculator, nml.SummaryStatsMedianCalculator)
        statistics += [kind(column_names=numeric, chunk_number=1) for kind in kinds]
        return [each.fit(table) for each in (drift, *statistics)]

    def compare(baseline: Any, path: Path) -> int:
        table = read_parquet(path)
        found = [each.calculate(table).to_df() for each in baseline]
        return len({name for name, *_ in found[0].columns} - {"chunk"})

    return describe_baseline, compare


TOOLS = {each.__name__: each for each in (ours, evidently, whylogs, nannyml)}


def memory(kind: str) -> int:
    """Bytes, by the kernel; getrusage's peak has that of the process which started this one in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def main() -> None:
    tool, baseline, current = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    describe_baseline, compare = TOOLS[tool]()
    before = memory("VmRSS")
    start, cpu = time.perf_counter(), sum(os.times()[:4])
    known = describe_baseline(baseline)
    described = time.perf_counter()
    columns = compare(known, current)
    end = time.perf_counter()
    found = {
        "seconds": end - start,
        "baseline": described - start,
        "read": sum(_read) or None,
        "cpu": sum(os.times()[:4]) - cpu,
        "memory": max(0, memory("VmHWM") - before),
        "columns": columns,
    }
    print(json.dumps(found), flush=True)
    os._exit(0)  # freeing everything is no part of it


if __name__ == "__main__":
    main()
