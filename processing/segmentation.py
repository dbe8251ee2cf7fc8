"""A shop's invoices in; its customers out, by how recently and how often they bought, and for how much money.

    python processing/segmentation.py --raw DIR --train DIR --test DIR --customers DIR --report DIR

Train and test are CSV with a header: `recency` (days from the last order to the day after the table's last line),
`frequency` (orders) and `monetary` (money paid, less what was returned), a row a customer. `customers` holds all of
them with their `customer_id` and without a header: what a batch transform reads. What becomes of a line:

- one that is repeated exactly counts once: the source has December 2010 twice;
- one without a customer's id belongs to nobody, and goes;
- a cancellation (an invoice that begins with C) is no order, and its negative amount comes off the customer's money;
- any other with a quantity or a price below 0 is bookkeeping, and goes; a price of 0, a gift, brings no money, and an
  order of nothing else is none;
- a customer without an order left goes; one who returned more than the table shows as bought has money of 0.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import tabular
from sklearn.model_selection import train_test_split
from tabular import InputError, Schema

INVOICES = Schema(
    features={"Invoice": str, "Quantity": int, "InvoiceDate": str, "Price": float, "Customer ID": str},
    signed=("Quantity", "Price"),
    coded=("Invoice", "Customer ID"),
    ignored=("StockCode", "Description", "Country"),
)
CUSTOMERS = Schema(features={"recency": int, "frequency": int, "monetary": float})
ID = "customer_id"
CANCELLED = "C"  # how the number of a cancellation begins
DATES = ("%m/%d/%Y %H:%M", "ISO8601")


@dataclass
class Args:
    raw: str = "/opt/ml/processing/input/raw"
    """folder of CSV (with header) or parquet files that together hold the lines of invoices"""
    train: str = "/opt/ml/processing/train"
    """folder for train.csv"""
    test: str = "/opt/ml/processing/test"
    """folder for test.csv"""
    customers: str = "/opt/ml/processing/customers"
    """folder for customers.csv, all of them with their ids and no header"""
    report: str = "/opt/ml/processing/report"
    """folder for report.json and report.md: what was dropped"""
    as_of: str = ""
    """ISO 8601 date that recency is counted to; none: the day after the last line"""
    test_share: float = 0.2
    """share of the customers that no segment is made of; 0: all are to be assigned, and no split is made"""
    seed: int = 0
    """of the split"""


def main(args: Args) -> None:
    raw = tabular.read(Path(args.raw), INVOICES)
    dropped: dict[str, int] = {}
    customers = summarised(lines(raw, dropped), args.as_of, dropped)
    table = customers[list(CUSTOMERS.features)]
    splits = {}
    if args.test_share:
        tabular.check_enough(table, CUSTOMERS, dropped)
        splits = dict(zip(("train", "test"), split(table, args), strict=True))
    for name, part in splits.items():
        tabular.write(part, Path(getattr(args, name)) / f"{name}.csv")
    folder = Path(args.customers)
    folder.mkdir(parents=True, exist_ok=True)
    customers.to_csv(folder / "customers.csv", index=False, header=False)
    report = tabular.report_of(raw, table, CUSTOMERS, dropped, {}, splits)
    tabular.write_report("Segmentation", report, Path(args.report))


def split(table: pd.DataFrame, args: Args) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test = train_test_split(table, test_size=args.test_share, random_state=args.seed)
    return train, test


def lines(raw: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """What counts: `customer_id`, `invoice`, `day`, `amount` and whether it was `cancelled`.

    Raises InputError for values of the wrong type and columns without any value.
    """
    table = tabular.keep(raw, ~raw.duplicated(), dropped, "repeated exactly")
    table = tabular.typed(table, INVOICES, dropped)
    for name in INVOICES.features:
        table = tabular.keep(table, table[name].notna(), dropped, f"blank {name}")
    cancelled = table["Invoice"].str.upper().str.startswith(CANCELLED)
    odd = (table["Price"] < 0) | (~cancelled & (table["Quantity"] < 0))
    table = tabular.keep(table, ~odd, dropped, "a price or quantity below 0 that is no cancellation")
    return pd.DataFrame(
        {
            ID: table["Customer ID"].str.removesuffix(".0"),
            "invoice": table["Invoice"],
            "day": days(table["InvoiceDate"]),
            "amount": table["Quantity"] * table["Price"],
            "cancelled": cancelled[table.index],
        }
    )


def days(column: pd.Series) -> pd.Series:
    for form in DATES:
        found = pd.to_datetime(column, format=form, errors="coerce", utc=True)
        if found.notna().any() or column.empty:
            break
    wrong = column[found.isna()]
    if len(wrong):
        raise InputError(
            f"Column {column.name!r} holds {tabular.named(wrong)}, {len(wrong)} rows, where a date such as 2011-12-09 "
            "or 12/9/2011 12:50 is needed."
        )
    return found.dt.floor("D")


def summarised(lines: pd.DataFrame, as_of: str, dropped: dict[str, int]) -> pd.DataFrame:
    """A row a customer: `customer_id`, `recency`, `frequency`, `monetary`, in the order of their ids.

    Raises InputError for a date that is none, or lies before an order.
    """
    end = as_of_day(as_of) if as_of else lines["day"].max() + pd.Timedelta("1D")
    orders = lines[~lines["cancelled"] & (lines["amount"] > 0)].groupby(ID)
    table = pd.DataFrame(
        {
            "recency": (end - orders["day"].max()).dt.days,
            "frequency": orders["invoice"].nunique(),
            "monetary": lines.groupby(ID)["amount"].sum().clip(lower=0).round(2),
        }
    )
    bought = table["frequency"].notna()
    if not bought.all():
        dropped["customers without an order"] = int((~bought).sum())
    table = table[bought].astype({"recency": int, "frequency": int})
    if (table["recency"] < 0).any():
        raise InputError(f"as_of is {as_of}, and there are orders after it. Give a date after the last order.")
    return table.reset_index()


def as_of_day(text: str) -> pd.Timestamp:
    day: Any = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    if pd.isna(day):
        raise InputError(f"as_of is {text!r}: a date such as 2011-12-10 is needed.")
    return pd.Timestamp(day).floor("D")


def parse(argv: list[str] | None = None) -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Args):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), default=field.default)  # type: ignore[arg-type]
    return Args(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
