"""Simulated card transactions: 18 weeks of 2,500 customers at 5,000 terminals, about 1 % of them fraud.

No bank's data: `fraud_simulation` makes it, after the Fraud Detection Handbook's description. This is half of the
Handbook's size over two thirds of its time, so that a pipeline takes minutes on two cores; `python -m
data.fraud_simulation` makes other sizes, and tables in which something changes.
"""

from __future__ import annotations

import pandas as pd

from data import fraud_simulation
from data.archives import Dataset, Simulated
from data.fraud_simulation import Simulation

SIMULATION = Simulation(customers=2_500, terminals=5_000, days=126)


def make() -> pd.DataFrame:
    return fraud_simulation.simulate(SIMULATION)


DATASET = Dataset(
    name="fraud",
    archive=Simulated(
        package="data.fraud_simulation",
        version=fraud_simulation.VERSION,
        seed=SIMULATION.seed,
        make=make,
        licence="this project's",
    ),
    member="",
    licence="this project's, as everything that it makes; nothing was taken from a bank, nor from the Handbook's code.",
    citation=(
        "After the description in Le Borgne, Y.-A., Siblini, W., Lebichot, B. and Bontempi, G. (2022): Reproducible "
        "Machine Learning for Credit Card Fraud Detection: Practical Handbook. Universite Libre de Bruxelles."
    ),
    source="https://github.com/Fraud-Detection-Handbook/fraud-detection-handbook",
)
