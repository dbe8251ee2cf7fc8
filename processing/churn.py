"""Raw Telco customers in; cleaned and stratified train, validation and test sets out.

    python processing/churn.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 19 features as a customer record has them, then `Churn` as 0 or 1. The
baseline for monitoring is the training features alone, in the order in which requests carry them to the endpoint.
`customerID` ends here: an identifier must not be learned from.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import tabular
from tabular import InputError, Schema, SplitArgs

ID = "customerID"
LABEL = "Churn"
FILL = "tenure * MonthlyCharges"
SCHEMA = Schema(
    features={
        "gender": str,
        "SeniorCitizen": int,
        "Partner": str,
        "Dependents": str,
        "tenure": int,
        "PhoneService": str,
        "MultipleLines": str,
        "InternetService": str,
        "OnlineSecurity": str,
        "OnlineBackup": str,
        "DeviceProtection": str,
        "TechSupport": str,
        "StreamingTV": str,
        "StreamingMovies": str,
        "Contract": str,
        "PaperlessBilling": str,
        "PaymentMethod": str,
        "MonthlyCharges": float,
        "TotalCharges": float,
    },
    label=LABEL,
    labels={"No": 0, "Yes": 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1},
    advice="Use Yes and No, or 1 and 0.",
    positive="churned",
    ignored=(ID,),
    flags=("SeniorCitizen",),
)
__all__ = ["InputError", "clean", "main", "parse"]


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order, label as 0 or 1, and what was filled; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, unknown labels, and a table without enough usable rows.
    """
    if ID in raw:
        raw = tabular.keep(
            raw, ~raw[ID].str.strip().duplicated() | (raw[ID].str.strip() == ""), dropped, f"repeated {ID}"
        )
    table = tabular.typed(raw, SCHEMA, dropped)
    blank = int(table["TotalCharges"].isna().sum())
    # A customer in the first month has no bill yet: the raw table leaves TotalCharges blank where tenure is 0.
    table["TotalCharges"] = table["TotalCharges"].fillna(table.eval(FILL))
    filled = {"TotalCharges": {"rows": blank, "with": FILL}} if blank else {}
    return tabular.complete(table, SCHEMA, dropped), filled


def main(args: SplitArgs) -> None:
    tabular.prepare(args, "Churn", SCHEMA, clean)


def parse(argv: list[str] | None = None) -> SplitArgs:
    return tabular.parse(__doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
