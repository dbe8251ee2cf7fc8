"""The raw Telco customer table: 7,043 customers, 19 features, and whether each left within the last month.

IBM's sample data set about a fictional telephone company in California. evalml carries the table unchanged
among its demonstrations.
"""

from data.archives import Archive, Dataset

DATASET = Dataset(
    name="churn",
    archive=Archive(
        package="evalml",
        version="0.84.0",
        sha256="612e35a9b64f55f4b104855c92816508f5c16deb030c33fcf3ac250020f41ccc",
        licence="BSD-3-Clause, for the package's code",
    ),
    member="evalml/demos/data/churn.csv",
    licence="None stated with the data. IBM publishes it freely as sample data; ask IBM before you redistribute it.",
    citation="IBM: Telco customer churn. IBM Sample Data Sets (Watson Analytics, Cognos Analytics).",
    source="https://github.com/IBM/telco-customer-churn-on-icp4d",
)
